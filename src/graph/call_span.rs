//! The span of one attempt at a call to Graph, by OpenTelemetry's semantic conventions for HTTP clients. It has the route and
//! no URL, because keys identify devices and users.

use std::borrow::Cow;

use http::{HeaderValue, StatusCode, Version};
use url::Url;

use super::caller::Caller;
use super::error::Error;
use super::request::Request;
use super::response::GraphResponse;
use crate::telemetry::metrics::NoResponse;
use crate::telemetry::traces::{CallScope, Span, SpanError, SpanKind};

/// The span of one attempt.
pub(super) struct CallSpan(Box<Span>);

impl CallSpan {
    /// Begins the span, if the request of the caller is sampled. `resends` counts those of the same call.
    pub(super) fn begin(caller: &Caller, request: &Request, root: &Url, resends: u32) -> Option<Self> {
        let trace = caller.telemetry.trace()?;
        let scope = CallScope::current();
        let parent = scope.as_ref().map_or(trace.operation(), |scope| scope.parent);
        let (method, route) = (request.method.as_str(), request.route.as_str());
        let mut span = trace.begin_child(parent, SpanKind::Client, format!("{method} {route}").into())?;
        span.set_text("http.request.method", method);
        span.set_static("url.template", route);
        span.set_text("server.address", root.host_str().unwrap_or_default());
        span.set_number("server.port", root.port_or_known_default().unwrap_or_default());
        let resends = resends + scope.as_ref().map_or(0, |scope| scope.resends);
        if resends > 0 {
            span.set_number("http.request.resend_count", resends);
        }
        span.set_text("client_request_id", caller.telemetry.header().to_str().unwrap_or_default());
        if let Some(scope) = scope {
            scope.link(&mut span);
        }
        Some(Self(span))
    }

    /// The value of `traceparent` in the request.
    pub(super) fn traceparent(&self) -> HeaderValue {
        self.0.traceparent()
    }

    /// Sets the version of the response's protocol.
    pub(super) fn set_version(&mut self, version: Version) {
        self.0.set_static("network.protocol.version", if version == Version::HTTP_2 { "2" } else { "1.1" });
    }

    /// Ends the span.
    pub(super) fn end(self, result: Result<&GraphResponse, &Error>) {
        let Self(mut span) = self;
        let response = match result {
            Ok(response) => Some((response.status(), response.info().request_id.as_deref())),
            Err(Error::Api(api)) => Some((api.status, api.request_id.as_deref())),
            Err(Error::UnexpectedResponse { response, .. }) => {
                Some((response.status, response.request_id.as_deref()))
            }
            Err(_) => None,
        };
        if let Some((status, request_id)) = response {
            span.set_number("http.response.status_code", status.as_u16());
            if let Some(request_id) = request_id {
                span.set_text("graph.request_id", request_id);
            }
        }
        if let Err(error) = result {
            span.set_error(span_error(error));
        }
    }

    /// Ends the span of an attempt whose request ended first.
    pub(super) fn cancel(self) {
        let Self(mut span) = self;
        span.set_error(SpanError { error_type: NoResponse::Cancelled.as_str().into() });
    }

    /// Drops the span of an attempt that sent nothing.
    pub(super) fn discard(self) {
        self.0.discard();
    }
}

/// The value of `error.type`: the status of a response, else a fixed word.
pub(super) fn span_error(error: &Error) -> SpanError {
    let status = |status: StatusCode| Cow::Owned(status.as_str().to_owned());
    let error_type = match error {
        Error::Api(api) => status(api.status),
        Error::UnexpectedResponse { .. } => "unexpected_response".into(),
        Error::Connect(_) => NoResponse::NotConnected.as_str().into(),
        Error::Unprocessed(_) => NoResponse::NotProcessed.as_str().into(),
        Error::Timeout | Error::DeadlinePassed => NoResponse::Timeout.as_str().into(),
        Error::Transport(_) => NoResponse::Lost.as_str().into(),
        Error::Throttled { .. } => "retry_after".into(),
        Error::BreakerOpen { .. } => "breaker_open".into(),
        Error::OverBudget { .. } => "over_budget".into(),
        Error::NotStarted { .. } | Error::Withdrawn => "not_sent".into(),
        Error::ReadTooMuch { .. } | Error::MemoryExhausted => "response_too_large".into(),
        Error::InvalidKey(_) | Error::Unsendable(_) | Error::NotRecorded(_) | Error::Internal(_) => {
            "_OTHER".into()
        }
    };
    SpanError { error_type }
}
