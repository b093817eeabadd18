//! The ledger's rules, each tried on both stores.

mod faults;
mod format;
mod room;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use tokio::time::Instant;

use super::{Claim, Entry, FileStore, ItemState, Ledger, MemoryStore, OpenError, Scope, StateError, Store};

const HOUR: u64 = 3600;

/// A ledger whose clock is set by hand.
struct Bench {
    ledger: Ledger,
    seconds: Arc<AtomicU64>,
    file: Option<PathBuf>,
}

impl Bench {
    fn new(store: Arc<dyn Store>, file: Option<PathBuf>) -> Self {
        let seconds = Arc::new(AtomicU64::new(1_000_000));
        let clock = {
            let seconds = Arc::clone(&seconds);
            Arc::new(move || SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.load(Ordering::Relaxed)))
        };
        let ledger = Ledger::with_clock(store, Duration::from_secs(24 * HOUR), clock);
        Self { ledger, seconds, file }
    }

    fn pass(&self, seconds: u64) {
        self.seconds.fetch_add(seconds, Ordering::Relaxed);
    }

    async fn enter(&self, key: &str, input: &str, items: usize) -> Result<Entry, StateError> {
        self.ledger.enter(scope(key), &input, items, later()).await
    }

    async fn ours(&self, key: &str, input: &str, items: usize) -> Claim {
        match self.enter(key, input, items).await.unwrap() {
            Entry::Ours(claim) => claim,
            other => panic!("not ours: {other:?}"),
        }
    }
}

impl Bench {
    /// A call with a key of its own of which so many writes do something.
    async fn write(&self, tenant: &str, key: &str, items: usize, created: usize) -> Result<(), StateError> {
        let scope = Scope { tenant: Some(tenant), ..scope(key) };
        let Entry::Ours(mut claim) = self.ledger.enter(scope, &"", items, later()).await? else {
            panic!("{tenant} {key}")
        };
        for item in 0..items {
            claim.intend(&[item]).await?;
            let state = if item < created { self::created("x") } else { ItemState::Free };
            claim.note(&[(item, state)]).await?;
        }
        claim.finish().await
    }
}

impl Drop for Bench {
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

fn scratch() -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("intune-graphql-state-{}-{number}", std::process::id()))
}

/// One of each store, for so many writes.
fn benches(capacity: usize) -> [Bench; 2] {
    let file = scratch();
    [
        Bench::new(Arc::new(MemoryStore::new(capacity).unwrap()), None),
        Bench::new(Arc::new(FileStore::open(&file, capacity).unwrap()), Some(file)),
    ]
}

fn created(key: &str) -> ItemState {
    ItemState::Created(key.to_owned())
}

#[tokio::test]
async fn what_was_created_is_known_and_other_input_is_refused() {
    for bench in benches(40) {
        let mut claim = bench.ours("k", "a", 1).await;
        claim.intend(&[0]).await.unwrap();
        claim.note(&[(0, created("x"))]).await.unwrap();
        claim.finish().await.unwrap();
        let known = bench.enter("k", "a", 1).await.unwrap();
        assert!(matches!(known, Entry::Known(items) if items == [created("x")]));
        assert!(matches!(bench.enter("k", "b", 1).await.unwrap(), Entry::Reused));
        assert!(matches!(bench.enter("other", "b", 1).await.unwrap(), Entry::Ours(_)));
    }
}

#[tokio::test]
async fn only_an_owner_that_wrote_nothing_frees_the_key() {
    for bench in benches(40) {
        let mut claim = bench.ours("k", "a", 1).await;
        claim.intend(&[0]).await.unwrap();
        claim.note(&[(0, ItemState::Free)]).await.unwrap();
        claim.finish().await.unwrap();
        // As if it had never come: with any input.
        let mut claim = bench.ours("k", "b", 1).await;
        claim.intend(&[0]).await.unwrap();
        drop(claim);
        while let Entry::UnderWay(waiting) = bench.enter("k", "b", 1).await.unwrap() {
            waiting.changed().await.unwrap();
        }
        let known = bench.enter("k", "b", 1).await.unwrap();
        assert!(matches!(known, Entry::Known(items) if items == [ItemState::Unknown]), "nobody knows");
    }
}

#[tokio::test]
async fn a_call_of_many_goes_on_where_it_stopped() {
    for bench in benches(40) {
        let mut claim = bench.ours("k", "a", 3).await;
        claim.intend(&[0, 1]).await.unwrap();
        claim.note(&[(0, created("x")), (1, ItemState::Unknown)]).await.unwrap();
        claim.finish().await.unwrap();
        let claim = bench.ours("k", "a", 3).await;
        assert_eq!(claim.items(), [created("x"), ItemState::Unknown, ItemState::Free]);
    }
}

