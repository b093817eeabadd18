//! Query options that Graph refuses: lists are filtered, sorted and counted by the gateway, within a bound.

use msgraph_sandbox::{DEMO_CONFIGURATION_ID, Settings};
use serde_json::{Value, json};

use crate::counts::STATUSES;
use crate::graph_requests::{graph_requests, requests_of_shape};
use crate::harness::{Gateway, Reply, fresh_token};
use crate::pagination::{Listed, gateway_of, keys, list, one_configuration, places, walk};

const PAGE: &str = "
    query($id: ID!, $first: Int, $after: String, $filter: DeviceStatusFilter, $orderBy: DeviceStatusOrder) {
      iosLobAppProvisioningConfiguration(id: $id) {
        deviceStatuses(first: $first, after: $after, filter: $filter, orderBy: $orderBy) {
          totalCount nodes { graphId deviceDisplayName status } pageInfo { hasNextPage endCursor } } } }";

const COUNTS: &str = "query($id: ID!) { iosLobAppProvisioningConfiguration(id: $id) {
    deviceStatusCounts { status count } } }";

/// Lets Graph refuse these options of device statuses, each with the next status.
pub(crate) fn refuse(gateway: &Gateway, options: &[&str]) {
    gateway.sandbox.clear_faults();
    for (option, status) in options.iter().zip([501, 400, 500].into_iter().cycle()) {
        let fault = format!("option-refused;option={option};status={status};path=deviceStatuses");
        gateway.sandbox.inject(fault.parse().unwrap());
    }
    gateway.clear_requests();
}

/// Reads a page, and returns the number of calls to Graph with it.
async fn page(gateway: &Gateway, token: &str, mut arguments: Value) -> (Reply, usize) {
    arguments["id"] = json!(DEMO_CONFIGURATION_ID);
    gateway.clear_requests();
    let reply = gateway.graphql_as(Some(token), PAGE, arguments).await;
    // One call is for the configuration.
    let calls = gateway.sent().len() - 1;
    (reply, calls)
}

fn statuses(reply: &Reply) -> &Value {
    &reply.json["data"]["iosLobAppProvisioningConfiguration"]["deviceStatuses"]
}

async fn refused(gateway: &Gateway, option: &str) -> u64 {
    gateway.counter(&format!("intune_graphql_graph_refused_options_total{{option=\"{option}\"}}")).await
}

#[tokio::test]
async fn a_list_of_4000_rows_is_right_although_each_option_is_refused_and_that_is_remembered() {
    let gateway = gateway_of(4000).await;
    let token = fresh_token();
    let arguments = |after: &Value| {
        json!({
            "first": 100, "after": after,
            "filter": {"status": {"in": ["ERROR", "CONFLICT"]}},
            "orderBy": {"field": "DEVICE_DISPLAY_NAME", "direction": "DESC"},
        })
    };
    let (supported, _) = page(&gateway, &token, arguments(&Value::Null)).await;
    supported.data();
    let supported = statuses(&supported).clone();
    assert!(supported["totalCount"].as_i64().unwrap() > 400);

    refuse(&gateway, &["filter", "orderby", "count"]);
    let before = refused(&gateway, "filter").await;
    let (first, first_calls) = page(&gateway, &token, arguments(&Value::Null)).await;
    first.data();
    assert_eq!(statuses(&first)["nodes"], supported["nodes"]);
    assert_eq!(statuses(&first)["totalCount"], supported["totalCount"]);
    assert!(refused(&gateway, "filter").await > before);

    let after = &statuses(&first)["pageInfo"]["endCursor"];
    let (second, second_calls) = page(&gateway, &token, arguments(after)).await;
    second.data();
    assert_eq!(statuses(&second)["totalCount"], supported["totalCount"]);
    println!("4000 rows, each option refused: {first_calls} calls to Graph at first, then {second_calls}");
    // The refused call, one batch that finds out why, and four pages.
    assert_eq!((first_calls, second_calls), (6, 4));
    for request in requests_of_shape(&gateway, "*/deviceStatuses") {
        let sent = ["$filter", "$orderby", "$count"].map(|option| request.option(option));
        assert_eq!(sent, [None, None, None], "a remembered option is not sent again");
    }

    gateway.sandbox.clear_faults();
    let (expected, _) = page(&gateway, &fresh_token(), arguments(&supported["pageInfo"]["endCursor"])).await;
    assert_eq!(statuses(&second)["nodes"], statuses(&expected)["nodes"]);
}

