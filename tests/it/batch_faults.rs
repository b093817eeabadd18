//! Batches to which Graph responds partly, in another order or not at all: each fault affects only
//! its own nodes.

use std::time::Duration;

use serde_json::{Value, json};

use crate::graph_requests::{graph_requests, request_shapes};
use crate::harness::{Gateway, Reply, fresh_token};
use crate::pagination::ids;

const NODES: &str = "query($ids: [ID!]!) { nodes(ids: $ids) { id ... on DeviceStatus { userName } } }";

/// Reads three nodes with these faults.
async fn read(gateway: &Gateway, ids: &[String], faults: &[&str]) -> Reply {
    gateway.sandbox.clear_faults();
    for fault in faults {
        gateway.sandbox.inject(fault.parse().unwrap());
    }
    gateway.clear_requests();
    gateway.graphql_as(Some(&fresh_token()), NODES, json!({"ids": ids})).await
}

/// The returned nodes, with their positions.
fn present(reply: &Reply, ids: &[String]) -> Vec<bool> {
    let nodes = reply.json["data"]["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), ids.len());
    let is_there = |(node, id): (&Value, &String)| {
        assert!(node.is_null() || (node["id"] == json!(id) && node["userName"].is_string()), "{node}");
        !node.is_null()
    };
    nodes.iter().zip(ids).map(is_there).collect()
}

/// The errors' places in `nodes`, and their codes.
fn errors(reply: &Reply) -> Vec<(u64, String)> {
    let errors = reply.json["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    let place = |error: &Value| {
        assert_eq!((&error["path"][0], error["path"].as_array().unwrap().len()), (&json!("nodes"), 2));
        let code = error["extensions"]["code"].as_str().unwrap().to_owned();
        (error["path"][1].as_u64().unwrap(), code)
    };
    let mut errors: Vec<_> = errors.iter().map(place).collect();
    errors.sort_unstable();
    errors
}

#[tokio::test]
async fn a_failed_batch_item_is_null_with_an_error_for_its_node_only() {
    let gateway = Gateway::short_timeouts().start().await;
    let ids = ids(&gateway, 3).await;
    for (fault, code, retryable) in [
        ("batch-missing;item=2", "UPSTREAM_ERROR", true),
        ("batch-duplicate;item=2", "UPSTREAM_ERROR", true),
        ("batch-malformed;item=2", "UPSTREAM_ERROR", true),
        ("batch-item;item=2;status=400", "BAD_USER_INPUT", false),
        ("batch-item;item=2;status=401", "UNAUTHENTICATED", false),
        ("batch-item;item=2;status=403", "FORBIDDEN", false),
        ("batch-item;item=2;status=424", "BAD_USER_INPUT", false),
        ("batch-item;item=2;status=500", "UPSTREAM_ERROR", true),
        ("batch-item;item=2;status=502;body=html", "UPSTREAM_UNAVAILABLE", true),
        ("batch-item;item=2;status=503;body=wrapped", "UPSTREAM_UNAVAILABLE", true),
        ("batch-item;item=2;status=504;body=double-wrapped", "UPSTREAM_TIMEOUT", true),
        ("batch-item;item=2;status=301;location=http://127.0.0.1:1/", "UPSTREAM_ERROR", true),
        ("batch-item;item=2;status=429;retry-after=3600", "THROTTLED", true),
    ] {
        let reply = read(&gateway, &ids, &[fault]).await;
        assert_eq!(present(&reply, &ids), [true, false, true], "{fault}");
        assert_eq!(errors(&reply), [(1, code.to_owned())], "{fault}");
        assert_eq!(reply.error()["extensions"]["retryable"], retryable, "{fault}");
        assert_eq!(graph_requests(&gateway).len(), 1, "{fault}: asked once");
        assert!(!reply.json.to_string().contains("127.0.0.1"), "{fault}");
    }
    let error = read(&gateway, &ids, &["batch-item;item=2;status=429;retry-after=3600"]).await;
    assert_eq!(error.error()["extensions"]["retryAfter"], 3600);
    assert_eq!(error.error()["extensions"]["graph"]["status"], 429);
}

#[tokio::test]
async fn an_absent_object_in_a_batch_is_null_without_an_error() {
    let gateway = Gateway::start().await;
    let ids = ids(&gateway, 3).await;
    for fault in ["batch-item;item=2;status=404", "batch-item;item=2;status=410;body=empty"] {
        let reply = read(&gateway, &ids, &[fault]).await;
        assert_eq!(present(&reply, &ids), [true, false, true]);
        reply.data();
    }
}

#[tokio::test]
async fn shuffled_and_surplus_batch_responses_have_no_effect() {
    let gateway = Gateway::start().await;
    let ids = ids(&gateway, 20).await;
    for fault in ["batch-shuffled", "batch-surplus", "slow-body;piece=100;pause=1ms"] {
        let reply = read(&gateway, &ids, &[fault]).await;
        reply.data();
        assert_eq!(present(&reply, &ids), [true; 20], "{fault}");
    }
    let reply = read(&gateway, &ids, &["batch-shuffled", "batch-surplus", "batch-missing;item=20"]).await;
    assert_eq!(errors(&reply), [(19, "UPSTREAM_ERROR".to_owned())]);
}

#[tokio::test]
async fn only_throttled_batch_items_are_retried() {
    let gateway = Gateway::start().await;
    let ids = ids(&gateway, 4).await;
    for (faults, sizes) in [
        (vec!["batch-item;item=2;status=429;retry-after=0;times=1"], vec![4, 1]),
        (vec!["batch-item;item=2;status=429;retry-after=0.2;times=1"], vec![4, 1]),
        (vec!["batch-item;item=2;status=429;retry-after=date:1s;times=1"], vec![4, 1]),
        // Intune often sends a 429 without `Retry-After`.
        (vec!["batch-item;item=2;status=429;times=1"], vec![4, 1]),
        (
            vec![
                "batch-item;item=1;status=429;retry-after=0;times=1",
                "batch-item;item=4;status=429;retry-after=0.1;times=1",
                "batch-item;item=2;status=429;retry-after=0;skip=1;times=1",
            ],
            vec![4, 2, 1],
        ),
        // The whole batch.
        (vec!["429;retry-after=0;path=$batch;times=1"], vec![4, 4]),
        (vec!["429;body=empty;path=$batch;times=1"], vec![4, 4]),
    ] {
        let reply = read(&gateway, &ids, &faults).await;
        reply.data();
        assert_eq!(present(&reply, &ids), [true; 4], "{faults:?}");
        assert_eq!(graph_requests(&gateway).iter().map(Vec::len).collect::<Vec<_>>(), sizes, "{faults:?}");
    }
}

#[tokio::test]
async fn a_retry_after_beyond_the_request_timeout_fails_its_item_without_delaying_others() {
    let gateway = Gateway::start().await;
    let ids = ids(&gateway, 3).await;
    let faults = [
        "batch-item;item=1;status=429;retry-after=3600;times=1",
        "batch-item;item=2;status=429;retry-after=99999999999999999999;times=1",
    ];
    let reply = read(&gateway, &ids, &faults).await;
    assert_eq!(present(&reply, &ids), [false, false, true]);
    assert_eq!(errors(&reply), [(0, "THROTTLED".to_owned()), (1, "THROTTLED".to_owned())]);
    assert_eq!(graph_requests(&gateway).iter().map(Vec::len).collect::<Vec<_>>(), [3]);
}

#[tokio::test]
async fn unavailable_and_lost_batch_items_are_retried() {
    let gateway = Gateway::start().await;
    let ids = ids(&gateway, 3).await;
    for (fault, sizes) in [
        ("batch-item;item=2;status=503;body=wrapped;times=1", vec![3, 1]),
        ("batch-item;item=2;status=502;body=html;times=1", vec![3, 1]),
        ("batch-item;item=2;status=504;body=double-wrapped;times=1", vec![3, 1]),
        ("503;retry-after=0;path=$batch;times=1", vec![3, 3]),
        ("drop-mid-answer;path=$batch;times=1", vec![3, 3]),
    ] {
        let reply = read(&gateway, &ids, &[fault]).await;
        reply.data();
        assert_eq!(present(&reply, &ids), [true; 3], "{fault}");
        assert_eq!(graph_requests(&gateway).iter().map(Vec::len).collect::<Vec<_>>(), sizes, "{fault}");
    }
}

#[tokio::test]
async fn endless_throttling_ends_at_the_request_timeout() {
    let short =
        |settings: &mut intune_graphql::server::Settings| settings.request_timeout = Duration::from_secs(2);
    let gateway = Gateway::builder().settings(short).start().await;
    let ids = ids(&gateway, 2).await;
    for fault in ["batch-item;item=1;status=429;retry-after=1", "429"] {
        let reply = read(&gateway, &ids, &[fault, "429;skip=1"]).await;
        let codes: Vec<_> = errors(&reply).into_iter().map(|(_, code)| code).collect();
        assert!(codes.iter().all(|code| code == "THROTTLED" || code == "UPSTREAM_TIMEOUT"), "{codes:?}");
        assert!(!codes.is_empty() && (1..6).contains(&graph_requests(&gateway).len()), "{fault}");
    }
}

#[tokio::test]
async fn a_failed_batch_is_an_error_for_each_of_its_nodes() {
    let gateway = Gateway::short_timeouts().start().await;
    let ids = ids(&gateway, 3).await;
    for (fault, code) in [
        ("503;path=$batch", "UPSTREAM_UNAVAILABLE"),
        ("503;retry-after=1;path=$batch", "UPSTREAM_UNAVAILABLE"),
        ("bad-gateway;path=$batch", "UPSTREAM_UNAVAILABLE"),
        ("gateway-timeout;path=$batch", "UPSTREAM_TIMEOUT"),
        ("500;body=text;path=$batch", "UPSTREAM_ERROR"),
        ("429;retry-after=3600;path=$batch", "THROTTLED"),
        ("401;path=$batch", "UNAUTHENTICATED"),
        ("302;location=/beta/me;path=$batch", "UPSTREAM_ERROR"),
        ("canned;text=<html>;path=$batch", "UPSTREAM_ERROR"),
        ("canned;text={\"responses\":7};path=$batch", "UPSTREAM_ERROR"),
        ("canned;text={\"responses\":[]};path=$batch", "UPSTREAM_ERROR"),
        (
            "canned;text={\"responses\":[null,{\"id\":{}},{\"id\":\"99\",\"status\":200}]};path=$batch",
            "UPSTREAM_ERROR",
        ),
        ("canned;status=204;path=$batch", "UPSTREAM_ERROR"),
        ("drop-mid-answer;path=$batch", "UPSTREAM_ERROR"),
        ("drop-unread;path=$batch", "UPSTREAM_ERROR"),
    ] {
        let reply = read(&gateway, &ids, &[fault]).await;
        assert_eq!(present(&reply, &ids), [false; 3], "{fault}");
        let each = (0..3).map(|place| (place, code.to_owned())).collect::<Vec<_>>();
        assert_eq!(errors(&reply), each, "{fault}");
        assert_eq!(gateway.sent().len(), 1, "{fault}");
    }
}

#[tokio::test]
async fn a_failed_batch_leaves_other_batches_intact() {
    let gateway = Gateway::short_timeouts().start().await;
    let ids = ids(&gateway, 40).await;
    let reply = read(&gateway, &ids, &["503;path=$batch;times=1"]).await;
    let present = present(&reply, &ids);
    assert_eq!(present.iter().filter(|present| **present).count(), 20);
    assert_eq!(errors(&reply).len(), 20);
    assert!(errors(&reply).iter().all(|(place, _)| !present[usize::try_from(*place).unwrap()]));
}

#[tokio::test]
async fn a_list_and_a_count_in_a_batch_fail_separately() {
    let gateway = Gateway::start().await;
    let query = "{ iosLobAppProvisioningConfigurations(first: 3) { nodes { id
        deviceStatuses(first: 1) { nodes { id configuration { id } } } } } }";
    for fault in ["batch-malformed;item=2", "batch-item;item=2;status=500", "batch-missing;item=2"] {
        gateway.sandbox.clear_faults();
        gateway.sandbox.inject(fault.parse().unwrap());
        gateway.clear_requests();
        let reply = gateway.graphql(query, json!({})).await;
        assert_eq!(reply.code(), "UPSTREAM_ERROR");
        let path = json!(["iosLobAppProvisioningConfigurations", "nodes", 1, "deviceStatuses"]);
        assert_eq!(reply.error()["path"], path, "{fault}");
        let nodes = &reply.json["data"]["iosLobAppProvisioningConfigurations"]["nodes"];
        assert_eq!(nodes[1]["deviceStatuses"], Value::Null);
        assert!(nodes[0]["deviceStatuses"]["nodes"][0]["id"].is_string());
        assert!(nodes[2]["deviceStatuses"]["nodes"][0]["id"].is_string());
        assert_eq!(request_shapes(&gateway), [vec![""], vec!["*/deviceStatuses"; 3]]);
    }
}

