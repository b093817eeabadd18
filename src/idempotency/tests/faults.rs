//! Stores that stall or fail, and callers that disconnect: every lease is released in the end.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use redb::{Database, ReadableDatabase as _, TableDefinition};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::{Fixture, created, later, scope, temp_path};
use crate::idempotency::change_notifier::ChangeNotifier;
use crate::idempotency::{
    FileStore, IdempotencyError, IdempotencyService, ItemState, Lookup, MemoryStore, OpenError, Record,
    RecordId, Store, StoreError,
};

/// The fault of one replacement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// It stalls before it has happened, or after.
    Stalls { has_happened: bool },
    /// It fails, and so do all until the store is repaired.
    Fails { has_happened: bool },
}

#[derive(Debug)]
struct Faulty {
    inner: MemoryStore,
    fault: Fault,
    /// The number of the replacement, from 1.
    nth: usize,
    replaced: AtomicUsize,
    is_met: Notify,
    is_repaired: AtomicBool,
    repaired: Notify,
}

impl Faulty {
    fn new(fault: Fault, nth: usize) -> Arc<Self> {
        Arc::new(Self {
            inner: MemoryStore::new(40).unwrap(),
            fault,
            nth,
            replaced: AtomicUsize::new(0),
            is_met: Notify::new(),
            is_repaired: AtomicBool::new(false),
            repaired: Notify::new(),
        })
    }

    fn repair(&self) {
        self.is_repaired.store(true, Ordering::SeqCst);
        self.repaired.notify_waiters();
    }
}

fn failure() -> StoreError {
    StoreError::Unavailable(Arc::new(std::io::Error::other("the disk is gone")))
}

#[async_trait]
impl Store for Faulty {
    fn hash_key(&self) -> Result<[u8; 32], StoreError> {
        self.inner.hash_key()
    }

    async fn get(&self, id: RecordId) -> Result<Option<Record>, StoreError> {
        self.inner.get(id).await
    }

    async fn replace(
        &self,
        id: RecordId,
        expected: Option<u64>,
        new: Option<Record>,
        now: u64,
    ) -> Result<bool, StoreError> {
        let nth = self.replaced.fetch_add(1, Ordering::SeqCst) + 1;
        let replace = self.inner.replace(id, expected, new, now);
        match self.fault {
            Fault::Fails { has_happened } if nth >= self.nth && !self.is_repaired.load(Ordering::SeqCst) => {
                if has_happened && nth == self.nth {
                    replace.await.unwrap();
                }
                self.is_met.notify_one();
                Err(failure())
            }
            Fault::Stalls { has_happened } if nth == self.nth => {
                let repaired = self.repaired.notified();
                if has_happened {
                    let replaced = replace.await;
                    self.is_met.notify_one();
                    repaired.await;
                    return replaced;
                }
                self.is_met.notify_one();
                repaired.await;
                replace.await
            }
            _ => replace.await,
        }
    }

    async fn changed(&self, id: RecordId, version: u64) -> Result<(), StoreError> {
        self.inner.changed(id, version).await
    }
}

/// The steps of a call. It continues after a failure to store, as the gateway does.
async fn call(service: IdempotencyService) -> Result<(), IdempotencyError> {
    let Lookup::Acquired(mut lease) = service.look_up(scope("k"), &"a", 1, &[], later()).await? else {
        panic!("not acquired")
    };
    lease.mark_in_progress(&[0]).await?;
    let _ = lease.record_outcomes(&[(0, created("x"))]).await;
    lease.release().await
}

/// The state that the next call with the key finds once the lease is released.
async fn found(service: &IdempotencyService) -> Vec<ItemState> {
    loop {
        match service.look_up(scope("k"), &"a", 1, &[], later()).await.unwrap() {
            Lookup::InProgress(waiting) => waiting.changed().await.unwrap(),
            Lookup::Acquired(lease) => return lease.items().to_vec(),
            Lookup::Completed(items) => return items,
            other => panic!("{other:?}"),
        }
    }
}

/// The first two changes precede the write; the later ones follow it.
fn expected(nth: usize) -> ItemState {
    if nth <= 2 { ItemState::Unwritten } else { created("x") }
}