#[tokio::test]
async fn each_row_is_seen_once_and_in_order_whichever_options_are_refused() {
    let gateway = gateway_of(2500).await;
    for (options, arguments) in [
        (&["filter"][..], json!({"first": 250, "filter": {"platform": {"eq": 8}}})),
        (
            &["orderby"],
            json!({"first": 700, "orderBy": {"field": "DEVICE_DISPLAY_NAME", "direction": "DESC"}}),
        ),
        (
            &["filter"],
            json!({"first": 300, "filter": {"platform": {"ne": 8}},
                   "orderBy": {"field": "DEVICE_DISPLAY_NAME", "direction": "DESC"}}),
        ),
        (
            &["orderby"],
            json!({"first": 300, "filter": {"platform": {"eq": 8}},
                   "orderBy": {"field": "DEVICE_DISPLAY_NAME"}}),
        ),
    ] {
        gateway.sandbox.clear_faults();
        let expected = walk(&gateway, arguments.clone()).await;
        refuse(&gateway, options);
        assert_eq!(walk(&gateway, arguments.clone()).await, expected, "{options:?} {arguments}");
        gateway.clear_requests();
        let page = Listed::read(&gateway, arguments.clone()).await;
        // A cursor is valid after the service has changed.
        gateway.sandbox.clear_faults();
        let mut rest = arguments.clone();
        rest["after"] = page.end();
        let rest = walk(&gateway, rest).await;
        assert_eq!([page.keys, rest].concat(), expected, "{options:?} {arguments}");
    }
}

#[tokio::test]
async fn orders_are_those_of_the_service() {
    let gateway = gateway_of(300).await;
    for field in ["STATUS", "PLATFORM", "USER_NAME", "DEVICE_MODEL", "LAST_REPORTED_DATE_TIME"] {
        for direction in ["ASC", "DESC"] {
            let arguments = json!({"first": 300, "orderBy": {"field": field, "direction": direction}});
            let value = |reply: &Reply| {
                let name = match field {
                    "STATUS" => "status",
                    "PLATFORM" => "platform",
                    "USER_NAME" => "userName",
                    "DEVICE_MODEL" => "deviceModel",
                    _ => "lastReportedDateTime",
                };
                let rows = gateway.sandbox.device_statuses(DEMO_CONFIGURATION_ID);
                let listed = Listed::of(reply).keys;
                let row = |key: &String| rows.iter().find(|row| row["id"] == **key).unwrap()[name].clone();
                listed.iter().map(row).collect::<Vec<_>>()
            };
            gateway.sandbox.clear_faults();
            let expected = value(&list(&gateway, arguments.clone()).await);
            refuse(&gateway, &["orderby"]);
            assert_eq!(value(&list(&gateway, arguments).await), expected, "{field} {direction}");
        }
    }
}

