//! Typical mistakes of callers: the message says what was wrong, what is allowed and what to do. Without introspection, it
//! does not name a part of the schema that the request does not name.

use http::{Method, StatusCode};
use msgraph_sandbox::DEMO_CONFIGURATION_ID;
use serde_json::{Value, json};

use crate::add_device_status::{MUTATION, input_with};
use crate::harness::{Gateway, Reply};
use crate::pagination::{Listed, list};
use crate::websocket::Socket;

const CONFIGURATIONS: &str = "iosLobAppProvisioningConfigurations";
const MEMBERS: &str =
    "Members: UNKNOWN, NOT_APPLICABLE, COMPLIANT, REMEDIATED, NON_COMPLIANT, ERROR, CONFLICT, NOT_ASSIGNED.";

#[track_caller]
fn message(reply: &Reply) -> &str {
    reply.error()["message"].as_str().unwrap()
}

async fn without_introspection() -> Gateway {
    Gateway::builder().api(|api| api.introspection = false).start().await
}

/// Sends the same request with and without introspection, and compares the messages.
#[track_caller]
fn expect(query: &str, variables: Value, with: &str, without: &str) -> impl Future<Output = ()> {
    let (query, with, without) = (query.to_owned(), with.to_owned(), without.to_owned());
    async move {
        for (gateway, expected) in [(Gateway::start().await, with), (without_introspection().await, without)]
        {
            let reply = gateway.graphql(&query, variables.clone()).await;
            assert_eq!(message(&reply), expected, "{query}");
            assert!(gateway.sent().is_empty());
        }
    }
}

#[tokio::test]
async fn an_unknown_enum_member_is_quoted_beside_the_members() {
    let wrong = "Variable `$input.deviceStatus.status`: `COMPLAINT` is not a member of `ComplianceStatus`.";
    expect(
        MUTATION,
        input_with("status", json!("COMPLAINT")),
        &format!("{wrong} Did you mean COMPLIANT? {MEMBERS}"),
        "Variable `$input.deviceStatus.status`: `COMPLAINT` is not a member.",
    )
    .await;
    let filter = |member: &str| {
        format!(
            "{{ iosLobAppProvisioningConfiguration(id: 1) {{ deviceStatuses(filter: {{status: {{eq: {member}}}}}) \
             {{ totalCount }} }} }}"
        )
    };
    let wrong = "`filter.status.eq`: `compliant` is not a member of `ComplianceStatus`.";
    let hint = format!("{wrong} Did you mean COMPLIANT? {MEMBERS}");
    let without = "`filter.status.eq`: `compliant` is not a member.";
    expect(&filter("compliant"), json!({}), &hint, without).await;
    let wrong = "`filter.status.eq`: expected a member of `ComplianceStatus`, but found a string: write it without quotes.";
    let without = "`filter.status.eq`: expected an enum member, but found a string: write it without quotes.";
    expect(&filter("\"COMPLIANT\""), json!({}), wrong, without).await;
}

#[tokio::test]
async fn text_in_place_of_an_enum_member_is_not_repeated() {
    let gateway = Gateway::start().await;
    for secret in ["eyJ0eXAi.eyJhdWQi.c2ln", "a person's name", &"x".repeat(65)] {
        let reply = gateway.graphql(MUTATION, input_with("status", json!(secret))).await;
        assert_eq!(
            message(&reply),
            format!(
                "Variable `$input.deviceStatus.status`: the value is not a member of `ComplianceStatus`. {MEMBERS}"
            )
        );
    }
}

#[tokio::test]
async fn an_unknown_name_suggests_near_names() {
    let list = |nodes: &str| format!("{{ {CONFIGURATIONS} {{ nodes {{ {nodes} }} }} }}");
    // Without introspection, the message has no name that the request does not have.
    let has_no_field = |wrong: &str| match wrong.split_once(" has no field ") {
        Some((owner, field)) if owner.starts_with("`filter`") => {
            format!("`filter`: the object has no field {field}")
        }
        Some((_, field)) => format!("There is no field {} here.", field.trim_end_matches('.')),
        None => wrong.to_owned(),
    };
    for (query, wrong, suggestion) in [
        (
            list("displayname"),
            "`IosLobAppProvisioningConfiguration` has no field `displayname`.",
            "displayName",
        ),
        (
            list("payloadFilename"),
            "`IosLobAppProvisioningConfiguration` has no field `payloadFilename`.",
            "payloadFileName",
        ),
        ("{ nod(id: 1) { id } }".to_owned(), "`Query` has no field `nod`.", "node or nodes"),
        (
            list("id ... on IosLobAppProvisionConfiguration { id }"),
            "There is no type `IosLobAppProvisionConfiguration`.",
            "IosLobAppProvisioningConfiguration",
        ),
        (
            "query($id: Id!) { node(id: $id) { id } }".to_owned(),
            "The type `Id` of the variable `id` does not exist.",
            "ID",
        ),
        (list("id @inclde(if: true)"), "There is no directive `inclde`.", "include"),
        (
            format!("{{ {CONFIGURATIONS}(frist: 2) {{ totalCount }} }}"),
            "The field `iosLobAppProvisioningConfigurations` has no argument `frist`.",
            "first",
        ),
        (
            format!("{{ {CONFIGURATIONS}(filter: {{displyName: {{eq: \"a\"}}}}) {{ totalCount }} }}"),
            "`filter`: `IosLobAppProvisioningConfigurationFilter` has no field `displyName`.",
            "displayName",
        ),
        (list("x1y2z3"), "`IosLobAppProvisioningConfiguration` has no field `x1y2z3`.", ""),
    ] {
        let hint = if suggestion.is_empty() { String::new() } else { format!(" Did you mean {suggestion}?") };
        expect(&query, json!({}), &format!("{wrong}{hint}"), &has_no_field(wrong)).await;
    }
    let wrong = "Variable `$input.deviceStatus`: `DeviceStatusInput` has no field `devicemodel`.";
    expect(
        MUTATION,
        input_with("devicemodel", json!("iPad")),
        &format!("{wrong} Did you mean deviceModel?"),
        "Variable `$input.deviceStatus`: the object has no field `devicemodel`.",
    )
    .await;
}

