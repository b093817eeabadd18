//! Failed reads and their codes.

use msgraph_sandbox::{DEMO_CONFIGURATION_ID, FaultRule};
use serde_json::json;

use crate::add_device_status::{MUTATION, device_status, input};
use crate::harness::Gateway;

#[tokio::test]
async fn failed_reads_map_to_their_codes() {
    let gateway = Gateway::short_timeouts().start().await;
    let query = "query($id: ID!) { __typename iosLobAppProvisioningConfiguration(id: $id) { id } }";
    for (fault, code, retryable) in [
        ("500", "UPSTREAM_ERROR", true),
        ("bad-gateway", "UPSTREAM_UNAVAILABLE", true),
        ("503", "UPSTREAM_UNAVAILABLE", true),
        ("gateway-timeout", "UPSTREAM_TIMEOUT", true),
        ("302;location=http://127.0.0.1:1/", "UPSTREAM_ERROR", true),
        ("drop-unread", "UPSTREAM_ERROR", true),
        ("drop-mid-answer", "UPSTREAM_ERROR", true),
        ("canned;status=200;text=<html>", "UPSTREAM_ERROR", true),
        ("canned;status=200;text={}", "UPSTREAM_ERROR", true),
        ("403", "FORBIDDEN", false),
        ("400", "BAD_USER_INPUT", false),
        ("missing-route", "UPSTREAM_NOT_SUPPORTED", false),
        ("invalid-version", "UPSTREAM_NOT_SUPPORTED", false),
        ("429;retry-after=100", "THROTTLED", true),
    ] {
        gateway.sandbox.inject(FaultRule::once(fault.parse().unwrap()));
        if fault == "drop-unread" {
            // A read that is lost on a reused connection is sent again at once, on a new one.
            gateway.sandbox.inject(FaultRule::once(fault.parse().unwrap()));
        }
        let reply = gateway.graphql(query, json!({"id": DEMO_CONFIGURATION_ID})).await;
        assert_eq!(reply.code(), code, "{fault}: {:?}", reply.json);
        assert_eq!(reply.error()["extensions"]["retryable"], retryable, "{fault}");
        assert!(reply.error()["extensions"].get("outcome").is_none(), "a read has no outcome");
        assert_eq!(
            reply.json["data"],
            json!({"__typename": "Query", "iosLobAppProvisioningConfiguration": null})
        );
    }
}

#[tokio::test]
async fn a_graph_response_above_the_size_limit_is_not_read() {
    let gateway = Gateway::builder().max_response(100).start().await;
    let reply = gateway.graphql(MUTATION, input(device_status())).await;
    assert_eq!(
        (reply.code(), &reply.error()["extensions"]["outcome"]),
        ("UPSTREAM_ERROR", &json!("APPLIED"))
    );
}
