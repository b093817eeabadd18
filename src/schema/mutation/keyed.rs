//! Creates with an idempotency key: what an earlier call with it made is given again, and made once.

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
use crate::graph::{Collection, CreateObserver, CreateOutcome, Created, Key, NoopObserver, Outcome};
use crate::idempotency::{IdempotencyError, ItemState, Lease, Lookup, Scope, StoreError};
use crate::schema::announcements::{Announcing, Place};
use crate::schema::error::{ErrorCode, FieldError};
use crate::schema::request::{services, session};

/// Longest key, in characters.
const LONGEST_KEY: usize = 255;

/// The call that creates.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call<'a> {
    /// The mutation's field.
    pub(super) mutation: &'static str,
    /// The configuration that statuses are added to; `None` where one is created.
    pub(super) configuration: Option<&'a Key>,
    pub(super) idempotency_key: Option<&'a str>,
}

/// What a call has of a create.
pub(super) struct Creation<T> {
    pub(super) created: Created<T>,
    /// Whether an earlier call with the same key made it.
    pub(super) replayed: bool,
}

/// A result for each of what is to be created, in order.
type Creations<T> = Vec<Result<Creation<T>, FieldError>>;

/// Creates what no earlier call with the key has created, and gives the rest as it is.
///
/// # Errors
///
/// Where nothing is sent: a key that cannot be used, that came with other input, or whose first call is under way until
/// the deadline; and where the present caller may not read the configuration.
pub(super) async fn create<N: NewEntity>(
    ctx: &Context<'_>,
    call: Call<'_>,
    collection: &Collection<N::Entity>,
    new: Vec<N>,
) -> Result<Creations<N::Entity>, FieldError> {
    let not_sent = |error: FieldError| error.with_outcome(Outcome::NotSent);
    let session = session(ctx).map_err(not_sent)?;
    let tenant = session.tenant_hint();
    let announcements = &services(ctx).map_err(not_sent)?.announcements;
    let announced = |journal: Arc<dyn CreateObserver>| match call.configuration.cloned() {
        Some(configuration) => {
            let announcements = announcements.clone();
            let place = Place { tenant_hint: tenant.clone(), configuration };
            Arc::new(Announcing { journal, announcements, place })
        }
        None => journal,
    };
    let Some(key) = call.idempotency_key else {
        let results = collection.create(new, announced(Arc::new(NoopObserver))).await;
        return Ok(results.into_iter().map(|result| Ok(fresh(result?))).collect());
    };
    check(key).map_err(not_sent)?;
    let idempotency = &services(ctx).map_err(not_sent)?.idempotency;
    let scope = Scope {
        tenant: tenant.as_deref(),
        mutation: call.mutation,
        configuration: call.configuration.map(Key::as_str),
        key,
    };
    let deadline = Instant::from_std(session.deadline());
    let input: Vec<N> = new.iter().map(N::canonical).collect();

    let mut is_allowed = false;
    let claim = loop {
        let entered = idempotency.look_up(scope, &input, new.len(), deadline).await;
        let entry = match entered.map_err(|error| state_error(&error))? {
            Lookup::Acquired(claim) if claim.items().iter().all(|item| *item == ItemState::Unwritten) => {
                break claim;
            }
            entry => entry,
        };
        // What earlier calls did is told only to those whom Graph lets read the configuration.
        if !is_allowed {
            // An earlier call may have written: to this one that is neither told nor denied.
            let untold = |error: FieldError| error.with_outcome(Outcome::Unknown);
            allow(ctx, call.configuration).await.map_err(untold)?;
            is_allowed = true;
        }
        match entry {
            Lookup::Acquired(claim) => break claim,
            Lookup::Completed(items) => {
                let recalled = items.iter().zip(&new).map(|(item, new)| recall(collection, item, new));
                return Ok(join_all(recalled).await);
            }
            Lookup::StoreFull(items) => {
                let left = items.iter().zip(&new).map(async |(item, new)| match item {
                    ItemState::Unwritten => Err(state_error(&StoreError::Full.into())),
                    item => recall(collection, item, new).await,
                });
                return Ok(join_all(left).await);
            }
            Lookup::Conflict => {
                let message =
                    "The idempotency key came with other input before: use a new key for a new request.";
                return Err(not_sent(FieldError::new(ErrorCode::IdempotencyKeyReused, message)));
            }
            Lookup::InProgress(waiting) => match timeout_at(deadline, waiting.changed()).await {
                Ok(changed) => changed.map_err(|error| state_error(&error))?,
                Err(_elapsed) => {
                    return Err(unknown("The first call with this idempotency key is still under way"));
                }
            },
        }
    };

    let known = claim.items().to_vec();
    let free: Vec<usize> = known
        .iter()
        .enumerate()
        .filter(|(_, item)| **item == ItemState::Unwritten)
        .map(|(index, _)| index)
        .collect();
    let to_create = free.iter().map(|index| new[*index].clone()).collect();
    let journal = Arc::new(LedgerJournal {
        claim: Mutex::new(Some(claim)),
        items: free,
        may_have_sent: AtomicBool::new(false),
        deadline,
    });
    let mut results = collection.create(to_create, announced(journal)).await.into_iter();
    let creations = known.iter().zip(&new).map(|(item, new)| {
        let fresh = (*item == ItemState::Unwritten).then(|| results.next()).flatten();
        async move {
            match fresh {
                Some(result) => result.map(self::fresh).map_err(|error| keyed(error.into())),
                None => recall(collection, item, new).await,
            }
        }
    });
    Ok(join_all(creations).await)
}