#[tokio::test]
async fn many_unknown_names_get_ten_short_errors() {
    let gateway = Gateway::start().await;
    let name = "iosLobAppProvisioningConfiguratio";
    for fields in [format!("{name} ").repeat(900), format!("{}: id ", "x".repeat(200)).repeat(2)] {
        let reply = gateway.graphql(&format!("{{ {fields} }}"), json!({})).await;
        let errors = reply.json["errors"].as_array().unwrap();
        assert!(errors.len() <= 10);
        assert!(errors.iter().all(|error| error["message"].as_str().unwrap().len() < 200), "{errors:?}");
    }
}

#[tokio::test]
async fn paging_backward_is_answered_with_the_arguments_to_use() {
    for argument in ["last: 5", "before: \"x\""] {
        let name = argument.split(':').next().unwrap();
        let query = format!("{{ {CONFIGURATIONS}({argument}) {{ totalCount }} }}");
        let wrong =
            format!("The field `{CONFIGURATIONS}` has no argument `{name}`. Connections page forward only");
        expect(&query, json!({}), &format!("{wrong}: use `first` and `after`."), &format!("{wrong}.")).await;
    }
}

#[tokio::test]
async fn a_document_of_several_operations_needs_an_operation_name() {
    let gateway = Gateway::start().await;
    let reply = gateway.graphql("query A { __typename } query B { __typename }", json!({})).await;
    assert_eq!(message(&reply), "The document has 2 operations (A, B): set `operationName`.");
    let many: String = (0..40).map(|n| format!("query {}{n} {{ __typename }} ", "N".repeat(100))).collect();
    let reply = gateway.graphql(&many, json!({})).await;
    assert!(message(&reply).starts_with("The document has 40 operations (NNN"), "{}", message(&reply));
    assert!(message(&reply).len() < 500);
    let body = json!({"query": "query A { __typename }", "operationName": "B"}).to_string();
    let request = gateway.post().header("content-type", "application/json").body(body);
    let reply = Reply::read(request.send().await.unwrap()).await;
    assert_eq!(message(&reply), "The document has no operation `B`. Operations: A.");
}

#[tokio::test]
async fn a_whole_number_outside_of_int_is_quoted_with_the_range() {
    let gateway = Gateway::start().await;
    let outside = "3000000000 is outside the `Int` range -2147483648 to 2147483647.";
    let literal = format!("{{ {CONFIGURATIONS}(first: 3000000000) {{ totalCount }} }}");
    let reply = gateway.graphql(&literal, json!({})).await;
    assert_eq!(message(&reply), format!("`first`: {outside}"));
    let variable = format!("query($n: Int) {{ {CONFIGURATIONS}(first: $n) {{ totalCount }} }}");
    let reply = gateway.graphql(&variable, json!({"n": 3_000_000_000_i64})).await;
    assert_eq!(message(&reply), format!("Variable `$n`: {outside}"));
}

#[tokio::test]
async fn a_subscription_by_post_names_the_accept_header() {
    let gateway = Gateway::start().await;
    let query = "subscription($id: ID!) { deviceStatusAdded(configurationId: $id) { deviceStatusId } }";
    let reply = gateway.graphql(query, json!({"id": DEMO_CONFIGURATION_ID})).await;
    assert_eq!(reply.status, StatusCode::NOT_ACCEPTABLE);
    assert_eq!(message(&reply), "Subscriptions need `Accept: text/event-stream`, or a WebSocket.");
}

