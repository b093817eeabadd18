//! Responses of Microsoft Graph: read within limits, classified as success or error, and searched for entities and locations.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use http::header::{DATE, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Body;
use serde::de::DeserializeOwned;
use url::Url;

use super::address::key_of;
use super::approval::ApprovalRefusal;
use super::batch::ItemResponse;
use super::body::{self, Member, Members};
use super::body_limit::BodyLimit;
use super::caller::Caller;
use super::content_coding::{DecodeError, Decoder};
use super::envelope::{ErrorEnvelope, MAX_CODE, one_line};
use super::error::{ApiError, Error, ResponseInfo};
use super::key::Key;
use super::models::{Entity, is_type};
use super::retry_after;
use crate::json;
use crate::memory::Reservation;
use crate::telemetry::metrics::{self, Deviation};

const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const ODATA_ENTITY_ID: HeaderName = HeaderName::from_static("odata-entityid");

/// Maximum length in bytes of a header that is passed on. A claims challenge has a few hundred.
const MAX_HEADER: usize = 8 * 1024;

/// A complete response of Graph with a success status.
#[derive(Debug)]
pub(super) struct GraphResponse {
    info: ResponseInfo,
    headers: HeaderMap,
    body: Bytes,
    /// Memory of the body. The items of a batch share that of the batch.
    memory: Arc<Reservation>,
}

/// Names a request in its errors; written out only for those.
#[derive(Debug, Clone, Copy)]
pub(super) struct RequestLine<'a> {
    pub(super) method: &'a str,
    /// The path of the service root; empty if `path` has it.
    pub(super) root: &'a str,
    pub(super) path: &'a str,
}

impl fmt::Display for RequestLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.method, self.root, self.path)
    }
}

impl GraphResponse {
    /// Reads the body within its limits. A status that is not a success becomes an error.
    pub(super) async fn read<B>(
        response: http::Response<B>,
        mut limit: BodyLimit,
        request_line: RequestLine<'_>,
        caller: &Caller,
    ) -> Result<Self, Error>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: std::error::Error + Send + Sync + 'static,
    {
        let (http::response::Parts { status, headers, .. }, body) = response.into_parts();
        let request_id = request_id(&headers, caller);
        let client_request_id = caller.telemetry.client_request_id();
        let info = ResponseInfo { status, request_id, client_request_id };

        let body = match read_body(body, &headers, &mut limit).await {
            Ok(body) => body,
            // A rejection is independent of its body.
            Err(_) if !status.is_success() => {
                return Err(Self::failure(info, &headers, None, request_line, caller));
            }
            Err(BodyError::TooLarge) => {
                let what = "the response is larger than the configured maximum";
                let applied = info.says_applied();
                return Err(Error::UnexpectedResponse { what, applied, response: Box::new(info) });
            }
            Err(BodyError::Memory(error)) => return Err(error),
            Err(BodyError::Cut(error)) => return Err(Error::Transport(error)),
        };
        Self::classify(info, headers, body, Arc::new(limit.into_reservation()), request_line, caller)
    }

    /// An item of this batch response, as if it were a separate response.
    pub(super) fn item(
        &self,
        item: ItemResponse,
        request_line: RequestLine<'_>,
        caller: &Caller,
    ) -> Result<Self, Error> {
        let ItemResponse { status, mut headers, body, is_text } = item;
        if let (None, Some(date)) = (headers.get(DATE), self.headers.get(DATE)) {
            headers.insert(DATE, date.clone());
        }
        let request_id = request_id(&headers, caller).or_else(|| self.info.request_id.clone());
        let info = ResponseInfo { status, request_id, client_request_id: self.info.client_request_id };
        let response = Self::classify(info, headers, body, Arc::clone(&self.memory), request_line, caller);
        response.map_err(|error| if is_text { error.of_text() } else { error })
    }