#[tokio::test]
async fn a_list_beyond_the_bound_has_an_error_that_names_it() {
    let gateway = Gateway::builder()
        .sandbox(one_configuration(2500))
        .api(|api| api.max_fallback_pages = 2)
        .start()
        .await;
    refuse(&gateway, &["filter", "orderby", "count"]);
    let names_the_bound = |reply: &Reply, field: &str| {
        assert_eq!(reply.code(), "QUERY_TOO_LARGE");
        let message = reply.error()["message"].as_str().unwrap();
        assert!(message.contains("2 pages of up to 1000 rows") && message.contains("--max-fallback-pages"));
        assert_eq!(reply.error()["path"].as_array().unwrap().last().unwrap(), field);
    };
    let token = fresh_token();
    let order = json!({"orderBy": {"field": "PLATFORM"}});
    for calls in [4, 2] {
        let (reply, sent) = page(&gateway, &token, order.clone()).await;
        names_the_bound(&reply, "deviceStatuses");
        assert_eq!((statuses(&reply), sent), (&Value::Null, calls));
    }
    // The rows that were found are returned, and a cursor to go on.
    let filter = json!({"first": 1000, "filter": {"platform": {"eq": 8}}});
    let (reply, _) = page(&gateway, &token, filter.clone()).await;
    names_the_bound(&reply, "totalCount");
    assert_eq!(statuses(&reply)["nodes"].as_array().unwrap().len(), 500);
    assert_eq!(statuses(&reply)["totalCount"], Value::Null);
    assert_eq!(statuses(&reply)["pageInfo"]["hasNextPage"], true);
    let rows = walk(&gateway, filter).await;
    assert_eq!(places(&keys(&gateway), &rows), (0..2500).step_by(4).map(Some).collect::<Vec<_>>());

    let counts = gateway.graphql(COUNTS, json!({"id": DEMO_CONFIGURATION_ID})).await;
    names_the_bound(&counts, "deviceStatusCounts");
}

#[tokio::test]
async fn a_count_is_read_to_the_end_of_the_list() {
    let gateway = gateway_of(1234).await;
    for (options, filter, total) in [
        (&["count"][..], Value::Null, 1234),
        (&["count"], json!({"platform": {"eq": 8}}), 309),
        (&["filter"], json!({"platform": {"eq": 8}}), 309),
        (&["filter", "count"], json!({"platform": {"ne": 8}}), 925),
    ] {
        refuse(&gateway, options);
        let token = fresh_token();
        let (first, _) = page(&gateway, &token, json!({"first": 10, "filter": filter})).await;
        first.data();
        assert_eq!(statuses(&first)["totalCount"], total, "{options:?} {filter}");
        assert_eq!(statuses(&first)["nodes"].as_array().unwrap().len(), 10);
        let after = statuses(&first)["pageInfo"]["endCursor"].clone();
        let rest = json!({"first": 1000, "after": after, "filter": filter});
        let (second, _) = page(&gateway, &token, rest).await;
        second.data();
        assert_eq!(statuses(&second)["totalCount"], total, "{options:?} {filter}");
    }
}

#[tokio::test]
async fn the_counts_of_statuses_are_right_if_filters_or_counts_are_refused() {
    let gateway = gateway_of(1500).await;
    let rows = gateway.sandbox.device_statuses(DEMO_CONFIGURATION_ID);
    let count = |member: &str| rows.iter().filter(|row| row["status"] == member).count();
    let expected = json!(STATUSES.map(|(status, member)| json!({"status": status, "count": count(member)})));
    for options in [&["filter"][..], &["count"]] {
        refuse(&gateway, options);
        let token = fresh_token();
        // The configuration, a batch of nine counts and two pages; then the pages only.
        for calls in [4, 3] {
            gateway.clear_requests();
            let variables = json!({"id": DEMO_CONFIGURATION_ID});
            let reply = gateway.graphql_as(Some(&token), COUNTS, variables).await;
            let counts = &reply.data()["iosLobAppProvisioningConfiguration"]["deviceStatusCounts"];
            assert_eq!(counts, &expected, "{options:?}");
            assert_eq!(gateway.sent().len(), calls, "{options:?}");
        }
    }
}

#[tokio::test]
async fn an_outage_and_a_value_of_the_caller_are_not_read_around() {
    let gateway = gateway_of(3000).await;
    let filter = json!({"filter": {"platform": {"eq": 7}}});
    for (fault, code) in [
        // All reads fail.
        ("500;path=deviceStatuses", "UPSTREAM_ERROR"),
        ("501;path=deviceStatuses", "UPSTREAM_NOT_SUPPORTED"),
        // Only this value fails.
        ("400;path=eq%25207", "BAD_USER_INPUT"),
        ("500;path=eq%25207", "UPSTREAM_ERROR"),
    ] {
        gateway.sandbox.clear_faults();
        gateway.sandbox.inject(fault.parse().unwrap());
        let token = fresh_token();
        for _ in 0..2 {
            let (reply, calls) = page(&gateway, &token, filter.clone()).await;
            assert_eq!((reply.code(), statuses(&reply)), (code, &Value::Null), "{fault}");
            assert_eq!(calls, 2, "{fault}: the read, and the batch that finds out why it failed");
            let requests = requests_of_shape(&gateway, "*/deviceStatuses");
            assert!(requests[1..].iter().all(|probe| probe.option("$top").as_deref() == Some("1")));
        }
    }
}

