//! `provisioningProfile`: the contents of a configuration's payload.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use msgraph_sandbox::{DEMO_CONFIGURATION_ID, Settings};
use serde_json::{Value, json};

use crate::graph_requests::graph_requests;
use crate::harness::{Gateway, Reply};

const CREATE: &str = "mutation($input: CreateIosLobAppProvisioningConfigurationInput!) {
    createIosLobAppProvisioningConfiguration(input: $input) { configuration {
        id
        provisioningProfile {
            name uuid appIdName applicationIdentifier teamName teamIdentifiers creationDate expirationDate
            isXcodeManaged provisionsAllDevices provisionedDeviceCount
        }
    } } }";

const DEVELOPMENT: &[u8] = include_bytes!("../profiles/development.mobileprovision");
const AD_HOC: &[u8] = include_bytes!("../profiles/ad-hoc.mobileprovision");
const ENTERPRISE: &[u8] = include_bytes!("../profiles/enterprise.mobileprovision");

async fn create(gateway: &Gateway, payload: &[u8]) -> Reply {
    let configuration = json!({
        "displayName": "Field", "payloadFileName": "field.mobileprovision", "payload": STANDARD.encode(payload),
    });
    gateway.graphql(CREATE, json!({"input": {"configuration": configuration}})).await
}

fn profile(reply: &Reply) -> &Value {
    &reply.json["data"]["createIosLobAppProvisioningConfiguration"]["configuration"]["provisioningProfile"]
}

#[tokio::test]
async fn profiles_of_each_kind_are_shown() {
    let gateway = Gateway::start().await;
    let expected =
        |name: &str, number: usize, app: &str, is_xcode_managed: bool, all: Value, devices: Value| {
            json!({
                "name": name,
                "uuid": format!("3f6f2c1e-7a53-4b0e-9b1d-5a1f0c2d4e0{number}"),
                "appIdName": "Contoso Field",
                "applicationIdentifier": format!("A1B2C3D4E5.{app}"),
                "teamName": "Contoso Ltd",
                "teamIdentifiers": ["A1B2C3D4E5"],
                "creationDate": "2026-01-15T09:30:00Z",
                "expirationDate": "2027-01-15T09:30:00Z",
                "isXcodeManaged": is_xcode_managed,
                "provisionsAllDevices": all,
                "provisionedDeviceCount": devices,
            })
        };
    let (app, null) = ("com.contoso.field", Value::Null);
    let development = "iOS Team Provisioning Profile: com.contoso.field";
    for (payload, profile_fields) in [
        (DEVELOPMENT, expected(development, 1, app, true, null.clone(), json!(2))),
        (AD_HOC, expected("Contoso Field Ad Hoc", 2, app, false, null.clone(), json!(3))),
        (ENTERPRISE, expected("Contoso Field In-House", 3, "*", false, json!(true), null)),
    ] {
        let reply = create(&gateway, payload).await;
        reply.data();
        assert_eq!(profile(&reply), &profile_fields);
    }
}

#[tokio::test]
async fn a_payload_that_is_no_profile_is_null_with_an_error() {
    let gateway = Gateway::start().await;
    let deep = format!("<plist>{}", "<array>".repeat(5000));
    for (payload, why) in [
        (&b"text"[..], "it is not signed data (CMS)"),
        (&DEVELOPMENT[..1000], "it is not signed data (CMS)"),
        (b"<plist><dict/></plist>", "neither a `UUID` nor an `ExpirationDate`"),
        (deep.as_bytes(), "not a property list"),
        (&[b'<'; 300_000], "larger than 262144 bytes"),
    ] {
        let reply = create(&gateway, payload).await;
        assert_eq!((profile(&reply), reply.code()), (&Value::Null, "UPSTREAM_ERROR"));
        assert_eq!(
            reply.error()["path"],
            json!(["createIosLobAppProvisioningConfiguration", "configuration", "provisioningProfile"])
        );
        let message = reply.error()["message"].as_str().unwrap();
        assert!(message.contains(why), "{message}");
    }
    let unusual =
        b"<plist><dict><key>UUID</key><string>u</string><key>ExpirationDate</key><true/></dict></plist>";
    let reply = create(&gateway, unusual).await;
    assert_eq!((&profile(&reply)["uuid"], &profile(&reply)["expirationDate"]), (&json!("u"), &Value::Null));
    assert_eq!(reply.error()["path"].as_array().unwrap().last().unwrap(), "expirationDate");
}

