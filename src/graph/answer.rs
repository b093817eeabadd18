//! What Graph answered: read within bounds, success told from failure, entities and locations taken out.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use http::header::{LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Body;
use serde::de::DeserializeOwned;
use url::Url;

use super::address::key_of;
use super::batch::ItemAnswer;
use super::caller::Caller;
use super::envelope::{ErrorEnvelope, MAX_CODE, one_line};
use super::error::{Answered, ApiError, Error};
use super::key::Key;
use super::retry_after;
use crate::json;

const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const ODATA_ENTITY_ID: HeaderName = HeaderName::from_static("odata-entityid");

/// Longest header text that is passed on, in bytes; a claims challenge has a few hundred.
const MAX_HEADER: usize = 8 * 1024;

/// Deepest that brackets may nest in an answer, members that nobody reads included; Graph's own nest four deep.
pub(super) const MOST_NESTING: usize = 64;
/// What is wrong with an answer that nests deeper.
pub(super) const NESTS_TOO_DEEP: &str = "the answer's brackets nest too deep";

/// A success answer of Graph's, read whole.
#[derive(Debug)]
pub(super) struct Answer {
    answered: Answered,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    /// Reads the body within `max` bytes; a status that is not a success becomes an error.
    pub(super) async fn read<B>(
        response: http::Response<B>,
        max: usize,
        request_line: String,
        caller: &Caller,
    ) -> Result<Self, Error>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: std::error::Error + Send + Sync + 'static,
    {
        let (http::response::Parts { status, headers, .. }, body) = response.into_parts();
        let request_id = request_id(&headers, caller);
        let client_request_id = caller.client_request_id.to_string();
        let answered = Answered { status, request_id, client_request_id };

        let body = match read_body(body, &headers, max).await {
            Ok(body) => body,
            // A refusal is one whatever becomes of its body.
            Err(_) if !status.is_success() => Bytes::new(),
            Err(BodyError::TooLarge) => {
                let what = "the answer is larger than --max-graph-response";
                return Err(Error::OutOfContract { what, answer: Box::new(answered) });
            }
            Err(BodyError::Cut(error)) => return Err(Error::Transport(error)),
        };
        Self::judge(answered, headers, body, request_line, caller)
    }

    /// An item of the batch answer that this is, as if it had come on its own.
    pub(super) fn item(
        &self,
        item: ItemAnswer,
        request_line: String,
        caller: &Caller,
    ) -> Result<Self, Error> {
        let ItemAnswer { status, headers, body } = item;
        let request_id = request_id(&headers, caller).or_else(|| self.answered.request_id.clone());
        let client_request_id = self.answered.client_request_id.clone();
        Self::judge(Answered { status, request_id, client_request_id }, headers, body, request_line, caller)
    }

    /// Tells success from failure.
    fn judge(
        answered: Answered,
        headers: HeaderMap,
        body: Bytes,
        request_line: String,
        caller: &Caller,
    ) -> Result<Self, Error> {
        let status = answered.status;
        if status.is_success() {
            return Ok(Self { answered, headers, body });
        }

        let envelope = ErrorEnvelope::read(&body, |text| caller.authorization.redact(text));
        let wait = text(&headers, &RETRY_AFTER).or(envelope.retry_after);
        Err(Error::Api(Box::new(ApiError {
            status,
            code: envelope.code,
            message: envelope.message,
            request_id: answered.request_id.or(envelope.request_id),
            client_request_id: answered.client_request_id,
            retry_after: wait.and_then(|value| retry_after::parse(&value, SystemTime::now())),
            www_authenticate: (status == StatusCode::UNAUTHORIZED)
                .then(|| challenge(&headers, caller))
                .flatten(),
            request_line,
        })))
    }

    /// The status of the answer, always a success.
    pub(super) fn status(&self) -> StatusCode {
        self.answered.status
    }

    /// The body, as it came.
    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }

    /// The entity in the body.
    pub(super) fn entity<T: DeserializeOwned>(&self) -> Result<T, Error> {
        if json::nests_deeper(&self.body, MOST_NESTING) {
            return Err(self.out_of_contract(NESTS_TOO_DEEP));
        }
        serde_json::from_slice(&self.body)
            .map_err(|_| self.out_of_contract("no entity can be read from the body"))
    }

    /// The key in `Location` or `OData-EntityId`, where that names an item of `collection` (percent-encoded segments
    /// below the service root) at the service root's own origin.
    pub(super) fn location(&self, root: &Url, collection: &str) -> Option<Key> {
        [LOCATION, ODATA_ENTITY_ID]
            .iter()
            .filter_map(|name| self.headers.get(name)?.to_str().ok())
            .find_map(|location| key_of(location, root, collection))
    }

    /// The error that this success is not what the documentation says.
    pub(super) fn out_of_contract(&self, what: &'static str) -> Error {
        Error::OutOfContract { what, answer: Box::new(self.answered.clone()) }
    }
}

enum BodyError {
    TooLarge,
    Cut(Arc<dyn std::error::Error + Send + Sync>),
}

async fn read_body<B>(mut body: B, headers: &HeaderMap, max: usize) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let mut read = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| BodyError::Cut(Arc::new(error)))?;
        if let Ok(chunk) = frame.into_data() {
            if read.len() + chunk.len() > max {
                return Err(BodyError::TooLarge);
            }
            read.extend_from_slice(&chunk);
        }
    }
    let is_gzip = headers.get(http::header::CONTENT_ENCODING).is_some_and(|coding| coding == "gzip");
    if !is_gzip {
        return Ok(read.freeze());
    }
    let mut decoded = Vec::new();
    let decoder = flate2::read::MultiGzDecoder::new(&read[..]);
    let limit = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
    std::io::Read::read_to_end(&mut std::io::Read::take(decoder, limit), &mut decoded)
        .map_err(|error| BodyError::Cut(Arc::new(error)))?;
    if decoded.len() > max { Err(BodyError::TooLarge) } else { Ok(decoded.into()) }
}

/// All values of a header, joined as RFC 9110, section 5.3 allows; `None` where there is none that is plain text.
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

#[cfg(test)]
mod tests {
    use super::super::auth::Authorization;
    use super::*;

    #[tokio::test]
    async fn a_request_id_is_short_and_on_one_line() {
        let mut response = http::Response::new(http_body_util::Empty::new());
        *response.status_mut() = StatusCode::NOT_FOUND;
        let id = format!("a\tb{}", "c".repeat(8000));
        response.headers_mut().insert(REQUEST_ID, id.parse().unwrap());
        let caller = Caller {
            authorization: Authorization::parse(&"Bearer canary-token-1".parse().unwrap()).unwrap(),
            client_request_id: uuid::Uuid::nil(),
            deadline: std::time::Instant::now(),
            gone: tokio_util::sync::CancellationToken::new(),
        };
        let answer = Answer::read(response, 0, String::new(), &caller).await;
        let Err(Error::Api(api)) = answer else { panic!("{answer:?}") };
        assert_eq!(api.request_id, Some(format!("a b{}", "c".repeat(97))));
    }
}
