//! Creates: one by a plain POST, many by `POST /$batch`, each sent again only where Graph surely did nothing, or where
//! its key tells that it did not.
//!
//! The work runs in a task of its own, since neither a hang-up nor a deadline may cut off what has been sent. The caller
//! waits until the deadline, and is then told of each create how far it has come.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use http::{Method, StatusCode};
use tokio::time::Instant;
use tower::retry::budget::Budget as _;

use super::collection::Collection;
use super::create_observer::{Fate, Journal};
use super::created::Created;
use super::progress::{Progress, Stage};
use super::read_back::{ReadBack, read_back};
use crate::graph::answer::Answer;
use crate::graph::batch::MOST_ITEMS;
use crate::graph::error::{Error, Outcome, WriteError, WriteKind};
use crate::graph::key::Key;
use crate::graph::models::{Entity, NewEntity};
use crate::graph::retry::{Delay, Idempotency, Reason, Retries};
use crate::graph::retry_after_cache::OperationKind;
use crate::graph::send_gate::SendGate;
use crate::graph::transport::{RETRY_AFTER, Transport};
use crate::graph::writes::{ended_early, to_body, within_bounds};
use crate::telemetry::metrics;

/// Most batches that one call has under way at once; fewer while Graph throttles.
const MOST_UNDER_WAY: usize = 4;

/// What a create gave.
pub type CreateResult<T> = Result<Created<T>, WriteError>;

impl<T: Entity> Collection<T> {
    /// `POST …`, many in `POST /$batch`. Each is sent again only where Graph surely did nothing; `journal` is told what
    /// becomes of it.
    ///
    /// Gives one result each, in order; [`WriteError`] says what is known of whether Graph created it.
    pub async fn create<N: NewEntity<Entity = T>>(
        &self,
        new: Vec<N>,
        journal: Arc<dyn Journal>,
    ) -> Vec<CreateResult<T>> {
        let count = new.len();
        let transport = Arc::clone(&self.session.transport);
        let bodies = new.iter().map(to_body).collect::<Result<Vec<_>, _>>();
        let (bodies, deadline) = match (bodies, transport.deadline()) {
            (Ok(bodies), Ok(deadline)) => (bodies, deadline),
            (Err(error), _) | (_, Err(error)) => {
                journal.close().await;
                return vec![error; count]
                    .into_iter()
                    .map(|error| Err(WriteError::new(WriteKind::Create, error)))
                    .collect();
            }
        };

        let progress = Arc::new(Progress::new(count));
        let creates = Creates {
            transport: Arc::clone(&transport),
            collection: self.clone(),
            new,
            bodies,
            journal,
            progress: Arc::clone(&progress),
            deadline,
        };
        let task = transport.client.writes.spawn(creates.run());
        let failure = match transport.wait_for_write(deadline, task).await {
            Some(Ok(())) | None => None,
            Some(Err(ended)) => Some(ended_early(&ended)),
        };
        let result = |stage| match stage {
            Stage::Ended(result) => result,
            Stage::Begun { earlier, gate } => {
                // The one step that decides: from here on it is not sent, or it has been.
                let error = match (gate.close(), count) {
                    (true, _) => Error::Timeout,
                    (false, 1) => Error::Withdrawn,
                    (false, _) => Error::LeftOver { retry_after: RETRY_AFTER },
                };
                let error = failure.clone().unwrap_or(error);
                Err(WriteError::after(WriteKind::Create, earlier, error))
            }
            Stage::Waiting { earlier, error } => {
                let error = error.unwrap_or(Error::LeftOver { retry_after: RETRY_AFTER });
                let error = failure.clone().unwrap_or_else(|| error.with_retry_after(RETRY_AFTER));
                // It was not under way, so that whatever ended the task did not send it.
                Err(WriteError { kind: WriteKind::Create, outcome: earlier, error })
            }
        };
        progress.report().into_iter().map(result).collect()
    }
}

struct Creates<N: NewEntity> {
    transport: Arc<Transport>,
    collection: Collection<N::Entity>,
    new: Vec<N>,
    bodies: Vec<Bytes>,
    journal: Arc<dyn Journal>,
    progress: Arc<Progress<CreateResult<N::Entity>>>,
    deadline: Instant,
}

/// A create that has not ended.
struct Pending {
    index: usize,
    retries: Retries,
    /// What the attempts so far left known.
    earlier: Outcome,
    /// What the last attempt met.
    error: Option<Error>,
    /// Why it is sent again, where it is.
    again_for: Option<Reason>,
    /// Whether it was sent again after an attempt that Graph may have done.
    is_resent: bool,
    not_before: Instant,
}

impl Pending {
    /// Whether Graph asked to come back later.
    fn is_throttled(&self) -> bool {
        self.error.as_ref().is_some_and(|error| error.is_throttled() || error.retry_after().is_some())
    }
}

/// What follows an attempt.
enum Step<T> {
    Ended(CreateResult<T>),
    Again { error: Error, delay: Delay },
}

