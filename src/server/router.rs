//! All routes, and what a request meets on its way to them.

use std::sync::Arc;

use axum::Router;
use axum::routing::any;

use super::{App, graphiql, graphql};

/// The public listener's routes.
pub(super) fn public(app: &Arc<App>) -> Router {
    let mut router = Router::new().route("/graphql", any(graphql::handle));
    if let Some(page) = &app.settings.graphiql {
        router = router.merge(graphiql::router(page));
    }
    router.with_state(Arc::clone(app))
}
