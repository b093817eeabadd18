//! `deviceStatusCounts`: the number of device statuses for each compliance status.

use msgraph_sandbox::{DEMO_CONFIGURATION_ID, Settings};
use serde_json::{Value, json};

use crate::graph_requests::{graph_requests, request_shapes};
use crate::harness::{Gateway, Reply, fresh_token};

const COUNTS: &str = "query($id: ID!) { iosLobAppProvisioningConfiguration(id: $id) {
    displayName deviceStatusCounts { status count } } }";

/// The members of `ComplianceStatus`, in GraphQL and in Graph.
pub(crate) const STATUSES: [(&str, &str); 8] = [
    ("UNKNOWN", "unknown"),
    ("NOT_APPLICABLE", "notApplicable"),
    ("COMPLIANT", "compliant"),
    ("REMEDIATED", "remediated"),
    ("NON_COMPLIANT", "nonCompliant"),
    ("ERROR", "error"),
    ("CONFLICT", "conflict"),
    ("NOT_ASSIGNED", "notAssigned"),
];

async fn counts(gateway: &Gateway, configuration: &Value, faults: &[&str]) -> Reply {
    gateway.sandbox.clear_faults();
    for fault in faults {
        gateway.sandbox.inject(fault.parse().unwrap());
    }
    gateway.clear_requests();
    gateway.graphql_as(Some(&fresh_token()), COUNTS, json!({"id": configuration})).await
}

fn of(reply: &Reply) -> &Value {
    &reply.json["data"]["iosLobAppProvisioningConfiguration"]["deviceStatusCounts"]
}

/// The counts of a configuration.
fn expected(gateway: &Gateway, configuration: &Value) -> Value {
    let rows = gateway.sandbox.device_statuses(configuration.as_str().unwrap());
    let count = |member: &str| rows.iter().filter(|row| row["status"] == member).count();
    let counts = STATUSES.map(|(status, member)| json!({"status": status, "count": count(member)}));
    json!(counts)
}

#[tokio::test]
async fn the_counts_are_correct_and_take_one_batch_of_nine() {
    let gateway = Gateway::start().await;
    for configuration in gateway.sandbox.configurations() {
        let reply = counts(&gateway, &configuration["id"], &[]).await;
        reply.data();
        assert_eq!(of(&reply), &expected(&gateway, &configuration["id"]));
        assert_eq!(request_shapes(&gateway), [vec!["*"], vec!["*/deviceStatuses/$count"; 9]]);
        let mut filters: Vec<_> =
            graph_requests(&gateway)[1].iter().map(|requested| requested.option("$filter")).collect();
        filters.sort_unstable();
        let mut all = vec![None];
        all.extend(STATUSES.map(|(_, member)| Some(format!("status eq '{member}'"))));
        all.sort_unstable();
        assert_eq!(filters, all);
    }
}

#[tokio::test]
async fn counts_with_ignored_filters_are_null() {
    let gateway = Gateway::start().await;
    let metric = "intune_graphql_graph_deviations_total{kind=\"count_filter_ignored\"}";
    let before = gateway.counter(metric).await;
    for configuration in [json!(DEMO_CONFIGURATION_ID), gateway.sandbox.configurations()[1]["id"].clone()] {
        let reply = counts(&gateway, &configuration, &["filter-ignored"]).await;
        assert_eq!(of(&reply), &Value::Null);
        assert_eq!(reply.code(), "UPSTREAM_ERROR");
        assert_eq!(
            reply.error()["path"],
            json!(["iosLobAppProvisioningConfiguration", "deviceStatusCounts"])
        );
        let configuration = &reply.json["data"]["iosLobAppProvisioningConfiguration"];
        assert!(configuration["displayName"].is_string(), "the sibling stands");
    }
    assert!(gateway.counter(metric).await >= before + 2);
    // All counts of an empty list are 0, whether or not the filters were ignored.
    let empty = gateway.sandbox.configurations()[4]["id"].clone();
    let reply = counts(&gateway, &empty, &["filter-ignored"]).await;
    reply.data();
    assert_eq!(of(&reply), &expected(&gateway, &empty));
}

#[tokio::test]
async fn a_failed_count_is_null_and_the_others_are_returned() {
    let gateway = Gateway::start().await;
    for (fault, code) in [
        ("500;path=%27error%27", "UPSTREAM_ERROR"),
        ("429;retry-after=3600;path=%27error%27", "THROTTLED"),
        ("canned;text=many;path=%27error%27", "UPSTREAM_ERROR"),
    ] {
        // A rule's own percent-encoding is undone once.
        let reply = counts(&gateway, &json!(DEMO_CONFIGURATION_ID), &[&fault.replace('%', "%25")]).await;
        let mut expected = expected(&gateway, &json!(DEMO_CONFIGURATION_ID));
        expected[5]["count"] = Value::Null;
        assert_eq!(of(&reply), &expected, "{fault}");
        assert_eq!(reply.code(), code);
        let path = json!(["iosLobAppProvisioningConfiguration", "deviceStatusCounts", 5, "count"]);
        assert_eq!(reply.error()["path"], path);
    }
}

/// Without the count of all, equal counts may be right or not.
#[tokio::test]
async fn counts_that_may_have_ignored_filters_are_null() {
    // One status of each kind.
    let even = Settings { configurations: 1, statuses: 8, ..Settings::default() };
    let gateway = Gateway::short_timeouts().sandbox(even).start().await;
    let all = "batch-item;item=1;status=503";
    let first_is_all = |gateway: &Gateway| graph_requests(gateway)[1][0].option("$filter").is_none();
    let reply = counts(&gateway, &json!(DEMO_CONFIGURATION_ID), &[all]).await;
    assert!(first_is_all(&gateway));
    assert_eq!(of(&reply), &Value::Null);
    assert_eq!(reply.code(), "UPSTREAM_UNAVAILABLE", "what is known is that a count is not there");

    // Counts that differ show that the filters were heeded.
    let input = crate::add_device_status::input(crate::add_device_status::device_status());
    gateway.graphql(crate::add_device_status::MUTATION, input).await.data();
    let demo = json!(DEMO_CONFIGURATION_ID);
    let reply = counts(&gateway, &demo, &[all]).await;
    reply.data();
    assert_eq!(of(&reply), &expected(&gateway, &demo));
}
