//! Creates: one by a plain POST, many by `POST /$batch`. Each is sent again only if Graph certainly did nothing, or if a
//! lookup by its key shows that it does not exist.
//!
//! The work continues when its caller leaves, since neither a disconnect nor the deadline may abort a
//! sent request. At the deadline the caller receives the progress of each create.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use http::{Method, StatusCode};
use tokio::time::Instant;
use tower::retry::budget::Budget as _;

use super::collection::Collection;
use super::create_attempt::{AttemptResult, PendingCreate, next_group};
use super::create_observer::{CreateObserver, CreateOutcome};
use super::created::{CreateResult, Created};
use super::progress::{ItemProgress, Progress};
use super::read_back::ReadBack;
use crate::graph::approval::Approval;
use crate::graph::call_log::WriteRecord;
use crate::graph::delivery::{Delivery, Unfinished};
use crate::graph::error::{Error, Outcome, WriteError, WriteKind};
use crate::graph::in_place::InPlace;
use crate::graph::models::{Entity, NewEntity};
use crate::graph::response::GraphResponse;
use crate::graph::retry::{Idempotency, Retries};
use crate::graph::retry_after_cache::OperationKind;
use crate::graph::send_gate::SendGate;
use crate::graph::transport::{RETRY_AFTER, Transport};
use crate::graph::writes::{to_body, within_bounds};
use crate::telemetry::metrics;
use crate::telemetry::traces::{CallScope, within};

/// Maximum number of batches of one call in flight. Halved each time Graph throttles.
const MAX_CONCURRENT_BATCHES: usize = 4;

impl<T: Entity> Collection<T> {
    /// `POST …` for one entity, `POST /$batch` for several. Each is sent again only if Graph certainly did nothing.
    ///
    /// Each is sent with its approval; `approvals` may be empty.
    ///
    /// Returns one result for each, in order. [`WriteError`] has the outcome.
    pub async fn create<N: NewEntity<Entity = T>>(
        &self,
        new: Vec<N>,
        approvals: Vec<Option<Approval>>,
        observer: Arc<dyn CreateObserver>,
    ) -> Vec<CreateResult<T>> {
        let count = new.len();
        let transport = Arc::clone(&self.session.transport);
        let record = WriteRecord::new(&Method::POST, &self.create_path);
        let bodies = new.iter().map(to_body).collect::<Result<Vec<_>, _>>();
        let (bodies, deadline) = match (bodies, transport.deadline()) {
            (Ok(bodies), Ok(deadline)) => (bodies, deadline),
            (Err(error), _) | (_, Err(error)) => {
                observer.close().await;
                let error = WriteError::new(WriteKind::Create, error);
                record.delivered(std::iter::repeat_n(Some(&error), count));
                return std::iter::repeat_n(error, count).map(Err).collect();
            }
        };

        let progress = Arc::new(Progress::new(count));
        let creates = Creates {
            transport: Arc::clone(&transport),
            collection: self.clone(),
            new,
            bodies,
            approvals,
            observer,
            progress: Arc::clone(&progress),
            deadline,
        };
        let delivery = Delivery::default();
        let (for_nobody, undelivered) = (Arc::clone(&progress), record.clone());
        let creates = delivery.clone().run(creates.run(), move |ended| {
            let results = results(&for_nobody, ended.err());
            undelivered.undelivered(results.iter().map(|result| result.as_ref().err()));
        });
        let creates = transport.caller.telemetry.scope(creates);
        let mut creates = InPlace::new(&transport.client.writes.begin(), creates);
        // Declared last, so that it is dropped first.
        let recipient = delivery.recipient();
        let panicked = transport.wait_for_write(deadline, &mut creates).await.and_then(Result::err);
        recipient.received();
        let results = results(&progress, panicked.map(Unfinished::from));
        record.delivered(results.iter().map(|result| result.as_ref().err()));
        for failed in results.iter().filter_map(|result| result.as_ref().err()) {
            self.session.record_error(&failed.error);
        }
        results
    }
}

