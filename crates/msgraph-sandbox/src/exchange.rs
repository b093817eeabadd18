//! One HTTP exchange: the request is read and recorded, meets its faults, is answered, and the answer gets the
//! headers that every answer of Graph has.

use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{
    ACCEPT_ENCODING, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, CACHE_CONTROL,
    CONTENT_ENCODING, HeaderName, HeaderValue, ORIGIN, STRICT_TRANSPORT_SECURITY, VARY,
};
use http::uri::Scheme;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Body;

use crate::answer::{Answer, Close, End};
use crate::batch;
use crate::call::{CLIENT_REQUEST_ID, Call, Carrier, Message};
use crate::control;
use crate::error::GraphError;
use crate::faults::ActiveFaults;
use crate::operation::carry_out;
use crate::path::Resource;
use crate::record::Source;
use crate::state::SandboxState;

const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const DIAGNOSTIC: HeaderName = HeaderName::from_static("x-ms-ags-diagnostic");

/// Shorter bodies are sent as they are.
const MIN_GZIP_BYTES: usize = 512;

/// What carries an exchange.
pub(crate) struct Channel<'a> {
    pub(crate) scheme: Scheme,
    pub(crate) source: Source,
    /// Asked once before anything is done; where it says no, the request is not carried out or answered.
    pub(crate) may_process: &'a (dyn Fn() -> bool + Send + Sync),
}

/// Why a request's body could not be had.
enum Unread {
    TooLong,
    /// The caller went away.
    Broken,
}

impl SandboxState {
    /// The answer to a request.
    pub(crate) async fn exchange<B>(&self, request: Request<B>, channel: &Channel<'_>) -> Answer
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (parts, incoming) = request.into_parts();
        let mut message = Message {
            method: parts.method,
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().map(str::to_owned),
            headers: parts.headers,
            body: Bytes::new(),
        };
        let max_body = self.service.settings.max_body;
        if control::is_control(&message.path) {
            return match body(incoming, max_body).await {
                Ok(body) => control::answer(self, &Message { body, ..message }),
                Err(_) => Answer::new(StatusCode::BAD_REQUEST, "The body could not be read."),
            };
        }
        // Faults are drawn before the body is read, so that a connection can close before that.
        let source = channel.source;
        let carrier = if source.is_http2 { Carrier::Http2 } else { Carrier::Http1 };
        let faults = match self.fault_plan.faults_for(&message, carrier) {
            Ok(faults) => faults,
            Err(error) => return Answer::new(StatusCode::BAD_REQUEST, format!("X-Sandbox-Fault: {error}")),
        };
        if let Some(end) = faults.unprocessed_stream() {
            self.record.push(&message, source, &faults.texts);
            return without_answer(end);
        }
        if !(channel.may_process)() {
            return without_answer(End::Ignored);
        }
        if let Some(drop) = faults.drop_before_body() {
            self.record.push(&message, source, &faults.texts);
            return without_answer(End::NoAnswer(drop.close));
        }
        let too_long = match body(incoming, max_body).await {
            Ok(body) => {
                message.body = body;
                false
            }
            Err(Unread::TooLong) => true,
            Err(Unread::Broken) => {
                self.record.push(&message, source, &faults.texts);
                return without_answer(End::NoAnswer(Close::Fin));
            }
        };
        let mut call = Call::new(&message, &channel.scheme, &self.service.settings);
        call.number = self.record.push(&message, source, &faults.texts);
        let answer =
            if too_long { body_too_long().answer(&call.trace) } else { self.respond(&call, &faults) };
        self.finish(&call, answer)
    }

    /// The answer to a call with its faults.
    fn respond(&self, call: &Call<'_>, faults: &ActiveFaults) -> Answer {
        faults.replacement(call).unwrap_or_else(|| faults.apply(call, self.serve(call, faults)))
    }

    fn serve(&self, call: &Call<'_>, faults: &ActiveFaults) -> Answer {
        if let Err(error) = &call.target
            && error.status == StatusCode::NOT_FOUND
        {
            // An invalid version is found by the gateway before it looks at the token.
            return error.answer(&call.trace);
        }
        match self.service.caller(call) {
            Err(unauthorized) => unauthorized.answer(&call.trace),
            Ok(caller) if is_batch(call) => batch::answer(self, call, &caller, &faults.batch),
            Ok(caller) => carry_out(self, call, &caller, faults),
        }
    }

    /// Adds the headers that every answer has, and compresses.
    fn finish(&self, call: &Call<'_>, mut answer: Answer) -> Answer {
        if answer.bare {
            return answer;
        }
        let trace = &call.trace;
        let mut headers = HeaderMap::new();
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
        headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(
            DIAGNOSTIC,
            HeaderValue::from_static(
                r#"{"ServerInfo":{"DataCenter":"Norway East","Slice":"E","Ring":"2","ScaleUnit":"002","RoleInstance":"OS2PEPF000003D9"}}"#,
            ),
        );
        for (name, value) in [(REQUEST_ID, &trace.request_id), (CLIENT_REQUEST_ID, &trace.client_request_id)]
        {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        }
        if call.message.headers.contains_key(ORIGIN) {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            headers.insert(
                ACCESS_CONTROL_EXPOSE_HEADERS,
                HeaderValue::from_static(
                    "ETag, Location, Preference-Applied, Content-Range, request-id, client-request-id",
                ),
            );
        }
        // What the answer has of its own wins.
        headers.extend(std::mem::take(&mut answer.headers));
        answer.headers = headers;
        let wanted = self.service.settings.gzip.is_on() && accepts_gzip(&call.message.headers);
        if wanted && answer.body.len() >= MIN_GZIP_BYTES {
            answer = compressed(answer);
        }
        answer
    }
}

/// A batch is no operation of the service: each of its items is one.
fn is_batch(call: &Call<'_>) -> bool {
    let names_batch = matches!(&call.target, Ok((_, address)) if address.resource == Resource::Batch);
    names_batch && call.message.method == Method::POST
}

fn without_answer(end: End) -> Answer {
    let mut answer = Answer::no_content();
    answer.sending.end = end;
    answer
}

async fn body<B>(incoming: B, max_body: usize) -> Result<Bytes, Unread>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    match Limited::new(incoming, max_body).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Unread::TooLong),
        Err(_) => Err(Unread::Broken),
    }
}

/// Grade I: the status is documented, the words were not found.
fn body_too_long() -> GraphError {
    GraphError::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", "The request body is too large.")
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    headers
        .get_all(ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|coding| {
            let mut parts = coding.split(';').map(str::trim);
            parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip")) && parts.next() != Some("q=0")
        })
}

fn compressed(answer: Answer) -> Answer {
    // The fastest level: this is for faithfulness, not for the network.
    let mut encoder = GzEncoder::new(Vec::with_capacity(answer.body.len() / 4), Compression::fast());
    match encoder.write_all(&answer.body).and_then(|()| encoder.finish()) {
        Ok(body) => {
            Answer { body: body.into(), ..answer }.with(CONTENT_ENCODING, HeaderValue::from_static("gzip"))
        }
        // Writing to a vector does not fail; if it did, the plain body would do.
        Err(_) => answer,
    }
}
