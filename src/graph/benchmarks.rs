//! The steps between entities and bytes, for [`crate::benchmarks`].

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{HeaderValue, StatusCode};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::auth::Authorization;
use super::batch::{Item, envelope, read_responses};
use super::body_limit::BodyLimit;
use super::caller::Caller;
use super::models::{DeviceStatus, NewDeviceStatus};
use super::page::Page;
use super::response::{GraphResponse, RequestLine};
use super::writes::to_body;
use crate::memory::MemoryBudget;
use crate::telemetry::request::RequestTelemetry;

const REQUEST_LINE: RequestLine<'static> = RequestLine { method: "GET", root: "/beta", path: "/x" };

/// Returns the body of a create.
#[must_use]
pub fn create_body(new: &NewDeviceStatus) -> Bytes {
    to_body(new).unwrap_or_default()
}

/// Returns the body of a batch with these creates.
#[must_use]
pub fn batch_request(url: &str, bodies: &[Bytes]) -> Vec<u8> {
    let items = bodies.iter().map(|body| Item { method: "POST", url, body: Some(body), approval: None });
    envelope(items).unwrap_or_default()
}

/// Reads the response to a batch of `count` requests. Returns the number of items that are readable.
#[must_use]
pub fn read_batch_response(body: &[u8], count: usize) -> usize {
    read_responses(body, count).map_or(0, |items| items.iter().filter(|item| item.is_ok()).count())
}

/// Reads the response to a create of one status. Returns whether it has the created status.
#[must_use]
pub fn read_created_status(body: Bytes) -> bool {
    read(StatusCode::CREATED, body).is_some_and(|response| response.entity::<DeviceStatus>().is_ok())
}

/// Reads a page of device statuses. Returns the number of its rows.
#[must_use]
pub fn read_page(body: Bytes) -> usize {
    let root = Url::parse("https://graph.microsoft.com/beta").expect("it is a URL");
    let page =
        read(StatusCode::OK, body).map(|response| Page::<DeviceStatus>::read(&response, &root, "/rows"));
    page.and_then(Result::ok).map_or(0, |page| page.entities.len())
}

/// A complete response, as if it had arrived.
fn read(status: StatusCode, body: Bytes) -> Option<GraphResponse> {
    let budget: Arc<MemoryBudget> = MemoryBudget::new(usize::MAX);
    let mut response = http::Response::new(http_body_util::Full::new(body));
    *response.status_mut() = status;
    let caller = Caller {
        authorization: Authorization::parse(&HeaderValue::from_static("Bearer benchmark")).ok()?,
        telemetry: RequestTelemetry::random(),
        deadline: Instant::now(),
        disconnected: CancellationToken::new(),
        guard: None,
        memory_share: crate::memory::MemoryShare::default(),
    };
    let limit = BodyLimit::new(usize::MAX, &budget, crate::memory::MemoryShare::default(), false);
    let read = GraphResponse::read(response, limit, REQUEST_LINE, &caller);
    read.now_or_never()?.ok()
}