#[tokio::test]
async fn another_path_is_told_where_graphql_is_served() {
    let gateway = Gateway::start().await;
    for (method, path) in
        [(Method::POST, "/"), (Method::GET, "/nothing"), (Method::POST, "/graphql/v1"), (Method::PUT, "/api")]
    {
        let request = gateway.request(method, path).body(r#"{"query": "{ __typename }"}"#);
        let reply = Reply::read(request.send().await.unwrap()).await;
        assert_eq!((reply.status, reply.code()), (StatusCode::NOT_FOUND, "BAD_REQUEST"), "{path}");
        assert_eq!(message(&reply), "Not found. GraphQL is served at /graphql.");
    }
}

#[tokio::test]
async fn a_slash_after_graphql_changes_nothing() {
    let gateway = Gateway::start().await;
    let request = gateway.request(Method::POST, "/graphql/").header("content-type", "application/json");
    let reply = Reply::read(request.body(r#"{"query": "{ __typename }"}"#).send().await.unwrap()).await;
    assert_eq!(reply.data()["__typename"], "Query");
    let request = gateway.request(Method::GET, "/graphql/?query={__typename}");
    assert_eq!(Reply::read(request.send().await.unwrap()).await.data()["__typename"], "Query");
}

#[tokio::test]
async fn an_id_of_another_type_is_named_with_its_article() {
    let gateway = Gateway::start().await;
    let query = format!(
        "{{ {CONFIGURATIONS}(first: 1) {{ nodes {{ id deviceStatuses(first: 1) {{ nodes {{ id }} }}
        userStatuses(first: 1) {{ nodes {{ id }} }} }} }} }}"
    );
    let reply = gateway.graphql(&query, json!({})).await;
    let configuration = &reply.data()[CONFIGURATIONS]["nodes"][0];
    let delete = "mutation($id: ID!) { deleteDeviceStatus(input: {id: $id}) { deletedId } }";
    let one = "query($id: ID!) { iosLobAppProvisioningConfiguration(id: $id) { id } }";
    for (query, id, expected) in [
        (delete, &configuration["id"], "an `IosLobAppProvisioningConfiguration`, not of a `DeviceStatus`."),
        (
            one,
            &configuration["deviceStatuses"]["nodes"][0]["id"],
            "a `DeviceStatus`, not of an `IosLobAppProvisioningConfiguration`.",
        ),
        (
            one,
            &configuration["userStatuses"]["nodes"][0]["id"],
            "a `UserStatus`, not of an `IosLobAppProvisioningConfiguration`.",
        ),
    ] {
        let reply = gateway.graphql(query, json!({"id": id})).await;
        let expected = format!(" is the global id of {expected}");
        assert!(message(&reply).ends_with(&expected), "{}", message(&reply));
    }
}

#[tokio::test]
async fn base64_with_line_breaks_names_the_position() {
    let gateway = Gateway::start().await;
    let create = "mutation($payload: String!) { createIosLobAppProvisioningConfiguration(input: {configuration: \
                  {displayName: \"a\" payloadFileName: \"a.mobileprovision\" payload: $payload}}) { clientMutationId } }";
    let line = "QUJD".repeat(19);
    for (payload, position) in [
        (format!("{line}\n{line}\n"), 76),
        (format!("{line}\r\n{line}"), 76),
        (format!("{line}QQ==\n"), 80),
        (" QUJD".to_owned(), 0),
    ] {
        let reply = gateway.graphql(create, json!({"payload": payload})).await;
        let expected =
            format!("Base64 must not contain line breaks or spaces (found at position {position}).");
        assert!(message(&reply).ends_with(&expected), "{}", message(&reply));
        assert_eq!(reply.code(), "BAD_USER_INPUT");
    }
    let reply = gateway.graphql(create, json!({"payload": "QQ"})).await;
    assert!(message(&reply).contains("must be base64 with padding"), "{}", message(&reply));
    assert!(gateway.sent().is_empty());
}

#[tokio::test]
async fn an_empty_cursor_is_the_same_as_none() {
    let gateway = Gateway::start().await;
    let first = Listed::read(&gateway, json!({"first": 3})).await;
    assert_eq!(Listed::read(&gateway, json!({"first": 3, "after": ""})).await.keys, first.keys);
    // A filter that no row can meet causes no call, and takes no cursor.
    let none = json!({"first": 3, "after": "", "filter": {"or": []}});
    let reply = list(&gateway, none).await;
    let page_info = &reply.data()["iosLobAppProvisioningConfiguration"]["deviceStatuses"]["pageInfo"];
    assert_eq!((&page_info["hasNextPage"], &page_info["hasPreviousPage"]), (&json!(false), &json!(false)));
}

#[tokio::test]
async fn no_token_over_a_websocket_names_the_payload_of_connection_init() {
    let gateway = Gateway::start().await;
    let mut socket = Socket::open(&gateway.url, &[]).await.unwrap();
    socket.send(json!({"type": "connection_init"})).await;
    assert_eq!(socket.next().await, json!({"type": "connection_ack"}));
    socket.subscribe("1", "query($id: ID!) { iosLobAppProvisioningConfiguration(id: $id) { id } }").await;
    let next = socket.next().await;
    let message = next["payload"]["errors"][0]["message"].as_str().unwrap();
    assert!(message.contains("`connection_init`") && message.contains("`connectionParams`"), "{message}");
}
