//! User statuses, assignments and group assignments of a configuration.

use msgraph_sandbox::DEMO_CONFIGURATION_ID;
use serde_json::{Value, json};

use crate::graph_requests::requests_of_shape;
use crate::harness::Gateway;

#[tokio::test]
async fn user_statuses_are_listed_in_pages() {
    let gateway = Gateway::start().await;
    let query = "query($id: ID!, $after: String) { iosLobAppProvisioningConfiguration(id: $id) {
        userStatuses(first: 5, after: $after) {
            totalCount
            edges { cursor node { id } }
            nodes { id graphId userDisplayName devicesCount status lastReportedDateTime userPrincipalName }
            pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }";
    let mut variables = json!({"id": DEMO_CONFIGURATION_ID});
    let (mut seen, mut pages) = (Vec::new(), 0);
    loop {
        let reply = gateway.graphql(query, variables.clone()).await;
        let list = &reply.data()["iosLobAppProvisioningConfiguration"]["userStatuses"];
        assert_eq!(list["totalCount"], 12);
        seen.extend(list["nodes"].as_array().unwrap().clone());
        pages += 1;
        if list["pageInfo"]["hasNextPage"] == false {
            break;
        }
        variables["after"] = list["edges"][4]["cursor"].clone();
    }
    assert_eq!((seen.len(), pages), (12, 3));
    for (place, status) in seen.iter().enumerate() {
        assert_eq!(status["userDisplayName"], format!("User {place:06}"));
        assert_eq!(status["userPrincipalName"], format!("user{place:06}@example.org"));
        assert_eq!(status["devicesCount"], 1);
        assert!(status["lastReportedDateTime"].as_str().unwrap().starts_with("2026-11-02T"));
    }
    assert_eq!(seen[2]["status"], "COMPLIANT");
}

const ASSIGNMENTS: &str = "query($id: ID!, $after: String) { iosLobAppProvisioningConfiguration(id: $id) {
    assignments(first: 50, after: $after) {
        totalCount edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
        nodes { id graphId target { __typename
            deviceAndAppManagementAssignmentFilterId deviceAndAppManagementAssignmentFilterType
            ... on GroupAssignmentTarget { groupId deviceAndAppManagementAssignmentFilterId deviceAndAppManagementAssignmentFilterType }
            ... on ExclusionGroupAssignmentTarget { groupId deviceAndAppManagementAssignmentFilterId deviceAndAppManagementAssignmentFilterType }
            ... on AllDevicesAssignmentTarget { deviceAndAppManagementAssignmentFilterId deviceAndAppManagementAssignmentFilterType }
            ... on AllLicensedUsersAssignmentTarget { deviceAndAppManagementAssignmentFilterId deviceAndAppManagementAssignmentFilterType }
            ... on ConfigurationManagerCollectionAssignmentTarget {
                collectionId deviceAndAppManagementAssignmentFilterId deviceAndAppManagementAssignmentFilterType }
            ... on OtherAssignmentTarget {
                odataType deviceAndAppManagementAssignmentFilterId deviceAndAppManagementAssignmentFilterType }
        } } } } }";

#[tokio::test]
async fn assignments_have_a_type_for_each_kind_of_target() {
    let gateway = Gateway::start().await;
    let reply = gateway.graphql(ASSIGNMENTS, json!({"id": DEMO_CONFIGURATION_ID})).await;
    let list = &reply.data()["iosLobAppProvisioningConfiguration"]["assignments"];
    assert_eq!(list["totalCount"], 3);
    let types: Vec<_> =
        list["nodes"].as_array().unwrap().iter().map(|node| &node["target"]["__typename"]).collect();
    assert_eq!(
        types,
        ["GroupAssignmentTarget", "ExclusionGroupAssignmentTarget", "AllDevicesAssignmentTarget"]
    );
    assert!(list["nodes"][0]["target"]["groupId"].is_string());
    assert_eq!(requests_of_shape(&gateway, "*/assignments")[0].option("$select").unwrap(), "id,target");
}

