//! The admin listener: liveness, readiness and metrics.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::routing::get;
use http::StatusCode;
use http::header::CONTENT_TYPE;

use super::app::App;
use super::router;
use crate::schema::Health;
use crate::telemetry::metrics;

/// Whether the gateway accepts requests: from the start until it begins to shut down.
#[derive(Debug, Clone)]
pub(super) struct Readiness(Arc<AtomicBool>);

impl Readiness {
    pub(super) fn ready() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }

    pub(super) fn set_not_ready(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// `/livez`, `/readyz` and `/metrics`. The first two do not call Graph: if Graph is down, callers
/// need the gateway's error, which they would not receive if the load balancer removed the gateway.
/// The gateway is not ready while it cannot store idempotency keys in its own file. It is while the state that replicas
/// share cannot be used: without a replica to go to, callers need the gateway's error. The response has the reason.
pub(super) fn router(readiness: Readiness, app: Arc<App>) -> Router {
    let readyz = move || async move {
        if !readiness.0.load(Ordering::Relaxed) {
            return (StatusCode::SERVICE_UNAVAILABLE, "shutting down\n".to_owned());
        }
        match app.api.health() {
            Health::Good => (StatusCode::OK, "ready\n".to_owned()),
            Health::Degraded(reason) => (StatusCode::OK, format!("ready, but {reason}\n")),
            Health::Bad(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {reason}\n")),
        }
    };
    let metrics = async || ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], metrics::render());
    let routes = Router::new()
        .route("/livez", get(async || "alive\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics));
    router::admin(routes)
}
