//! Pages of lists: sizes, cursors, and changes of the list in between.

use msgraph_sandbox::{DEMO_CONFIGURATION_ID, Settings};
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::{Value, json};

use crate::add_device_status::{MUTATION, input_with};
use crate::graph_requests::requests_of_shape;
use crate::harness::{Gateway, Reply};

pub(crate) const LIST: &str = "
    query($id: ID!, $first: Int, $after: String, $filter: DeviceStatusFilter, $orderBy: DeviceStatusOrder) {
      iosLobAppProvisioningConfiguration(id: $id) {
        deviceStatuses(first: $first, after: $after, filter: $filter, orderBy: $orderBy) {
          edges { cursor node { id graphId } }
          pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
        }
      }
    }";

/// Lists statuses of the demo configuration, with these arguments.
pub(crate) async fn list(gateway: &Gateway, mut arguments: Value) -> Reply {
    if arguments.get("id").is_none() {
        arguments["id"] = json!(DEMO_CONFIGURATION_ID);
    }
    gateway.graphql(LIST, arguments).await
}

/// A page of device statuses.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) keys: Vec<String>,
    pub(crate) cursors: Vec<String>,
    pub(crate) info: Value,
}

impl Listed {
    pub(crate) fn of(reply: &Reply) -> Self {
        let list = &reply.data()["iosLobAppProvisioningConfiguration"]["deviceStatuses"];
        let edges = list["edges"].as_array().unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let listed = Self {
            keys: edges.iter().map(|edge| text(&edge["node"]["graphId"])).collect(),
            cursors: edges.iter().map(|edge| text(&edge["cursor"])).collect(),
            info: list["pageInfo"].clone(),
        };
        if listed.has_next() {
            assert!(listed.end().is_string(), "a list that goes on says where: {listed:?}");
        }
        listed
    }

    pub(crate) async fn read(gateway: &Gateway, arguments: Value) -> Self {
        let first = arguments["first"].as_u64();
        let listed = Self::of(&list(gateway, arguments).await);
        assert!(first.is_none_or(|first| listed.keys.len() as u64 <= first), "no more than asked for");
        listed
    }

    pub(crate) fn has_next(&self) -> bool {
        self.info["hasNextPage"].as_bool().unwrap()
    }

    pub(crate) fn end(&self) -> Value {
        self.info["endCursor"].clone()
    }
}

/// All keys from a cursor on, page by page.
pub(crate) async fn walk(gateway: &Gateway, mut arguments: Value) -> Vec<String> {
    let mut keys = Vec::new();
    for _ in 0..2000 {
        let page = Listed::read(gateway, arguments.clone()).await;
        keys.extend(page.keys.iter().cloned());
        if !page.has_next() {
            return keys;
        }
        arguments["after"] = page.end();
    }
    panic!("the list does not end");
}

/// The keys of the demo configuration's statuses, in Graph's order.
pub(crate) fn keys(gateway: &Gateway) -> Vec<String> {
    let statuses = gateway.sandbox.device_statuses(DEMO_CONFIGURATION_ID);
    statuses.iter().map(|status| status["id"].as_str().unwrap().to_owned()).collect()
}

/// The positions of keys in a list, which are shorter than the keys.
pub(crate) fn places(keys: &[String], of: &[String]) -> Vec<Option<usize>> {
    of.iter().map(|key| keys.iter().position(|found| found == key)).collect()
}

/// The places of a range.
pub(crate) fn range(range: std::ops::Range<usize>) -> Vec<Option<usize>> {
    range.map(Some).collect()
}

/// The first global ids of the demo configuration's statuses.
pub(crate) async fn ids(gateway: &Gateway, count: usize) -> Vec<String> {
    let reply = list(gateway, json!({"first": count})).await;
    let edges = &reply.data()["iosLobAppProvisioningConfiguration"]["deviceStatuses"]["edges"];
    let edges = edges.as_array().unwrap();
    assert_eq!(edges.len(), count);
    edges.iter().map(|edge| edge["node"]["id"].as_str().unwrap().to_owned()).collect()
}

pub(crate) async fn gateway_of(statuses: usize) -> Gateway {
    Gateway::builder().sandbox(one_configuration(statuses)).start().await
}

pub(crate) fn one_configuration(statuses: usize) -> Settings {
    Settings { configurations: 1, statuses, ..Settings::default() }
}

async fn add(gateway: &Gateway, name: &str) {
    gateway.graphql(MUTATION, input_with("deviceDisplayName", json!(name))).await.data();
}

#[tokio::test]
async fn ten_thousand_statuses_are_each_seen_once_and_in_order_while_more_are_added() {
    let gateway = gateway_of(10_000).await;
    let mut after = Value::Null;
    let mut seen = Vec::new();
    let mut pages = 0;
    loop {
        let page = Listed::read(&gateway, json!({"first": 37, "after": after})).await;
        pages += 1;
        seen.extend(page.keys.iter().cloned());
        if !page.has_next() {
            break;
        }
        assert_eq!(page.keys.len(), 37);
        after = page.end();
        if pages % 50 == 0 {
            add(&gateway, "added").await;
        }
    }
    assert_eq!(keys(&gateway).len(), 10_005);
    assert!(seen == keys(&gateway), "each once, in order");
    assert_eq!(pages, 10_005_usize.div_ceil(37));
    // One list request of Graph's per page.
    assert_eq!(requests_of_shape(&gateway, "*/deviceStatuses").len() - 5, pages);
}

