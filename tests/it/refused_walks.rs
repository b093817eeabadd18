//! Walks of lists during which Graph begins or ceases to refuse a query option.

use msgraph_sandbox::DEMO_CONFIGURATION_ID;
use serde_json::{Value, json};

use crate::harness::{Gateway, Reply, fresh_token};
use crate::pagination::{LIST, Listed, delete, gateway_of, keys, places};
use crate::refused_options::refuse;

/// Reads a page with a token whose tenant has no remembered refusals, as another replica would.
async fn read(gateway: &Gateway, arguments: &Value, after: &Value) -> Reply {
    read_as(&fresh_token(), gateway, arguments, after).await
}

async fn read_as(token: &str, gateway: &Gateway, arguments: &Value, after: &Value) -> Reply {
    let mut arguments = arguments.clone();
    arguments["id"] = json!(DEMO_CONFIGURATION_ID);
    arguments["after"] = after.clone();
    gateway.graphql_as(Some(token), LIST, arguments).await
}

/// The keys from a cursor on.
async fn rest(gateway: &Gateway, arguments: &Value, mut after: Value) -> Vec<String> {
    let mut keys = Vec::new();
    loop {
        let page = Listed::of(&read(gateway, arguments, &after).await);
        keys.extend(page.keys.iter().cloned());
        if !page.has_next() {
            return keys;
        }
        after = page.end();
    }
}

#[track_caller]
fn must_start_again(reply: &Reply, verb: &str) {
    assert_eq!(reply.code(), "BAD_USER_INPUT", "{:#}", reply.json);
    let message = reply.error()["message"].as_str().unwrap();
    assert!(message.contains(&format!("refuses to {verb} it")) && message.contains("from its start"));
    assert_eq!(reply.error()["path"], json!(["iosLobAppProvisioningConfiguration", "deviceStatuses"]));
    assert_eq!(reply.error()["extensions"]["retryable"], false);
}

fn orders(first: usize) -> [Value; 3] {
    [
        json!({"first": first, "orderBy": {"field": "PLATFORM"}}),
        json!({"first": first, "orderBy": {"field": "STATUS", "direction": "DESC"}}),
        json!({"first": first, "filter": {"platform": {"ne": 8}}, "orderBy": {"field": "STATUS"}}),
    ]
}

#[tokio::test]
async fn a_list_that_was_sorted_here_stays_so_when_graph_sorts_again() {
    let gateway = gateway_of(1500).await;
    for options in [&["orderby"][..], &["filter", "orderby"]] {
        for arguments in orders(200) {
            refuse(&gateway, options);
            let expected = rest(&gateway, &arguments, Value::Null).await;
            let page = Listed::of(&read(&gateway, &arguments, &Value::Null).await);
            gateway.sandbox.clear_faults();
            let rest = rest(&gateway, &arguments, page.end()).await;
            assert_eq!([page.keys, rest].concat(), expected, "{options:?} {arguments}");
        }
    }
}

#[tokio::test]
async fn a_list_that_graph_sorted_is_not_continued_in_another_order() {
    let gateway = gateway_of(500).await;
    for arguments in orders(50) {
        gateway.sandbox.clear_faults();
        let page = Listed::of(&read(&gateway, &arguments, &Value::Null).await);
        refuse(&gateway, &["orderby"]);
        let token = fresh_token();
        // Before and after the refusal is known; within Graph's page, and at its link.
        for _ in 0..2 {
            for after in [json!(page.cursors[20]), page.end()] {
                must_start_again(&read_as(&token, &gateway, &arguments, &after).await, "sort");
            }
        }
        must_start_again(&read(&gateway, &arguments, &page.end()).await, "sort");
        read_as(&token, &gateway, &arguments, &Value::Null).await.data();
    }
}

#[tokio::test]
async fn a_list_that_was_filtered_here_stays_so_when_graph_filters_again() {
    let gateway = gateway_of(1000).await;
    let arguments = json!({"first": 100, "filter": {"platform": {"eq": 8}}});
    let expected = rest(&gateway, &arguments, Value::Null).await;
    refuse(&gateway, &["filter"]);
    let page = Listed::of(&read(&gateway, &arguments, &Value::Null).await);
    // The row of the cursor is found by its place among all rows.
    delete(&gateway, &page.keys[99]).await;
    gateway.sandbox.clear_faults();
    let rest = rest(&gateway, &arguments, page.end()).await;
    assert_eq!([page.keys, rest].concat(), expected);
}

#[tokio::test]
async fn a_list_that_graph_filtered_continues_here_after_the_same_row_or_not_at_all() {
    let gateway = gateway_of(3500).await;
    let all = keys(&gateway);
    let arguments = json!({"first": 800, "filter": {"platform": {"eq": 8}}});
    let page = Listed::of(&read(&gateway, &arguments, &Value::Null).await);
    refuse(&gateway, &["filter"]);
    for at in [10, 400, 798] {
        let rest = rest(&gateway, &arguments, json!(page.cursors[at])).await;
        let expected = (4 * (at + 1)..3500).step_by(4).map(Some).collect::<Vec<_>>();
        assert_eq!(places(&all, &rest), expected, "{at}");
    }
    delete(&gateway, &page.keys[400]).await;
    must_start_again(&read(&gateway, &arguments, &json!(page.cursors[400])).await, "filter");
}

#[tokio::test]
async fn a_link_with_a_filter_that_graph_refuses_now_is_not_continued() {
    let gateway = gateway_of(500).await;
    for arguments in [
        json!({"first": 50, "filter": {"platform": {"ne": 8}}}),
        json!({"first": 50, "filter": {"platform": {"ne": 8}}, "orderBy": {"field": "PLATFORM"}}),
    ] {
        gateway.sandbox.clear_faults();
        let page = Listed::of(&read(&gateway, &arguments, &Value::Null).await);
        refuse(&gateway, &["filter"]);
        let token = fresh_token();
        for _ in 0..2 {
            must_start_again(&read_as(&token, &gateway, &arguments, &page.end()).await, "filter");
        }
        read_as(&token, &gateway, &arguments, &Value::Null).await.data();

        // A link that fails although Graph accepts its options has Graph's error.
        gateway.sandbox.clear_faults();
        gateway.sandbox.inject("501;path=skiptoken".parse().unwrap());
        let reply = read(&gateway, &arguments, &page.end()).await;
        assert_eq!(reply.code(), "UPSTREAM_NOT_SUPPORTED");
    }
}
