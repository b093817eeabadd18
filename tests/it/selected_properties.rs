//! `$select`: the selected properties, the key, and those that filter and order need.

use msgraph_sandbox::DEMO_CONFIGURATION_ID;
use serde_json::{Value, json};

use crate::graph_requests::graph_requests;
use crate::harness::Gateway;

/// The selected properties of each read, by the form of its path.
async fn selected(gateway: &Gateway, query: &str, more: Value) -> Vec<(String, String)> {
    let status = &gateway.sandbox.device_statuses(DEMO_CONFIGURATION_ID)[0]["id"];
    let mut variables = json!({"id": DEMO_CONFIGURATION_ID, "key": status});
    variables.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    gateway.clear_requests();
    gateway.graphql(query, variables).await.data();
    let select = |requested: &crate::graph_requests::GraphRequest| {
        (requested.shape(), requested.option("$select").unwrap())
    };
    let mut selected: Vec<_> = graph_requests(gateway).concat().iter().map(select).collect();
    selected.sort_unstable();
    selected
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(shape, select)| ((*shape).to_owned(), (*select).to_owned())).collect()
}

#[tokio::test]
async fn a_list_selects_the_properties_of_the_selected_node_fields() {
    let gateway = Gateway::start().await;
    for (list, select) in [
        ("{ nodes { userName } }", "id,userName"),
        ("{ nodes { userName } edges { node { platform } } }", "id,platform,userName"),
        ("{ edges { cursor node { __typename } } }", "id"),
        ("{ nodes { id graphId } }", "id"),
        ("{ totalCount }", "id"),
        ("{ pageInfo { hasNextPage } }", "id"),
        ("{ nodes { a: userName b: userName c: status } }", "id,status,userName"),
        ("{ nodes { userName @include(if: $no) platform @skip(if: $no) } }", "id,platform"),
        ("{ nodes { userName @skip(if: $yes) platform @include(if: $yes) } }", "id,platform"),
        ("{ nodes @skip(if: $yes) { userName } totalCount }", "id"),
        ("{ nodes { ...name ... { platform } ... on DeviceStatus { status } } }", "id,platform,status,userName"),
        ("{ nodes { ...node ... on Node { ... on DeviceStatus { deviceModel } } } }", "deviceModel,id,userName"),
        ("(filter: {platform: {eq: 8}}) { nodes { userName } }", "id,platform,userName"),
        ("(orderBy: {field: USER_NAME}) { nodes { id } }", "id,userName"),
        (
            "(filter: {not: {or: [{deviceModel: {eq: null}}, {userName: {contains: \"9\"}}]}}, orderBy: {field: STATUS})
             { nodes { lastReportedDateTime } }",
            "deviceModel,id,lastReportedDateTime,status,userName",
        ),
        (
            "{ nodes { complianceGracePeriodExpirationDateTime deviceDisplayName deviceModel platform status userName
               lastReportedDateTime userPrincipalName } }",
            "complianceGracePeriodExpirationDateTime,deviceDisplayName,deviceModel,id,lastReportedDateTime,platform,\
             status,userName,userPrincipalName",
        ),
    ] {
        let query = "query($id: ID!, $yes: Boolean = true, $no: Boolean!) {
            iosLobAppProvisioningConfiguration(id: $id) { deviceStatusesLIST } unused: __typename @include(if: $yes)
                @skip(if: $no) }
            fragment name on DeviceStatus { userName }
            fragment node on Node { ...name }";
        // A document may not hold fragments that it does not use.
        let mut query = query.replace("LIST", list);
        if !list.contains("...name") && !list.contains("...node") {
            query.truncate(query.find("fragment name").unwrap());
        } else if !list.contains("...node") {
            query.truncate(query.find("fragment node").unwrap());
        }
        let found = selected(&gateway, &query, json!({"no": false})).await;
        assert_eq!(found, pairs(&[("*", "id"), ("*/deviceStatuses", select)]), "{list}");
    }
}