#[tokio::test]
async fn each_kind_of_target_is_read_and_an_unknown_one_has_its_type_name() {
    let gateway = Gateway::start().await;
    let target = |kind: &str, more: Value| {
        let mut target = json!({"@odata.type": kind});
        target.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        target
    };
    let filter = |kind: &str| json!({"deviceAndAppManagementAssignmentFilterId": "f", "deviceAndAppManagementAssignmentFilterType": kind});
    let targets = [
        target(
            "#microsoft.graph.groupAssignmentTarget",
            json!({"groupId": "g", "deviceAndAppManagementAssignmentFilterType": "none"}),
        ),
        target("microsoft.graph.exclusionGroupAssignmentTarget", json!({"groupId": "h"})),
        target("#microsoft.graph.allDevicesAssignmentTarget", filter("include")),
        target("#microsoft.graph.allLicensedUsersAssignmentTarget", filter("exclude")),
        target(
            "#microsoft.graph.configurationManagerCollectionAssignmentTarget",
            json!({"collectionId": "c"}),
        ),
        target("#microsoft.graph.somethingNewAssignmentTarget", filter("sometimes")),
        json!({}),
        Value::Null,
    ];
    let rows =
        targets.iter().enumerate().map(|(row, target)| json!({"id": format!("a{row}"), "target": target}));
    let body = json!({"value": rows.collect::<Vec<_>>()});
    gateway.sandbox.inject(format!("canned;text={body};path=/assignments").parse().unwrap());
    let reply = gateway.graphql(ASSIGNMENTS, json!({"id": DEMO_CONFIGURATION_ID})).await;
    let list = &reply.data()["iosLobAppProvisioningConfiguration"]["assignments"];
    assert_eq!(list["totalCount"], Value::Null, "Graph gave none");
    let found: Vec<_> = list["nodes"].as_array().unwrap().iter().map(|node| node["target"].clone()).collect();
    let (id, kind) =
        ("deviceAndAppManagementAssignmentFilterId", "deviceAndAppManagementAssignmentFilterType");
    assert_eq!(
        json!(found),
        json!([
            {"__typename": "GroupAssignmentTarget", id: null, kind: "NONE", "groupId": "g"},
            {"__typename": "ExclusionGroupAssignmentTarget", id: null, kind: null, "groupId": "h"},
            {"__typename": "AllDevicesAssignmentTarget", id: "f", kind: "INCLUDE"},
            {"__typename": "AllLicensedUsersAssignmentTarget", id: "f", kind: "EXCLUDE"},
            {"__typename": "ConfigurationManagerCollectionAssignmentTarget", id: null, kind: null, "collectionId": "c"},
            {"__typename": "OtherAssignmentTarget", id: "f", kind: "UNKNOWN_FUTURE_VALUE", "odataType": "microsoft.graph.somethingNewAssignmentTarget"},
            {"__typename": "OtherAssignmentTarget", id: null, kind: null, "odataType": null},
            null,
        ])
    );
}

#[tokio::test]
async fn group_assignments_are_listed() {
    let gateway = Gateway::start().await;
    let query = "query($id: ID!, $after: String) { iosLobAppProvisioningConfiguration(id: $id) {
        groupAssignments(first: 1, after: $after) {
            totalCount edges { cursor node { graphId } } nodes { id graphId targetGroupId }
            pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }";
    let reply = gateway.graphql(query, json!({"id": DEMO_CONFIGURATION_ID})).await;
    let list = &reply.data()["iosLobAppProvisioningConfiguration"]["groupAssignments"];
    assert_eq!(list["totalCount"], 1);
    assert!(list["nodes"][0]["targetGroupId"].is_string());
    assert_eq!(list["edges"][0]["node"]["graphId"], list["nodes"][0]["graphId"]);
    let after = &list["edges"][0]["cursor"];
    let reply = gateway.graphql(query, json!({"id": DEMO_CONFIGURATION_ID, "after": after})).await;
    assert_eq!(reply.data()["iosLobAppProvisioningConfiguration"]["groupAssignments"]["nodes"], json!([]));
}

#[tokio::test]
async fn a_failed_assignment_list_is_null_and_its_siblings_keep_their_data() {
    let gateway = Gateway::start().await;
    gateway.sandbox.inject("missing-route;path=/groupAssignments".parse().unwrap());
    let query = "query($id: ID!) { iosLobAppProvisioningConfiguration(id: $id) {
        assignments { totalCount } groupAssignments { totalCount } } }";
    let reply = gateway.graphql(query, json!({"id": DEMO_CONFIGURATION_ID})).await;
    assert_eq!(reply.code(), "UPSTREAM_NOT_SUPPORTED");
    let configuration = &reply.json["data"]["iosLobAppProvisioningConfiguration"];
    assert_eq!(configuration, &json!({"assignments": {"totalCount": 3}, "groupAssignments": null}));
}