    /// Returns the response, or the error of its status.
    fn classify(
        info: ResponseInfo,
        headers: HeaderMap,
        body: Bytes,
        memory: Arc<Reservation>,
        request_line: RequestLine<'_>,
        caller: &Caller,
    ) -> Result<Self, Error> {
        if info.status.is_success() {
            return Ok(Self { info, headers, body, memory });
        }
        Err(Self::failure(info, &headers, Some(&body), request_line, caller))
    }

    /// The error of an unsuccessful response. `body` is `None` if it was not received completely.
    fn failure(
        info: ResponseInfo,
        headers: &HeaderMap,
        body: Option<&[u8]>,
        request_line: RequestLine<'_>,
        caller: &Caller,
    ) -> Error {
        let status = info.status;
        let redact = |text: &mut String| caller.authorization.redact(text);
        let envelope = body.map_or_else(ErrorEnvelope::cut, |body| ErrorEnvelope::read(body, redact));
        // A replica whose clock is wrong would otherwise share a wrong wait with all others.
        let now = date(headers).unwrap_or_else(SystemTime::now);
        let told = headers.get_all(RETRY_AFTER).iter().filter_map(|value| value.to_str().ok());
        // The longest of several.
        let wait = told.filter_map(|value| retry_after::parse(value, now)).max();
        Error::Api(Box::new(ApiError {
            status,
            code: envelope.code,
            message: envelope.message,
            request_id: info.request_id.or(envelope.request_id),
            client_request_id: info.client_request_id,
            retry_after: wait.or_else(|| retry_after::parse(&envelope.retry_after?, now)),
            www_authenticate: (status == StatusCode::UNAUTHORIZED)
                .then(|| challenge(headers, caller))
                .flatten(),
            approval: ApprovalRefusal::from_headers(status, headers, redact),
            request_line: request_line.to_string(),
            body: envelope.body,
        }))
    }

    /// The status of the response, always a success.
    pub(super) fn status(&self) -> StatusCode {
        self.info.status
    }

    /// The memory that the body takes of the budget.
    pub(super) fn memory(&self) -> Arc<Reservation> {
        Arc::clone(&self.memory)
    }

    /// The body, unchanged.
    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }

    /// The body as text.
    ///
    /// # Errors
    ///
    /// [`Error::UnexpectedResponse`] if its brackets nest too deep.
    pub(super) fn text(&self) -> Result<Cow<'_, str>, Error> {
        let text = body::text(&self.body);
        if json::nests_deeper(text.as_bytes(), body::MAX_NESTING) {
            return Err(self.unexpected(body::NESTS_TOO_DEEP));
        }
        Ok(text)
    }

    /// The entity in the body.
    pub(super) fn entity<T: DeserializeOwned>(&self) -> Result<T, Error> {
        body::read(&self.text()?).map_err(|_| self.unexpected("the body has no readable entity"))
    }

    /// Whether the body, even with an id, is probably not an entity of type `T`: the JSON of a
    /// sign-in page has members as well. Graph's responses have annotations.
    pub(super) fn is_foreign<T: Entity>(&self) -> bool {
        let text = body::text(&self.body);
        body::with_members(&text, |members| is_foreign::<T>(members, false)).unwrap_or_default()
    }

    /// What the body of a response to a create has, found in one pass over its members.
    pub(super) fn verdict<T: Entity>(&self) -> Verdict {
        let text = body::text(&self.body);
        // Where no status of 201 vouches for it, a new object is to have more properties than other members.
        let is_in_doubt = self.info.status != StatusCode::CREATED;
        let verdict = |members: &Members<'_>| match denies_success(members, Some(T::ODATA_TYPE)) {
            true => Verdict::NoSuccess,
            false if is_foreign::<T>(members, is_in_doubt) => Verdict::Foreign,
            false => Verdict::Entity,
        };
        body::with_members(&text, verdict).unwrap_or(Verdict::Entity)
    }

    /// Whether the body denies that what was asked for succeeded, whatever the status says: it holds an error.
    fn denies_success(&self) -> bool {
        let text = body::text(&self.body);
        body::with_members(&text, |members| denies_success(members, None)).unwrap_or_default()
    }

    /// Checks that a write without a result succeeded.
    ///
    /// # Errors
    ///
    /// A response that contradicts that, described by `what`.
    pub(super) fn done(&self, what: &'static str) -> Result<(), Error> {
        if self.is_done() { Ok(()) } else { Err(self.contradiction(what)) }
    }

    /// Whether a write without a result succeeded, as far as the response shows: it is empty, or an
    /// OData document without an error. The page of a proxy is neither.
    fn is_done(&self) -> bool {
        if self.info.status != StatusCode::OK {
            return self.info.status == StatusCode::NO_CONTENT;
        }
        let text = body::text(&self.body);
        if text.is_empty() || text == "null" {
            return true;
        }
        let is_document = |members: &Members<'_>| {
            let mut names = members.names().peekable();
            names.peek().is_none() || names.any(|name| name.contains("@odata.") || name == "value")
        };
        body::with_members(&text, is_document).unwrap_or_default() && !self.denies_success()
    }

    /// The key in `Location` or `OData-EntityId`, if it refers to an item of `collection`
    /// (percent-encoded segments below the service root) at the service root's origin.
    pub(super) fn location(&self, root: &Url, collection: &str) -> Option<Key> {
        [LOCATION, ODATA_ENTITY_ID]
            .iter()
            .filter_map(|name| self.headers.get(name)?.to_str().ok())
            .find_map(|location| key_of(location, root, collection))
    }

    /// The error of a success that does not match the documentation.
    pub(super) fn unexpected(&self, what: &'static str) -> Error {
        metrics::deviation(Deviation::UnexpectedResponse);
        let applied = self.info.says_applied();
        Error::UnexpectedResponse { what, applied, response: Box::new(self.info.clone()) }
    }

    /// The error of a success status whose body contradicts it.
    pub(super) fn contradiction(&self, what: &'static str) -> Error {
        metrics::deviation(Deviation::UnexpectedResponse);
        Error::UnexpectedResponse { what, applied: false, response: Box::new(self.info.clone()) }
    }

    /// Status and ids of the response.
    pub(super) fn info(&self) -> &ResponseInfo {
        &self.info
    }
}

