//! Both stores compared with a plain map, under random sequences of calls.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use proptest::prelude::*;

use super::{Fixture, HOUR, created, fixtures, temp_path};
use crate::idempotency::{FileStore, ItemState, Lease, Lookup};

/// A step of calls that share a few keys.
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

/// The expected state of a record.
#[derive(Debug, Clone)]
struct ExpectedRecord {
    input: u8,
    owned: bool,
    expires: u64,
    items: Vec<ItemState>,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Both stores behave like a plain map, also if the file is closed and opened in between.
    #[test]
    fn both_stores_agree_with_a_model(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            for mut fixture in fixtures(1000) {
                let mut expected: HashMap<u8, ExpectedRecord> = HashMap::new();
                let mut leases: HashMap<u8, Lease> = HashMap::new();
                for step in &steps {
                    let now = fixture.seconds.load(Ordering::Relaxed);
                    match *step {
                        Step::Enter { key, input } => {
                            let entry = fixture.look_up(&key.to_string(), &input.to_string(), 2).await.unwrap();
                            let known = expected.get(&key).filter(|expected| expected.owned || expected.expires > now).cloned();
                            match known {
                                Some(known) if known.input != input => prop_assert!(matches!(entry, Lookup::Conflict)),
                                Some(known) if known.owned => prop_assert!(matches!(entry, Lookup::InProgress(_))),
                                Some(known) if !known.items.contains(&ItemState::Unwritten) => {
                                    prop_assert!(matches!(entry, Lookup::Completed(items) if items == known.items));
                                }
                                known => {
                                    let Lookup::Acquired(lease) = entry else { panic!("{entry:?}") };
                                    let (items, expires) = known
                                        .map_or((vec![ItemState::Unwritten; 2], now + 24 * HOUR), |known| (known.items, known.expires));
                                    prop_assert_eq!(lease.items(), &items[..]);
                                    expected.insert(key, ExpectedRecord { input, owned: true, expires, items });
                                    leases.insert(key, lease);
                                }
                            }
                        }
                        Step::Intend { key, item } => {
                            if let Some(lease) = leases.get_mut(&key) {
                                lease.mark_in_progress(&[item.into()]).await.unwrap();
                                expected.get_mut(&key).unwrap().items[usize::from(item)] = ItemState::InProgress;
                            }
                        }
                        Step::Note { key, item, state } => {
                            if let Some(lease) = leases.get_mut(&key) {
                                let state = [ItemState::Unwritten, created("x"), ItemState::Applied, ItemState::Unknown]
                                    [usize::from(state)].clone();
                                lease.record_outcomes(&[(item.into(), state.clone())]).await.unwrap();
                                expected.get_mut(&key).unwrap().items[usize::from(item)] = state;
                            }
                        }
                        Step::Finish { key } => {
                            if let Some(lease) = leases.remove(&key) {
                                lease.release().await.unwrap();
                                let record = expected.get_mut(&key).unwrap();
                                abandon(record);
                                record.expires = now + 24 * HOUR;
                                if record.items.iter().all(|item| *item == ItemState::Unwritten) {
                                    expected.remove(&key);
                                }
                            }
                        }
                        Step::Reopen => {
                            let Some(file) = fixture.file.take() else { continue };
                            for (_, lease) in leases.drain() {
                                std::mem::forget(lease);
                            }
                            // The old store is still referenced by the forgotten value. Another
                            // process would open a copy.
                            let copy = temp_path();
                            std::fs::copy(&file, &copy).unwrap();
                            std::fs::remove_file(&file).unwrap();
                            let seconds = fixture.seconds.load(Ordering::Relaxed);
                            fixture = Fixture::new(Arc::new(FileStore::open(&copy, 1000).unwrap()), Some(copy));
                            fixture.seconds.store(seconds, Ordering::Relaxed);
                            expected.retain(|_, record| {
                                let was_owned = record.owned;
                                abandon(record);
                                !was_owned || record.items.iter().any(|item| *item != ItemState::Unwritten)
                            });
                        }
                        Step::Pass { hours } => fixture.advance(hours * HOUR),
                    }
                }
                for (_, lease) in leases.drain() {
                    lease.release().await.unwrap();
                }
            }
            Ok(())
        })?;
    }
}

fn abandon(record: &mut ExpectedRecord) {
    record.owned = false;
    for item in &mut record.items {
        if *item == ItemState::InProgress {
            *item = ItemState::Unknown;
        }
    }
}
