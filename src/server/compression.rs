//! Compression of GraphQL responses. The files of the GraphiQL page are compressed at build time instead.

use axum::Router;
use axum::body::HttpBody;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::Response;
use http::HeaderValue;
use http::header::ACCEPT_ENCODING;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, Predicate, SizeAbove};

use super::content_coding::AcceptedCodings;

/// The codings that responses are sent in, the preferred one first.
const CODINGS: [&str; 3] = ["zstd", "br", "gzip"];
/// Smallest response that is worth compressing, in bytes.
const MIN_SIZE: u16 = 1024;

/// Compresses the responses of `routes` with the coding that the client prefers, at the fastest level since each is sent
/// once. Event streams are never compressed.
pub(super) fn layered<S: Clone + Send + Sync + 'static>(routes: Router<S>) -> Router<S> {
    let compression = CompressionLayer::new().quality(CompressionLevel::Fastest).compress_when(IsWorthIt);
    routes
        .layer(middleware::from_fn(mark_response))
        .layer(compression)
        .layer(middleware::map_request(choose_coding))
}

/// Extension of a request, and of its response, whose client does not accept a response without a coding.
#[derive(Debug, Clone, Copy)]
struct RejectsIdentity;

/// Replaces `Accept-Encoding` by the chosen coding: the compression layer supports neither `*` nor all forms of a quality
/// value.
async fn choose_coding(mut request: Request) -> Request {
    let accepted = AcceptedCodings::of(request.headers());
    match accepted.best(&CODINGS) {
        Some(coding) => drop(request.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static(coding))),
        None => drop(request.headers_mut().remove(ACCEPT_ENCODING)),
    }
    if accepted.rejects_identity() {
        request.extensions_mut().insert(RejectsIdentity);
    }
    request
}

/// Copies the mark to the response: the compression layer decides without the request.
async fn mark_response(request: Request, next: Next) -> Response {
    let marker = request.extensions().get::<RejectsIdentity>().copied();
    let mut response = next.run(request).await;
    if let Some(marker) = marker {
        response.extensions_mut().insert(marker);
    }
    response
}

/// Compresses responses that are large enough, or whose client does not accept them otherwise.
#[derive(Debug, Clone, Copy)]
struct IsWorthIt;

impl Predicate for IsWorthIt {
    fn should_compress<B: HttpBody>(&self, response: &http::Response<B>) -> bool {
        let is_large = SizeAbove::new(MIN_SIZE).should_compress(response);
        let must_be = response.extensions().get::<RejectsIdentity>().is_some();
        (is_large || must_be) && DefaultPredicate::new().should_compress(response)
    }
}
