//! Filters and orders that Graph ignores: rows that miss the filter are withheld, and a metric counts them.

use msgraph_sandbox::{self as sandbox, DEMO_CONFIGURATION_ID, Sandbox};
use serde_json::{Value, json};

use crate::commands::Program;
use crate::graph_requests::requests_of_shape;
use crate::harness::{Gateway, TOKEN};
use crate::pagination::{Listed, gateway_of, keys, places, walk};

const FILTERED_ROWS: &str = "intune_graphql_graph_filter_ignored_rows_total";
const UNORDERED_PAGES: &str = "intune_graphql_graph_deviations_total{kind=\"order_ignored\"}";

const PAGE: &str = "query($id: ID!, $first: Int, $after: String, $filter: DeviceStatusFilter) {
    iosLobAppProvisioningConfiguration(id: $id) { deviceStatuses(first: $first, after: $after, filter: $filter) {
        totalCount nodes { graphId platform } pageInfo { hasNextPage endCursor } } } }";

async fn page(gateway: &Gateway, first: usize, after: Value, filter: Value) -> Value {
    let variables = json!({"id": DEMO_CONFIGURATION_ID, "first": first, "after": after, "filter": filter});
    let reply = gateway.graphql(PAGE, variables).await;
    reply.data()["iosLobAppProvisioningConfiguration"]["deviceStatuses"].clone()
}

fn ignore(gateway: &Gateway, fault: &str) {
    gateway.sandbox.clear_faults();
    gateway.sandbox.inject(format!("{fault};path=deviceStatuses").parse().unwrap());
    gateway.clear_requests();
}

