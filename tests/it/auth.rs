//! The caller's token: which requests need one, and which tokens are accepted.

use serde_json::json;

use crate::add_device_status::{MUTATION, device_status, input};
use crate::harness::{Gateway, Reply, fresh_token};

#[tokio::test]
async fn a_request_without_a_usable_token_sends_nothing_to_graph() {
    let gateway = Gateway::start().await;
    let headers: [&[&str]; 9] = [
        &[],
        &[""],
        &["Bearer"],
        &["Bearer "],
        &["Basic dXNlcjpwYXNz"],
        &["Bearer a b"],
        &["Bearer a,b"],
        &["Bearer ä"],
        // Not a 400, as other gateways return: an invalid token counts as a missing one, which is a
        // field error under 200.
        &["Bearer one", "Bearer two"],
    ];
    for values in headers {
        let body = json!({"query": MUTATION, "variables": input(device_status())}).to_string();
        let mut request = gateway.post().header("content-type", "application/json").body(body);
        for value in values {
            request = request.header("authorization", value.as_bytes());
        }
        let reply = Reply::read(request.send().await.unwrap()).await;
        assert_eq!(reply.status, 200, "a missing token is a field error");
        assert_eq!(reply.code(), "UNAUTHENTICATED", "{values:?}");
        assert_eq!(reply.error()["extensions"]["outcome"], "NOT_SENT");
        assert_eq!(reply.json["data"], json!({"addDeviceStatus": null}));
        assert!(reply.error()["message"].as_str().unwrap().contains("Authorization: Bearer"));
    }
    assert!(gateway.sent().is_empty());
}

#[tokio::test]
async fn typename_and_introspection_need_no_token() {
    let gateway = Gateway::start().await;
    let reply = gateway.graphql_as(None, "{ __typename __schema { queryType { name } } }", json!({})).await;
    assert_eq!(reply.data(), &json!({"__typename": "Query", "__schema": {"queryType": {"name": "Query"}}}));
}

#[tokio::test]
async fn introspection_is_rejected_if_it_is_off() {
    let gateway = Gateway::builder().api(|api| api.introspection = false).start().await;
    for query in ["{ __schema { queryType { name } } }", "{ x: __type(name: \"Query\") { name } }"] {
        let reply = gateway.graphql_as(None, query, json!({})).await;
        assert_eq!(reply.code(), "INTROSPECTION_DISABLED");
        assert!(reply.json.get("data").is_none());
    }
    gateway.graphql_as(None, "{ __typename }", json!({})).await.data();
}

#[tokio::test]
async fn a_token_is_used_only_for_its_own_request() {
    let gateway = Gateway::start().await;
    let (one, two) = futures_util::future::join(
        gateway.graphql_as(Some("token-of-one"), MUTATION, input(device_status())),
        gateway.graphql_as(Some("token-of-two"), MUTATION, input(device_status())),
    )
    .await;
    one.data();
    two.data();
    let mut tokens: Vec<_> =
        gateway.sent().iter().map(|sent| sent.header("authorization").unwrap().to_owned()).collect();
    tokens.sort_unstable();
    assert_eq!(tokens, ["Bearer token-of-one", "Bearer token-of-two"]);
}

#[tokio::test]
async fn a_caller_is_identified_by_the_token_in_every_form_of_the_header() {
    let gateway = Gateway::start().await;
    let token = fresh_token();
    gateway.sandbox.inject("429;retry-after=600;times=1".parse().unwrap());
    for header in [format!("Bearer {token}"), format!("bearer {token}"), format!("BEARER   {token}")] {
        let body = json!({"query": MUTATION, "variables": input(device_status())}).to_string();
        let request =
            gateway.post().header("content-type", "application/json").header("authorization", &header);
        let reply = Reply::read(request.body(body).send().await.unwrap()).await;
        assert_eq!(reply.code(), "THROTTLED", "{header}");
    }
    assert_eq!(gateway.sent().len(), 1, "Graph told the caller to wait, and is not asked until then");
}