#[tokio::test]
async fn the_payload_is_read_only_if_it_is_needed() {
    let gateway = Gateway::start().await;
    let read = async |fields: &str| {
        gateway.clear_requests();
        let query =
            format!("query($id: ID!) {{ iosLobAppProvisioningConfiguration(id: $id) {{ {fields} }} }}");
        let reply = gateway.graphql(&query, json!({"id": DEMO_CONFIGURATION_ID})).await;
        let select = graph_requests(&gateway)[0][0].option("$select").unwrap();
        (reply.data()["iosLobAppProvisioningConfiguration"].clone(), select)
    };
    assert_eq!(read("displayName").await.1, "displayName,id");
    let (configuration, select) = read("provisioningProfile { expirationDate }").await;
    assert_eq!(select, "id,payload");
    assert!(configuration["provisioningProfile"]["expirationDate"].is_string(), "{configuration}");
}

/// Intune returns no expiry for some profiles, and the profile itself has one.
#[tokio::test]
async fn a_profile_shows_an_expiry_that_graph_does_not_return() {
    let gateway = Gateway::start().await;
    let query = "{ iosLobAppProvisioningConfigurations { nodes {
        expirationDateTime provisioningProfile { expirationDate } } } }";
    let reply = gateway.graphql(query, json!({})).await;
    let nodes = reply.data()["iosLobAppProvisioningConfigurations"]["nodes"].as_array().unwrap().clone();
    assert!(nodes.iter().any(|node| node["expirationDateTime"].is_null()));
    assert!(nodes.iter().all(|node| node["provisioningProfile"]["expirationDate"].is_string()));
}

#[tokio::test]
async fn a_payload_is_validated_before_it_is_sent_if_the_caller_asks_for_it() {
    let gateway = Gateway::start().await;
    let create = async |payload: &[u8], validate: Option<bool>| {
        let configuration = json!({
            "displayName": "Field", "payloadFileName": "field.mobileprovision", "payload": STANDARD.encode(payload),
        });
        let mut input = json!({"configuration": configuration});
        if let Some(validate) = validate {
            input["validatePayload"] = json!(validate);
        }
        gateway.clear_requests();
        let mutation = "mutation($input: CreateIosLobAppProvisioningConfigurationInput!) {
            createIosLobAppProvisioningConfiguration(input: $input) { configurationId } }";
        gateway.graphql(mutation, json!({"input": input})).await
    };
    let rejected = create(b"no profile", Some(true)).await;
    assert_eq!(rejected.code(), "BAD_USER_INPUT");
    assert_eq!(rejected.error()["extensions"]["outcome"], "NOT_SENT");
    assert_eq!(
        rejected.error()["message"],
        "`input.configuration.payload` must be a provisioning profile, but it is not signed data (CMS)."
    );
    assert!(gateway.sent().is_empty());
    for (payload, validate) in [(ENTERPRISE, Some(true)), (b"no profile", Some(false)), (b"no profile", None)]
    {
        create(payload, validate).await.data();
        assert_eq!(gateway.sent().len(), 1);
    }
}

const EXPIRING: &str = "
    query($first: Int, $after: String, $filter: IosLobAppProvisioningConfigurationFilter) {
      iosLobAppProvisioningConfigurations(first: $first, after: $after, filter: $filter) {
        totalCount
        nodes { graphId expirationDateTime provisioningProfile { expirationDate } }
        pageInfo { hasNextPage endCursor } } }";

