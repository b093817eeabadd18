//! Requests per query: reads that belong together are batched, and nothing is read twice.

use msgraph_sandbox::{DEMO_CONFIGURATION_ID, Settings};
use serde_json::{Value, json};

use crate::graph_requests::{GraphRequest, graph_requests, request_shapes, requests_of_shape};
use crate::harness::{Gateway, TOKEN};
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

    // Ids that stand there twice are read once, and answered where they stand.
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
    // The batch that is answered first asks for the parent, and the other finds that read under way.
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
    // The first answer is late, so that both requests are under way together.
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
