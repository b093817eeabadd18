//! The routes, and the checks and headers of all of them.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use axum::routing::any;
use axum::{Router, middleware};
use http::header::{
    CONNECTION, CONTENT_SECURITY_POLICY, HOST, REFERRER_POLICY, TRANSFER_ENCODING, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use http::uri::Authority;
use http::{HeaderName, HeaderValue, StatusCode, Version};

use super::app::App;
use super::{cors, graphiql, graphql};

/// Headers of every response, unless the handler sets its own. Responses are neither documents nor frames. Only hyper's own
/// responses to invalid heads (400 and 431) do not have them.
const SECURITY_HEADERS: [(HeaderName, HeaderValue); 4] = [
    (CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
];

/// The public listener's routes.
pub(super) fn public(app: &Arc<App>) -> Router {
    // A redirect from `/graphql/` would lose the token in some clients, and fails in preflight requests.
    let mut router =
        Router::new().route("/graphql", any(graphql::handle)).route("/graphql/", any(graphql::handle));
    if let Some(page) = &app.settings.graphiql {
        router = router.merge(graphiql::router(page));
    }
    let mut router = router.fallback(not_found).with_state(Arc::clone(app));
    if !app.settings.cors_origins.is_empty() || app.settings.allow_loopback_origins {
        router = router.layer(cors::layer(app));
    }
    router.layer(middleware::from_fn_with_state(Arc::clone(app), check_public))
}

/// Adds the checks and headers of the admin listener.
pub(super) fn admin(router: Router) -> Router {
    router.layer(middleware::from_fn(check_admin))
}

async fn not_found() -> Response {
    graphql::reject(StatusCode::NOT_FOUND, "Not found. GraphQL is served at /graphql.")
}

/// All checks are one layer, since each layer allocates a future and a copy of the services below it.
async fn check_public(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let rejection = check_head(&request).or_else(|| cors::check_preflight(&app.settings, &request));
    let origin = cors::allowed_origin(&app.settings, &request);
    let mut response = with_security_headers(respond(rejection, request, next).await);
    if let Some(origin) = origin {
        cors::allow_timing(&mut response, origin);
    }
    response
}

async fn check_admin(request: Request, next: Next) -> Response {
    let rejection = check_head(&request);
    with_security_headers(respond(rejection, request, next).await)
}

async fn respond(rejection: Option<Response>, request: Request, next: Next) -> Response {
    match rejection {
        Some(rejection) => rejection,
        None => next.run(request).await,
    }
}

/// Rejects requests that a proxy may parse differently: without exactly one `Host` (RFC 9112, section 3.2), or with another
/// transfer coding than `chunked` (section 6.1).
fn check_head(request: &Request) -> Option<Response> {
    let mut codings = request.headers().get_all(TRANSFER_ENCODING).iter();
    let is_chunked = codings.next().is_none_or(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked"));
    if !is_chunked || codings.next().is_some() {
        let message = "The only supported transfer coding is `chunked`.";
        let mut response = graphql::reject(StatusCode::NOT_IMPLEMENTED, message);
        // The end of the body, and thus the start of the next request, is unknown.
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        return Some(response);
    }
    if !has_one_host(request) {
        let message =
            "An HTTP/1.1 request needs exactly one `Host` header, with a host and an optional port.";
        return Some(graphql::reject(StatusCode::BAD_REQUEST, message));
    }
    None
}

/// HTTP/1.0 does not require `Host`, and HTTP/2 has `:authority` instead.
fn has_one_host(request: &Request) -> bool {
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => request.version() != Version::HTTP_11,
        (Some(host), None) => {
            let is_host =
                |host| matches!(Authority::try_from(host), Ok(host) if !host.as_str().contains('@'));
            host.is_empty() || is_host(host.as_bytes())
        }
        (Some(_), Some(_)) => false,
    }
}

fn with_security_headers(mut response: Response) -> Response {
    for (name, value) in SECURITY_HEADERS {
        response.headers_mut().entry(name).or_insert(value);
    }
    response
}
