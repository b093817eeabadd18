//! All routes, and what a request meets on its way to them.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use axum::routing::any;
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, RETRY_AFTER,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderName, HeaderValue, Method};
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, Predicate as _, SizeAbove};
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::{App, graphiql, graphql};

/// How long a browser may keep the answer to a preflight request; none keeps it longer.
const PREFLIGHT_KEPT: Duration = Duration::from_secs(2 * 60 * 60);
/// Smallest answer that is worth compressing, in bytes.
const WORTH_COMPRESSING: u16 = 1024;

/// On every answer that has no others of its own: nothing here is a page, to be framed, or to be guessed at.
const ALWAYS: [(HeaderName, HeaderValue); 4] = [
    (CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
];

/// The public listener's routes.
pub(super) fn public(app: &Arc<App>) -> Router {
    let mut router = Router::new().route("/graphql", any(graphql::handle));
    if let Some(page) = &app.settings.graphiql {
        router = router.merge(graphiql::router(page));
    }
    let mut router = router.with_state(Arc::clone(app));
    if !app.settings.cors_origins.is_empty() {
        router = router.layer(cors(app.settings.cors_origins.clone()));
    }
    router.layer(compression()).layer(axum::middleware::map_response(add_headers))
}

/// Lets pages of these origins send requests with a token, and read what they need of the answer. No cookie is ever
/// asked for.
fn cors(origins: Vec<HeaderValue>) -> CorsLayer {
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName::from_static("client-request-id")])
        .expose_headers([RETRY_AFTER])
        .max_age(PREFLIGHT_KEPT)
}

/// By `Accept-Encoding`; fast rather than small, since each answer is made for one caller. Streams are left alone.
fn compression() -> CompressionLayer<impl tower_http::compression::Predicate> {
    let worth = DefaultPredicate::new().and(SizeAbove::new(WORTH_COMPRESSING));
    CompressionLayer::new().quality(CompressionLevel::Fastest).compress_when(worth)
}

async fn add_headers(mut response: Response) -> Response {
    for (name, value) in ALWAYS {
        response.headers_mut().entry(name).or_insert(value);
    }
    response
}