/// The results of creates as they stand. None of them is sent from here on.
fn results<T: Entity>(
    progress: &Progress<CreateResult<T>>,
    unfinished: Option<Unfinished>,
) -> Vec<CreateResult<T>> {
    let failure = unfinished.map(Error::from);
    let items = progress.report();
    let count = items.len();
    let result = |item| match item {
        ItemProgress::Done(result) => result,
        ItemProgress::InFlight { worst_outcome, gate } => {
            // The one step that decides: from here on it was sent, or will not be.
            let error = match (gate.close(), count) {
                (true, _) => Error::Timeout,
                (false, 1) => Error::Withdrawn,
                (false, _) => Error::NotStarted { retry_after: RETRY_AFTER },
            };
            let is_cut_off = unfinished == Some(Unfinished::CutOff);
            let failure = failure.clone().filter(|_| !is_cut_off || matches!(error, Error::Timeout));
            let error = failure.unwrap_or(error);
            Err(WriteError::after(WriteKind::Create, worst_outcome, error))
        }
        ItemProgress::Waiting { worst_outcome, error } => {
            let error = error.unwrap_or(Error::NotStarted { retry_after: RETRY_AFTER });
            let error = failure.clone().unwrap_or_else(|| error.with_retry_after(RETRY_AFTER));
            // No attempt was in flight, so what panicked sent nothing.
            Err(WriteError { kind: WriteKind::Create, outcome: worst_outcome, error, is_resent: false })
        }
    };
    items.into_iter().map(result).collect()
}

struct Creates<N: NewEntity> {
    transport: Arc<Transport>,
    collection: Collection<N::Entity>,
    new: Vec<N>,
    bodies: Vec<Bytes>,
    /// By index; the rest have none.
    approvals: Vec<Option<Approval>>,
    observer: Arc<dyn CreateObserver>,
    progress: Arc<Progress<CreateResult<N::Entity>>>,
    deadline: Instant,
}

impl<N: NewEntity> Creates<N> {
    async fn run(self) {
        let start = Instant::now();
        let pending = |index| PendingCreate {
            index,
            retries: Retries::new(Idempotency::NonIdempotent),
            worst_outcome: Outcome::NotSent,
            error: None,
            retry_reason: None,
            is_resent: false,
            not_before: start,
        };
        let mut waiting: VecDeque<PendingCreate> = (0..self.new.len()).map(pending).collect();
        let mut in_flight = FuturesUnordered::new();
        let mut concurrency = MAX_CONCURRENT_BATCHES;
        // If Graph throttles one create, it throttles them all.
        let mut paused_until = start;
        loop {
            if let Some(wait) = self.transport.remaining_retry_after(OperationKind::Write) {
                paused_until = paused_until.max(Instant::now() + wait);
            }
            if paused_until >= self.deadline || self.is_over() {
                self.stop(waiting.drain(..), paused_until);
            }
            while in_flight.len() < concurrency
                && let Some(group) = next_group(&mut waiting, paused_until)
            {
                in_flight.push(self.attempt(group));
            }
            let Some(attempted) = in_flight.next().await else {
                let Some(next) = waiting.iter().map(|pending| pending.not_before).min() else { break };
                if !self.transport.wait_until(next.max(paused_until)).await {
                    self.stop(waiting.drain(..), paused_until);
                }
                continue;
            };
            let throttled_until = attempted
                .iter()
                .filter(|pending| pending.is_throttled())
                .map(|pending| pending.not_before)
                .max();
            concurrency = match throttled_until {
                Some(until) => {
                    paused_until = paused_until.max(until);
                    (concurrency / 2).max(1)
                }
                None => (concurrency + 1).min(MAX_CONCURRENT_BATCHES),
            };
            waiting.extend(attempted);
        }
        self.observer.close().await;
    }