impl<N: NewEntity> Creates<N> {
    async fn run(self) {
        let start = Instant::now();
        let pending = |index| Pending {
            index,
            retries: Retries::new(Idempotency::NonIdempotent),
            earlier: Outcome::NotSent,
            error: None,
            again_for: None,
            is_resent: false,
            not_before: start,
        };
        let mut waiting: VecDeque<Pending> = (0..self.new.len()).map(pending).collect();
        let mut under_way = FuturesUnordered::new();
        let mut width = MOST_UNDER_WAY;
        // Where Graph throttles one create, it throttles them all.
        let mut hold = start;
        loop {
            if let Some(wait) = self.transport.remaining_retry_after(OperationKind::Write) {
                hold = hold.max(Instant::now() + wait);
            }
            if hold >= self.deadline || self.is_over() {
                self.give_up(waiting.drain(..), hold);
            }
            while under_way.len() < width
                && let Some(group) = due(&mut waiting, hold)
            {
                under_way.push(self.attempt(group));
            }
            let Some(attempted) = under_way.next().await else {
                let Some(next) = waiting.iter().map(|pending| pending.not_before).min() else { break };
                if !self.transport.wait_until(next.max(hold)).await {
                    self.give_up(waiting.drain(..), hold);
                }
                continue;
            };
            let throttled_until = attempted
                .iter()
                .filter(|pending| pending.is_throttled())
                .map(|pending| pending.not_before)
                .max();
            width = match throttled_until {
                Some(until) => {
                    hold = hold.max(until);
                    (width / 2).max(1)
                }
                None => (width + 1).min(MOST_UNDER_WAY),
            };
            waiting.extend(attempted);
        }
        self.journal.close().await;
    }

    /// Whether no further attempt begins: the caller was answered or disconnected, the request timed out, or the process is to
    /// stop. A single create that has not been tried is a request under way, which a shutdown lets end.
    fn is_over(&self) -> bool {
        Instant::now() >= self.deadline
            || self.progress.is_reported()
            || self.transport.caller.gone.is_cancelled()
            || self.transport.is_draining()
            || (self.new.len() > 1 && self.transport.is_stopping())
    }

    /// One attempt at each of a group. Gives those that are to be sent again.
    async fn attempt(&self, mut group: Vec<Pending>) -> Vec<Pending> {
        let indices: Vec<usize> = group.iter().map(|pending| pending.index).collect();
        if let Err(source) = self.journal.about_to_send(&indices).await {
            let error = Error::NotNoted(source);
            for pending in group {
                let error = WriteError::after(WriteKind::Create, pending.earlier, error.clone());
                self.progress.set(pending.index, Stage::Ended(Err(error)));
            }
            return Vec::new();
        }
        // Noting it may have taken long: the caller may have been told, or have gone, since.
        let gate = if self.is_over() {
            None
        } else {
            self.progress.begin(group.iter().map(|pending| (pending.index, pending.earlier)))
        };
        let Some(gate) = gate else {
            let unsent: Vec<_> =
                group.iter().map(|pending| (pending.index, Fate::Failed(pending.earlier))).collect();
            self.journal.ended(&unsent).await;
            return group;
        };
        let answers = self.send(&indices, &gate).await;
        // One request, however many creates it carries.
        if let Some((reason, answer)) =
            group.iter().zip(&answers).find_map(|(pending, answer)| Some((pending.again_for?, answer)))
        {
            reason.count(answer);
        }
        self.collection.session.invalidate().await;
        let steps =
            join_all(group.iter_mut().zip(answers).map(|(pending, answer)| self.judge(pending, answer)));
        let mut steps = steps.await;
        self.charge(&group, &mut steps);

        let fates: Vec<(usize, Fate)> =
            group.iter().zip(&steps).map(|(pending, step)| (pending.index, step.fate(pending))).collect();
        self.journal.ended(&fates).await;
        // Those of one request are sent again together, as one request.
        let wait = steps.iter().filter_map(Step::wait).max().unwrap_or_default();
        let not_before = Instant::now() + wait;
        let mut again = Vec::new();
        for (mut pending, step) in group.into_iter().zip(steps) {
            match step {
                Step::Ended(result) => self.progress.set(pending.index, Stage::Ended(result)),
                Step::Again { error, delay } => {
                    let waiting = Stage::Waiting { earlier: pending.earlier, error: Some(error.clone()) };
                    self.progress.set(pending.index, waiting);
                    pending.not_before = not_before;
                    pending.again_for = Some(delay.reason);
                    pending.error = Some(error);
                    again.push(pending);
                }
            }
        }
        again
    }

    /// A single one by a plain POST.
    async fn send(&self, indices: &[usize], gate: &SendGate) -> Vec<Result<Answer, Error>> {
        if let [index] = indices {
            let body = self.bodies[*index].clone();
            let path = &self.collection.create_path;
            return vec![within_bounds(self.transport.write(Method::POST, path, Some(body), gate)).await];
        }
        let bodies: Vec<&Bytes> = indices.iter().map(|index| &self.bodies[*index]).collect();
        match within_bounds(self.transport.post_batch(&self.collection.create_path, &bodies, gate)).await {
            Ok(answers) => answers,
            Err(error) => indices.iter().map(|_| Err(error.clone())).collect(),
        }
    }

