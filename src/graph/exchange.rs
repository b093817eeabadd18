//! One request to Graph and its answer: the caller's token and ids on it, the origin that nothing changes, and the
//! failure modes told apart.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method};
use serde::Serialize;
use url::Url;
use uuid::Uuid;

use super::answer::Answer;
use super::batch;
use super::caller::Caller;
use super::client::Inner;
use super::error::Error;
use super::reads::Shared;

const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("client-request-id");
const APPLICATION_JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What the calls of one request share.
pub(super) struct Exchange {
    pub(super) client: Arc<Inner>,
    pub(super) caller: Caller,
}

impl Exchange {
    /// When the caller stops waiting; an error where that has passed, so that nothing more is sent.
    pub(super) fn deadline(&self) -> Result<tokio::time::Instant, Error> {
        let deadline = tokio::time::Instant::from_std(self.caller.deadline);
        if deadline <= tokio::time::Instant::now() { Err(Error::DeadlinePassed) } else { Ok(deadline) }
    }

    /// Reads the URLs, which are relative to the service root: one by a plain GET, several by one `POST /$batch`.
    /// Answers in the order of the URLs, one each.
    pub(super) async fn read(&self, urls: &[String]) -> Vec<Shared> {
        match urls {
            [url] => vec![self.get(url).await.map(Arc::new)],
            urls => match self.batch(urls).await {
                Ok(answers) => answers.into_iter().map(|answer| answer.map(Arc::new)).collect(),
                Err(error) => urls.iter().map(|_| Err(error.clone())).collect(),
            },
        }
    }

    async fn get(&self, url: &str) -> Result<Answer, Error> {
        let request = self.request(Method::GET, url)?;
        self.send(request).await
    }

    async fn batch(&self, urls: &[String]) -> Result<Vec<Result<Answer, Error>>, Error> {
        let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
        let body = batch::envelope(&urls).map_err(|_| Error::Unsendable("the batch could not be written"))?;
        let mut request = self.request(Method::POST, "/$batch")?;
        set_body(&mut request, body);
        let outer = self.send(request).await?;
        let items = batch::answers(outer.body(), urls.len())
            .ok_or_else(|| outer.out_of_contract("no batch answer can be read from the body"))?;
        let root = self.client.root.url().path();
        let judge = |(url, item): (&str, Result<batch::ItemAnswer, &'static str>)| {
            let item = item.map_err(|what| outer.out_of_contract(what))?;
            let path = url.split('?').next().unwrap_or_default();
            outer.item(item, format!("GET {root}{path}"), &self.caller)
        };
        Ok(urls.into_iter().zip(items).map(judge).collect())
    }

    /// Sends a write. Once begun it is finished even where the caller hangs up or the deadline passes: a write that is
    /// cut off is a write of which nobody knows whether it happened.
    pub(super) async fn write(
        self: &Arc<Self>,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<Answer, Error> {
        let mut request = self.request(method, path)?;
        if let Some(body) = body {
            let body =
                serde_json::to_vec(body).map_err(|_| Error::Unsendable("the body could not be written"))?;
            set_body(&mut request, body);
        }
        let deadline = self.deadline()?;
        let exchange = Arc::clone(self);
        let write = self.client.writes.spawn(async move { exchange.send(request).await });
        match tokio::time::timeout_at(deadline, write).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_panicked)) => Err(Error::Internal("the write's task ended early")),
            Err(_elapsed) => Err(Error::Timeout),
        }
    }

    /// A request to `path`, which starts with a slash and is relative to the service root. The origin is the service
    /// root's own, whatever `path` holds.
    fn request(&self, method: Method, path: &str) -> Result<reqwest::Request, Error> {
        let root = self.client.root.url().as_str();
        let url = Url::parse(&[root, path].concat())
            .map_err(|_| Error::Unsendable("a path does not form a URL"))?;
        let mut request = reqwest::Request::new(method, url);
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, self.caller.authorization.header());
        headers.insert(ACCEPT, APPLICATION_JSON);
        let mut id = Uuid::encode_buffer();
        let id = self.caller.client_request_id.hyphenated().encode_lower(&mut id);
        headers.insert(
            CLIENT_REQUEST_ID,
            HeaderValue::from_str(id).map_err(|_| Error::Unsendable("a GUID is no header value"))?,
        );
        Ok(request)
    }

    /// Sends the request, reads the whole answer, and tells success from failure.
    async fn send(&self, request: reqwest::Request) -> Result<Answer, Error> {
        let request_line = format!("{} {}", request.method(), request.url().path());
        let response = self.client.http.execute(request).await.map_err(|error| {
            // A connection that never came about carried nothing; any other failure may have come after the request
            // left.
            let error = error.without_url();
            if error.is_connect() {
                Error::Connect(Arc::new(error))
            } else {
                Error::Transport(Arc::new(error))
            }
        })?;
        Answer::read(response, self.client.max_response, request_line, &self.caller).await
    }
}

fn set_body(request: &mut reqwest::Request, body: Vec<u8>) {
    request.headers_mut().insert(CONTENT_TYPE, APPLICATION_JSON);
    *request.body_mut() = Some(Bytes::from(body).into());
}
