//! The rules of the service, tested with both stores.

mod capacity;
mod faults;
mod format;
mod model;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::{
    FileStore, IdempotencyError, IdempotencyService, ItemState, Lease, Lookup, MemoryStore, OpenError, Scope,
    Store,
};

const HOUR: u64 = 3600;

/// A service with a manual clock.
struct Fixture {
    service: IdempotencyService,
    seconds: Arc<AtomicU64>,
    file: Option<PathBuf>,
}

impl Fixture {
    fn new(store: Arc<dyn Store>, file: Option<PathBuf>) -> Self {
        let seconds = Arc::new(AtomicU64::new(1_000_000));
        let clock = {
            let seconds = Arc::clone(&seconds);
            Arc::new(move || SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.load(Ordering::Relaxed)))
        };
        let service = IdempotencyService::with_clock(store, Duration::from_secs(24 * HOUR), clock);
        Self { service, seconds, file }
    }

    fn advance(&self, seconds: u64) {
        self.seconds.fetch_add(seconds, Ordering::Relaxed);
    }

    async fn look_up(&self, key: &str, input: &str, items: usize) -> Result<Lookup, IdempotencyError> {
        self.service.look_up(scope(key), &input, items, &[], later()).await
    }

    async fn acquire(&self, key: &str, input: &str, items: usize) -> Lease {
        match self.look_up(key, input, items).await.unwrap() {
            Lookup::Acquired(lease) => lease,
            other => panic!("not acquired: {other:?}"),
        }
    }
}

impl Fixture {
    /// A call with its own key, in which this many writes take effect.
    async fn write(
        &self,
        tenant: &str,
        key: &str,
        items: usize,
        created: usize,
    ) -> Result<(), IdempotencyError> {
        let scope = Scope { tenant: Some(tenant), ..scope(key) };
        let Lookup::Acquired(mut lease) = self.service.look_up(scope, &"", items, &[], later()).await? else {
            panic!("{tenant} {key}")
        };
        for item in 0..items {
            lease.mark_in_progress(&[item]).await?;
            let state = if item < created { self::created("x") } else { ItemState::Unwritten };
            lease.record_outcomes(&[(item, state)]).await?;
        }
        lease.release().await
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            let _ = std::fs::remove_file(file);
        }
    }
}

fn scope(key: &str) -> Scope<'_> {
    Scope { tenant: Some("t"), mutation: "add", configuration: Some("c"), key }
}

fn later() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn temp_path() -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("intune-graphql-state-{}-{number}", std::process::id()))
}

/// One of each store, for this many writes.
fn fixtures(capacity: usize) -> [Fixture; 2] {
    let file = temp_path();
    [
        Fixture::new(Arc::new(MemoryStore::new(capacity).unwrap()), None),
        Fixture::new(Arc::new(FileStore::open(&file, capacity).unwrap()), Some(file)),
    ]
}

fn created(key: &str) -> ItemState {
    ItemState::Created(key.to_owned())
}

#[tokio::test]
async fn created_objects_are_replayed_and_other_input_conflicts() {
    for fixture in fixtures(40) {
        let mut lease = fixture.acquire("k", "a", 1).await;
        lease.mark_in_progress(&[0]).await.unwrap();
        lease.record_outcomes(&[(0, created("x"))]).await.unwrap();
        lease.release().await.unwrap();
        let known = fixture.look_up("k", "a", 1).await.unwrap();
        assert!(matches!(known, Lookup::Completed(items) if items == [created("x")]));
        assert!(matches!(fixture.look_up("k", "b", 1).await.unwrap(), Lookup::Conflict));
        assert!(matches!(fixture.look_up("other", "b", 1).await.unwrap(), Lookup::Acquired(_)));
    }
}

#[tokio::test]
async fn only_a_lease_without_writes_frees_the_key() {
    for fixture in fixtures(40) {
        let mut lease = fixture.acquire("k", "a", 1).await;
        lease.mark_in_progress(&[0]).await.unwrap();
        lease.record_outcomes(&[(0, ItemState::Unwritten)]).await.unwrap();
        lease.release().await.unwrap();
        // As if the key were new: with any input.
        let mut lease = fixture.acquire("k", "b", 1).await;
        lease.mark_in_progress(&[0]).await.unwrap();
        drop(lease);
        while let Lookup::InProgress(waiting) = fixture.look_up("k", "b", 1).await.unwrap() {
            waiting.changed().await.unwrap();
        }
        let known = fixture.look_up("k", "b", 1).await.unwrap();
        assert!(
            matches!(known, Lookup::Completed(items) if items == [ItemState::Unknown]),
            "the outcome is unknown"
        );
    }
}

#[tokio::test]
async fn a_bulk_call_resumes_where_it_stopped() {
    for fixture in fixtures(40) {
        let mut lease = fixture.acquire("k", "a", 3).await;
        lease.mark_in_progress(&[0, 1]).await.unwrap();
        lease.record_outcomes(&[(0, created("x")), (1, ItemState::Unknown)]).await.unwrap();
        lease.release().await.unwrap();
        let lease = fixture.acquire("k", "a", 3).await;
        assert_eq!(lease.items(), [created("x"), ItemState::Unknown, ItemState::Unwritten]);
    }
}