#[tokio::test]
async fn a_refusal_is_not_remembered_for_other_tenants() {
    let gateway = gateway_of(100).await;
    let filter = json!({"filter": {"platform": {"eq": 8}}});
    refuse(&gateway, &["filter"]);
    let (one, other) = (fresh_token(), fresh_token());
    for (token, calls) in [(&one, 3), (&one, 1), (&other, 3)] {
        let (reply, sent) = page(&gateway, token, filter.clone()).await;
        assert_eq!(statuses(&reply)["totalCount"], 25);
        assert_eq!(sent, calls);
    }
}

#[tokio::test]
async fn with_a_bound_of_0_the_error_of_graph_is_returned() {
    let gateway =
        Gateway::builder().sandbox(one_configuration(10)).api(|api| api.max_fallback_pages = 0).start().await;
    refuse(&gateway, &["filter"]);
    let (reply, calls) = page(&gateway, &fresh_token(), json!({"filter": {"platform": {"eq": 8}}})).await;
    assert_eq!((reply.code(), calls), ("UPSTREAM_NOT_SUPPORTED", 1));
}

#[tokio::test]
async fn a_list_that_is_shorter_than_its_count_is_reported_once() {
    let gateway = gateway_of(200).await;
    let metric = "intune_graphql_graph_deviations_total{kind=\"short_list\"}";
    let before = gateway.counter(metric).await;
    let (whole, _) = page(&gateway, &fresh_token(), json!({"first": 500})).await;
    whole.data();
    gateway.sandbox.inject("list-short;rows=51;path=deviceStatuses".parse().unwrap());
    let (short, _) = page(&gateway, &fresh_token(), json!({"first": 500})).await;
    short.data();
    assert_eq!(statuses(&short)["nodes"].as_array().unwrap().len(), 51);
    assert_eq!(statuses(&short)["totalCount"], 200, "as Graph counts");
    // Other tests share the metric.
    assert!(gateway.counter(metric).await > before);
    assert_eq!(graph_requests(&gateway).len(), 2);
}

#[tokio::test]
async fn many_lists_of_one_request_find_out_once_what_is_refused() {
    let settings = Settings { configurations: 60, statuses: 7, ..Settings::default() };
    for option in ["count", "filter"] {
        let gateway = Gateway::builder().sandbox(settings.clone()).start().await;
        refuse(&gateway, &[option]);
        let query =
            "query($filter: DeviceStatusFilter) { iosLobAppProvisioningConfigurations(first: 60) { nodes {
            graphId deviceStatusCounts { count } deviceStatuses(first: 2, filter: $filter) { totalCount } } } }";
        let filter = if option == "filter" { json!({"platform": {"ne": 77}}) } else { Value::Null };
        let reply = gateway.graphql_as(Some(&fresh_token()), query, json!({"filter": filter})).await;
        let nodes = reply.data()["iosLobAppProvisioningConfigurations"]["nodes"].as_array().unwrap();
        assert_eq!(nodes.len(), 60);
        for node in nodes {
            let rows = gateway.sandbox.device_statuses(node["graphId"].as_str().unwrap()).len();
            assert_eq!(node["deviceStatuses"]["totalCount"], rows, "{option}");
            let counts = node["deviceStatusCounts"].as_array().unwrap();
            assert_eq!(counts.iter().map(|count| count["count"].as_u64().unwrap()).sum::<u64>(), rows as u64);
        }
        let lists = requests_of_shape(&gateway, "*/deviceStatuses");
        let probes = lists.iter().filter(|list| list.option("$top").as_deref() == Some("1")).count();
        assert!((2..=5).contains(&probes), "one batch: {probes}");
    }
}
