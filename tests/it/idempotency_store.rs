//! The store of idempotency keys: its capacity, and its failures.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use intune_graphql::idempotency::{IdempotencyService, MemoryStore, StoreError};

use crate::add_device_status::{MUTATION, device_status, input};
use crate::bulk::{BULK, numbered, outcomes};
use crate::harness::{Gateway, TOKEN};
use crate::hooked_store::{StoreCall, hooked_service, immediate};
use crate::idempotency::{add, bulk, created, keyed, results};

#[tokio::test]
async fn a_full_store_rejects_new_keys_and_keeps_old_ones() {
    let store = Arc::new(MemoryStore::new(1).unwrap());
    let service = IdempotencyService::new(store, Duration::from_secs(3600));
    let gateway = Gateway::builder().api(|api| api.idempotency = service).start().await;
    created(&add(&gateway, "k").await);
    assert_eq!(add(&gateway, "new").await.failure(), ("STATE_UNAVAILABLE", "NOT_SENT", true));
    assert_eq!(gateway.post_count(), 1);
    assert!(created(&add(&gateway, "k").await).1);
    gateway.graphql(MUTATION, input(device_status())).await.data();
}

/// A token that names its tenant.
pub(crate) fn token_of(tenant: &str) -> String {
    format!("h.{}.s", URL_SAFE_NO_PAD.encode(format!(r#"{{"tid":"{tenant}"}}"#)))
}

#[tokio::test]
async fn one_tenant_cannot_fill_the_store() {
    let store = Arc::new(MemoryStore::new(16).unwrap());
    let service = IdempotencyService::new(store, Duration::from_secs(3600));
    let gateway = Gateway::builder().api(|api| api.idempotency = service).start().await;
    let tenants: Vec<String> =
        (0..3).map(|number| token_of(&format!("{number}2f988bf-86f1-41af-91ab-2d7cd011db47"))).collect();
    // Those without a hint are one tenant as well.
    for token in tenants.iter().map(String::as_str).chain([TOKEN]) {
        let add =
            async |key: &str| gateway.graphql_as(Some(token), MUTATION, keyed(key, device_status())).await;
        for call in 0..10 {
            let reply = add(&call.to_string()).await;
            if call < 4 {
                assert!(!created(&reply).1, "{call}");
            } else {
                assert_eq!(reply.failure(), ("STATE_UNAVAILABLE", "NOT_SENT", true), "{call}");
            }
        }
        assert!(created(&add("0").await).1, "what it has is known");
    }
    assert_eq!(gateway.post_count(), 16);
}

#[tokio::test]
async fn rejected_calls_take_no_lasting_space_in_the_store() {
    // A share of forty writes.
    let store = Arc::new(MemoryStore::new(160).unwrap());
    let service = IdempotencyService::new(store, Duration::from_secs(3600));
    let gateway = Gateway::short_timeouts().api(|api| api.idempotency = service).start().await;
    let call = async |key: &str| gateway.graphql(BULK, bulk(key, numbered(20))).await;
    for number in 0..20 {
        gateway.replace_faults(&["403;path=$batch;times=1"]);
        let reply = call(&format!("refused-{number}")).await;
        assert_eq!(outcomes(results(&reply)), ["FORBIDDEN"; 20], "{number}");
    }
    let refused: Vec<String> =
        (2..=20).map(|item| format!("batch-item;item={item};status=400;times=1")).collect();
    let refused: Vec<&str> = refused.iter().map(String::as_str).collect();
    // One of each is created; a call needs room for all of its writes for its time.
    for number in 0..=20 {
        gateway.replace_faults(&refused);
        let reply = call(&format!("partly-{number}")).await;
        assert_eq!(reply.data()["addDeviceStatuses"]["createdCount"], 1, "{number}");
    }
    gateway.replace_faults(&[]);
    assert_eq!(call("new").await.failure(), ("STATE_UNAVAILABLE", "NOT_SENT", true));
    assert!(!created(&add(&gateway, "single").await).1);
    // There is no room for the remaining nineteen of the first call either. Each gets its known
    // outcome.
    let reply = call("partly-0").await;
    assert_eq!(outcomes(results(&reply))[..3], ["0", "STATE_UNAVAILABLE", "STATE_UNAVAILABLE"]);
    assert_eq!(results(&reply)[1]["error"]["outcome"], "NOT_SENT");
    assert_eq!(results(&reply)[1]["error"]["retryable"], true);
    assert_eq!(results(&reply)[0]["replayed"], true);
}

/// A service whose store fails from the write after this many on, and in reads unless it is readable.
fn failing_service(is_readable: bool, writes: usize) -> IdempotencyService {
    hooked_service(move |call| {
        let fails = match call {
            StoreCall::Get(_) => !is_readable,
            StoreCall::Replace(number) => number > writes,
        };
        let failure = || StoreError::Unavailable(Arc::new(std::io::Error::other("the disk is gone")));
        immediate(if fails { Err(failure()) } else { Ok(()) })
    })
}

#[tokio::test]
async fn nothing_is_sent_if_the_intent_cannot_be_stored() {
    for (is_readable, replacements, outcome) in [
        // The store cannot be read, so an earlier write is possible.
        (false, 9, "UNKNOWN"),
        // The key is new, and its lease could not be stored.
        (true, 0, "NOT_SENT"),
        // The lease was stored, and the intent was not.
        (true, 1, "NOT_SENT"),
    ] {
        let service = failing_service(is_readable, replacements);
        let gateway = Gateway::builder().api(|api| api.idempotency = service).start().await;
        let reply = add(&gateway, "k").await;
        assert_eq!(reply.failure(), ("STATE_UNAVAILABLE", outcome, true), "{is_readable} {replacements}");
        assert!(!reply.json.to_string().contains("disk"), "inner words stay inside");
        assert!(gateway.sent().is_empty());
        // Without a key nothing needs to be stored.
        gateway.graphql(MUTATION, input(device_status())).await.data();
    }
}

#[tokio::test]
async fn a_result_that_cannot_be_stored_is_still_returned() {
    let service = failing_service(true, 2);
    let gateway = Gateway::builder()
        .api(|api| api.idempotency = service)
        .settings(|settings| settings.request_timeout = Duration::from_secs(2))
        .start()
        .await;
    assert!(!created(&add(&gateway, "k").await).1);
    // The record is in progress, so the write is not sent again.
    assert_eq!(add(&gateway, "k").await.failure(), ("OUTCOME_UNKNOWN", "UNKNOWN", true));
    assert_eq!(gateway.post_count(), 1);
}
