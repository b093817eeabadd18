//! HTTP: the listeners, the routes, and GraphQL over HTTP. Operations are interpreted by the schema
//! layer.

mod app;
mod auth;
mod compression;
mod concurrency_limiter;
mod connection;
mod content_coding;
mod cors;
mod graphiql;
mod graphql;
mod guarded_body;
mod health;
mod listener;
mod media_type;
mod qvalue;
mod router;
mod settings;
mod tls;
mod workers;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{self, FutureExt as _};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use self::app::App;
pub use self::concurrency_limiter::ConcurrencyLimits;
use self::concurrency_limiter::{CallerIds, ConcurrencyLimiter};
pub use self::graphiql::GraphiqlSettings;
#[cfg(any(test, fuzzing))]
pub use self::graphql::properties::request_body;
use self::health::Readiness;
use self::listener::Endpoint;
pub use self::listener::{ConnectionLimits, HALF_CLOSE_WINDOW, bind};
pub use self::settings::Settings;
pub use self::tls::{CertificateFiles, Tls, TlsError};
pub use self::workers::Workers;
use crate::graph;
use crate::memory::MemoryBudget;
use crate::schema::Api;
use crate::telemetry::metrics;

/// Maximum size of all incomplete request heads on the admin listener, in bytes. They do not count toward the memory of the
/// public listener.
const MAX_ADMIN_HEAD_BYTES: usize = 16 * 1024 * 1024;
/// Limits of the admin listener, whose clients are the operator's.
const ADMIN_CONNECTIONS: ConnectionLimits = ConnectionLimits {
    max_connections: 10_000,
    header_timeout: Duration::from_secs(10),
    idle_timeout: Duration::from_secs(75),
    send_timeout: Duration::from_secs(60),
    half_close_window: HALF_CLOSE_WINDOW,
};
/// Time beyond its time limit for sending the response to a request, while the gateway shuts down.
const RESPONSE_GRACE: Duration = Duration::from_secs(1);

/// The listeners of a gateway.
#[derive(Debug)]
pub struct Listeners {
    /// GraphQL and GraphiQL.
    pub public: TcpListener,
    /// Health and metrics.
    pub admin: TcpListener,
}

/// Serves the gateway on the public listener, by the threads of `workers`, and its health on the admin
/// listener, until `shutdown` resolves. Then `/readyz` fails at once. After the drain delay no new
/// connection is accepted, and requests in flight and writes that were sent to Graph are finished within
/// the drain timeout, or until `abort` resolves after `shutdown`. Returns the number of writes that were
/// cut off.
pub async fn run(
    listeners: Listeners,
    graph: graph::Client,
    api: Api,
    settings: Settings,
    workers: Workers,
    shutdown: impl Future<Output = ()> + Send,
    abort: impl Future<Output = ()> + Send,
) -> usize {
    let Listeners { public, admin } = listeners;
    let readiness = Readiness::ready();
    let Settings { request_timeout, drain_delay, drain_timeout, concurrency, connections, .. } = settings;
    let subscriptions = ConcurrencyLimits {
        max_concurrent_requests: settings.max_subscriptions,
        max_queued_requests: 0,
        ..concurrency
    };
    let tls = settings.tls.clone();
    let admin_tls = tls.clone().filter(|_| settings.admin_tls);
    let draining = CancellationToken::new();
    let aborted = CancellationToken::new();
    let budget = || MemoryBudget::shared(settings.max_buffered_bytes, settings.max_buffered_per_caller);
    let app = Arc::new(App {
        api,
        graph: graph.clone(),
        caller_ids: CallerIds::new(),
        request_limiter: ConcurrencyLimiter::new(concurrency, metrics::in_flight),
        subscription_limiter: ConcurrencyLimiter::new(subscriptions, metrics::subscription),
        draining: draining.clone(),
        request_memory: budget(),
        response_memory: budget(),
        settings,
    });

    let begin_drain = {
        let (readiness, graph, draining) = (readiness.clone(), graph.clone(), draining.clone());
        let aborted = aborted.clone();
        async move {
            shutdown.await;
            readiness.set_not_ready();
            graph.stop_retries();
            info!(delay_ms = drain_delay.as_millis(), "shutting down");
            let _ = tokio::time::timeout(drain_delay, aborted.cancelled()).await;
            draining.cancel();
            graph.stop_sending();
        }
    };
    let drained = async {
        let max_request_time = request_timeout + RESPONSE_GRACE;
        let drain = max_request_time.min(drain_timeout);
        let (router, heads) = (router::public(&app), Arc::clone(&app.request_memory));
        let public = Endpoint { listener: public, tls: tls.clone(), workers: Some(&workers) };
        listener::serve(public, router, connections, &heads, max_request_time, begin_drain, drain).await;
        graph.wait_for_writes().await;
        // While the store cannot be used, their outcomes are still to be stored.
        app.api.idempotency().wait_for_releases().await;
    };
    let overdue = async {
        let timeout = async {
            draining.cancelled().await;
            tokio::time::sleep(drain_timeout).await;
        };
        tokio::select! {
            () = timeout => warn!(timeout_ms = drain_timeout.as_millis(), "the drain timeout ended"),
            () = abort => {
                warn!("a second signal ends the shutdown");
                aborted.cancel();
            }
        }
    };
    // The admin listener stops last, so that `/readyz` responds during the whole shutdown.
    let (served, until_served) = oneshot::channel::<()>();
    let public = async {
        let mut drained = std::pin::pin!(drained);
        tokio::select! {
            () = &mut drained => {}
            () = overdue => {
                // Callers of writes that are cut off get `OUTCOME_UNKNOWN`.
                graph.cut_off();
                let _ = tokio::time::timeout(RESPONSE_GRACE, drained).await;
            }
        }
        drop(served);
    };
    let health = health::router(readiness, Arc::clone(&app));
    let heads = MemoryBudget::new(MAX_ADMIN_HEAD_BYTES);
    let admin = listener::serve(
        Endpoint { listener: admin, tls: admin_tls, workers: None },
        health,
        ADMIN_CONNECTIONS,
        &heads,
        RESPONSE_GRACE,
        until_served.map(|_| ()),
        RESPONSE_GRACE,
    );
    let watch_tls = async {
        match &tls {
            Some(tls) => tls.watch().await,
            None => future::pending().await,
        }
    };
    let watch_documents = app.api.watch_trusted_documents(&app.settings.reload);
    tokio::select! {
        _ = future::join(public, admin) => {}
        () = watch_tls => {}
        () = watch_documents => {}
    }
    let unstored = app.api.idempotency().pending_releases();
    if unstored > 0 {
        error!(
            calls = unstored,
            "outcomes of calls with an idempotency key could not be stored; repeats are told that they are unknown"
        );
    }
    let cut_off = graph.writes_in_flight();
    if cut_off > 0 {
        // Those without a caller log their outcome.
        graph.abandon_writes();
        let _ = tokio::time::timeout(RESPONSE_GRACE, graph.wait_for_writes()).await;
    }
    cut_off
}
