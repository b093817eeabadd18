//! Creates with an idempotency key: a repeated call returns the objects of the first and creates nothing twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_graphql::Context;
use async_trait::async_trait;
use futures_util::future::join_all;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};
use tracing::warn;

use crate::graph::models::NewEntity;
use crate::graph::odata::{ListOptions, Select};
use crate::graph::{
    Approval, Collection, CreateObserver, CreateOutcome, Created, Key, NoopObserver, Outcome, ReadBack,
};
use crate::idempotency::{IdempotencyError, ItemState, Lease, Lookup, Scope, StoreError};
use crate::schema::context::{schema_context, session};
use crate::schema::error::{ErrorCode, FieldError};
use crate::schema::status_events::PublishingObserver;

/// Maximum length of a key, in characters.
const MAX_KEY_LENGTH: usize = 255;

/// A call that creates, and its idempotency key.
#[derive(Debug, Clone, Copy)]
pub(super) struct IdempotentCall<'a> {
    /// The mutation's field.
    pub(super) mutation: &'static str,
    /// The configuration that statuses are added to; `None` for the create of a configuration.
    pub(super) configuration: Option<&'a Key>,
    pub(super) idempotency_key: Option<&'a str>,
}

/// The result of a create, or of the create of an earlier call.
pub(super) struct ReplayableCreate<T> {
    pub(super) created: Created<T>,
    /// Whether an earlier call with the same key created it.
    pub(super) replayed: bool,
}

/// One result for each object to create, in order.
type ReplayableCreates<T> = Vec<Result<ReplayableCreate<T>, FieldError>>;

/// Creates one object, or replays the object of an earlier call with the key.
///
/// # Errors
///
/// Those of [`create`], and those of the object.
pub(super) async fn create_one<N: NewEntity>(
    ctx: &Context<'_>,
    call: IdempotentCall<'_>,
    collection: &Collection<N::Entity>,
    new: N,
    approval: Option<Approval>,
) -> Result<ReplayableCreate<N::Entity>, FieldError> {
    let result = create(ctx, call, collection, vec![new], vec![approval]).await?.pop();
    result.unwrap_or_else(|| Err(FieldError::internal("no result of a create")))
}