#[tokio::test]
async fn of_a_hundred_at_once_one_owns_and_all_learn_what_came_of_it() {
    for bench in benches(40) {
        let owners = Arc::new(Mutex::new(0));
        let calls = (0..100).map(|_| {
            let (ledger, owners) = (bench.ledger.clone(), Arc::clone(&owners));
            tokio::spawn(async move {
                loop {
                    match ledger.enter(scope("k"), &"a", 1, later()).await.unwrap() {
                        Entry::Ours(mut claim) => {
                            *owners.lock().unwrap() += 1;
                            claim.intend(&[0]).await.unwrap();
                            tokio::task::yield_now().await;
                            claim.note(&[(0, created("x"))]).await.unwrap();
                            claim.finish().await.unwrap();
                        }
                        Entry::UnderWay(waiting) => waiting.changed().await.unwrap(),
                        Entry::Known(items) => return items,
                        other @ (Entry::Reused | Entry::NoRoom(_)) => panic!("the same input: {other:?}"),
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
async fn a_record_is_kept_for_its_time_after_its_last_write() {
    for bench in benches(40) {
        let mut claim = bench.ours("k", "a", 1).await;
        bench.pass(30 * HOUR);
        assert!(matches!(bench.enter("k", "a", 1).await.unwrap(), Entry::UnderWay(_)), "not under its owner");
        claim.note(&[(0, created("x"))]).await.unwrap();
        claim.finish().await.unwrap();
        bench.pass(24 * HOUR - 1);
        assert!(matches!(bench.enter("k", "a", 1).await.unwrap(), Entry::Known(_)));
        bench.pass(1);
        assert!(matches!(bench.enter("k", "b", 1).await.unwrap(), Entry::Ours(_)));
    }
}

#[tokio::test]
async fn no_two_scopes_are_one() {
    for bench in benches(100) {
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
            let entry = bench.ledger.enter(scope, &"a", 1, later()).await.unwrap();
            let Entry::Ours(mut claim) = entry else {
                panic!("{tenant:?} {mutation} {configuration:?} {key}")
            };
            claim.note(&[(0, created("x"))]).await.unwrap();
            claim.finish().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_file_keeps_what_was_known_and_abandons_what_was_under_way() {
    let file = scratch();
    let bench = Bench::new(Arc::new(FileStore::open(&file, 100).unwrap()), Some(file.clone()));
    let mut claim = bench.ours("done", "a", 1).await;
    claim.note(&[(0, created("x"))]).await.unwrap();
    claim.finish().await.unwrap();
    let mut cut_off = bench.ours("cut off", "a", 3).await;
    cut_off.intend(&[0, 1]).await.unwrap();
    cut_off.note(&[(0, created("y"))]).await.unwrap();
    // What a process that is killed leaves behind, without a drop or a finish.
    let copy = scratch();
    std::fs::copy(&file, &copy).unwrap();
    std::mem::forget(cut_off);

    let bench = Bench::new(Arc::new(FileStore::open(&copy, 100).unwrap()), Some(copy));
    assert!(
        matches!(bench.enter("done", "a", 1).await.unwrap(), Entry::Known(items) if items == [created("x")])
    );
    assert!(matches!(bench.enter("done", "b", 1).await.unwrap(), Entry::Reused), "the hash key is kept");
    let claim = bench.ours("cut off", "a", 3).await;
    assert_eq!(claim.items(), [created("y"), ItemState::Unknown, ItemState::Free]);
}

#[test]
fn a_file_that_is_not_ours_is_refused_and_left_as_it_is() {
    let file = scratch();
    std::fs::write(
        &file,
        b"something that somebody needs, longer than a header of any kind would be".repeat(100),
    )
    .unwrap();
    let before = std::fs::read(&file).unwrap();
    let refused = FileStore::open(&file, 1).unwrap_err();
    assert!(matches!(refused, OpenError::Foreign { .. }), "{refused:?}");
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

/// What calls do with a few keys, in any order.
#[derive(Debug, Clone)]
enum Step {
    Enter { key: u8, input: u8 },
    Intend { key: u8, item: u8 },
    Note { key: u8, item: u8, state: u8 },
    Finish { key: u8 },
    Reopen,
    Pass { hours: u64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..3_u8, 0..2_u8).prop_map(|(key, input)| Step::Enter { key, input }),
        4 => (0..3_u8, 0..2_u8).prop_map(|(key, item)| Step::Intend { key, item }),
        4 => (0..3_u8, 0..2_u8, 0..4_u8).prop_map(|(key, item, state)| Step::Note { key, item, state }),
        2 => (0..3_u8).prop_map(|key| Step::Finish { key }),
        1 => Just(Step::Reopen),
        1 => (0..30_u64).prop_map(|hours| Step::Pass { hours }),
    ];
    prop::collection::vec(step, 0..40)
}

/// A record, told in the simplest way.
#[derive(Debug, Clone)]
struct Told {
    input: u8,
    owned: bool,
    expires: u64,
    items: Vec<ItemState>,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Both stores do what a plain map would do, also when the file is closed and opened in between.
    #[test]
    fn whatever_calls_do_the_ledger_keeps_its_word(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            for mut bench in benches(1000) {
                let mut told: HashMap<u8, Told> = HashMap::new();
                let mut claims: HashMap<u8, Claim> = HashMap::new();
                for step in &steps {
                    let now = bench.seconds.load(Ordering::Relaxed);
                    match *step {
                        Step::Enter { key, input } => {
                            let entry = bench.enter(&key.to_string(), &input.to_string(), 2).await.unwrap();
                            let known = told.get(&key).filter(|told| told.owned || told.expires > now).cloned();
                            match known {
                                Some(known) if known.input != input => prop_assert!(matches!(entry, Entry::Reused)),
                                Some(known) if known.owned => prop_assert!(matches!(entry, Entry::UnderWay(_))),
                                Some(known) if !known.items.contains(&ItemState::Free) => {
                                    prop_assert!(matches!(entry, Entry::Known(items) if items == known.items));
                                }
                                known => {
                                    let Entry::Ours(claim) = entry else { panic!("{entry:?}") };
                                    let (items, expires) = known
                                        .map_or((vec![ItemState::Free; 2], now + 24 * HOUR), |known| (known.items, known.expires));
                                    prop_assert_eq!(claim.items(), &items[..]);
                                    told.insert(key, Told { input, owned: true, expires, items });
                                    claims.insert(key, claim);
                                }
                            }
                        }
                        Step::Intend { key, item } => {
                            if let Some(claim) = claims.get_mut(&key) {
                                claim.intend(&[item.into()]).await.unwrap();
                                told.get_mut(&key).unwrap().items[usize::from(item)] = ItemState::UnderWay;
                            }
                        }
                        Step::Note { key, item, state } => {
                            if let Some(claim) = claims.get_mut(&key) {
                                let state = [ItemState::Free, created("x"), ItemState::Applied, ItemState::Unknown]
                                    [usize::from(state)].clone();
                                claim.note(&[(item.into(), state.clone())]).await.unwrap();
                                told.get_mut(&key).unwrap().items[usize::from(item)] = state;
                            }
                        }
                        Step::Finish { key } => {
                            if let Some(claim) = claims.remove(&key) {
                                claim.finish().await.unwrap();
                                let record = told.get_mut(&key).unwrap();
                                abandon(record);
                                record.expires = now + 24 * HOUR;
                                if record.items.iter().all(|item| *item == ItemState::Free) {
                                    told.remove(&key);
                                }
                            }
                        }
                        Step::Reopen => {
                            let Some(file) = bench.file.take() else { continue };
                            for (_, claim) in claims.drain() {
                                std::mem::forget(claim);
                            }
                            // The old store is held by what was forgotten; a copy is what another process would find.
                            let copy = scratch();
                            std::fs::copy(&file, &copy).unwrap();
                            std::fs::remove_file(&file).unwrap();
                            let seconds = bench.seconds.load(Ordering::Relaxed);
                            bench = Bench::new(Arc::new(FileStore::open(&copy, 1000).unwrap()), Some(copy));
                            bench.seconds.store(seconds, Ordering::Relaxed);
                            told.retain(|_, record| {
                                let was_owned = record.owned;
                                abandon(record);
                                !was_owned || record.items.iter().any(|item| *item != ItemState::Free)
                            });
                        }
                        Step::Pass { hours } => bench.pass(hours * HOUR),
                    }
                }
                for (_, claim) in claims.drain() {
                    claim.finish().await.unwrap();
                }
            }
            Ok(())
        })?;
    }
}

fn abandon(record: &mut Told) {
    record.owned = false;
    for item in &mut record.items {
        if *item == ItemState::UnderWay {
            *item = ItemState::Unknown;
        }
    }
}