/// The configurations of a filter, page by page, and the total of each page.
async fn expiring(gateway: &Gateway, first: usize, filter: &Value) -> (Vec<Value>, Vec<Value>) {
    let (mut nodes, mut totals, mut after) = (Vec::new(), Vec::new(), Value::Null);
    for _ in 0..100 {
        let reply =
            gateway.graphql(EXPIRING, json!({"first": first, "after": after, "filter": filter})).await;
        let list = &reply.data()["iosLobAppProvisioningConfigurations"];
        nodes.extend(list["nodes"].as_array().unwrap().iter().cloned());
        totals.push(list["totalCount"].clone());
        if list["pageInfo"]["hasNextPage"] == false {
            return (nodes, totals);
        }
        after = list["pageInfo"]["endCursor"].clone();
    }
    panic!("the list does not end");
}

#[tokio::test]
async fn configurations_are_filtered_by_their_expiry_or_that_of_their_profile() {
    let settings = Settings { configurations: 30, statuses: 30, ..Settings::default() };
    let gateway = Gateway::builder().sandbox(settings).start().await;
    let (all, _) = expiring(&gateway, 1000, &json!({})).await;
    let expiry = |node: &Value| match node["expirationDateTime"].as_str() {
        Some(date) => date.to_owned(),
        None => node["provisioningProfile"]["expirationDate"].as_str().unwrap().to_owned(),
    };
    // Seeded configurations are a day apart. The second has an expiry in its profile only.
    let second = all.iter().find(|node| node["expirationDateTime"].is_null()).unwrap();
    let mut dates: Vec<String> = all.iter().map(expiry).collect();
    dates.sort_unstable();
    let graph_ids = |nodes: &[Value]| nodes.iter().map(|node| node["graphId"].clone()).collect::<Vec<_>>();
    for limit in [&dates[0], &dates[15], &expiry(second), &dates[29], &"2100-01-01T00:00:00Z".to_owned()] {
        let expires_before = json!({"expiresBefore": limit});
        for (filter, is_before) in [(expires_before.clone(), true), (json!({"not": expires_before}), false)] {
            let mut expected = all.clone();
            expected.retain(|node| (expiry(node) < *limit) == is_before);
            for faults in [&[][..], &["option-refused;option=filter"], &["filter-ignored"]] {
                gateway.sandbox.clear_faults();
                for fault in faults {
                    gateway.sandbox.inject(fault.parse().unwrap());
                }
                for first in [4, 1000] {
                    let (found, totals) = expiring(&gateway, first, &filter).await;
                    assert_eq!(graph_ids(&found), graph_ids(&expected), "{filter} {faults:?} {first}");
                    assert!(
                        totals.iter().all(|total| *total == expected.len()),
                        "{filter} {faults:?} {totals:?}"
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn graph_is_sent_the_part_of_the_filter_that_it_can_evaluate() {
    let gateway = Gateway::start().await;
    let filter = json!({"version": {"ge": 1}, "expiresBefore": "2027-06-01T00:00:00Z"});
    gateway.clear_requests();
    let query = "query($filter: IosLobAppProvisioningConfigurationFilter) {
        iosLobAppProvisioningConfigurations(filter: $filter) { nodes { displayName } } }";
    gateway.graphql(query, json!({"filter": filter})).await.data();
    let request = &graph_requests(&gateway)[0][0];
    assert_eq!(
        request.option("$filter").unwrap(),
        "version ge 1 and ((expirationDateTime ne null and expirationDateTime lt 2027-06-01T00:00:00Z) or \
         expirationDateTime eq null)"
    );
    assert_eq!(request.option("$select").unwrap(), "displayName,expirationDateTime,id,payload,version");
}

#[tokio::test]
async fn the_error_of_a_count_beyond_the_bound_has_the_size_of_its_pages() {
    let settings = Settings { configurations: 101, statuses: 0, ..Settings::default() };
    let gateway = Gateway::builder().sandbox(settings).api(|api| api.max_fallback_pages = 1).start().await;
    let query =
        "{ iosLobAppProvisioningConfigurations(first: 1, filter: {expiresBefore: \"2100-01-01T00:00:00Z\"}) {
        totalCount } }";
    let reply = gateway.graphql(query, json!({})).await;
    assert_eq!(reply.code(), "QUERY_TOO_LARGE");
    let message = reply.error()["message"].as_str().unwrap();
    assert!(message.contains("1 page of up to 100 rows") && message.contains("totalCount"), "{message}");
}