#[tokio::test]
async fn statuses_added_before_the_cursor_neither_repeat_nor_hide_others() {
    let gateway = gateway_of(600).await;
    let before = keys(&gateway);
    let arguments = json!({"first": 37, "orderBy": {"field": "DEVICE_DISPLAY_NAME"}});
    let mut after = Value::Null;
    let mut seen = Vec::new();
    loop {
        let mut arguments = arguments.clone();
        arguments["after"] = after;
        let page = Listed::read(&gateway, arguments).await;
        seen.extend(page.keys.iter().cloned());
        if !page.has_next() {
            break;
        }
        after = page.end();
        // Three rows before all the others: Graph's pages move by three.
        for _ in 0..3 {
            add(&gateway, "AAA").await;
        }
    }
    assert_eq!(places(&before, &seen), range(0..before.len()));
}

#[tokio::test]
async fn the_cursor_of_each_edge_continues_with_the_next() {
    let gateway = gateway_of(200).await;
    let keys = keys(&gateway);
    let first = Listed::read(&gateway, json!({"first": 37})).await;
    let second = Listed::read(&gateway, json!({"first": 37, "after": first.end()})).await;
    let cursors = [first.cursors, second.cursors].concat();
    let start = Listed::read(&gateway, json!({"first": 2, "after": second.info["startCursor"]})).await;
    assert_eq!(places(&keys, &start.keys), range(38..40));
    for at in [0, 1, 17, 35, 36, 37, 38, 60, 72, 73] {
        for first in [1, 36, 37, 38, 100] {
            let page = Listed::read(&gateway, json!({"first": first, "after": cursors[at]})).await;
            let end = keys.len().min(at + 1 + first);
            assert_eq!(places(&keys, &page.keys), range(at + 1..end), "{first} after {at}");
        }
    }
}

#[tokio::test]
async fn a_cursor_is_valid_after_its_row_is_deleted() {
    let gateway = gateway_of(60).await;
    let keys = keys(&gateway);
    for at in [3, 8, 9, 12] {
        gateway.sandbox.reset();
        let page = Listed::read(&gateway, json!({"first": 10})).await;
        let after = match at {
            0..10 => page.cursors[at].clone(),
            _ => Listed::read(&gateway, json!({"first": 10, "after": page.end()})).await.cursors[at - 10]
                .clone(),
        };
        delete(&gateway, &keys[at]).await;
        let page = Listed::read(&gateway, json!({"first": 10, "after": after})).await;
        // After the last row of a page, the cursor continues with Graph's link, which counts rows:
        // it has moved by one.
        let start = if at == 9 { 11 } else { at + 1 };
        assert_eq!(places(&keys, &page.keys), range(start..start + 10), "{at}");
    }
}

pub(crate) async fn delete(gateway: &Gateway, key: &str) {
    let root = format!("{}/deviceAppManagement/iosLobAppProvisioningConfigurations", gateway.sandbox_url);
    let url = format!("{root}/{DEMO_CONFIGURATION_ID}/deviceStatuses/{key}");
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.delete(url).header("authorization", "Bearer admin").send().await.unwrap();
    assert_eq!(answer.status(), 204);
}

#[tokio::test]
async fn the_page_size_has_limits_and_a_default() {
    let gateway = Gateway::start().await;
    for first in [0, -1, 1001, i32::MIN, i32::MAX] {
        gateway.clear_requests();
        let reply = list(&gateway, json!({"first": first})).await;
        assert_eq!(reply.code(), "BAD_USER_INPUT", "{first}");
        assert_eq!(reply.error()["path"], json!(["iosLobAppProvisioningConfiguration", "deviceStatuses"]));
        assert_eq!(requests_of_shape(&gateway, "*/deviceStatuses"), []);
    }
    for (first, top, rows) in [(json!(1), "1", 1), (json!(1000), "1000", 1000), (Value::Null, "50", 50)] {
        gateway.clear_requests();
        let page = Listed::read(&gateway, json!({"first": first})).await;
        assert_eq!(page.keys.len(), rows);
        let [requested] = &requests_of_shape(&gateway, "*/deviceStatuses")[..] else { panic!("one list") };
        assert_eq!(requested.option("$top").as_deref(), Some(top));
    }
    let gateway = Gateway::builder().api(|api| api.default_page_size = 7).start().await;
    assert_eq!(Listed::read(&gateway, json!({})).await.keys.len(), 7);
}