fn fresh<T>(created: Created<T>) -> Creation<T> {
    Creation { created, replayed: false }
}

/// 1 to 255 visible ASCII characters.
fn check(key: &str) -> Result<(), FieldError> {
    if (1..=LONGEST_KEY).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    Err(FieldError::bad_user_input(format!(
        "`input.idempotencyKey` must have 1 to {LONGEST_KEY} visible ASCII characters, as a UUID has."
    )))
}

/// Whether the present caller may know what earlier calls did: Graph lets the token read the configuration, or where
/// there is none yet, configurations.
async fn allow(ctx: &Context<'_>, configuration: Option<&Key>) -> Result<(), FieldError> {
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

/// What an earlier call made, without making it again.
async fn recall<N: NewEntity>(
    collection: &Collection<N::Entity>,
    item: &ItemState,
    new: &N,
) -> Result<Creation<N::Entity>, FieldError> {
    if let ItemState::Created(key) = item {
        let key = Key::new(key.as_str()).map_err(|_| FieldError::unusable_key())?;
        return Ok(Creation { created: Created::Key(key), replayed: true });
    }
    if let Some(entity) = collection.created_before(new).await {
        return Ok(Creation { created: Created::Entity(entity), replayed: true });
    }
    Err(match item {
        ItemState::Applied => FieldError::created_without_key().with_outcome(Outcome::Applied),
        _ => unknown(
            "An earlier call with this idempotency key was sent to Microsoft Graph and its answer was lost",
        ),
    })
}

fn unknown(what: &str) -> FieldError {
    let error = FieldError::new(ErrorCode::OutcomeUnknown, may_be_repeated(what));
    error.with_outcome(Outcome::Unknown).retryable()
}

/// With a key, a create of which nothing is known may be sent again: it is not made twice.
fn keyed(error: FieldError) -> FieldError {
    if error.code() != ErrorCode::OutcomeUnknown {
        return error;
    }
    let what = "The request was sent to Microsoft Graph and its answer was lost";
    error.with_message(may_be_repeated(what)).retryable()
}

fn may_be_repeated(what: &str) -> String {
    format!("{what}: it may have happened. Repeating the call with its key creates nothing twice.")
}

/// A full store knows that the key is new, and so does one that said so before it failed. Where it cannot be
/// asked, an earlier call may have written.
fn state_error(error: &IdempotencyError) -> FieldError {
    let outcome = match error {
        IdempotencyError::Store(StoreError::Full)
        | IdempotencyError::NotAcquired(_)
        | IdempotencyError::InvalidInput => Outcome::NotSent,
        IdempotencyError::Store(StoreError::Unavailable(_))
        | IdempotencyError::Timeout
        | IdempotencyError::LeaseLost => Outcome::Unknown,
    };
    let message = "The gateway cannot keep idempotency keys at present, so that this call sent nothing: send it again after \
                   a while.";
    FieldError::new(ErrorCode::StateUnavailable, message).retryable().with_outcome(outcome)
}

/// Notes in the idempotency what becomes of creates.
struct LedgerJournal {
    claim: Mutex<Option<Lease>>,
    /// Which of the record's items each create is.
    items: Vec<usize>,
    may_have_sent: AtomicBool,
    /// When the caller stops waiting.
    deadline: Instant,
}

impl LedgerJournal {
    fn item(&self, create: usize) -> usize {
        self.items.get(create).copied().unwrap_or(usize::MAX)
    }
}

#[async_trait]
impl CreateObserver for LedgerJournal {
    async fn before_send(&self, creates: &[usize]) -> Result<(), Arc<dyn std::error::Error + Send + Sync>> {
        let items: Vec<usize> = creates.iter().map(|create| self.item(*create)).collect();
        self.may_have_sent.store(true, Ordering::Relaxed);
        let mut claim = self.claim.lock().await;
        let noted = match claim.as_mut() {
            Some(claim) => claim.mark_in_progress(&items).await,
            None => Err(IdempotencyError::LeaseLost),
        };
        noted.map_err(|error| Arc::new(error) as Arc<dyn std::error::Error + Send + Sync>)
    }

    async fn after_send(&self, creates: &[(usize, CreateOutcome)]) {
        let state = |fate: &CreateOutcome| match fate {
            CreateOutcome::Created(key) => ItemState::Created(key.as_str().to_owned()),
            CreateOutcome::Failed(Outcome::NotSent | Outcome::Rejected) => ItemState::Unwritten,
            CreateOutcome::Failed(Outcome::Applied) => ItemState::Applied,
            CreateOutcome::Failed(Outcome::Unknown) => ItemState::Unknown,
        };
        let changes: Vec<_> =
            creates.iter().map(|(create, fate)| (self.item(*create), state(fate))).collect();
        if let Some(claim) = self.claim.lock().await.as_mut()
            && let Err(error) = claim.record_outcomes(&changes).await
        {
            // The record says that it is under way, so that nobody sends it again; the claim notes the rest as
            // soon as it can.
            warn!(%error, "what became of a write could not be noted yet");
        }
    }

    async fn close(&self) {
        let Some(claim) = self.claim.lock().await.take() else { return };
        let finished = if self.may_have_sent.load(Ordering::Relaxed) {
            claim.release().await
        } else {
            // The caller waits for this, and the claim ends itself where it is dropped.
            timeout_at(self.deadline, claim.release()).await.unwrap_or(Ok(()))
        };
        if let Err(error) = finished {
            warn!(%error, "a call's end could not be noted yet");
        }
    }
}
