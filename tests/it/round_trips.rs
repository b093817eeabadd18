//! Requests per query: reads that belong together are batched, and nothing is read twice.

use msgraph_sandbox::settings::IdPolicy;
use msgraph_sandbox::{DEMO_CONFIGURATION_ID, RecordedRequest, Settings};
use serde_json::{Value, json};

use crate::add_device_status::{device_status, input};
use crate::bulk::numbered;
use crate::graph_requests::{GraphRequest, graph_requests, request_shapes, requests_of_shape};
use crate::harness::{Gateway, Reply, TOKEN};
use crate::pagination::ids;

const NODES: &str =
    "query($ids: [ID!]!) { nodes(ids: $ids) { __typename id ... on DeviceStatus { userName } } }";

#[tokio::test]
async fn lists_of_several_configurations_are_one_batch_without_reads_of_their_parents() {
    let settings = Settings { configurations: 4, ..Settings::default() };
    let gateway = Gateway::builder().sandbox(settings).start().await;
    let query =
        "{ iosLobAppProvisioningConfigurations(first: 3) { nodes { graphId deviceStatuses(first: 50) {
        nodes { userName configuration { graphId displayName description } } } } } }";
    let reply = gateway.graphql(query, json!({})).await;
    assert_eq!(request_shapes(&gateway), [vec![""], vec!["*/deviceStatuses"; 3]]);
    let configurations = reply.data()["iosLobAppProvisioningConfigurations"]["nodes"].as_array().unwrap();
    assert_eq!(configurations.len(), 3);
    for configuration in configurations {
        let statuses = configuration["deviceStatuses"]["nodes"].as_array().unwrap();
        assert_eq!(statuses.len(), 50);
        for status in statuses {
            assert_eq!(status["configuration"]["graphId"], configuration["graphId"]);
            assert!(status["configuration"]["displayName"].is_string());
        }
    }
    // The list of the parents has what only their children name of them.
    let [list] = &requests_of_shape(&gateway, "")[..] else { panic!("one list") };
    assert_eq!(list.option("$select").unwrap(), "description,displayName,id");
}

#[tokio::test]
async fn a_parent_is_not_read_for_edges_and_single_statuses_below_it() {
    let gateway = Gateway::start().await;
    let key = gateway.sandbox.device_statuses(DEMO_CONFIGURATION_ID)[0]["id"].clone();
    let query = "query($id: ID!, $key: ID!) { iosLobAppProvisioningConfiguration(id: $id) {
        deviceStatus(id: $key) { configuration { version deviceStatus(id: $key) { configuration { payload } } } }
        deviceStatuses(first: 2) { edges { node { configuration { createdDateTime } } } } } }";
    let reply = gateway.graphql(query, json!({"id": DEMO_CONFIGURATION_ID, "key": key})).await;
    let configuration = &reply.data()["iosLobAppProvisioningConfiguration"];
    assert_eq!(configuration["deviceStatus"]["configuration"]["version"], 1);
    let edges = &configuration["deviceStatuses"]["edges"];
    assert!(edges[1]["node"]["configuration"]["createdDateTime"].is_string());
    assert_eq!(request_shapes(&gateway), [vec!["*"], vec!["*/deviceStatuses/*", "*/deviceStatuses"]]);
    let parent = &requests_of_shape(&gateway, "*")[0];
    assert_eq!(parent.option("$select").unwrap(), "createdDateTime,id,payload,version");
}

#[tokio::test]
async fn forty_five_nodes_are_three_batches_and_each_is_read_once() {
    let gateway = Gateway::start().await;
    let ids = ids(&gateway, 45).await;
    gateway.clear_requests();
    let reply = gateway.graphql(NODES, json!({"ids": ids})).await;
    assert_eq!(returned(reply.data()), ids);
    let mut sizes: Vec<usize> = graph_requests(&gateway).iter().map(Vec::len).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [5, 20, 20]);
    assert_eq!(distinct(&gateway).len(), 45);

    // Duplicate ids are read once, and returned at each of their positions.
    gateway.clear_requests();
    let repeated: Vec<String> = ids.iter().chain(&ids[..10]).chain(&ids[5..6]).cloned().collect();
    let reply = gateway.graphql(NODES, json!({"ids": repeated})).await;
    assert_eq!(returned(reply.data()), repeated);
    assert_eq!((graph_requests(&gateway).len(), distinct(&gateway).len()), (3, 45));
}

