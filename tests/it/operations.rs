//! `docs/operations.md`: every operation in it works as printed, one after another.

use msgraph_sandbox::DEMO_CONFIGURATION_ID;
use serde_json::{Value, json};

use crate::harness::{Gateway, fresh_token};
use crate::subscriptions;

const PAGE: &str = include_str!("../../docs/operations.md");

/// The page's operations, each with its title and variables.
fn operations() -> Vec<(&'static str, &'static str, Value)> {
    let sections = PAGE.split("\n## ").skip(1);
    let block = |section: &'static str, language: &str| -> &'static str {
        let (_, rest) = section.split_once(&format!("```{language}\n")).expect(section);
        rest.split_once("```").unwrap().0
    };
    sections
        .map(|section| {
            let variables = serde_json::from_str(block(section, "json")).expect(section);
            (section.lines().next().unwrap(), block(section, "graphql"), variables)
        })
        .collect()
}

/// Replaces the placeholders of the page by ids and cursors.
fn fill(value: &mut Value, words: &[(&str, String)]) {
    match value {
        Value::String(text) => {
            if let Some((_, known)) = words.iter().find(|(word, _)| word == text) {
                *text = known.clone();
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| fill(value, words)),
        Value::Object(members) => members.values_mut().for_each(|value| fill(value, words)),
        _ => {}
    }
}

/// The first event of a subscription.
async fn first_event(gateway: &Gateway, document: &str, variables: Value) -> Value {
    let mut events = subscriptions::subscribe_with(gateway, &fresh_token(), document, variables).await;
    subscriptions::add(gateway).await;
    events.answer().await["data"].clone()
}

#[tokio::test]
async fn every_documented_operation_succeeds() {
    let gateway = Gateway::start().await;
    let operations = operations();
    assert_eq!(PAGE.matches("```graphql").count(), operations.len(), "one operation for each heading");
    let mut words = vec![("configuration", DEMO_CONFIGURATION_ID.to_owned())];
    let mut answers = Vec::new();
    for (title, document, mut variables) in operations {
        if variables.get("after").is_some() {
            let mut first = variables.clone();
            first.as_object_mut().unwrap().remove("after");
            fill(&mut first, &words);
            let page = gateway.graphql(document, first).await;
            let list = &page.data()["iosLobAppProvisioningConfiguration"]["deviceStatuses"];
            words.push(("cursor", list["pageInfo"]["endCursor"].as_str().unwrap().to_owned()));
        }
        fill(&mut variables, &words);
        let data = match document.starts_with("subscription") {
            true => first_event(&gateway, document, variables).await,
            false => gateway.graphql(document, variables).await.data().clone(),
        };
        // No root field is null, because an operation that finds nothing proves nothing.
        for (field, value) in data.as_object().unwrap() {
            assert!(!value.is_null(), "{title}: {field} is null");
        }
        if let Some(id) = data["addDeviceStatus"]["deviceStatusId"].as_str() {
            words.push(("status", id.to_owned()));
        }
        answers.push((title, data.clone()));
    }

    let answer = |title: &str| &answers.iter().find(|(other, _)| *other == title).expect(title).1;
    let node = &answer("Add a device status")["addDeviceStatus"]["deviceStatusEdge"]["node"];
    assert_eq!(node["lastReportedDateTime"], "2026-11-23T09:30:00+01:00");
    assert_eq!(answer("Add many device statuses")["addDeviceStatuses"]["createdCount"], 1);
    let configurations =
        &answer("List configurations with their counts")["iosLobAppProvisioningConfigurations"];
    assert_eq!(configurations["nodes"].as_array().unwrap().len(), 3);
    let expiring = &answer("Find profiles that expire")["iosLobAppProvisioningConfigurations"]["nodes"];
    let expiries =
        expiring.as_array().unwrap().iter().map(|node| &node["provisioningProfile"]["expirationDate"]);
    assert!(expiries.clone().count() > 1 && expiries.into_iter().all(Value::is_string));
    let page = &answer("Filter, order and page device statuses")["iosLobAppProvisioningConfiguration"];
    assert_eq!(page["deviceStatuses"]["nodes"].as_array().unwrap().len(), 2);
    assert_eq!(answer("Refetch objects by their global ids")["nodes"][0]["deviceDisplayName"], "iPad-0042");
    let changed = &answer("Update a device status")["updateDeviceStatus"]["deviceStatus"];
    assert_eq!(
        (&changed["status"], &changed["deviceModel"]),
        (&json!("NON_COMPLIANT"), &json!("iPad Pro (11-inch)"))
    );
    assert_eq!(answer("Delete a device status")["deleteDeviceStatus"]["deletedId"], node["id"]);
    let targets =
        &answer("Assign a configuration")["assignIosLobAppProvisioningConfiguration"]["configuration"];
    assert_eq!(
        targets["assignments"]["nodes"],
        json!([{"target": {"__typename": "AllLicensedUsersAssignmentTarget"}}])
    );
}
