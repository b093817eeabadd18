//! From a request's parameters to its answers, the same for every transport: taken in, prepared, executed.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use async_graphql::parser::types::OperationType;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt as _, StreamExt as _};
use http::{HeaderMap, HeaderName};
use tokio_util::sync::CancellationToken;
use tracing::error;
use uuid::Uuid;

use super::answer::Answer;
use super::refusal::Refusal;
use crate::graph::{Authorization, Caller};
use crate::memory::Reservation;
use crate::schema::{GraphqlRequest, ResponseMemory};
use crate::server::app::App;
use crate::telemetry::metrics::{self, Overloaded};

const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("client-request-id");

/// What came of a request.
pub(super) enum Execution {
    /// A query or a mutation.
    Whole(Answer),
    /// A subscription, with all that is kept while it goes on.
    Live(BoxStream<'static, Answer>),
}

/// Whose request it is, and how long it may take.
pub(super) struct Asker {
    pub(super) token: Option<Authorization>,
    /// The caller's `client-request-id`, or one of ours.
    pub(super) client_request_id: Uuid,
    pub(super) deadline: Instant,
    /// Cancelled when the client leaves: nothing new is sent to Graph then.
    pub(super) gone: CancellationToken,
}

/// The caller's `client-request-id` where it is a GUID, else a fresh one.
pub(super) fn client_request_id(headers: &HeaderMap) -> Uuid {
    headers
        .get(CLIENT_REQUEST_ID)
        .and_then(|id| Uuid::try_parse_ascii(id.as_bytes()).ok())
        .unwrap_or_else(Uuid::new_v4)
}

/// Takes a request in, and executes it where nothing is wrong with it: a query or mutation to its end, a subscription not
/// before its stream is asked. `may_subscribe` says why it may not be one. Of an operation that writes, `is_write` is set
/// before it does.
pub(super) async fn execute(
    app: &App,
    request: GraphqlRequest,
    asker: Asker,
    may_subscribe: Result<(), Refusal>,
    is_write: &mut bool,
) -> Result<Execution, Refusal> {
    let Asker { token, client_request_id, deadline, gone } = asker;
    let admitted = tokio::select! {
        biased;
        admitted = app.admission.admit(token.as_ref(), deadline.into()) => admitted,
        // Others wait for the place that a client who has left would get.
        () = gone.cancelled() => Err(Overloaded::WaitedTooLong),
    };
    let _admitted = admitted.map_err(Refusal::Overloaded)?;
    let prepared = app.api.prepare(request)?;
    // Where the caller hangs up, this is dropped with all that answers it.
    let present = gone.clone().drop_guard();
    let session = |token: Option<Authorization>| {
        let caller = |authorization| Caller { authorization, client_request_id, deadline, gone };
        token.map(|authorization| app.graph.session(caller(authorization)))
    };
    if prepared.operation_type == OperationType::Subscription {
        may_subscribe?;
        let admitted =
            app.streams.admit(token.as_ref(), deadline.into()).await.map_err(Refusal::Overloaded)?;
        let answers = Arc::clone(&app.answers);
        let memory = move || -> Box<dyn ResponseMemory> { Box::new(answers.reservation()) };
        let responses = app.api.subscribe(prepared, session(token), app.settings.request_timeout, memory);
        let kept = (admitted, present);
        return Ok(Execution::Live(
            responses
                .map(move |response| {
                    let _ = &kept;
                    Answer::live(response)
                })
                .boxed(),
        ));
    }
    let mut memory = Box::new(app.answers.reservation());
    // Before anything is written: what became of it is delivered whatever room there is then.
    if !app.api.reserve(&prepared, memory.as_mut()) {
        metrics::refused(Overloaded::Memory);
        return Err(Refusal::Overloaded(Overloaded::Memory));
    }
    *is_write = prepared.operation_type == OperationType::Mutation;
    Ok(Execution::Whole(Answer::whole(app.api.execute(prepared, session(token), memory).await)))
}

/// What a response takes while it is built.
impl ResponseMemory for Reservation {
    fn try_grow(&mut self, bytes: usize) -> bool {
        Reservation::reserve(self, bytes).is_ok()
    }

    fn grow(&mut self, bytes: usize) {
        self.force_reserve(bytes);
    }
}

/// What `answer` gives, also where it panics; it says by its argument that it is going to write.
pub(super) async fn caught<T>(
    answer: impl AsyncFnOnce(&mut bool) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    let mut is_write = false;
    let answer = AssertUnwindSafe(answer(&mut is_write)).catch_unwind().await;
    answer.unwrap_or_else(|_panic| {
        metrics::panicked();
        error!("a request panicked");
        Err(Refusal::Failed { is_write })
    })
}