    /// Whether no further attempt starts: the caller received its results or disconnected, the
    /// request timed out, or the process is about to stop. A single create that was not attempted
    /// yet is a request in flight, which a shutdown allows to finish.
    fn is_over(&self) -> bool {
        Instant::now() >= self.deadline
            || self.progress.is_reported()
            || self.transport.caller.disconnected.is_cancelled()
            || self.transport.is_draining()
            || (self.new.len() > 1 && self.transport.is_stopping())
    }

    /// Makes one attempt at each create of a group. Returns those to send again.
    async fn attempt(&self, mut group: Vec<PendingCreate>) -> Vec<PendingCreate> {
        let indices: Vec<usize> = group.iter().map(|pending| pending.index).collect();
        if let Err(source) = self.observer.before_send(&indices).await {
            let error = Error::NotRecorded(source);
            for pending in group {
                let error = WriteError::after(WriteKind::Create, pending.worst_outcome, error.clone());
                self.progress.set(pending.index, ItemProgress::Done(Err(error)));
            }
            return Vec::new();
        }
        // The observer may have taken long: the caller may have received its results or
        // disconnected in the meantime.
        let gate = if self.is_over() {
            None
        } else {
            self.progress.begin(group.iter().map(|pending| (pending.index, pending.worst_outcome)))
        };
        let Some(gate) = gate else {
            let unsent: Vec<_> = group
                .iter()
                .map(|pending| (pending.index, CreateOutcome::Failed(pending.worst_outcome)))
                .collect();
            self.observer.after_send(&unsent).await;
            return group;
        };
        let resends = group.iter().map(|pending| pending.retries.count()).max().unwrap_or_default();
        let scope = self.collection.session.call_parent().map(|parent| CallScope::resent(parent, resends));
        let responses = within(scope, self.send(&indices, &gate)).await;
        // One request, however many creates it carries.
        if let Some((reason, response)) = group
            .iter()
            .zip(&responses)
            .find_map(|(pending, response)| Some((pending.retry_reason?, response)))
        {
            reason.count(response);
        }
        self.collection.session.invalidate().await;
        let results = join_all(
            group.iter_mut().zip(responses).map(|(pending, response)| self.classify(pending, response)),
        );
        let mut results = results.await;
        self.spend_retry_budget(&group, &mut results);

        let outcomes: Vec<(usize, CreateOutcome)> = group
            .iter()
            .zip(&results)
            .map(|(pending, result)| (pending.index, result.outcome(pending)))
            .collect();
        self.observer.after_send(&outcomes).await;
        // Those of one request are sent again together, as one request.
        let wait = results.iter().filter_map(AttemptResult::wait).max().unwrap_or_default();
        if results.iter().any(AttemptResult::has_retry_after) {
            metrics::retry_after_wait(wait);
        }
        let not_before = Instant::now() + wait;
        let mut again = Vec::new();
        for (mut pending, result) in group.into_iter().zip(results) {
            match result {
                AttemptResult::Done(result) => self.progress.set(pending.index, ItemProgress::Done(result)),
                AttemptResult::Retry { error, delay } => {
                    let waiting = ItemProgress::Waiting {
                        worst_outcome: pending.worst_outcome,
                        error: Some(error.clone()),
                    };
                    self.progress.set(pending.index, waiting);
                    pending.not_before = not_before;
                    pending.retry_reason = Some(delay.reason);
                    pending.error = Some(error);
                    again.push(pending);
                }
            }
        }
        again
    }

    fn approval(&self, index: usize) -> Option<&Approval> {
        self.approvals.get(index)?.as_ref()
    }