#[tokio::test]
async fn a_deeply_nested_batch_item_is_an_error_for_its_node_only() {
    let gateway = Gateway::start().await;
    let ids = ids(&gateway, 3).await;
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let item = |id: usize, status: u16, body: &str, member: &str| {
        format!(r#"{{"id":"{id}","status":{status},"body":{body},"x":{member}}}"#)
    };
    let entity = |member: &str| format!(r#"{{"id":"a","userName":"b","x":{member}}}"#);
    let read = async |items: [String; 3], around: &str| {
        gateway.sandbox.clear_faults();
        let answer = format!(r#"{{"responses":[{}],"x":{around}}}"#, items.join(","));
        gateway.sandbox.inject(format!("canned;text={answer};path=$batch").parse().unwrap());
        gateway.graphql_as(Some(&fresh_token()), NODES, json!({"ids": ids})).await
    };
    let fine = |id| item(id, 200, &entity("1"), "1");
    let is_failed = |at: u64, code: &str| (at, code.to_owned());
    for (damaged, code) in [
        (item(1, 200, &entity(&deep), "1"), "UPSTREAM_ERROR"),
        (item(1, 200, &entity("1"), &deep), "UPSTREAM_ERROR"),
        (item(1, 403, &deep, "1"), "FORBIDDEN"),
    ] {
        let reply = read([fine(0), damaged, fine(2)], "1").await;
        assert_eq!(errors(&reply), [is_failed(1, code)]);
        assert_eq!(reply.json["data"]["nodes"][2]["userName"], "b");
    }
    let reply = read([fine(0), fine(1), fine(2)], &deep).await;
    assert_eq!(errors(&reply), [0, 1, 2].map(|at| is_failed(at, "UPSTREAM_ERROR")));
    assert_eq!(errors(&read([fine(0), fine(1), fine(2)], "1").await), []);
}