#[tokio::test]
async fn a_single_object_selects_the_properties_of_the_selected_fields() {
    let gateway = Gateway::start().await;
    let whole = "createdDateTime,description,displayName,expirationDateTime,id,lastModifiedDateTime,payload,\
                 payloadFileName,roleScopeTagIds,version";
    let fields = whole.replace(',', " ");
    for (configuration, select) in [
        ("displayName", "displayName,id"),
        ("graphId", "id"),
        // The payload may be large: it is read for those alone who select it.
        ("payloadFileName", "id,payloadFileName"),
        ("payload", "id,payload"),
        (fields.as_str(), whole),
    ] {
        let query = "query($id: ID!) { iosLobAppProvisioningConfiguration(id: $id) { FIELDS } }";
        let found = selected(&gateway, &query.replace("FIELDS", configuration), json!({})).await;
        assert_eq!(found, pairs(&[("*", select)]));
    }
    let query = "query($id: ID!, $key: ID!) { iosLobAppProvisioningConfiguration(id: $id) {
        version deviceStatus(id: $key) { userPrincipalName configuration { description } } } }";
    let expected = [("*", "description,id,version"), ("*/deviceStatuses/*", "id,userPrincipalName")];
    assert_eq!(selected(&gateway, query, json!({})).await, pairs(&expected));
}

#[tokio::test]
async fn a_node_selects_the_properties_of_the_fields_that_apply_to_its_type() {
    let gateway = Gateway::start().await;
    let query = "query($id: ID!, $key: ID!) { iosLobAppProvisioningConfiguration(id: $id) {
        id deviceStatus(id: $key) { id } userStatuses(first: 1) { nodes { id } }
        assignments(first: 1) { nodes { id } } groupAssignments(first: 1) { nodes { id } } } }";
    let key = gateway.sandbox.device_statuses(DEMO_CONFIGURATION_ID)[0]["id"].clone();
    let reply = gateway.graphql(query, json!({"id": DEMO_CONFIGURATION_ID, "key": key})).await;
    let configuration = &reply.data()["iosLobAppProvisioningConfiguration"];
    let ids = json!({
        "c": configuration["id"], "s": configuration["deviceStatus"]["id"],
        "u": configuration["userStatuses"]["nodes"][0]["id"],
        "a": configuration["assignments"]["nodes"][0]["id"],
        "g": configuration["groupAssignments"]["nodes"][0]["id"],
    });
    let parts = "fragment parts on Node { id ... on Node { __typename }
        ... on DeviceStatus { name: userName @include(if: true) platform @skip(if: true) }
        ... on UserStatus { devicesCount }
        ... on ConfigurationAssignment { target { __typename } }
        ... on ConfigurationGroupAssignment { targetGroupId }
        ... on IosLobAppProvisioningConfiguration { displayName } }";
    let query = "query($c: ID!, $s: ID!, $u: ID!, $a: ID!, $g: ID!) {
        nodes(ids: [$c, $s, $u, $a, $g]) { ...parts } }";
    let expected = [
        ("*", "displayName,id"),
        ("*/assignments/*", "id,target"),
        ("*/deviceStatuses/*", "id,userName"),
        ("*/groupAssignments/*", "id,targetGroupId"),
        ("*/userStatuses/*", "devicesCount,id"),
    ];
    assert_eq!(selected(&gateway, &format!("{query} {parts}"), ids.clone()).await, pairs(&expected));
    let query = "query($s: ID!) { node(id: $s) { id __typename } }";
    assert_eq!(selected(&gateway, query, ids).await, pairs(&[("*/deviceStatuses/*", "id")]));
}

#[tokio::test]
async fn two_fields_of_one_object_select_their_properties_in_one_read() {
    let gateway = Gateway::start().await;
    let query = "query($id: ID!, $key: ID!) {
        a: iosLobAppProvisioningConfiguration(id: $id) { version deviceStatus(id: $key) { userName } }
        b: iosLobAppProvisioningConfiguration(id: $id) { payload deviceStatus(id: $key) { platform status } } }";
    let expected = [("*", "id,payload,version"), ("*/deviceStatuses/*", "id,platform,status,userName")];
    assert_eq!(selected(&gateway, query, json!({})).await, pairs(&expected));
}

#[tokio::test]
async fn the_other_lists_select_properties_as_well() {
    let gateway = Gateway::start().await;
    let query = "query($id: ID!) { iosLobAppProvisioningConfiguration(id: $id) {
        userStatuses(first: 1) { nodes { userDisplayName } edges { node { status } } }
        assignments(first: 1) { totalCount } groupAssignments(first: 1) { nodes { targetGroupId } } } }";
    let expected = [
        ("*", "id"),
        ("*/assignments", "id"),
        ("*/groupAssignments", "id,targetGroupId"),
        ("*/userStatuses", "id,status,userDisplayName"),
    ];
    assert_eq!(selected(&gateway, query, json!({})).await, pairs(&expected));
    let query = "{ iosLobAppProvisioningConfigurations(orderBy: {field: VERSION, direction: DESC}) {
        nodes { payloadFileName } } }";
    assert_eq!(selected(&gateway, query, json!({})).await, pairs(&[("", "id,payloadFileName,version")]));
}