/// Creates the objects that no earlier call with the key has created, and replays the rest. Each is created with its
/// approval; `approvals` may be empty.
///
/// # Errors
///
/// Errors of the whole call, which sent nothing: an invalid key, a key that was used with other
/// input or whose first call is still in progress at the deadline, and a caller who may not read
/// the configuration.
pub(super) async fn create<N: NewEntity>(
    ctx: &Context<'_>,
    call: IdempotentCall<'_>,
    collection: &Collection<N::Entity>,
    new: Vec<N>,
    approvals: Vec<Option<Approval>>,
) -> Result<ReplayableCreates<N::Entity>, FieldError> {
    let not_sent = |error: FieldError| error.with_outcome(Outcome::NotSent);
    let session = session(ctx).map_err(not_sent)?;
    let tenant = session.tenant_hint();
    let events = &schema_context(ctx).map_err(not_sent)?.status_events;
    let publishing = |observer: Arc<dyn CreateObserver>| match call.configuration.cloned() {
        Some(configuration) => {
            let events = events.clone();
            let topic = events.topic(tenant.clone(), configuration);
            Arc::new(PublishingObserver { observer, events, topic })
        }
        None => observer,
    };
    let Some(key) = call.idempotency_key else {
        let results = collection.create(new, approvals, publishing(Arc::new(NoopObserver))).await;
        return Ok(results.into_iter().map(|result| Ok(first_result(result?))).collect());
    };
    check_key(key).map_err(not_sent)?;
    let service = &schema_context(ctx).map_err(not_sent)?.idempotency;
    let scope = Scope {
        tenant: tenant.as_deref(),
        mutation: call.mutation,
        configuration: call.configuration.map(Key::as_str),
        key,
    };
    let deadline = Instant::from_std(session.deadline());
    let input: Vec<N> = new.iter().map(N::canonical).collect();
    let has_approval: Vec<bool> = approvals.iter().map(Option::is_some).collect();

    let mut is_authorized = false;
    let lease = loop {
        let found = service.look_up(scope, &input, new.len(), &has_approval, deadline).await;
        let lookup = match found.map_err(|error| state_error(&error))? {
            Lookup::Acquired(lease) if lease.items().iter().all(|item| *item == ItemState::Unwritten) => {
                break lease;
            }
            lookup => lookup,
        };
        // The results of earlier calls are only for callers who may read the configuration.
        if !is_authorized {
            // Whether an earlier call has written is not disclosed.
            let undisclosed = |error: FieldError| error.with_outcome(Outcome::Unknown);
            authorize(ctx, call.configuration).await.map_err(undisclosed)?;
            is_authorized = true;
        }
        match lookup {
            Lookup::Acquired(lease) => break lease,
            Lookup::Completed(items) => {
                let replayed = items.iter().zip(&new).map(|(item, new)| replay(collection, item, new));
                return Ok(join_all(replayed).await);
            }
            Lookup::StoreFull(items) => {
                let left = items.iter().zip(&new).enumerate().map(async |(index, (item, new))| {
                    if item.may_be_sent(has_approval.get(index) == Some(&true)) {
                        return Err(state_error(&StoreError::Full.into()));
                    }
                    replay(collection, item, new).await
                });
                return Ok(join_all(left).await);
            }
            Lookup::Conflict => {
                let message =
                    "The idempotency key was used with other input. Use a new key for a new request.";
                return Err(not_sent(FieldError::new(ErrorCode::IdempotencyKeyReused, message)));
            }
            Lookup::InProgress(record) => {
                let changed = tokio::select! {
                    changed = timeout_at(deadline, record.changed()) => changed.ok(),
                    // The gateway stops: another one answers the repeat.
                    () = session.draining() => None,
                };
                match changed {
                    Some(changed) => changed.map_err(|error| state_error(&error))?,
                    None => {
                        let what = "The first call with this idempotency key is still in progress";
                        return Err(unknown(what));
                    }
                }
            }
        }
    };

    let items = lease.items().to_vec();
    let steps = next_steps(collection, &items, &new, &has_approval).await;
    let to_send: Vec<usize> =
        (0..items.len()).filter(|index| matches!(steps[*index], NextStep::Send)).collect();
    let to_create = to_send.iter().map(|index| new[*index].clone()).collect();
    let their_approvals = to_send.iter().map(|index| approvals.get(*index).cloned().flatten()).collect();
    let observer = Arc::new(LeaseObserver {
        lease: Mutex::new(Some(lease)),
        items: to_send.iter().map(|index| (*index, items[*index].clone())).collect(),
        may_have_sent: AtomicBool::new(false),
        deadline,
    });
    let mut sent = collection.create(to_create, their_approvals, publishing(observer)).await.into_iter();
    let creates = items.iter().zip(&new).zip(steps).map(|((item, new), step)| {
        let result = if matches!(step, NextStep::Send) { sent.next() } else { None };
        async move {
            match (step, result) {
                (NextStep::Send, Some(result)) => {
                    result.map(first_result).map_err(|error| repeatable(error.into()))
                }
                (NextStep::Send, None) => Err(FieldError::internal("no result of a create")),
                (NextStep::Found(entity), _) => Ok(found_again(entity)),
                (NextStep::Unreadable, _) => Err(unknown_if_left()),
                (NextStep::Replay, _) => replay(collection, item, new).await,
            }
        }
    });
    Ok(join_all(creates).await)
}

/// What a call with the lease does with one of its writes.
enum NextStep<T> {
    /// Sends it.
    Send,
    /// Returns the object that an earlier call has left, although Graph asked for an approval.
    Found(T),
    /// Fails: an earlier call may have left the object, and reading it failed.
    Unreadable,
    /// Returns the result of an earlier call.
    Replay,
}

/// Decides which writes are sent. A create for which Graph asked for an approval may have left its object, which is looked
/// up first if it has a key.
async fn next_steps<N: NewEntity>(
    collection: &Collection<N::Entity>,
    items: &[ItemState],
    new: &[N],
    has_approval: &[bool],
) -> Vec<NextStep<N::Entity>> {
    let steps = items.iter().zip(new).enumerate().map(async |(index, (item, new))| {
        if !item.may_be_sent(has_approval.get(index) == Some(&true)) {
            return NextStep::Replay;
        }
        if *item != ItemState::ApprovalRequired || new.key().is_none() {
            return NextStep::Send;
        }
        // Boxed, since it is seldom needed and larger than the rest.
        match Box::pin(collection.read_back(new)).await {
            ReadBack::Created(entity) => NextStep::Found(entity),
            // Graph rejects the key of another object, so that the create cannot double it.
            ReadBack::Absent | ReadBack::Other => NextStep::Send,
            ReadBack::NotKnown => NextStep::Unreadable,
        }
    });
    join_all(steps).await
}

