//! How much room a store has, and for whom.

use std::sync::Arc;

use super::{Bench, HOUR, benches, created, scratch};
use crate::state::{Entry, FileStore, ItemState, StateError, StoreError};

fn is_full(result: &Result<impl std::fmt::Debug, StateError>) -> bool {
    matches!(result, Err(StateError::Store(StoreError::Full)))
}

#[tokio::test]
async fn a_full_store_refuses_new_keys_and_forgets_none_before_its_time() {
    for bench in benches(40) {
        bench.write("t", "a", 5, 5).await.unwrap();
        bench.write("t", "b", 5, 4).await.unwrap();
        let full = bench.enter("c", "", 2).await;
        assert!(is_full(&full), "{full:?}");
        assert!(matches!(bench.enter("a", "", 5).await.unwrap(), Entry::Known(_)), "a key that it knows");
        let held = bench.ours("b", "", 5).await;
        assert!(is_full(&bench.enter("c", "", 1).await), "what is being written keeps its room");
        held.finish().await.unwrap();
        bench.pass(24 * HOUR);
        assert!(matches!(bench.enter("c", "", 5).await.unwrap(), Entry::Ours(_)), "room was made");
    }
}

#[tokio::test]
async fn what_was_not_done_takes_no_lasting_room() {
    for bench in benches(40) {
        for call in 0..20 {
            bench.write("t", &format!("refused {call}"), 10, 0).await.unwrap();
        }
        // One write each, of which the others were refused; the call itself needs room for ten.
        bench.write("t", "partly", 10, 1).await.unwrap();
        for call in 0..8 {
            bench.write("t", &format!("partly {call}"), 2, 1).await.unwrap();
        }
        let full = bench.enter("new", "", 2).await;
        assert!(is_full(&full), "{full:?}");
        // There is no room for what the first left over: that is told, and what is known as well.
        let no_room = bench.enter("partly", "", 10).await.unwrap();
        let Entry::NoRoom(items) = no_room else { panic!("{no_room:?}") };
        assert_eq!(items[..2], [created("x"), ItemState::Free]);
        assert!(matches!(bench.enter("new", "", 1).await.unwrap(), Entry::Ours(_)), "one is left");
    }
}

#[tokio::test]
async fn a_tenant_takes_no_more_than_its_share() {
    for bench in benches(40) {
        for tenant in ["a", "b", "c", "d"] {
            for call in 0..10 {
                bench.write(tenant, &call.to_string(), 1, 1).await.unwrap();
            }
            let full = bench.write(tenant, "new", 1, 1).await;
            assert!(is_full(&full), "{tenant}: {full:?}");
        }
        let full = bench.write("e", "new", 1, 1).await;
        assert!(is_full(&full), "all of it is taken: {full:?}");
        bench.pass(24 * HOUR);
        bench.write("a", "new", 10, 10).await.unwrap();
    }
}

#[tokio::test]
async fn a_share_of_the_default_capacity_holds_a_call_of_a_thousand() {
    for bench in benches(250_000) {
        assert!(matches!(bench.enter("k", "", 1000).await.unwrap(), Entry::Ours(_)));
    }
}

#[tokio::test]
async fn a_tenants_share_is_counted_again_when_the_file_is_opened() {
    let file = scratch();
    let bench = Bench::new(Arc::new(FileStore::open(&file, 40).unwrap()), Some(file.clone()));
    for call in 0..10 {
        bench.write("a", &call.to_string(), 1, 1).await.unwrap();
    }
    let copy = scratch();
    std::fs::copy(&file, &copy).unwrap();
    let bench = Bench::new(Arc::new(FileStore::open(&copy, 40).unwrap()), Some(copy));
    assert!(is_full(&bench.write("a", "new", 1, 1).await));
    bench.write("b", "new", 1, 1).await.unwrap();
}
