//! HTTP: the listeners, the routes, and GraphQL over HTTP. What a request means is the schema's business.

mod auth;
mod graphiql;
mod graphql;
mod health;
mod listener;
mod media_type;
mod router;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{self, Either, FutureExt as _};
use tokio::net::TcpListener;
use tracing::info;

pub use self::graphiql::PageSettings;
use self::health::Readiness;
use crate::graph;
use crate::schema::Api;

/// What the gateway is started with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Time for one request, Graph's answers included.
    pub deadline: Duration,
    /// Largest request body, in bytes.
    pub max_body: usize,
    /// Whether introspection is answered.
    pub introspection: bool,
    /// The GraphiQL page, where it is served.
    pub graphiql: Option<PageSettings>,
}

/// What handlers share.
struct App {
    api: Api,
    graph: graph::Client,
    settings: Settings,
}

/// What a request that is under way at a shutdown is given beyond its deadline, to send its answer.
const TO_ANSWER: Duration = Duration::from_secs(1);

/// The gateway was told to stop, and did while a write that had been sent was still without an answer.
#[derive(Debug, thiserror::Error)]
#[error("a write to Microsoft Graph was cut off: it may have happened")]
pub struct WriteCutOff;

/// Serves the gateway on `public` and its health on `admin`, until `shutdown` resolves and the requests that are under
/// way then are answered, each within its deadline.
///
/// # Errors
///
/// [`WriteCutOff`], where Graph had not answered a write by then.
pub async fn run(
    public: TcpListener,
    admin: TcpListener,
    graph: graph::Client,
    settings: Settings,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), WriteCutOff> {
    let readiness = Readiness::ready();
    let drain = settings.deadline + TO_ANSWER;
    let client = graph.clone();
    let app = Arc::new(App { api: Api::new(settings.introspection), graph, settings });
    let stopping = shutdown
        .map({
            let readiness = readiness.clone();
            move |()| {
                info!("shutting down");
                readiness.not_any_more();
            }
        })
        .shared();
    // The admin listener goes last, so that whoever asks is told "not ready" rather than nothing.
    let (served, until_served) = tokio::sync::oneshot::channel::<()>();
    let public = async {
        let too_late = async {
            stopping.clone().await;
            tokio::time::sleep(drain + TO_ANSWER).await;
        };
        let finished = async {
            listener::serve(public, router::public(&app), stopping.clone(), drain).await;
            // A write is not given up with its caller.
            client.writes_finished().await;
        };
        let ended = match future::select(pin!(finished), pin!(too_late)).await {
            Either::Left(_) => Ok(()),
            Either::Right(_) => Err(WriteCutOff),
        };
        drop(served);
        ended
    };
    let admin = listener::serve(admin, health::router(readiness), until_served.map(|_| ()), TO_ANSWER);
    future::join(public, admin).await.0
}