/// What the body of a response to a create holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// An error, or an object of another type, whatever the status says.
    NoSuccess,
    /// Something else than an entity.
    Foreign,
    /// Perhaps the entity.
    Entity,
}

/// Whether the members are those of an error, or of an object of another type than `expected`.
fn denies_success(members: &Members<'_>, expected: Option<&str>) -> bool {
    let has_error = match members.get("error") {
        Member::Absent => false,
        Member::Value(error) => error.get() != "null",
        Member::Contradictory => true,
    };
    let is_other = match (members.get("@odata.type"), expected) {
        (Member::Absent, _) | (_, None) => false,
        (Member::Value(name), _) if name.get() == "null" => false,
        (Member::Value(name), Some(expected)) => {
            !body::read::<String>(name.get()).is_ok_and(|name| is_type(&name, expected))
        }
        (Member::Contradictory, Some(_)) => true,
    };
    has_error || is_other
}

/// Whether the members are not those of an entity of type `T`.
fn is_foreign<T: Entity>(members: &Members<'_>, is_in_doubt: bool) -> bool {
    let (mut own, mut others) = (0, 0);
    for name in members.names().filter(|name| !name.eq_ignore_ascii_case("id")) {
        if name.contains("@odata.") {
            return false;
        }
        let is_own = T::PROPERTIES.iter().any(|property| property.eq_ignore_ascii_case(name));
        *(if is_own { &mut own } else { &mut others }) += 1;
    }
    others > 0 && (own == 0 || is_in_doubt && others >= own)
}

enum BodyError {
    TooLarge,
    Memory(Error),
    Cut(Arc<dyn std::error::Error + Send + Sync>),
}