#[tokio::test]
async fn twenty_one_reads_are_a_batch_and_a_plain_get() {
    let gateway = Gateway::start().await;
    let ids = ids(&gateway, 21).await;
    for (count, sizes) in [(1, vec![1]), (2, vec![2]), (20, vec![20]), (21, vec![1, 20])] {
        gateway.clear_requests();
        let reply = gateway.graphql(NODES, json!({"ids": &ids[..count]})).await;
        assert_eq!(returned(reply.data()), &ids[..count]);
        let mut found: Vec<usize> = graph_requests(&gateway).iter().map(Vec::len).collect();
        found.sort_unstable();
        assert_eq!(found, sizes, "{count}");
    }
    gateway.clear_requests();
    assert_eq!(gateway.graphql(NODES, json!({"ids": []})).await.data(), &json!({"nodes": []}));
    assert!(gateway.sent().is_empty());
    let reply = gateway.graphql(NODES, json!({"ids": vec![&ids[0]; 1001]})).await;
    assert_eq!(reply.code(), "BAD_USER_INPUT");
    assert!(gateway.sent().is_empty());
}

#[tokio::test]
async fn an_object_of_several_fields_is_read_once() {
    let gateway = Gateway::start().await;
    let status = ids(&gateway, 1).await.remove(0);
    let configuration = format!("ig~1.c.{}", status.split('.').nth(2).unwrap());
    let query = "query($status: ID!, $configuration: ID!, $both: [ID!]!) {
        node(id: $status) { ...parts }
        again: node(id: $configuration) { ...parts }
        nodes(ids: $both) { ...parts }
        iosLobAppProvisioningConfiguration(id: $configuration) { displayName deviceStatus(id: $status) { platform } } }
        fragment parts on Node { id
            ... on DeviceStatus { platform configuration { displayName } }
            ... on IosLobAppProvisioningConfiguration { displayName } }";
    let both = json!([status, configuration, status]);
    gateway.clear_requests();
    let variables = json!({"status": status, "configuration": configuration, "both": both});
    let reply = gateway.graphql(query, variables).await;
    let data = reply.data();
    assert_eq!(data["nodes"], json!([data["node"], data["again"], data["node"]]));
    assert_eq!(
        data["iosLobAppProvisioningConfiguration"]["deviceStatus"]["platform"],
        data["node"]["platform"]
    );
    let [together] = &request_shapes(&gateway)[..] else { panic!("{:?}", request_shapes(&gateway)) };
    let mut together = together.clone();
    together.sort_unstable();
    assert_eq!(together, ["*", "*/deviceStatuses/*"]);
}

#[tokio::test]
async fn a_read_of_an_object_waits_for_the_read_in_flight() {
    let gateway = Gateway::start().await;
    let ids = ids(&gateway, 40).await;
    // The first batch to get a response requests the parent. The other finds that read in flight.
    gateway.sandbox.inject("slow-first-byte;wait=300ms;method=POST;skip=1;times=1".parse().unwrap());
    gateway.sandbox.inject("slow-first-byte;wait=900ms;method=GET;times=1".parse().unwrap());
    gateway.clear_requests();
    let query =
        "query($a: [ID!]!, $b: [ID!]!) { a: nodes(ids: $a) { ...parent } b: nodes(ids: $b) { ...parent } }
        fragment parent on DeviceStatus { configuration { displayName } }";
    let reply = gateway.graphql(query, json!({"a": ids[..20], "b": ids[20..]})).await;
    for list in ["a", "b"] {
        let nodes = reply.data()[list].as_array().unwrap();
        assert_eq!(nodes.len(), 20);
        assert!(nodes.iter().all(|node| node["configuration"]["displayName"].is_string()));
    }
    assert_eq!(requests_of_shape(&gateway, "*").len(), 1);
}