#[tokio::test]
async fn rows_that_miss_the_filter_are_withheld_and_the_page_is_filled_from_the_next() {
    let gateway = gateway_of(120).await;
    ignore(&gateway, "filter-ignored");
    let before = gateway.counter(FILTERED_ROWS).await;
    let filter = json!({"platform": {"eq": 8}});
    let list = page(&gateway, 5, Value::Null, filter.clone()).await;
    let nodes = list["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), 5);
    assert!(nodes.iter().all(|node| node["platform"] == 8));
    assert_eq!((&list["totalCount"], &list["pageInfo"]["hasNextPage"]), (&Value::Null, &json!(true)));
    // Every fourth row meets the filter: five of them are in four of Graph's pages of five.
    assert_eq!(requests_of_shape(&gateway, "*/deviceStatuses").len(), 4);
    assert!(gateway.counter(FILTERED_ROWS).await >= before + 12);

    let rows = walk(&gateway, json!({"first": 7, "filter": filter})).await;
    assert_eq!(places(&keys(&gateway), &rows), (0..120).step_by(4).map(Some).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_total_is_null_if_a_row_shows_that_the_filter_was_ignored() {
    let gateway = gateway_of(120).await;
    ignore(&gateway, "filter-ignored");
    gateway.sandbox.inject("page-size;size=50;path=deviceStatuses".parse().unwrap());
    // The requested row matches the filter, those after it do not.
    let list = page(&gateway, 1, Value::Null, json!({"platform": {"eq": 8}})).await;
    assert_eq!(list["nodes"].as_array().unwrap().len(), 1);
    assert_eq!(list["totalCount"], Value::Null);
}

#[tokio::test]
async fn the_total_stays_null_on_later_pages() {
    let gateway = gateway_of(120).await;
    ignore(&gateway, "filter-ignored");
    let filter = json!({"platform": {"eq": 8}});
    let list = page(&gateway, 5, Value::Null, filter.clone()).await;
    gateway.sandbox.clear_faults();
    let rest = page(&gateway, 5, list["pageInfo"]["endCursor"].clone(), filter).await;
    assert_eq!(rest["nodes"].as_array().unwrap().len(), 5);
    assert_eq!(rest["totalCount"], Value::Null);
}

#[tokio::test]
async fn an_empty_page_has_a_cursor_to_continue_from() {
    let gateway = gateway_of(120).await;
    ignore(&gateway, "filter-ignored");
    let filter = json!({"platform": {"eq": 77}});
    let list = page(&gateway, 10, Value::Null, filter.clone()).await;
    assert_eq!(requests_of_shape(&gateway, "*/deviceStatuses").len(), 10, "the search has a bound");
    assert_eq!((&list["nodes"], &list["pageInfo"]["hasNextPage"]), (&json!([]), &json!(true)));
    let rest = page(&gateway, 10, list["pageInfo"]["endCursor"].clone(), filter).await;
    let end = json!({"hasNextPage": false, "endCursor": null});
    assert_eq!((&rest["nodes"], &rest["pageInfo"]), (&json!([]), &end));
}

#[tokio::test]
async fn no_page_follows_the_last_matching_row_of_a_graph_page() {
    let gateway = gateway_of(20).await;
    ignore(&gateway, "filter-ignored");
    gateway.sandbox.inject("page-size;size=100;path=deviceStatuses".parse().unwrap());
    // Rows 0, 4, 8, 12 and 16 meet it; 17 to 19 do not.
    let list = page(&gateway, 5, Value::Null, json!({"platform": {"eq": 8}})).await;
    assert_eq!(list["nodes"].as_array().unwrap().len(), 5);
    assert_eq!(list["pageInfo"]["hasNextPage"], false);
}

#[tokio::test]
async fn rows_are_checked_against_every_operator() {
    let gateway = gateway_of(120).await;
    for filter in [
        json!({"status": {"in": ["ERROR", "CONFLICT"]}}),
        json!({"status": {"ne": "ERROR"}}),
        json!({"deviceModel": {"eq": null}}),
        json!({"deviceModel": {"ne": null}}),
        json!({"deviceDisplayName": {"startsWith": "IPAD-00001"}}),
        json!({"userName": {"contains": "7"}}),
        json!({"userName": {"eq": "System account"}}),
        json!({"lastReportedDateTime": {"ge": "2026-11-02T09:00:00+01:00"}}),
        json!({"complianceGracePeriodExpirationDateTime": {"eq": "9999-12-31T23:59:59.9999999Z"}}),
        json!({"not": {"or": [{"platform": {"gt": 3}}, {"userPrincipalName": {"contains": "1"}}]}}),
    ] {
        gateway.sandbox.clear_faults();
        let honoured = walk(&gateway, json!({"first": 1000, "filter": filter})).await;
        ignore(&gateway, "filter-ignored");
        let ignored = walk(&gateway, json!({"first": 9, "filter": filter})).await;
        assert!(!honoured.is_empty() && honoured.len() < 120, "{filter}");
        assert_eq!(ignored, honoured, "{filter}");
    }
}

#[tokio::test]
async fn a_row_that_differs_from_the_filter_only_in_case_is_returned() {
    let gateway = gateway_of(20).await;
    ignore(&gateway, "filter-ignored");
    let filter = json!({"deviceDisplayName": {"eq": "ipad-000003"}});
    let page = Listed::read(&gateway, json!({"first": 20, "filter": filter})).await;
    assert_eq!(places(&keys(&gateway), &page.keys), [Some(3)]);
}

#[tokio::test]
async fn rows_keep_graphs_order_if_the_order_is_ignored() {
    let gateway = gateway_of(60).await;
    ignore(&gateway, "order-ignored");
    for (field, direction, noticed) in [
        ("DEVICE_DISPLAY_NAME", "DESC", true),
        ("PLATFORM", "ASC", true),
        ("LAST_REPORTED_DATE_TIME", "ASC", true),
        // As Graph's own order happens to be.
        ("DEVICE_DISPLAY_NAME", "ASC", false),
    ] {
        let before = gateway.counter(UNORDERED_PAGES).await;
        let order = json!({"field": field, "direction": direction});
        let page = Listed::read(&gateway, json!({"first": 60, "orderBy": order})).await;
        assert_eq!(page.keys, keys(&gateway));
        if noticed {
            assert!(gateway.counter(UNORDERED_PAGES).await > before, "{field}");
        }
    }
}

#[test]
fn an_ignored_option_is_logged_once_per_request() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let sandbox = Sandbox::new(sandbox::Settings::default());
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let root = format!("http://{}/beta", listener.local_addr().unwrap());
    runtime.spawn(sandbox::run(listener, sandbox.clone(), std::future::pending()));
    for fault in ["filter-ignored", "order-ignored"] {
        sandbox.inject(fault.parse().unwrap());
    }
    let mut gateway = Program::serve(&root, &["--log", "warn"]);
    let url = gateway.line("listening on ");
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let list = "deviceStatuses(first: 9, filter: {platform: {eq: 8}}, orderBy: {field: DEVICE_DISPLAY_NAME,
        direction: DESC}) { nodes { userName } }";
    let query = format!(
        "{{ iosLobAppProvisioningConfigurations {{ nodes {{ deviceStatusCounts {{ count }} a: {list} b: {list} }} }} }}"
    );
    for _ in 0..2 {
        let request = client.post(format!("{url}/graphql")).header("content-type", "application/json");
        let request = request.header("authorization", format!("Bearer {TOKEN}"));
        let request = request.body(json!({"query": query}).to_string());
        let text = runtime.block_on(async { request.send().await.unwrap().text().await.unwrap() });
        assert!(text.contains("userName"), "{text}");
    }
    let (_, said) = gateway.stop();
    assert_eq!(said.matches("Graph ignored a").count(), 4, "two for each of two requests: {said}");
    assert!(!said.contains(TOKEN));
}