fn first_result<T>(created: Created<T>) -> ReplayableCreate<T> {
    ReplayableCreate { created, replayed: false }
}

fn found_again<T>(entity: T) -> ReplayableCreate<T> {
    ReplayableCreate { created: Created::Entity(entity), replayed: true }
}

/// 1 to 255 visible ASCII characters.
fn check_key(key: &str) -> Result<(), FieldError> {
    if (1..=MAX_KEY_LENGTH).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    Err(FieldError::bad_user_input(format!(
        "`input.idempotencyKey` must have 1 to {MAX_KEY_LENGTH} visible ASCII characters, such as a UUID."
    )))
}

/// Checks that the present caller may receive the results of earlier calls: the token can read the
/// configuration or, for the create of a configuration, the list of configurations.
async fn authorize(ctx: &Context<'_>, configuration: Option<&Key>) -> Result<(), FieldError> {
    let configurations = session(ctx)?.ios_lob_app_provisioning_configurations().collection();
    let select = Select::from(["id"]);
    match configuration {
        Some(key) => match configurations.get_opt(key, &select).await? {
            Some(_) => Ok(()),
            None => Err(FieldError::new(ErrorCode::NotFound, "Microsoft Graph has no such configuration.")),
        },
        None => {
            let first = ListOptions { top: Some(1), ..ListOptions::default() };
            configurations.list(first.to_query(), &select).await?;
            Ok(())
        }
    }
}

/// The result of an earlier call's create.
async fn replay<N: NewEntity>(
    collection: &Collection<N::Entity>,
    item: &ItemState,
    new: &N,
) -> Result<ReplayableCreate<N::Entity>, FieldError> {
    if let ItemState::Created(key) = item {
        let key = Key::new(key.as_str()).map_err(|_| FieldError::unusable_key())?;
        return Ok(ReplayableCreate { created: Created::Key(key), replayed: true });
    }
    if *item == ItemState::ApprovalPending {
        return Err(FieldError::approval_still_pending());
    }
    if let ReadBack::Created(entity) = Box::pin(collection.read_back(new)).await {
        return Ok(found_again(entity));
    }
    Err(match item {
        ItemState::Applied => FieldError::created_without_key().with_outcome(Outcome::Applied),
        ItemState::ApprovalRequired => FieldError::approval_still_required(),
        _ => unknown(
            "An earlier call with this idempotency key may have been sent to Microsoft Graph, and its response is not known",
        ),
    })
}

fn unknown(what: &str) -> FieldError {
    let error = FieldError::new(ErrorCode::OutcomeUnknown, may_be_repeated(what));
    error.with_outcome(Outcome::Unknown).retryable()
}

/// Nothing is sent, since the object of an earlier call may exist.
fn unknown_if_left() -> FieldError {
    let message = "Microsoft Graph asked an earlier call with this idempotency key for an approval, and may have left \
                   the object. Reading it failed, so this call sent nothing. Repeat the call.";
    let error = FieldError::new(ErrorCode::OutcomeUnknown, message);
    error.with_outcome(Outcome::Unknown).retryable()
}

/// Marks a create of unknown outcome as retryable: with a key it is not done twice.
fn repeatable(error: FieldError) -> FieldError {
    if error.code() != ErrorCode::OutcomeUnknown {
        return error;
    }
    let what = "The request was sent to Microsoft Graph, and its response was lost";
    error.with_message(may_be_repeated(what)).retryable()
}

fn may_be_repeated(what: &str) -> String {
    format!("{what}: it may have happened. Repeating the call with its key creates nothing twice.")
}