#[tokio::test]
async fn two_requests_share_no_reads() {
    let gateway = Gateway::start().await;
    let ids = ids(&gateway, 2).await;
    // The first response is late, so both requests are in flight together.
    gateway.sandbox.inject("slow-first-byte;wait=300ms;times=1".parse().unwrap());
    gateway.clear_requests();
    let variables = json!({"ids": ids});
    let (first, second) = tokio::join!(
        gateway.graphql(NODES, variables.clone()),
        gateway.graphql_as(Some("second-user-token"), NODES, variables)
    );
    assert_eq!(first.data(), second.data());
    let mut tokens: Vec<_> =
        gateway.sent().iter().map(|sent| sent.header("authorization").unwrap().to_owned()).collect();
    tokens.sort_unstable();
    assert_eq!(tokens, ["Bearer second-user-token".to_owned(), format!("Bearer {TOKEN}")]);
    assert_eq!(graph_requests(&gateway).iter().map(Vec::len).collect::<Vec<_>>(), [2, 2]);
}

/// The calls to Graph since the last [`Gateway::clear_requests`]: the method of each, with the number of its items for a batch.
fn calls(gateway: &Gateway) -> Vec<String> {
    let call = |sent: &RecordedRequest| match sent.path.ends_with("/$batch") {
        true => {
            format!("{} of {}", sent.batch_items()[0]["method"].as_str().unwrap(), sent.batch_items().len())
        }
        false => sent.method.to_string(),
    };
    gateway.sent().iter().map(call).collect()
}

/// Selects a created status in every way, also by its id if it is known.
const CREATED: &str = "deviceStatusId replayed deviceStatus { id userName configuration { graphId deviceStatus(id: \"wished\") { userName } } }";

#[tokio::test]
async fn a_created_status_is_read_only_if_graph_returned_its_key_alone() {
    let settings = Settings { ids: IdPolicy::Keep, ..Settings::default() };
    let query = format!(
        "mutation($input: AddDeviceStatusInput!) {{ addDeviceStatus(input: $input) {{
           {CREATED} deviceStatusEdge {{ node {{ platform }} }} }} }}"
    );
    for (fault, expected) in [
        // The last call of each reads the configuration, which is selected of the status.
        (None, vec!["POST", "GET"]),
        (Some("created-204;header=location;method=POST;times=1"), vec!["POST", "GET", "GET"]),
        // The outcome is unknown until the status is read back: that is the status in the payload.
        (Some("drop-applied;method=POST;times=1"), vec!["POST", "GET", "GET"]),
    ] {
        let gateway = Gateway::builder().sandbox(settings.clone()).start().await;
        if let Some(fault) = fault {
            gateway.sandbox.inject(fault.parse().unwrap());
        }
        let mut variables = input(device_status());
        variables["input"]["deviceStatus"]["graphId"] = json!("wished");
        variables["input"]["idempotencyKey"] = json!("k");
        let first = gateway.graphql(&query, variables.clone()).await;
        let payload = &first.data()["addDeviceStatus"];
        assert_eq!(payload["deviceStatus"]["configuration"]["deviceStatus"]["userName"], "User Name value");
        assert_eq!(calls(&gateway), expected, "{fault:?}");

        // A replay reads the configuration, to authorize the caller, and the status.
        gateway.clear_requests();
        let second = gateway.graphql_as(Some("second-user-token"), &query, variables).await;
        assert_eq!(second.data()["addDeviceStatus"]["replayed"], true);
        assert_eq!(second.data()["addDeviceStatus"]["deviceStatus"], payload["deviceStatus"]);
        let sent = gateway.sent();
        assert!(sent.iter().all(|sent| sent.header("authorization") == Some("Bearer second-user-token")));
        assert!(calls(&gateway).iter().all(|call| call.starts_with("GET")), "{:?}", calls(&gateway));
    }
}

