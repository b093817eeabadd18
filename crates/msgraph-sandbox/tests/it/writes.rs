//! Create, update, delete and the actions.

use msgraph_sandbox::DEMO_CONFIGURATION_ID;
use msgraph_sandbox::settings::{IdPolicy, Profile, RefMode, Settings, StatusIds, Switch};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Graph, P, demo, reply, status_body};

fn configuration() -> Value {
    json!({"displayName": "n", "payloadFileName": "p.mobileprovision", "payload": "-_8"})
}

fn id(entity: &Value) -> &str {
    entity["id"].as_str().expect("an id")
}

#[tokio::test]
async fn a_status_is_created_and_found_again() {
    let graph = Graph::start().await;
    let created = graph.post(&demo("/deviceStatuses"), &status_body()).await.expect(201);
    assert_eq!(
        created["@odata.context"],
        format!(
            "http://{}/beta/$metadata#deviceAppManagement/iosLobAppProvisioningConfigurations('{DEMO_CONFIGURATION_ID}')/deviceStatuses/$entity",
            graph.address
        )
    );
    let mut expected = status_body();
    expected.as_object_mut().unwrap().remove("@odata.type");
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(created[name], *value, "{name}");
    }
    assert!(created.get("@odata.type").is_none());
    let parts: Vec<_> = id(&created).split('_').collect();
    assert_eq!((parts.len(), parts[1]), (3, DEMO_CONFIGURATION_ID));
    assert_eq!(graph.get(&demo(&format!("/deviceStatuses/{}", id(&created)))).await.expect(200), created);
    assert_eq!(graph.sandbox.device_statuses(DEMO_CONFIGURATION_ID).last().unwrap()["id"], created["id"]);
}

#[tokio::test]
async fn dates_are_echoed_as_documented_and_utc_as_reported() {
    let given = json!({"expirationDateTime": "2016-12-31T23:57:41.6500000+03:00"});
    let echoed = Graph::start().await.patch(&demo(""), &given).await.expect(200);
    assert_eq!(echoed["expirationDateTime"], "2016-12-31T23:57:41.6500000+03:00");
    let live = Graph::with(Settings { profile: Profile::LiveLike, ..Settings::default() }).await;
    assert_eq!(
        live.patch(&demo(""), &given).await.expect(200)["expirationDateTime"],
        "2016-12-31T20:57:41.65Z"
    );
}

#[tokio::test]
async fn a_configuration_gets_what_the_service_sets() {
    let graph = Graph::start().await;
    let created = graph.post(P, &configuration()).await.expect(201);
    assert_eq!(created["payload"], "+/8=");
    assert_eq!(created["version"], 1);
    assert_eq!(created["roleScopeTagIds"], json!(["0"]));
    assert_eq!(created["expirationDateTime"], Value::Null);
    assert_eq!(created["createdDateTime"], created["lastModifiedDateTime"]);
    assert_eq!(id(&created).len(), 36);
    assert_eq!(graph.sandbox.configurations().len(), 6);
}

#[tokio::test]
async fn a_patch_merges() {
    let graph = Graph::start().await;
    let before = graph.get(&demo("")).await.expect(200);
    let body = json!({"id": id(&before), "description": null, "displayName": "new"});
    let after = graph.patch(&demo(""), &body).await.expect(200);
    assert_eq!(after["displayName"], "new");
    assert_eq!(after["description"], Value::Null);
    assert_eq!(after["payload"], before["payload"]);
    assert_eq!(after["version"], 2);
    assert_eq!(after["@odata.context"], before["@odata.context"]);
    graph.patch(&demo(""), &json!({"id": "other"})).await.error(400);
    graph.patch(&demo(""), &json!({"displayName": null})).await.error(400);
    graph.patch(&format!("{P}/nope"), &json!({})).await.error(404);
}

#[tokio::test]
async fn a_delete_removes_the_contained_rows() {
    let graph = Graph::start().await;
    graph.delete(&demo("")).await.expect(204);
    graph.delete(&demo("")).await.error(404);
    graph.get(&demo("")).await.error(404);
    graph.post(&demo("/deviceStatuses"), &status_body()).await.error(404);
    assert!(graph.sandbox.device_statuses(DEMO_CONFIGURATION_ID).is_empty());
    graph.sandbox.reset();
    graph.get(&demo("")).await.expect(200);
}