#[tokio::test]
async fn a_caller_may_disconnect_during_any_store_operation() {
    for has_happened in [false, true] {
        for nth in 1..=4 {
            let store = Faulty::new(Fault::Stalls { has_happened }, nth);
            let service = IdempotencyService::new(Arc::clone(&store) as _, Duration::from_secs(3600));
            let caller = tokio::spawn(call(service.clone()));
            store.is_met.notified().await;
            caller.abort();
            assert!(caller.await.unwrap_err().is_cancelled());
            store.repair();
            assert_eq!(found(&service).await, [expected(nth)], "{nth} {has_happened}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn failed_changes_are_stored_once_the_store_recovers() {
    for has_happened in [false, true] {
        for nth in 1..=4 {
            let store = Faulty::new(Fault::Fails { has_happened }, nth);
            let service = IdempotencyService::new(Arc::clone(&store) as _, Duration::from_secs(3600));
            let failed = call(service.clone()).await;
            match failed {
                Err(IdempotencyError::NotAcquired(_)) if nth == 1 => {}
                Err(IdempotencyError::Store(StoreError::Unavailable(_))) if nth > 1 => {}
                other => panic!("{nth} {has_happened}: {other:?}"),
            }
            // However long it takes.
            tokio::time::sleep(Duration::from_secs(300)).await;
            store.repair();
            assert_eq!(found(&service).await, [expected(nth)], "{nth} {has_happened}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_lookup_waits_for_the_store_until_its_deadline() {
    for has_happened in [false, true] {
        let store = Faulty::new(Fault::Stalls { has_happened }, 1);
        let service = IdempotencyService::new(Arc::clone(&store) as _, Duration::from_secs(3600));
        let start = Instant::now();
        let late = service.look_up(scope("k"), &"a", 1, &[], start + Duration::from_secs(2)).await;
        assert!(matches!(late, Err(IdempotencyError::NotAcquired(_))), "{late:?}");
        assert_eq!(start.elapsed(), Duration::from_secs(2));
        store.repair();
        assert_eq!(found(&service).await, [ItemState::Unwritten]);
    }
}

#[tokio::test(start_paused = true)]
async fn pending_lookups_are_bounded_while_the_store_stalls() {
    let store = Faulty::new(Fault::Stalls { has_happened: false }, 1);
    let service = IdempotencyService::new(Arc::clone(&store) as _, Duration::from_secs(3600));
    let deadline = || Instant::now() + Duration::from_secs(1);
    let late = service.look_up(scope("first"), &"a", 64 * 1024, &[], deadline()).await;
    assert!(matches!(late, Err(IdempotencyError::NotAcquired(_))), "{late:?}");
    let late = service.look_up(scope("second"), &"a", 1, &[], deadline()).await;
    assert!(matches!(late, Err(IdempotencyError::Timeout)), "nothing is known of it: {late:?}");
    assert_eq!(store.replaced.load(Ordering::SeqCst), 1);
    store.repair();
    assert!(matches!(
        service.look_up(scope("second"), &"a", 1, &[], deadline()).await,
        Ok(Lookup::Acquired(_))
    ));
}

#[tokio::test]
async fn dropped_subscriptions_leave_no_entry() {
    let notifier = ChangeNotifier::default();
    let (one, other) = (RecordId([1; 32]), RecordId([2; 32]));
    let waiting = [notifier.subscribe(one), notifier.subscribe(one), notifier.subscribe(other)];
    assert_eq!(notifier.watched_records(), 2);
    drop(waiting);
    assert_eq!(notifier.watched_records(), 0, "they left");

    let notified = notifier.subscribe(one);
    notifier.notify(one);
    let again = notifier.subscribe(one);
    notified.changed().await;
    assert_eq!(notifier.watched_records(), 1, "the other waits on");
    notifier.notify_all();
    again.changed().await;
    assert_eq!(notifier.watched_records(), 0);
}

const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");

fn meta(path: &Path, key: &str, value: &[u8]) {
    let database = Database::create(path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(META).unwrap().insert(key, value).unwrap();
    transaction.commit().unwrap();
}

#[test]
fn a_file_of_another_version_is_refused_and_left_unchanged() {
    let file = temp_path();
    meta(&file, "format", b"intune-graphql state 1");
    let refused = FileStore::open(&file, 1).unwrap_err();
    assert!(matches!(refused, OpenError::Unrecognized { .. }), "{refused:?}");
    assert!(refused.to_string().contains("is not a state file of this version"));
    let database = Database::create(&file).unwrap();
    let tables = database.begin_read().unwrap();
    assert_eq!(
        tables.open_table(META).unwrap().get("format").unwrap().unwrap().value(),
        b"intune-graphql state 1"
    );
    assert_eq!(tables.list_tables().unwrap().count(), 1);
    drop((tables, database));
    std::fs::remove_file(&file).unwrap();
}

#[test]
fn a_disk_error_at_startup_is_not_reported_as_damage() {
    let file = temp_path();
    let fails = Arc::new(AtomicBool::new(true));
    let refused = FileStore::open_with("a file", 1, failing::open(file.clone(), fails)).unwrap_err();
    assert!(matches!(refused, OpenError::Io { .. }), "{refused:?}");
    std::fs::remove_file(&file).unwrap();
}

/// A file that fails on demand.
mod failing {
    use std::io;
    use std::ops::Bound;
    use std::path::PathBuf;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use redb::backends::FileBackend;
    use redb::{BackendError, StorageBackend};

    #[derive(Debug)]
    pub(super) struct Failing(FileBackend, Arc<AtomicBool>);

    pub(super) fn open(path: PathBuf, fails: Arc<AtomicBool>) -> impl FnMut() -> io::Result<Failing> + Send {
        move || {
            let mut options = std::fs::OpenOptions::new();
            let file = options.read(true).write(true).create(true).truncate(false).open(&path)?;
            Ok(Failing(FileBackend::new(file).map_err(io::Error::other)?, Arc::clone(&fails)))
        }
    }

    impl StorageBackend for Failing {
        fn len(&self) -> io::Result<u64> {
            self.0.len()
        }

        fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
            self.0.read(offset, out)
        }

        fn set_len(&self, len: u64) -> io::Result<()> {
            self.0.set_len(len)
        }

        /// The data was written nevertheless.
        fn sync_data(&self) -> io::Result<()> {
            self.0.sync_data()?;
            if self.1.load(Ordering::SeqCst) {
                return Err(io::Error::from_raw_os_error(5));
            }
            Ok(())
        }

        fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
            self.0.write(offset, data)
        }

        fn close(&self) -> io::Result<()> {
            self.0.close()
        }

        fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
            self.0.try_lock_range(start, end)
        }

        fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
            self.0.unlock_range(start, end)
        }
    }
}

async fn is_healthy(service: &IdempotencyService) {
    while service.health().is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_survive_a_failure_of_the_file() {
    let (file, fails) = (temp_path(), Arc::new(AtomicBool::new(false)));
    let store = FileStore::open_with("a file", 400, failing::open(file.clone(), Arc::clone(&fails))).unwrap();
    let fixture = Fixture::new(Arc::new(store), Some(file));
    fixture.write("t", "before", 1, 1).await.unwrap();
    for round in 0..5 {
        let (mut intended, mut noted) = (
            fixture.acquire(&format!("intended {round}"), "", 1).await,
            fixture.acquire(&format!("noted {round}"), "", 2).await,
        );
        noted.mark_in_progress(&[0, 1]).await.unwrap();
        fails.store(true, Ordering::SeqCst);
        // A failed write may be on the disk.
        assert!(intended.mark_in_progress(&[0]).await.is_err());
        assert!(noted.record_outcomes(&[(0, created("x"))]).await.is_err());
        let new = fixture.look_up(&format!("new {round}"), "", 1).await;
        assert!(matches!(new, Err(IdempotencyError::NotAcquired(_))), "{new:?}");
        assert!(fixture.service.health().is_err());
        fails.store(false, Ordering::SeqCst);
        is_healthy(&fixture.service).await;

        assert!(matches!(fixture.look_up("before", "", 1).await.unwrap(), Lookup::Completed(_)));
        assert!(matches!(
            fixture.look_up(&format!("intended {round}"), "", 1).await.unwrap(),
            Lookup::InProgress(_)
        ));
        intended.mark_in_progress(&[0]).await.unwrap();
        drop(intended);
        noted.record_outcomes(&[(1, ItemState::Applied)]).await.unwrap();
        noted.release().await.unwrap();
        let known = fixture.look_up(&format!("noted {round}"), "", 2).await.unwrap();
        assert!(matches!(known, Lookup::Completed(items) if items == [created("x"), ItemState::Applied]));
        fixture.acquire(&format!("new {round}"), "another input", 1).await.release().await.unwrap();
        while let Lookup::InProgress(waiting) =
            fixture.look_up(&format!("intended {round}"), "", 1).await.unwrap()
        {
            waiting.changed().await.unwrap();
        }
        let known = fixture.look_up(&format!("intended {round}"), "", 1).await.unwrap();
        assert!(matches!(known, Lookup::Completed(items) if items == [ItemState::Unknown]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_file_is_not_used() {
    let (file, fails) = (temp_path(), Arc::new(AtomicBool::new(false)));
    let store = FileStore::open_with("a file", 400, failing::open(file.clone(), Arc::clone(&fails))).unwrap();
    let fixture = Fixture::new(Arc::new(store), Some(file.clone()));
    fixture.write("t", "before", 1, 1).await.unwrap();
    fails.store(true, Ordering::SeqCst);
    fixture.look_up("k", "", 1).await.unwrap_err();
    let away = temp_path();
    std::fs::rename(&file, &away).unwrap();
    // First none, then one of another gateway.
    for is_other in [false, true] {
        if is_other {
            drop(FileStore::open(&file, 1).unwrap());
        }
        fails.store(false, Ordering::SeqCst);
        let reason = loop {
            let failure = fixture.service.health().unwrap_err();
            let reason = std::error::Error::source(&failure).unwrap().to_string();
            if reason.contains(if is_other { "another file" } else { "empty" }) {
                break reason;
            }
            tokio::task::yield_now().await;
        };
        let known = fixture.look_up("before", "", 1).await;
        assert!(
            matches!(known, Err(IdempotencyError::Store(StoreError::Unavailable(_)))),
            "{reason}: {known:?}"
        );
    }
    std::fs::rename(&away, &file).unwrap();
    is_healthy(&fixture.service).await;
    assert!(matches!(fixture.look_up("before", "", 1).await.unwrap(), Lookup::Completed(_)));
}