/// The error of a key that cannot be used. If the store is full, or failed after it reported that
/// the key is new, nothing was written. If the store cannot be read, an earlier call may have
/// written.
fn state_error(error: &IdempotencyError) -> FieldError {
    let outcome = match error {
        IdempotencyError::Store(
            StoreError::Full | StoreError::Unreachable(_) | StoreError::Unreadable(_),
        )
        | IdempotencyError::NotAcquired(_)
        | IdempotencyError::InvalidInput => Outcome::NotSent,
        IdempotencyError::Store(StoreError::Unavailable(_))
        | IdempotencyError::Timeout
        | IdempotencyError::LeaseLost => Outcome::Unknown,
    };
    let message = match error {
        IdempotencyError::Store(StoreError::Unreachable(_)) => {
            "The gateway cannot use the shared store of idempotency keys, so this call sent nothing. Repeat it later with the \
             same key: an earlier call with that key may have written."
        }
        IdempotencyError::Store(StoreError::Unreadable(_)) => {
            "The gateway cannot read what is stored of this idempotency key, perhaps by another version of it, so this call \
             sent nothing. Repeat it later with the same key: an earlier call with that key may have written."
        }
        _ if outcome == Outcome::Unknown => {
            "The gateway cannot use the store of idempotency keys at present, so this call sent nothing. Repeat it later with \
             the same key: an earlier call with that key may have written."
        }
        _ => {
            "The gateway cannot store idempotency keys at present, so this call sent nothing. Try again later."
        }
    };
    FieldError::new(ErrorCode::StateUnavailable, message).retryable().with_outcome(outcome)
}

/// Records the outcomes of creates in the leased record.
struct LeaseObserver {
    lease: Mutex<Option<Lease>>,
    /// The index of each create's item in the record, and the state of the item before.
    items: Vec<(usize, ItemState)>,
    may_have_sent: AtomicBool,
    /// The caller's deadline.
    deadline: Instant,
}

impl LeaseObserver {
    fn item(&self, create: usize) -> usize {
        self.items.get(create).map_or(usize::MAX, |(item, _)| *item)
    }

    /// The state of an item that was certainly not written by this call.
    fn state_before(&self, create: usize) -> ItemState {
        self.items.get(create).map_or(ItemState::Unwritten, |(_, before)| before.clone())
    }
}

#[async_trait]
impl CreateObserver for LeaseObserver {
    async fn before_send(&self, creates: &[usize]) -> Result<(), Arc<dyn std::error::Error + Send + Sync>> {
        let items: Vec<usize> = creates.iter().map(|create| self.item(*create)).collect();
        self.may_have_sent.store(true, Ordering::Relaxed);
        let mut lease = self.lease.lock().await;
        let marked = match lease.as_mut() {
            Some(lease) => lease.mark_in_progress(&items).await,
            None => Err(IdempotencyError::LeaseLost),
        };
        marked.map_err(|error| Arc::new(error) as Arc<dyn std::error::Error + Send + Sync>)
    }

    async fn after_send(&self, creates: &[(usize, CreateOutcome)]) {
        let state = |create: usize, fate: &CreateOutcome| match fate {
            CreateOutcome::Created(key) => ItemState::Created(key.as_str().to_owned()),
            CreateOutcome::Failed(Outcome::NotSent | Outcome::Rejected) => self.state_before(create),
            CreateOutcome::ApprovalRequired => ItemState::ApprovalRequired,
            // The object that an earlier call may have left is still to be looked for.
            CreateOutcome::ApprovalPending => match self.state_before(create) {
                ItemState::ApprovalRequired => ItemState::ApprovalRequired,
                _ => ItemState::ApprovalPending,
            },
            CreateOutcome::Failed(Outcome::Applied) => ItemState::Applied,
            CreateOutcome::Failed(Outcome::Unknown) => ItemState::Unknown,
        };
        let changes: Vec<_> =
            creates.iter().map(|(create, fate)| (self.item(*create), state(*create, fate))).collect();
        let mut lease = self.lease.lock().await;
        let Some(lease) = lease.as_mut() else { return };
        // The only write of a call is decided, and the release that follows stores it. Until then, it is in progress.
        if let [(_, state)] = &changes[..]
            && self.items.len() == 1
            && !state.may_be_sent(true)
        {
            lease.note_outcomes(&changes);
            return;
        }
        if let Err(error) = lease.record_outcomes(&changes).await {
            // The record is marked as in progress, so the write is not sent again. The lease stores
            // the outcome later.
            warn!(%error, "the outcome of a write could not be stored yet");
        }
    }

    async fn close(&self) {
        let Some(lease) = self.lease.lock().await.take() else { return };
        let released = if self.may_have_sent.load(Ordering::Relaxed) {
            lease.release().await
        } else {
            // The caller waits for this; a dropped lease releases itself.
            timeout_at(self.deadline, lease.release()).await.unwrap_or(Ok(()))
        };
        if let Err(error) = released {
            warn!(%error, "the end of a call could not be stored yet");
        }
    }
}
