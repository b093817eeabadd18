//! Capacity of a store and of each tenant.

use std::sync::Arc;

use super::{Fixture, HOUR, created, fixtures, temp_path};
use crate::idempotency::{FileStore, IdempotencyError, ItemState, Lookup, StoreError};

fn is_full(result: &Result<impl std::fmt::Debug, IdempotencyError>) -> bool {
    matches!(result, Err(IdempotencyError::Store(StoreError::Full)))
}

#[tokio::test]
async fn a_full_store_refuses_new_keys_and_evicts_none() {
    for fixture in fixtures(40) {
        fixture.write("t", "a", 5, 5).await.unwrap();
        fixture.write("t", "b", 5, 4).await.unwrap();
        let full = fixture.look_up("c", "", 2).await;
        assert!(is_full(&full), "{full:?}");
        assert!(
            matches!(fixture.look_up("a", "", 5).await.unwrap(), Lookup::Completed(_)),
            "a key that it knows"
        );
        let held = fixture.acquire("b", "", 5).await;
        assert!(is_full(&fixture.look_up("c", "", 1).await), "what is being written keeps its room");
        held.release().await.unwrap();
        fixture.advance(24 * HOUR);
        assert!(matches!(fixture.look_up("c", "", 5).await.unwrap(), Lookup::Acquired(_)), "room was made");
    }
}

#[tokio::test]
async fn unwritten_items_take_no_lasting_capacity() {
    for fixture in fixtures(40) {
        for call in 0..20 {
            fixture.write("t", &format!("refused {call}"), 10, 0).await.unwrap();
        }
        // One write each, because the others were rejected; the call itself needs room for ten.
        fixture.write("t", "partly", 10, 1).await.unwrap();
        for call in 0..8 {
            fixture.write("t", &format!("partly {call}"), 2, 1).await.unwrap();
        }
        let full = fixture.look_up("new", "", 2).await;
        assert!(is_full(&full), "{full:?}");
        // There is no capacity for the rest of the first call; the completed item is returned.
        let no_room = fixture.look_up("partly", "", 10).await.unwrap();
        let Lookup::StoreFull(items) = no_room else { panic!("{no_room:?}") };
        assert_eq!(items[..2], [created("x"), ItemState::Unwritten]);
        assert!(matches!(fixture.look_up("new", "", 1).await.unwrap(), Lookup::Acquired(_)), "one is left");
    }
}

#[tokio::test]
async fn a_tenant_takes_no_more_than_its_share() {
    for fixture in fixtures(40) {
        for tenant in ["a", "b", "c", "d"] {
            for call in 0..10 {
                fixture.write(tenant, &call.to_string(), 1, 1).await.unwrap();
            }
            let full = fixture.write(tenant, "new", 1, 1).await;
            assert!(is_full(&full), "{tenant}: {full:?}");
        }
        let full = fixture.write("e", "new", 1, 1).await;
        assert!(is_full(&full), "all of it is taken: {full:?}");
        fixture.advance(24 * HOUR);
        fixture.write("a", "new", 10, 10).await.unwrap();
    }
}

#[tokio::test]
async fn one_share_of_the_default_capacity_fits_a_thousand_items() {
    for fixture in fixtures(250_000) {
        assert!(matches!(fixture.look_up("k", "", 1000).await.unwrap(), Lookup::Acquired(_)));
    }
}

#[tokio::test]
async fn a_tenants_share_is_counted_again_when_the_file_is_opened() {
    let file = temp_path();
    let fixture = Fixture::new(Arc::new(FileStore::open(&file, 40).unwrap()), Some(file.clone()));
    for call in 0..10 {
        fixture.write("a", &call.to_string(), 1, 1).await.unwrap();
    }
    let copy = temp_path();
    std::fs::copy(&file, &copy).unwrap();
    let fixture = Fixture::new(Arc::new(FileStore::open(&copy, 40).unwrap()), Some(copy));
    assert!(is_full(&fixture.write("a", "new", 1, 1).await));
    fixture.write("b", "new", 1, 1).await.unwrap();
}
