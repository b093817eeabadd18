//! One caller's calls: the token, the deadline and the ids that every call of a request shares, and the one place
//! where requests to Graph are sent.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;
use uuid::Uuid;

use super::answer::Answer;
use super::auth::Authorization;
use super::client::{CreatePath, Inner};
use super::device_app_management::IosLobAppProvisioningConfigurations;
use super::error::{Error, WriteError};

const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("client-request-id");
const APPLICATION_JSON: HeaderValue = HeaderValue::from_static("application/json");

/// On whose behalf, and until when.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The caller's `Authorization` header.
    pub authorization: Authorization,
    /// Sent as `client-request-id` with every call of the request; Graph echoes it, and support asks for it.
    pub client_request_id: Uuid,
    /// When the caller stops waiting.
    pub deadline: Instant,
}

/// Graph as one caller may use it, for the time of one request.
#[derive(Clone)]
pub struct Session {
    client: Arc<Inner>,
    caller: Caller,
}

impl Session {
    pub(super) fn new(client: Arc<Inner>, caller: Caller) -> Self {
        Self { client, caller }
    }

    /// `/deviceAppManagement/iosLobAppProvisioningConfigurations`.
    #[must_use]
    pub fn ios_lob_app_provisioning_configurations(&self) -> IosLobAppProvisioningConfigurations<'_> {
        IosLobAppProvisioningConfigurations::new(self)
    }

    pub(super) fn create_path(&self) -> CreatePath {
        self.client.create_path
    }

    pub(super) fn root(&self) -> &Url {
        self.client.root.url()
    }

    /// Reads one entity; given up with the caller, since nobody else waits for it.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        let request = self.request(Method::GET, path)?;
        let exchange = exchange(Arc::clone(&self.client), self.caller.clone(), request);
        let answer =
            tokio::time::timeout_at(self.deadline()?, exchange).await.map_err(|_| Error::Timeout)??;
        answer.entity()
    }

    /// Sends a write. Once begun it is finished even where the caller hangs up or the deadline passes: a write that is
    /// cut off is a write of which nobody knows whether it happened.
    pub(super) async fn post(&self, path: &str, body: &impl Serialize) -> Result<Answer, WriteError> {
        let body = serde_json::to_vec(body).map_err(|_| Error::Internal("the body could not be written"))?;
        let mut request = self.request(Method::POST, path)?;
        request.headers_mut().insert(CONTENT_TYPE, APPLICATION_JSON);
        *request.body_mut() = Some(Bytes::from(body).into());
        let deadline = self.deadline()?;
        let write = tokio::spawn(exchange(Arc::clone(&self.client), self.caller.clone(), request));
        match tokio::time::timeout_at(deadline, write).await {
            Ok(Ok(answer)) => Ok(answer?),
            Ok(Err(_panicked)) => Err(Error::Internal("the write's task ended early").into()),
            Err(_elapsed) => Err(Error::Timeout.into()),
        }
    }

    fn deadline(&self) -> Result<tokio::time::Instant, Error> {
        let deadline = tokio::time::Instant::from_std(self.caller.deadline);
        if deadline <= tokio::time::Instant::now() { Err(Error::DeadlinePassed) } else { Ok(deadline) }
    }

    /// A request to `path`, which starts with a slash and is relative to the service root. The origin is the service
    /// root's own, whatever `path` holds.
    fn request(&self, method: Method, path: &str) -> Result<reqwest::Request, Error> {
        let root = self.client.root.url().as_str();
        let url =
            Url::parse(&[root, path].concat()).map_err(|_| Error::Internal("a path does not form a URL"))?;
        let mut request = reqwest::Request::new(method, url);
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, self.caller.authorization.header());
        headers.insert(ACCEPT, APPLICATION_JSON);
        let mut id = Uuid::encode_buffer();
        let id = self.caller.client_request_id.hyphenated().encode_lower(&mut id);
        headers.insert(
            CLIENT_REQUEST_ID,
            HeaderValue::from_str(id).map_err(|_| Error::Internal("a GUID is no header value"))?,
        );
        Ok(request)
    }
}

/// Sends the request, reads the whole answer, and tells success from failure.
async fn exchange(client: Arc<Inner>, caller: Caller, request: reqwest::Request) -> Result<Answer, Error> {
    let request_line = format!("{} {}", request.method(), request.url().path());
    let response = client.http.execute(request).await.map_err(|error| {
        // A connection that never came about carried nothing; any other failure may have come after the request left.
        let error = error.without_url();
        if error.is_connect() { Error::Connect(Arc::new(error)) } else { Error::Transport(Arc::new(error)) }
    })?;
    Answer::read(response, client.max_response, request_line, &caller).await
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("caller", &self.caller).finish_non_exhaustive()
    }
}
