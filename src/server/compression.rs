//! Compression of GraphQL responses. The files of the GraphiQL page are compressed already, and have no part in this.

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

/// Compresses the responses of `routes` in the coding that the client prefers; fast rather than small, since each is made
/// for one caller. Event streams are never compressed.
pub(super) fn layered<S: Clone + Send + Sync + 'static>(routes: Router<S>) -> Router<S> {
    let compression = CompressionLayer::new().quality(CompressionLevel::Fastest).compress_when(IsWorthIt);
    routes
        .layer(middleware::from_fn(mark_response))
        .layer(compression)
        .layer(middleware::map_request(choose_coding))
}

/// The client accepts no response without a coding. An extension of its request, and of the response to it.
#[derive(Debug, Clone, Copy)]
struct RefusesIdentity;

/// Leaves only the chosen coding for the compression to read, which understands neither `*` nor every form of a weight.
async fn choose_coding(mut request: Request) -> Request {
    let accepted = AcceptedCodings::of(request.headers());
    match accepted.best(&CODINGS) {
        Some(coding) => drop(request.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static(coding))),
        None => drop(request.headers_mut().remove(ACCEPT_ENCODING)),
    }
    if accepted.refuses_identity() {
        request.extensions_mut().insert(RefusesIdentity);
    }
    request
}

/// Tells the compression, which sees no request, that small responses are to be compressed too.
async fn mark_response(request: Request, next: Next) -> Response {
    let marker = request.extensions().get::<RefusesIdentity>().copied();
    let mut response = next.run(request).await;
    if let Some(marker) = marker {
        response.extensions_mut().insert(marker);
    }
    response
}

/// Whether a response is to be compressed, if the client accepts a coding.
#[derive(Debug, Clone, Copy)]
struct IsWorthIt;

impl Predicate for IsWorthIt {
    fn should_compress<B: HttpBody>(&self, response: &http::Response<B>) -> bool {
        let is_large = SizeAbove::new(MIN_SIZE).should_compress(response);
        let must_be = response.extensions().get::<RefusesIdentity>().is_some();
        (is_large || must_be) && DefaultPredicate::new().should_compress(response)
    }
}