async fn read_body<B>(mut body: B, headers: &HeaderMap, limit: &mut BodyLimit) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let max = limit.max;
    let coding = |error| BodyError::Cut(Arc::new(error));
    let mut decoder = Decoder::new(headers).map_err(|error| BodyError::Cut(Arc::new(error)))?;
    let decoded = |result: Result<(), DecodeError>| match result {
        Err(DecodeError::TooLarge) => Err(BodyError::TooLarge),
        result => result.map_err(coding),
    };
    // Most responses arrive in one chunk, which is used as the body.
    let mut first = Bytes::new();
    let mut read = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| BodyError::Cut(Arc::new(error)))?;
        let Ok(chunk) = frame.into_data() else { continue };
        if decoder.is_identity() && first.is_empty() && read.is_empty() && chunk.len() <= max {
            limit.reserve_up_to(chunk.len()).map_err(BodyError::Memory)?;
            first = chunk;
            continue;
        }
        for chunk in [std::mem::take(&mut first), chunk] {
            decoded(decoder.push(&chunk, &mut read, max))?;
        }
        limit.reserve_up_to(read.len()).map_err(BodyError::Memory)?;
    }
    decoded(decoder.finish(&mut read, max))?;
    limit.reserve_up_to(read.len()).map_err(BodyError::Memory)?;
    Ok(if first.is_empty() { read.freeze() } else { first })
}

/// All values of a header, joined as RFC 9110, section 5.3 allows; `None` if none is plain text.
fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values: Vec<&str> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    let text = values.join(", ");
    (!text.is_empty() && text.len() <= MAX_HEADER).then_some(text)
}

/// Graph's `request-id`, as short as an envelope's.
fn request_id(headers: &HeaderMap, caller: &Caller) -> Option<String> {
    one_line(&text(headers, &REQUEST_ID)?, MAX_CODE, &|text| caller.authorization.redact(text))
}

/// `WWW-Authenticate` without the caller's token.
fn challenge(headers: &HeaderMap, caller: &Caller) -> Option<String> {
    let mut text = text(headers, &WWW_AUTHENTICATE)?;
    caller.authorization.redact(&mut text);
    Some(text)
}

/// The service's time when it sent the response.
fn date(headers: &HeaderMap) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::auth::Authorization;
    use super::*;

    const REQUEST_LINE: RequestLine<'_> = RequestLine { method: "GET", root: "", path: "/" };

    fn caller() -> Caller {
        Caller {
            authorization: Authorization::parse(&"Bearer canary-token-1".parse().unwrap()).unwrap(),
            telemetry: crate::telemetry::request::RequestTelemetry::random(),
            deadline: std::time::Instant::now(),
            disconnected: tokio_util::sync::CancellationToken::new(),
            guard: None,
            memory_share: crate::memory::MemoryShare::default(),
        }
    }

    #[tokio::test]
    async fn a_wait_of_a_batch_item_counts_from_the_date_of_the_batch() {
        let mut batch = http::Response::new(http_body_util::Empty::new());
        batch.headers_mut().insert(DATE, "Tue, 14 Nov 2023 22:13:20 GMT".parse().unwrap());
        let batch =
            GraphResponse::read(batch, BodyLimit::unshared(0), REQUEST_LINE, &caller()).await.unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, "Tue, 14 Nov 2023 22:13:22 GMT".parse().unwrap());
        let status = StatusCode::TOO_MANY_REQUESTS;
        let item = ItemResponse { status, headers, body: Bytes::new(), is_text: false };
        let response = batch.item(item, REQUEST_LINE, &caller());
        let Err(Error::Api(api)) = response else { panic!("{response:?}") };
        assert_eq!(api.retry_after, Some(Duration::from_secs(2)));
    }

    #[tokio::test]
    async fn a_request_id_is_short_and_on_one_line() {
        let mut response = http::Response::new(http_body_util::Empty::new());
        *response.status_mut() = StatusCode::NOT_FOUND;
        let id = format!("a\tb{}", "c".repeat(8000));
        response.headers_mut().insert(REQUEST_ID, id.parse().unwrap());
        let response = GraphResponse::read(response, BodyLimit::unshared(0), REQUEST_LINE, &caller()).await;
        let Err(Error::Api(api)) = response else { panic!("{response:?}") };
        assert_eq!(api.request_id, Some(format!("a b{}", "c".repeat(97))));
    }
}
