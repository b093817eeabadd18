//! Without introspection, no message names a part of the schema that the request does not contain.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::Gateway;
use crate::hostile_documents::post;

/// The names that a text has.
fn names(text: &str) -> BTreeSet<&str> {
    let names = text.split(|char: char| char != '_' && !char.is_ascii_alphanumeric());
    names.filter(|name| !name.is_empty() && !name.starts_with(|first: char| first.is_ascii_digit())).collect()
}

/// The names of the schema, without descriptions. Words that are also plain English are left out, and so are the names that
/// every schema has.
fn names_of_the_schema(sdl: &str) -> BTreeSet<&str> {
    let mut in_description = false;
    let lines = sdl.lines().filter(|line| {
        let marks = line.matches("\"\"\"").count();
        let is_description = in_description || marks > 0;
        in_description ^= marks == 1;
        !is_description
    });
    let everyday = "a id of on in is no not type types input enum union interface scalar schema query mutation \
        subscription directive implements extend and or field fields fragment value values object name first after here the \
        one must exactly code message error errors status node nodes edges eq null path Int Float String Boolean ID Query \
        Mutation Subscription skip include deprecated specifiedBy if reason url index results graph operation true false \
        retryable outcome description UNKNOWN ERROR cursor intent key count contains at all and set at most total by within";
    let everyday: BTreeSet<&str> = everyday.split_whitespace().collect();
    lines.flat_map(names).filter(|name| !everyday.contains(name)).collect()
}

/// Documents with variables: each valid one with every name replaced, every selection, argument and object left out, and
/// every value of another kind.
fn bad_requests() -> Vec<(String, Value)> {
    let documents = [
        "query($id: ID!) { iosLobAppProvisioningConfiguration(id: $id) { displayName deviceStatuses(first: 1, \
            filter: {status: {eq: ERROR}}) { edges { node { userName status } } } } }",
        "{ iosLobAppProvisioningConfigurations(first: 2, filter: {displayName: {eq: \"x\"}}) { nodes { id \
            assignments { nodes { target { __typename } } } } pageInfo { hasNextPage } } }",
        "{ node(id: \"x\") { id ... on DeviceStatus { platform } ...F } } fragment F on Node { __typename }",
        "mutation($input: AddDeviceStatusInput!) { addDeviceStatus(input: $input) { deviceStatus { id } } }",
        "mutation { addDeviceStatuses(input: {configurationId: \"c\", deviceStatuses: [{status: COMPLIANT}]}) { failedCount } }",
        "mutation { assignIosLobAppProvisioningConfiguration(input: {id: \"c\", assignments: [{target: {allDevices: {}}}]}) \
            { clientMutationId } }",
        "mutation { updateDeviceStatus(input: {id: \"d\", deviceStatus: {platform: 1}}) { deviceStatus { id } } }",
        "subscription { deviceStatusAdded(configurationId: \"c\") { deviceStatus { id } } }",
    ];
    let variables = [
        json!({}),
        json!({"id": null, "input": null}),
        json!({"id": [], "input": 7}),
        json!({"id": {"a": 1}, "input": []}),
        json!({"input": {}}),
        json!({"input": {"configurationId": "c"}}),
        json!({"input": {"configurationId": null, "deviceStatus": 1}}),
        json!({"input": {"configurationId": "c", "deviceStatus": {}}}),
        json!({"input": {"configurationId": "c", "deviceStatus": {"status": "COMPLIANTT", "platform": "x"}}}),
        json!({"input": {"configurationId": "c", "deviceStatus": {"status": 1, "lastReportedDateTime": "x"}}}),
        json!({"input": {"configurationId": "c", "deviceStatus": {"status": null, "zzz": 1}}}),
        json!({"input": {"zzz": 1, "deviceStatus": [[]]}}),
    ];
    let mut requests = Vec::new();
    for document in documents {
        requests.extend(variables.iter().map(|variables| (document.to_owned(), variables.clone())));
        let places: Vec<(usize, &str)> = names(document)
            .into_iter()
            .flat_map(|name| document.match_indices(name).collect::<Vec<_>>())
            .collect();
        for (at, name) in places {
            for other in [
                "zzz",
                "id",
                "input",
                "Node",
                "Query",
                "ID",
                "Int",
                "DeviceStatus",
                "null",
                "{}",
                "[1]",
                "7",
                "\"s\"",
            ] {
                let changed = [&document[..at], other, &document[at + name.len()..]].concat();
                requests.push((changed, variables[0].clone()));
            }
        }
        // Each bracket left out with what is in it.
        for (at, open) in document.match_indices(['(', '{']) {
            let close = if open == "(" { ')' } else { '}' };
            let mut depth = 0;
            let end = document[at..].find(|char: char| {
                depth += i32::from(open.starts_with(char)) - i32::from(char == close);
                depth == 0
            });
            let Some(end) = end else { continue };
            for instead in ["", "{}", "{ zzz }", "{ __typename }"] {
                let changed = [&document[..at], instead, &document[at + end + 1..]].concat();
                requests.push((changed, variables[0].clone()));
            }
        }
    }
    requests
}

#[tokio::test]
async fn no_message_has_a_name_that_the_request_does_not_have() {
    let sdl = intune_graphql::schema::sdl();
    let schema = names_of_the_schema(&sdl);
    assert!(schema.contains("deviceStatuses") && schema.contains("COMPLIANT") && schema.len() > 150);
    let gateway = Gateway::builder().api(|api| api.introspection = false).start().await;
    let (mut found, mut rejected) = (Vec::new(), BTreeSet::new());
    for (document, variables) in bad_requests() {
        let body = json!({"query": document, "variables": variables}).to_string();
        let reply = post(&gateway, body).await;
        if reply.status.is_success() {
            continue;
        }
        let errors = reply.json["errors"].as_array().unwrap().iter();
        let errors: String = errors
            .map(|error| format!("{} {}\n", error["message"], error["extensions"]["variable"]))
            .collect();
        let written = format!("{document} {variables}");
        let revealed: Vec<&str> = names(&errors)
            .intersection(&schema)
            .filter(|name| !names(&written).contains(**name))
            .copied()
            .collect();
        if !revealed.is_empty() {
            found.push(format!("{revealed:?}: {document} {variables}: {errors}"));
        }
        for error in reply.json["errors"].as_array().unwrap() {
            let message = error["message"].as_str().unwrap();
            // The message without what it quotes.
            let parts: Vec<&str> = message.split('`').step_by(2).collect();
            rejected.insert(parts.join("`"));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert!(rejected.len() > 20, "{rejected:#?}");
}
