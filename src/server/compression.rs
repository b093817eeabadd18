//! Compression of GraphQL responses. The files of the GraphiQL page are compressed at build time instead.

use std::convert::Infallible;
use std::future;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::header::ACCEPT_ENCODING;
use http::{Extensions, HeaderMap, HeaderValue, StatusCode, Version};
use tower::{Layer, ServiceExt, service_fn};
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};

use super::content_coding::AcceptedCodings;

/// The codings that responses are sent in, the preferred one first.
const CODINGS: [&str; 3] = ["zstd", "br", "gzip"];
/// Smallest response that is worth compressing, in bytes.
const MIN_SIZE: u16 = 1024;

/// Compresses a response, if it is worth it, with the coding that the client prefers, at the fastest level since it is sent
/// once. Event streams are never compressed.
pub(super) async fn compress(response: Response, accepted: &AcceptedCodings) -> Response {
    if !is_worth_it(&response, accepted.rejects_identity()) {
        return response;
    }
    // The state of its encoders is part of each response's type, 6 KiB, which small responses do not need.
    Box::pin(encode(response, accepted.best(&CODINGS))).await
}

/// Whether a response is large enough, or its client does not accept it otherwise.
fn is_worth_it(response: &Response, rejects_identity: bool) -> bool {
    let min_size = if rejects_identity { 1 } else { MIN_SIZE };
    SizeAbove::new(min_size).should_compress(response) && NotForContentType::SSE.should_compress(response)
}

/// The response in this coding, with the headers that name it. Without a coding only `Vary` is added.
async fn encode(response: Response, coding: Option<&'static str>) -> Response {
    let always = |_: StatusCode, _: Version, _: &HeaderMap, _: &Extensions| true;
    let layer = CompressionLayer::new().quality(CompressionLevel::Fastest).compress_when(always);
    // The layer supports neither `*` nor all forms of a quality value, so it gets the chosen coding alone.
    let mut request = Request::new(Body::empty());
    if let Some(coding) = coding {
        request.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static(coding));
    }
    let mut response = Some(response);
    let respond = service_fn(move |_| {
        future::ready(Ok::<_, Infallible>(response.take().expect("one request is sent to this service")))
    });
    let Ok(response) = layer.layer(respond).oneshot(request).await;
    response.map(Body::new)
}
