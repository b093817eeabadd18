//! One attempt at a request to Graph and its answer: the caller's token and ids on it, the origin that nothing changes,
//! and the failure modes told apart. Whether another attempt follows is for those who ask.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method};
use tokio::time::Instant;
use tower::retry::budget::Budget as _;
use url::Url;
use uuid::Uuid;

use super::answer::Answer;
use super::batch::{self, Item};
use super::caller::Caller;
use super::client::Inner;
use super::error::Error;
use super::retry::Delay;
use super::throttle::Direction;
use crate::telemetry::metrics;

const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("client-request-id");
const APPLICATION_JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What the calls of one request share.
pub(super) struct Exchange {
    pub(super) client: Arc<Inner>,
    pub(super) caller: Caller,
}

impl Exchange {
    /// When the caller stops waiting; an error where that has passed, so that nothing more is sent.
    pub(super) fn deadline(&self) -> Result<Instant, Error> {
        let deadline = Instant::from_std(self.caller.deadline);
        if deadline <= Instant::now() { Err(Error::DeadlinePassed) } else { Ok(deadline) }
    }

    /// Whether something new may be sent: the caller is there, and the process is not to stop.
    pub(super) fn may_go_on(&self) -> bool {
        !self.caller.gone.is_cancelled() && !self.client.stopping.is_cancelled()
    }

    /// Whether the wait ends before the caller's patience does.
    pub(super) fn is_in_time(&self, delay: Delay) -> bool {
        Instant::now() + delay.wait < Instant::from_std(self.caller.deadline)
    }

    /// Waits before a further attempt. False where there is to be none: the retry budget is spent, the caller has gone,
    /// or the process is to stop.
    pub(super) async fn pause(&self, delay: Delay) -> bool {
        if !delay.is_graphs && !self.client.budget.withdraw() {
            metrics::retry_budget_spent();
            return false;
        }
        self.wait_until(Instant::now() + delay.wait).await
    }

    /// Waits; false where the caller has gone or the process is to stop.
    pub(super) async fn wait_until(&self, until: Instant) -> bool {
        tokio::select! {
            () = tokio::time::sleep_until(until) => self.may_go_on(),
            () = self.caller.gone.cancelled() => false,
            () = self.client.stopping.cancelled() => false,
        }
    }

    /// What is left of a wait that Graph told this caller.
    pub(super) fn told_to_wait(&self, direction: Direction) -> Option<Duration> {
        self.client.throttles.remaining(&self.caller.authorization, direction)
    }

    /// `GET` of a URL that is relative to the service root.
    pub(super) async fn get(&self, url: &str) -> Result<Answer, Error> {
        let request = self.request(Method::GET, url)?;
        self.read(request).await
    }

    /// Reads several URLs by one `POST /$batch`. Answers in the order of the URLs, one each.
    pub(super) async fn get_batch(&self, urls: &[String]) -> Result<Vec<Result<Answer, Error>>, Error> {
        let items = urls.iter().map(|url| Item { method: "GET", url, body: None });
        let (request, count) = self.batch_request(items)?;
        let outer = self.read(request).await?;
        self.items(&outer, count, "GET", urls.iter().map(String::as_str), Direction::Read)
    }

    /// Sends a write.
    pub(super) async fn write(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
    ) -> Result<Answer, Error> {
        let mut request = self.request(method, path)?;
        if let Some(body) = body {
            set_body(&mut request, body);
        }
        self.send(request, Direction::Write).await
    }

    /// Creates by one `POST /$batch`, each body at `path`. Answers in the order of the bodies, one each.
    pub(super) async fn post_batch(
        &self,
        path: &str,
        bodies: &[&Bytes],
    ) -> Result<Vec<Result<Answer, Error>>, Error> {
        let items = bodies.iter().map(|body| Item { method: "POST", url: path, body: Some(body) });
        let (request, count) = self.batch_request(items)?;
        let outer = self.send(request, Direction::Write).await?;
        self.items(&outer, count, "POST", bodies.iter().map(|_| path), Direction::Write)
    }

    /// A read is given up after the attempt's time: nothing is lost by asking again.
    async fn read(&self, request: reqwest::Request) -> Result<Answer, Error> {
        let attempt = self.send(request, Direction::Read);
        tokio::time::timeout(self.client.attempt_timeout, attempt).await.unwrap_or(Err(Error::Timeout))
    }

    fn batch_request<'a>(
        &self,
        items: impl ExactSizeIterator<Item = Item<'a>>,
    ) -> Result<(reqwest::Request, usize), Error> {
        let count = items.len();
        let body = batch::envelope(items).map_err(|_| Error::Unsendable("the batch could not be written"))?;
        let mut request = self.request(Method::POST, "/$batch")?;
        set_body(&mut request, body.into());
        Ok((request, count))
    }

    /// The items of a batch's answer, each as if it had come on its own.
    fn items<'a>(
        &self,
        outer: &Answer,
        count: usize,
        method: &str,
        urls: impl Iterator<Item = &'a str>,
        direction: Direction,
    ) -> Result<Vec<Result<Answer, Error>>, Error> {
        let items = batch::answers(outer.body(), count)
            .ok_or_else(|| outer.out_of_contract("no batch answer can be read from the body"))?;
        let root = self.client.root.url().path();
        let judge = |(url, item): (&str, Result<batch::ItemAnswer, &'static str>)| {
            let item = item.map_err(|what| outer.out_of_contract(what))?;
            let path = url.split('?').next().unwrap_or_default();
            let answer = outer.item(item, format!("{method} {root}{path}"), &self.caller);
            self.remember_throttling(&answer, direction);
            answer
        };
        Ok(urls.zip(items).map(judge).collect())
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

    /// Sends the request, reads the whole answer, and tells success from failure. Nothing is sent where Graph told the
    /// caller to wait, or cannot be reached for now.
    async fn send(&self, request: reqwest::Request, direction: Direction) -> Result<Answer, Error> {
        if let Some(retry_after) = self.told_to_wait(direction) {
            return Err(Error::Throttled { retry_after });
        }
        let passage =
            self.client.breaker.enter().map_err(|retry_after| Error::BreakerOpen { retry_after })?;
        self.client.budget.deposit();

        let request_line = format!("{} {}", request.method(), request.url().path());
        let response = match self.client.http.execute(request).await {
            // A connection that never came about carried nothing; any other failure may have come after the request
            // left.
            Err(error) if error.is_connect() => {
                passage.failed();
                return Err(Error::Connect(Arc::new(error.without_url())));
            }
            Err(error) => {
                passage.connected();
                return Err(Error::Transport(Arc::new(error.without_url())));
            }
            Ok(response) => {
                passage.connected();
                response
            }
        };
        let answer = Answer::read(response, self.client.max_response, request_line, &self.caller).await;
        self.remember_throttling(&answer, direction);
        answer
    }

    fn remember_throttling(&self, answer: &Result<Answer, Error>, direction: Direction) {
        if let Err(Error::Api(api)) = answer
            && api.is_throttled()
            && let Some(wait) = api.retry_after
        {
            self.client.throttles.remember(&self.caller.authorization, direction, wait);
        }
    }
}

fn set_body(request: &mut reqwest::Request, body: Bytes) {
    request.headers_mut().insert(CONTENT_TYPE, APPLICATION_JSON);
    *request.body_mut() = Some(body.into());
}
