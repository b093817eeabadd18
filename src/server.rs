//! HTTP: the listeners, the routes, and GraphQL over HTTP. What a request means is the schema's business.

mod app;
mod auth;
mod compression;
mod concurrency_limiter;
mod connection;
mod content_coding;
mod graphiql;
mod graphql;
mod health;
mod kept;
mod listener;
mod media_type;
mod router;
mod settings;
mod weight;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{self, FutureExt as _};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use self::app::App;
use self::concurrency_limiter::Admission;
pub use self::concurrency_limiter::ConcurrencyLimits;
pub use self::graphiql::GraphiqlSettings;
#[cfg(any(test, fuzzing))]
pub use self::graphql::properties::request_body;
use self::health::Readiness;
pub use self::listener::{ConnectionLimits, HALF_CLOSE_WINDOW, bind};
pub use self::settings::Settings;
use crate::graph;
use crate::memory::MemoryBudget;
use crate::schema::Api;
use crate::telemetry::metrics;

/// Most bytes of all unfinished heads on the admin listener, which the memory of the public one has no part in.
const ADMIN_HEADS: usize = 16 * 1024 * 1024;
/// Of the admin listener, whose clients are the operator's.
const ADMIN_CONNECTIONS: ConnectionLimits = ConnectionLimits {
    max_connections: 10_000,
    header_timeout: Duration::from_secs(10),
    idle_timeout: Duration::from_secs(75),
    send_timeout: Duration::from_secs(60),
    half_close_window: HALF_CLOSE_WINDOW,
};
/// What a request that is under way at a shutdown is given beyond its deadline, to send its answer.
const TO_ANSWER: Duration = Duration::from_secs(1);

/// Serves the gateway on `public` and its health on `admin`, until `shutdown` resolves. Then it is not ready at once;
/// after the drain delay no connection is taken any more, and what has been sent to Graph is finished within the drain
/// time-out, writes that nobody waits for included. Gives the number of writes that were cut off.
pub async fn run(
    public: TcpListener,
    admin: TcpListener,
    graph: graph::Client,
    api: Api,
    settings: Settings,
    shutdown: impl Future<Output = ()> + Send,
) -> usize {
    let readiness = Readiness::ready();
    let Settings { request_timeout, drain_delay, drain_timeout, concurrency, connections, .. } = settings;
    let streams = ConcurrencyLimits {
        max_concurrent_requests: settings.max_subscriptions,
        max_queued_requests: 0,
        ..concurrency
    };
    let streams = Admission::new(streams, metrics::stream);
    let admission = Admission::new(concurrency, metrics::in_flight);
    let stopping_streams = CancellationToken::new();
    let (bodies, answers) =
        (MemoryBudget::new(settings.max_buffered_bytes), MemoryBudget::new(settings.max_buffered_bytes));
    let stopping = stopping_streams.clone();
    let app =
        Arc::new(App { api, graph: graph.clone(), admission, streams, stopping, bodies, answers, settings });

    let (draining, drain_begins) = oneshot::channel::<()>();
    let stopping = {
        let (readiness, graph) = (readiness.clone(), graph.clone());
        async move {
            shutdown.await;
            readiness.not_any_more();
            graph.stop_waiting();
            info!(delay_ms = drain_delay.as_millis(), "shutting down");
            tokio::time::sleep(drain_delay).await;
            stopping_streams.cancel();
            graph.stop_sending();
            drop(draining);
        }
    };
    let drained = async {
        let longest_request = request_timeout + TO_ANSWER;
        let drain = longest_request.min(drain_timeout);
        let (router, heads) = (router::public(&app), Arc::clone(&app.bodies));
        listener::serve(public, router, connections, &heads, longest_request, stopping, drain).await;
        graph.written().await;
    };
    let overdue = async {
        let _ = drain_begins.await;
        tokio::time::sleep(drain_timeout).await;
    };
    // The admin listener goes last, so that whoever asks is told "not ready" rather than nothing.
    let (served, until_served) = oneshot::channel::<()>();
    let public = async {
        let mut drained = std::pin::pin!(drained);
        tokio::select! {
            () = &mut drained => {}
            () = overdue => {
                warn!(timeout_ms = drain_timeout.as_millis(), "the drain time-out has passed");
                // Callers of writes that are cut off are told that the outcome is unknown.
                graph.cut_off();
                let _ = tokio::time::timeout(TO_ANSWER, drained).await;
            }
        }
        drop(served);
    };
    let health = health::router(readiness, Arc::clone(&app));
    let heads = MemoryBudget::new(ADMIN_HEADS);
    let admin = listener::serve(
        admin,
        health,
        ADMIN_CONNECTIONS,
        &heads,
        TO_ANSWER,
        until_served.map(|_| ()),
        TO_ANSWER,
    );
    future::join(public, admin).await;
    graph.writes_under_way()
}