    /// A single one by a plain POST.
    async fn send(&self, indices: &[usize], gate: &SendGate) -> Vec<Result<GraphResponse, Error>> {
        if let [index] = indices {
            let body = self.bodies[*index].clone();
            let path = &self.collection.create_path;
            let write = self.transport.write(Method::POST, path, Some(body), self.approval(*index), gate);
            return vec![within_bounds(write).await];
        }
        let bodies: Vec<_> =
            indices.iter().map(|index| (&self.bodies[*index], self.approval(*index))).collect();
        match within_bounds(self.transport.post_batch(&self.collection.create_path, &bodies, gate)).await {
            Ok(responses) => responses,
            Err(error) => indices.iter().map(|_| Err(error.clone())).collect(),
        }
    }

    /// Decides by the response to an attempt whether another follows.
    async fn classify(
        &self,
        pending: &mut PendingCreate,
        response: Result<GraphResponse, Error>,
    ) -> AttemptResult<N::Entity> {
        let error = match response.and_then(|response| self.created(&response)) {
            Ok(created) => return AttemptResult::Done(Ok(created)),
            Err(error) => error,
        };
        let outcome = Outcome::of_write(&error);
        // A create that was sent again most likely conflicts with its own first attempt.
        let conflicts_with_itself = pending.is_resent && is_conflict(&error);
        pending.worst_outcome = pending.worst_outcome.max(outcome);
        let mut again = pending.retries.after(&error);
        if outcome >= Outcome::Unknown || conflicts_with_itself {
            // Boxed, since it is seldom needed and as large as a read.
            match Box::pin(self.read_back(pending.index)).await {
                ReadBack::Created(entity) => return AttemptResult::Done(Ok(Created::Entity(entity))),
                // Without an approval, it would be refused again.
                ReadBack::Absent if self.transport.client.honors_client_ids && !error.requires_approval() => {
                    pending.is_resent = true;
                    again = Some(pending.retries.resend());
                }
                ReadBack::Absent | ReadBack::Other | ReadBack::NotKnown => {}
            }
        }
        match again {
            Some(delay) if self.transport.is_in_time(delay) => AttemptResult::Retry { error, delay },
            Some(delay) => AttemptResult::failed(pending, error.with_retry_after(delay.wait)),
            None => AttemptResult::failed(pending, error),
        }
    }

    /// The created object, from the response.
    fn created(&self, response: &GraphResponse) -> Result<Created<N::Entity>, Error> {
        Created::read(response, self.collection.session.root(), &self.collection.path)
    }

    /// Looks up the created object by its key.
    async fn read_back(&self, index: usize) -> ReadBack<N::Entity> {
        if self.transport.caller.disconnected.is_cancelled() {
            return ReadBack::NotKnown;
        }
        self.collection.read_back(&self.new[index]).await
    }

    /// Charges the retry budget for a group without `Retry-After`. If the budget is spent, the group is not sent again.
    fn spend_retry_budget(&self, group: &[PendingCreate], results: &mut [AttemptResult<N::Entity>]) {
        if !results.iter().any(AttemptResult::spends_budget) || self.transport.client.budget.withdraw() {
            return;
        }
        metrics::retry_budget_spent();
        for (pending, result) in group.iter().zip(results) {
            if result.spends_budget()
                && let AttemptResult::Retry { error, .. } = result
            {
                *result = AttemptResult::failed(pending, error.clone());
            }
        }
    }

    /// Ends creates that will not be sent.
    fn stop(&self, waiting: impl Iterator<Item = PendingCreate>, paused_until: Instant) {
        let left = paused_until.saturating_duration_since(Instant::now()).max(RETRY_AFTER);
        for pending in waiting {
            let error = match pending.error {
                Some(error) => error.with_retry_after(left),
                None => Error::NotStarted { retry_after: left },
            };
            let error = WriteError::after(WriteKind::Create, pending.worst_outcome, error);
            self.progress.set(pending.index, ItemProgress::Done(Err(error)));
        }
    }
}

fn is_conflict(error: &Error) -> bool {
    matches!(error, Error::Api(api) if api.status == StatusCode::CONFLICT)
}