#[tokio::test]
async fn created_statuses_of_a_bulk_are_not_read_and_replayed_ones_are_read_together() {
    let gateway = Gateway::start().await;
    let query = "mutation($input: AddDeviceStatusesInput!) { addDeviceStatuses(input: $input) {
        results { deviceStatusId replayed deviceStatus { id userName lastReportedDateTime } } } }";
    let input = json!({"configurationId": DEMO_CONFIGURATION_ID, "deviceStatuses": numbered(25), "idempotencyKey": "k"});
    let first = gateway.graphql(query, json!({"input": input})).await;
    let mut created = calls(&gateway);
    created.sort_unstable();
    assert_eq!(created, ["POST of 20", "POST of 5"]);

    gateway.clear_requests();
    let second = gateway.graphql_as(Some("second-user-token"), query, json!({"input": input})).await;
    let statuses = |reply: &Reply| -> Vec<Value> {
        let results = reply.data()["addDeviceStatuses"]["results"].as_array().unwrap();
        results.iter().map(|result| result["deviceStatus"].clone()).collect()
    };
    assert_eq!(statuses(&second), statuses(&first));
    let mut replayed = calls(&gateway);
    replayed.sort_unstable();
    // The first read authorizes the caller.
    assert_eq!(replayed, ["GET", "GET of 20", "GET of 5"]);
}

#[tokio::test]
async fn a_created_configuration_is_read_only_if_graph_returned_its_key_alone() {
    let query = "mutation($input: CreateIosLobAppProvisioningConfigurationInput!) {
        createIosLobAppProvisioningConfiguration(input: $input) { configurationId replayed
          configuration { id displayName version createdDateTime }
          configurationEdge { node { payloadFileName lastModifiedDateTime } } } }";
    let input = json!({"configuration": {"displayName": "a", "payloadFileName": "a.mobileprovision", "payload": "AAAA"},
        "idempotencyKey": "k"});
    for (fault, expected) in
        [(None, vec!["POST"]), (Some("created-204;header=location;method=POST;times=1"), vec!["POST", "GET"])]
    {
        let gateway = Gateway::start().await;
        if let Some(fault) = fault {
            gateway.sandbox.inject(fault.parse().unwrap());
        }
        let first = gateway.graphql(query, json!({"input": input})).await;
        let payload = &first.data()["createIosLobAppProvisioningConfiguration"];
        assert_eq!(payload["configuration"]["id"], payload["configurationId"]);
        assert_eq!(payload["configuration"]["version"], 1);
        assert_eq!(calls(&gateway), expected, "{fault:?}");

        gateway.clear_requests();
        let second = gateway.graphql_as(Some("second-user-token"), query, json!({"input": input})).await;
        let replayed = &second.data()["createIosLobAppProvisioningConfiguration"];
        assert_eq!(replayed["replayed"], true);
        assert_eq!(replayed["configuration"], payload["configuration"]);
        // The first read authorizes the caller.
        assert_eq!(calls(&gateway), ["GET", "GET"]);
        let sent = gateway.sent();
        assert!(sent.iter().all(|sent| sent.header("authorization") == Some("Bearer second-user-token")));
    }
}

fn returned(data: &Value) -> Vec<String> {
    let nodes = data["nodes"].as_array().unwrap();
    nodes.iter().map(|node| node["id"].as_str().unwrap().to_owned()).collect()
}

fn distinct(gateway: &Gateway) -> Vec<GraphRequest> {
    let items = graph_requests(gateway).concat();
    let mut paths: Vec<&str> = items.iter().map(|item| item.path.as_str()).collect();
    paths.sort_unstable();
    paths.dedup();
    assert_eq!(paths.len(), items.len(), "something was read twice");
    items
}

/// Tokio suspends a task that polls many resolvers, so some of them request the page after others
/// have received it.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_below_each_of_a_thousand_rows_is_read_once() {
    let gateway = Gateway::start().await;
    let query =
        "query($id: ID!) { iosLobAppProvisioningConfiguration(id: $id) { deviceStatuses(first: 1000) {
        nodes { configuration { deviceStatuses(first: 1) { totalCount } } } } } }";
    for _ in 0..8 {
        gateway.clear_requests();
        let reply = gateway.graphql(query, json!({"id": DEMO_CONFIGURATION_ID})).await;
        reply.data();
        let lists = gateway.sent().iter().filter(|sent| sent.path.ends_with("/deviceStatuses")).count();
        assert_eq!(lists, 2, "one for the rows, and one below them");
    }
}