#[tokio::test]
async fn page_info_tells_whether_pages_precede_and_follow() {
    let gateway = gateway_of(10).await;
    let whole = Listed::read(&gateway, json!({"first": 10})).await;
    assert_eq!(whole.info["hasPreviousPage"], false);
    assert!(!whole.has_next());
    let first = Listed::read(&gateway, json!({"first": 4})).await;
    assert_eq!((first.has_next(), &first.info["hasPreviousPage"]), (true, &json!(false)));
    let last = Listed::read(&gateway, json!({"first": 6, "after": first.end()})).await;
    assert_eq!((last.has_next(), &last.info["hasPreviousPage"]), (false, &json!(true)));
    assert_eq!(last.keys, &keys(&gateway)[4..]);
    // After the last edge there is an empty page without an error.
    let none = Listed::read(&gateway, json!({"first": 6, "after": last.end()})).await;
    assert_eq!(none.keys, Vec::<String>::new());
    let info = json!({"hasNextPage": false, "hasPreviousPage": true, "startCursor": null, "endCursor": null});
    assert_eq!(none.info, info);
}

#[tokio::test]
async fn configurations_are_paged() {
    let gateway = Gateway::start().await;
    let query = "query($after: String) { iosLobAppProvisioningConfigurations(first: 2, after: $after) {
        edges { cursor node { graphId } } totalCount pageInfo { hasNextPage endCursor } } }";
    let (mut seen, mut after) = (Vec::new(), Value::Null);
    loop {
        let reply = gateway.graphql(query, json!({"after": after})).await;
        let list = &reply.data()["iosLobAppProvisioningConfigurations"];
        assert_eq!(list["totalCount"], 5);
        let edges = list["edges"].as_array().unwrap();
        seen.extend(edges.iter().map(|edge| edge["node"]["graphId"].clone()));
        if list["pageInfo"]["hasNextPage"] == false {
            break;
        }
        after = list["pageInfo"]["endCursor"].clone();
    }
    let all: Vec<_> = gateway.sandbox.configurations().iter().map(|found| found["id"].clone()).collect();
    assert_eq!(seen, all);
}

#[tokio::test]
async fn the_total_is_counted_only_when_it_is_selected() {
    let gateway = gateway_of(90).await;
    list(&gateway, json!({"first": 5})).await.data();
    assert_eq!(requests_of_shape(&gateway, "*/deviceStatuses")[0].option("$count"), None);
    let query = "query($id: ID!, $after: String, $filter: DeviceStatusFilter) {
        iosLobAppProvisioningConfiguration(id: $id) {
            deviceStatuses(first: 5, after: $after, filter: $filter) { totalCount pageInfo { endCursor } } } }";
    let mut variables = json!({"id": DEMO_CONFIGURATION_ID});
    for _ in 0..3 {
        gateway.clear_requests();
        let reply = gateway.graphql(query, variables.clone()).await;
        let page = &reply.data()["iosLobAppProvisioningConfiguration"]["deviceStatuses"];
        assert_eq!(page["totalCount"], 90);
        let [requested] = &requests_of_shape(&gateway, "*/deviceStatuses")[..] else { panic!("one list") };
        assert_eq!(requested.option("$count").as_deref(), Some("true"));
        assert_eq!(requested.option("$select").as_deref(), Some("id"));
        variables["after"] = page["pageInfo"]["endCursor"].clone();
    }
    let filter = json!({"id": DEMO_CONFIGURATION_ID, "filter": {"platform": {"eq": 8}}});
    let reply = gateway.graphql(query, filter).await;
    assert_eq!(reply.data()["iosLobAppProvisioningConfiguration"]["deviceStatuses"]["totalCount"], 23);
}

/// The list continues after the cursor, for all page sizes of the caller and of Graph.
#[test]
fn a_cursor_resumes_with_any_page_size() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let gateway = runtime.block_on(gateway_of(130));
    let keys = keys(&gateway);
    let sizes = (1_usize..60, 1_usize..60, 1_usize..80, 1_usize..80, 0_usize..130);
    let mut runner = TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
    let graph_pages_of = |size: usize| {
        gateway.sandbox.clear_faults();
        gateway.sandbox.inject(format!("page-size;size={size};path=deviceStatuses").parse().unwrap());
    };
    let resumes = |(first, then, graph_first, graph_then, at): (usize, usize, usize, usize, usize)| {
        runtime.block_on(async {
            gateway.clear_requests();
            graph_pages_of(graph_first);
            let (mut cursors, mut seen, mut after) = (Vec::new(), Vec::new(), Value::Null);
            while cursors.len() <= at {
                let page = Listed::read(&gateway, json!({"first": first, "after": after})).await;
                after = page.end();
                seen.extend(page.keys);
                cursors.extend(page.cursors);
            }
            assert_eq!(places(&keys, &seen), range(0..seen.len()));
            graph_pages_of(graph_then);
            let rest = walk(&gateway, json!({"first": then, "after": cursors[at]})).await;
            assert_eq!(places(&keys, &rest), range(at + 1..keys.len()));
            Ok::<(), TestCaseError>(())
        })
    };
    runner.run(&sizes, resumes).unwrap();
}