#[tokio::test]
async fn unsupported_methods_are_405() {
    let graph = Graph::start().await;
    for (method, path) in [
        (Method::PUT, demo("")),
        (Method::POST, demo("")),
        (Method::PUT, P.to_owned()),
        (Method::GET, demo("/assign")),
        (Method::DELETE, demo("/deviceStatuses/$count")),
    ] {
        let (code, message) = reply(graph.request(method, &path)).await.error(405);
        assert_eq!(code, "Request_BadRequest");
        assert_eq!(message, "Specified HTTP method is not allowed for the request target.");
    }
    let (code, _) = reply(graph.request(Method::PATCH, P)).await.error(400);
    assert_eq!(code, "No method match route template");
}

#[tokio::test]
async fn bodies_are_checked() {
    let graph = Graph::start().await;
    let path = demo("/deviceStatuses");
    let post = |content_type: Option<&'static str>, body: &'static str| {
        let request = graph.request(Method::POST, &path).body(body);
        reply(match content_type {
            Some(content_type) => request.header("content-type", content_type),
            None => request,
        })
    };
    let unreadable = "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format.";
    let json_type = Some("application/json; charset=utf-8");
    for (content_type, body, message) in [
        (None, "{}", unreadable),
        (Some("text/plain"), "{}", unreadable),
        (json_type, "", "Empty Payload. JSON content expected."),
        (json_type, "{", unreadable),
        (json_type, "[]", unreadable),
        (
            json_type,
            r#"{"status":"String"}"#,
            "Property status in payload has a value that does not match schema.",
        ),
    ] {
        assert_eq!(post(content_type, body).await.error(400), ("BadRequest".to_owned(), message.to_owned()));
    }
    let answer = post(json_type, r#"{"user_name":null}"#).await;
    let (code, message) = answer.error(400);
    assert_eq!(code, "ModelValidationFailure");
    assert_eq!(
        message,
        "The property 'user_name' does not exist on type 'microsoft.management.services.api.managedDeviceMobileAppConfigurationDeviceStatus'. Make sure to only use property names that are defined by the type."
    );
    assert_eq!(answer.json()["error"]["innerError"]["message"], message);
    graph.post(P, &json!({"displayName": "n"})).await.error(400);
}

#[tokio::test]
async fn unknown_properties_can_be_ignored() {
    let graph = Graph::with(Settings { strict_bodies: Switch::Off, ..Settings::default() }).await;
    graph.post(&demo("/deviceStatuses"), &json!({"user_name": null})).await.expect(201);
}

#[tokio::test]
async fn ids_in_bodies_are_ignored_or_kept() {
    let body = json!({"id": "my id/1"});
    let path = demo("/deviceStatuses");
    let ignoring = Graph::start().await;
    assert_ne!(ignoring.post(&path, &body).await.expect(201)["id"], "my id/1");
    let keeping = Graph::with(Settings { ids: IdPolicy::Keep, ..Settings::default() }).await;
    assert_eq!(keeping.post(&path, &body).await.expect(201)["id"], "my id/1");
    keeping.get(&format!("{path}/my%20id%2F1")).await.expect(200);
    assert_eq!(keeping.post(&path, &body).await.error(409).0, "Conflict");
}

#[tokio::test]
async fn status_ids_can_be_one_guid() {
    let graph = Graph::with(Settings { status_ids: StatusIds::Guid, ..Settings::default() }).await;
    let created = graph.post(&demo("/deviceStatuses"), &json!({})).await.expect(201);
    assert_eq!(id(&created).len(), 36);
}

#[tokio::test]
async fn references_are_rejected_or_replace_the_collections_create() {
    let refusing = Graph::start().await;
    let (code, message) = refusing.post(&demo("/deviceStatuses/$ref"), &status_body()).await.error(400);
    assert_eq!(code, "No method match route template");
    assert_eq!(
        message,
        format!(
            "No OData route exists that match template ~/singleton/navigation/key/navigation/$ref with http verb POST for request /AppLifecycle_2611/StatelessAppMetadataFEService/deviceAppManagement/iosLobAppProvisioningConfigurations('{DEMO_CONFIGURATION_ID}')/deviceStatuses/$ref."
        )
    );
    let stub = Graph::with(Settings { ref_mode: RefMode::Stub, ..Settings::default() }).await;
    let created = stub.post(&demo("/deviceStatuses/$ref"), &status_body()).await.expect(201);
    assert_eq!(created["lastReportedDateTime"], status_body()["lastReportedDateTime"]);
    stub.post(&demo("/deviceStatuses"), &status_body()).await.error(400);
}

#[tokio::test]
async fn a_minimal_response_can_be_preferred() {
    let graph = Graph::start().await;
    let path = demo("/deviceStatuses");
    let minimal = |method, path: &str, body: &Value| {
        reply(super::json(graph.request(method, path), body).header("prefer", "return=minimal"))
    };
    let created = minimal(Method::POST, &path, &status_body()).await;
    created.expect(204);
    assert_eq!(created.header("preference-applied"), "return=minimal");
    assert_eq!(created.header("location"), created.header("odata-entityid"));
    let location = created.header("location").strip_prefix(&format!("http://{}", graph.address)).unwrap();
    let found = graph.get(location).await.expect(200);
    let changed = minimal(Method::PATCH, &format!("{path}/{}", id(&found)), &json!({"platform": 1})).await;
    changed.expect(204);
    assert!(!changed.headers.contains_key("location"));

    let deaf = Graph::with(Settings { return_minimal: Switch::Off, ..Settings::default() }).await;
    let request = super::json(deaf.request(Method::POST, &path), &status_body());
    reply(request.header("prefer", "return=minimal")).await.expect(201);
}

#[tokio::test]
async fn assigning_replaces_the_assignments() {
    let graph = Graph::start().await;
    let target = json!({"@odata.type": "microsoft.graph.groupAssignmentTarget", "groupId": "g"});
    let body = json!({"iOSLobAppProvisioningConfigAssignments": [{"id": "x", "target": target}]});
    graph.post(&demo("/assign"), &body).await.expect(204);
    let assigned = graph.get(&demo("/assignments")).await.expect(200);
    let rows = assigned["value"].as_array().unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(
        rows[0]["target"],
        json!({
            "@odata.type": "#microsoft.graph.groupAssignmentTarget",
            "deviceAndAppManagementAssignmentFilterId": null,
            "deviceAndAppManagementAssignmentFilterType": "none",
            "groupId": "g"
        })
    );
    assert_eq!(graph.get(&demo("/groupAssignments")).await.expect(200)["value"], json!([]));
    graph.post(&demo("/assign"), &json!({"assignments": []})).await.error(400);
    let untyped = json!({"iOSLobAppProvisioningConfigAssignments": [{"target": {"groupId": "g"}}]});
    graph.post(&demo("/assign"), &untyped).await.error(400);
    graph.post(&format!("{P}/nope/assign"), &json!({})).await.error(404);
}

#[tokio::test]
async fn payload_links_are_one_item_per_id() {
    let graph = Graph::start().await;
    let body = json!({"payloadIds": [DEMO_CONFIGURATION_ID, "nope"]});
    let links = graph.post(&format!("{P}/microsoft.graph.hasPayloadLinks"), &body).await.expect(200);
    assert_eq!(
        links["value"],
        json!([
            {"payloadId": DEMO_CONFIGURATION_ID, "hasLink": true, "error": "", "sources": ["direct"]},
            {"payloadId": "nope", "hasLink": false, "error": "", "sources": []}
        ])
    );
}

#[tokio::test]
async fn the_live_service_lacks_the_routes_of_computed_rows() {
    let graph = Graph::with(Settings { profile: Profile::LiveLike, ..Settings::default() }).await;
    let row = id(&graph.sandbox.device_statuses(DEMO_CONFIGURATION_ID)[0]).to_owned();
    let collection = "~/singleton/navigation/key/navigation";
    for (method, path, template) in [
        (Method::POST, "/deviceStatuses".to_owned(), collection.to_owned()),
        (Method::POST, "/userStatuses".to_owned(), collection.to_owned()),
        (Method::POST, "/assignments".to_owned(), collection.to_owned()),
        (Method::POST, "/groupAssignments".to_owned(), collection.to_owned()),
        (Method::GET, format!("/deviceStatuses/{row}"), format!("{collection}/key")),
        (Method::PATCH, format!("/deviceStatuses/{row}"), format!("{collection}/key")),
        (Method::DELETE, format!("/deviceStatuses/{row}"), format!("{collection}/key")),
    ] {
        let verb = method.to_string();
        let (code, message) = reply(graph.request(method, &demo(&path))).await.error(400);
        assert_eq!(code, "No method match route template");
        assert!(
            message.starts_with(&format!(
                "No OData route exists that match template {template} with http verb {verb} for request /"
            )),
            "{message}"
        );
    }
    graph.get(&demo("/deviceStatuses")).await.expect(200);
    graph.patch(&demo(""), &json!({"displayName": "still works"})).await.expect(200);
}