    /// What the answer to an attempt means, and what follows.
    async fn judge(&self, pending: &mut Pending, answer: Result<Answer, Error>) -> Step<N::Entity> {
        let error = match answer.and_then(|answer| self.created(&answer)) {
            Ok(created) => return Step::Ended(Ok(created)),
            Err(error) => error,
        };
        let outcome = Outcome::of_write(&error);
        // What is in the way of a create that was sent again is most likely the first.
        let is_in_its_own_way = pending.is_resent && is_conflict(&error);
        pending.earlier = pending.earlier.max(outcome);
        let mut again = pending.retries.after(&error);
        if outcome >= Outcome::Unknown || is_in_its_own_way {
            match self.read_back(pending.index).await {
                ReadBack::Created(entity) => return Step::Ended(Ok(Created::Entity(entity))),
                ReadBack::Absent if self.transport.client.keeps_ids => {
                    pending.is_resent = true;
                    again = Some(pending.retries.resend());
                }
                ReadBack::Absent | ReadBack::NotKnown => {}
            }
        }
        match again {
            Some(delay) if self.transport.is_in_time(delay) => Step::Again { error, delay },
            Some(delay) => Step::failed(pending, error.with_retry_after(delay.wait)),
            None => Step::failed(pending, error),
        }
    }

    /// What the response to a create says was created.
    fn created(&self, answer: &Answer) -> Result<Created<N::Entity>, Error> {
        Created::read(answer, self.collection.session.root(), &self.collection.path)
    }

    /// Looks whether what was sent is there.
    async fn read_back(&self, index: usize) -> ReadBack<N::Entity> {
        if self.transport.caller.gone.is_cancelled() {
            return ReadBack::NotKnown;
        }
        read_back(&self.collection, &self.new[index]).await
    }

    /// Pays for sending a group again where Graph named no wait; where the budget is spent, it is not sent again.
    fn charge(&self, group: &[Pending], steps: &mut [Step<N::Entity>]) {
        let is_charged =
            |step: &Step<N::Entity>| matches!(step, Step::Again { delay, .. } if !delay.from_retry_after);
        if !steps.iter().any(is_charged) || self.transport.client.budget.withdraw() {
            return;
        }
        metrics::retry_budget_spent();
        for (pending, step) in group.iter().zip(steps) {
            if is_charged(step)
                && let Step::Again { error, .. } = step
            {
                *step = Step::failed(pending, error.clone());
            }
        }
    }

    /// Ends what is not going to be sent any more.
    fn give_up(&self, waiting: impl Iterator<Item = Pending>, hold: Instant) {
        let left = hold.saturating_duration_since(Instant::now()).max(RETRY_AFTER);
        for pending in waiting {
            let error = match pending.error {
                Some(error) => error.with_retry_after(left),
                None => Error::LeftOver { retry_after: left },
            };
            let error = WriteError::after(WriteKind::Create, pending.earlier, error);
            self.progress.set(pending.index, Stage::Ended(Err(error)));
        }
    }
}

impl<T: Entity> Step<T> {
    fn failed(pending: &Pending, error: Error) -> Self {
        Self::Ended(Err(WriteError::after(WriteKind::Create, pending.earlier, error)))
    }

    fn wait(&self) -> Option<Duration> {
        match self {
            Self::Again { delay, .. } => Some(delay.wait),
            Self::Ended(_) => None,
        }
    }

    fn fate(&self, pending: &Pending) -> Fate {
        match self {
            Self::Ended(Ok(Created::Key(key))) => Fate::Created(key.clone()),
            // Its key was looked at when it was taken for created.
            Self::Ended(Ok(Created::Entity(entity))) => {
                Key::new(entity.key()).map_or(Fate::Failed(Outcome::Applied), Fate::Created)
            }
            Self::Ended(Err(error)) => Fate::Failed(error.outcome),
            Self::Again { .. } => Fate::Failed(pending.earlier),
        }
    }
}

/// The next that may be sent, at most as many as a batch takes.
fn due(waiting: &mut VecDeque<Pending>, hold: Instant) -> Option<Vec<Pending>> {
    let now = Instant::now();
    if hold > now {
        return None;
    }
    let mut group = Vec::new();
    let mut later = VecDeque::with_capacity(waiting.len());
    while let Some(pending) = waiting.pop_front() {
        if group.len() < MOST_ITEMS && pending.not_before <= now {
            group.push(pending);
        } else {
            later.push_back(pending);
        }
    }
    *waiting = later;
    (!group.is_empty()).then_some(group)
}

fn is_conflict(error: &Error) -> bool {
    matches!(error, Error::Api(api) if api.status == StatusCode::CONFLICT)
}