#[tokio::test]
async fn one_of_a_hundred_concurrent_calls_gets_the_lease_and_all_get_its_result() {
    for fixture in fixtures(40) {
        let owners = Arc::new(Mutex::new(0));
        let calls = (0..100).map(|_| {
            let (service, owners) = (fixture.service.clone(), Arc::clone(&owners));
            tokio::spawn(async move {
                loop {
                    match service.look_up(scope("k"), &"a", 1, &[], later()).await.unwrap() {
                        Lookup::Acquired(mut lease) => {
                            *owners.lock().unwrap() += 1;
                            lease.mark_in_progress(&[0]).await.unwrap();
                            tokio::task::yield_now().await;
                            lease.record_outcomes(&[(0, created("x"))]).await.unwrap();
                            lease.release().await.unwrap();
                        }
                        Lookup::InProgress(waiting) => waiting.changed().await.unwrap(),
                        Lookup::Completed(items) => return items,
                        other @ (Lookup::Conflict | Lookup::StoreFull(_)) => {
                            panic!("the same input: {other:?}")
                        }
                    }
                }
            })
        });
        for call in calls.collect::<Vec<_>>() {
            assert_eq!(call.await.unwrap(), [created("x")]);
        }
        assert_eq!(*owners.lock().unwrap(), 1);
    }
}

#[tokio::test]
async fn a_record_expires_after_its_retention() {
    for fixture in fixtures(40) {
        let mut lease = fixture.acquire("k", "a", 1).await;
        fixture.advance(30 * HOUR);
        assert!(
            matches!(fixture.look_up("k", "a", 1).await.unwrap(), Lookup::InProgress(_)),
            "not under its owner"
        );
        lease.record_outcomes(&[(0, created("x"))]).await.unwrap();
        lease.release().await.unwrap();
        fixture.advance(24 * HOUR - 1);
        assert!(matches!(fixture.look_up("k", "a", 1).await.unwrap(), Lookup::Completed(_)));
        fixture.advance(1);
        assert!(matches!(fixture.look_up("k", "b", 1).await.unwrap(), Lookup::Acquired(_)));
    }
}

#[tokio::test]
async fn different_scopes_have_different_records() {
    for fixture in fixtures(100) {
        let scopes = [
            (None, "m", None, "k"),
            (Some(""), "m", None, "k"),
            (None, "m", Some(""), "k"),
            (Some("m"), "m", None, "k"),
            (None, "mk", None, ""),
            (None, "m", Some("k"), ""),
            (Some("t"), "m", Some("c"), "k"),
            (Some("tm"), "", Some("c"), "k"),
            (Some("t"), "m", Some("ck"), ""),
        ];
        for (tenant, mutation, configuration, key) in scopes {
            let scope = Scope { tenant, mutation, configuration, key };
            let entry = fixture.service.look_up(scope, &"a", 1, &[], later()).await.unwrap();
            let Lookup::Acquired(mut lease) = entry else {
                panic!("{tenant:?} {mutation} {configuration:?} {key}")
            };
            lease.record_outcomes(&[(0, created("x"))]).await.unwrap();
            lease.release().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_reopened_file_keeps_outcomes_and_abandons_writes_in_progress() {
    let file = temp_path();
    let fixture = Fixture::new(Arc::new(FileStore::open(&file, 100).unwrap()), Some(file.clone()));
    let mut lease = fixture.acquire("done", "a", 1).await;
    lease.record_outcomes(&[(0, created("x"))]).await.unwrap();
    lease.release().await.unwrap();
    let mut cut_off = fixture.acquire("cut off", "a", 3).await;
    cut_off.mark_in_progress(&[0, 1]).await.unwrap();
    cut_off.record_outcomes(&[(0, created("y"))]).await.unwrap();
    // The file of a process that was killed, without a drop or a finish.
    let copy = temp_path();
    std::fs::copy(&file, &copy).unwrap();
    std::mem::forget(cut_off);

    let fixture = Fixture::new(Arc::new(FileStore::open(&copy, 100).unwrap()), Some(copy));
    assert!(
        matches!(fixture.look_up("done", "a", 1).await.unwrap(), Lookup::Completed(items) if items == [created("x")])
    );
    assert!(
        matches!(fixture.look_up("done", "b", 1).await.unwrap(), Lookup::Conflict),
        "the hash key is kept"
    );
    let lease = fixture.acquire("cut off", "a", 3).await;
    assert_eq!(lease.items(), [created("y"), ItemState::Unknown, ItemState::Unwritten]);
}

#[test]
fn an_unrecognized_file_is_refused_and_left_unchanged() {
    let file = temp_path();
    std::fs::write(
        &file,
        b"something that somebody needs, longer than a header of any kind would be".repeat(100),
    )
    .unwrap();
    let before = std::fs::read(&file).unwrap();
    let refused = FileStore::open(&file, 1).unwrap_err();
    assert!(matches!(refused, OpenError::Unrecognized { .. }), "{refused:?}");
    assert_eq!(std::fs::read(&file).unwrap(), before);
    std::fs::remove_file(&file).unwrap();

    assert!(matches!(FileStore::open(&std::env::temp_dir(), 1), Err(OpenError::Io { .. })));
    assert!(matches!(FileStore::open(&file.join("nowhere"), 1), Err(OpenError::Io { .. })));
    let held = FileStore::open(&file, 1).unwrap();
    assert!(matches!(FileStore::open(&file, 1), Err(OpenError::InUse { .. })));
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
    }
    drop(held);
    std::fs::remove_file(&file).unwrap();
}
