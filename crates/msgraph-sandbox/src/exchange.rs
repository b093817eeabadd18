//! One HTTP exchange: read and record the request, apply its faults, and add the headers that every response of Graph
//! has.

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

use crate::batch;
use crate::call::{CLIENT_REQUEST_ID, Call, Message, Transport};
use crate::control;
use crate::error::GraphError;
use crate::faults::ActiveFaults;
use crate::operation::carry_out;
use crate::path::Resource;
use crate::record::ConnectionInfo;
use crate::response::{CloseMode, GraphResponse, Termination};
use crate::state::SandboxState;

const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const DIAGNOSTIC: HeaderName = HeaderName::from_static("x-ms-ags-diagnostic");

/// Shorter bodies are not compressed.
const MIN_GZIP_BYTES: usize = 512;

/// The connection of an exchange.
pub(crate) struct ExchangeContext<'a> {
    pub(crate) scheme: Scheme,
    pub(crate) source: ConnectionInfo,
    /// Called once before the request is executed. If it returns false, the request is neither
    /// executed nor answered.
    pub(crate) may_process: &'a (dyn Fn() -> bool + Send + Sync),
}

/// Why a request body could not be read.
enum BodyError {
    TooLarge,
    /// The client disconnected.
    Interrupted,
}

impl SandboxState {
    /// Responds to a request.
    pub(crate) async fn exchange<B>(
        &self,
        request: Request<B>,
        context: &ExchangeContext<'_>,
    ) -> GraphResponse
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
                Ok(body) => control::respond(self, &Message { body, ..message }),
                Err(_) => GraphResponse::new(StatusCode::BAD_REQUEST, "The body could not be read."),
            };
        }
        // Faults are selected before the body is read, because a fault can close the connection before that.
        let source = context.source;
        let transport = if source.is_http2 { Transport::Http2 } else { Transport::Http1 };
        let faults = match self.fault_plan.faults_for(&message, transport) {
            Ok(faults) => faults,
            Err(error) => {
                return GraphResponse::new(StatusCode::BAD_REQUEST, format!("X-Sandbox-Fault: {error}"));
            }
        };
        if let Some(termination) = faults.unprocessed_stream() {
            self.record.push(&message, source, &faults.texts);
            return without_response(termination);
        }
        if !(context.may_process)() {
            return without_response(Termination::Ignored);
        }
        if let Some(drop) = faults.drop_before_body() {
            self.record.push(&message, source, &faults.texts);
            return without_response(Termination::NoResponse(drop.close));
        }
        let too_large = match body(incoming, max_body).await {
            Ok(body) => {
                message.body = body;
                false
            }
            Err(BodyError::TooLarge) => true,
            Err(BodyError::Interrupted) => {
                self.record.push(&message, source, &faults.texts);
                return without_response(Termination::NoResponse(CloseMode::Fin));
            }
        };
        let mut call = Call::new(&message, &context.scheme, &self.service.settings);
        call.number = self.record.push(&message, source, &faults.texts);
        let response =
            if too_large { body_too_large().response(&call.trace) } else { self.respond(&call, &faults) };
        self.finish(&call, response)
    }

    /// The response to a call, with its faults.
    fn respond(&self, call: &Call<'_>, faults: &ActiveFaults) -> GraphResponse {
        faults.replacement(call).unwrap_or_else(|| faults.apply(call, self.serve(call, faults)))
    }

    fn serve(&self, call: &Call<'_>, faults: &ActiveFaults) -> GraphResponse {
        if let Err(error) = &call.target
            && error.status == StatusCode::NOT_FOUND
        {
            // Graph's gateway checks the version before the token.
            return error.response(&call.trace);
        }
        match self.service.caller(call) {
            Err(unauthorized) => unauthorized.response(&call.trace),
            Ok(caller) if is_batch(call) => batch::respond(self, call, &caller, &faults.batch),
            Ok(caller) => carry_out(self, call, &caller, faults),
        }
    }

    /// Adds the headers that every response has, and compresses.
    fn finish(&self, call: &Call<'_>, mut response: GraphResponse) -> GraphResponse {
        if response.bare {
            return response;
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
        // The response's own headers take precedence.
        headers.extend(std::mem::take(&mut response.headers));
        response.headers = headers;
        let wanted = self.service.settings.gzip.is_on() && accepts_gzip(&call.message.headers);
        if wanted && response.body.len() >= MIN_GZIP_BYTES {
            response = compressed(response);
        }
        response
    }
}

/// Whether a request is a batch, whose items are the operations.
fn is_batch(call: &Call<'_>) -> bool {
    let names_batch = matches!(&call.target, Ok((_, address)) if address.resource == Resource::Batch);
    names_batch && call.message.method == Method::POST
}

fn without_response(termination: Termination) -> GraphResponse {
    let mut response = GraphResponse::no_content();
    response.delivery.termination = termination;
    response
}

async fn body<B>(incoming: B, max_body: usize) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    match Limited::new(incoming, max_body).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(BodyError::TooLarge),
        Err(_) => Err(BodyError::Interrupted),
    }
}

/// Assumed: Graph documents the status, but not the code and message.
fn body_too_large() -> GraphError {
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

fn compressed(response: GraphResponse) -> GraphResponse {
    // The fastest level, because the purpose is fidelity, not bandwidth.
    let mut encoder = GzEncoder::new(Vec::with_capacity(response.body.len() / 4), Compression::fast());
    match encoder.write_all(&response.body).and_then(|()| encoder.finish()) {
        Ok(body) => GraphResponse { body: body.into(), ..response }
            .with(CONTENT_ENCODING, HeaderValue::from_static("gzip")),
        // Writing to a vector does not fail. If it did, the uncompressed body would be valid.
        Err(_) => response,
    }
}
