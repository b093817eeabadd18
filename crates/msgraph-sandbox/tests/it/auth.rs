//! Tokens, scopes and challenges.

use reqwest::Method;

use super::{Graph, P, demo, json, reply};

const CHALLENGE: &str = r#"Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", client_id="00000003-0000-0000-c000-000000000000""#;

#[tokio::test]
async fn a_request_without_a_token_gets_a_challenge() {
    let graph = Graph::start().await;
    let answer = reply(graph.without_token(Method::GET, &demo(""))).await;
    let (code, message) = answer.error(401);
    assert_eq!(code, "InvalidAuthenticationToken");
    assert_eq!(message, "Access token is empty.");
    assert_eq!(answer.header("www-authenticate"), CHALLENGE);
}

#[tokio::test]
async fn rejected_tokens_have_a_reason() {
    let graph = Graph::start().await;
    for (token, expected) in [
        ("not a token", "CompactToken parsing failed with error code: 80049217"),
        ("undefined", "CompactToken parsing failed with error code: 80049217"),
        ("null", "CompactToken parsing failed with error code: 80049217"),
        ("expired-token", "Access token has expired or is not yet valid."),
        ("wrong-audience-token", "Access token validation failure. Invalid audience."),
    ] {
        let (_, message) =
            reply(graph.without_token(Method::GET, &demo("")).bearer_auth(token)).await.error(401);
        assert_eq!(message, expected);
    }
}

#[tokio::test]
async fn a_revoked_token_gets_a_claims_challenge_and_another_one_passes() {
    let graph = Graph::start().await;
    let request = |token| graph.without_token(Method::GET, &demo("")).bearer_auth(token);
    let answer = reply(request("revoked-token")).await;
    let (_, message) = answer.error(401);
    assert!(message.starts_with("Continuous access evaluation resulted in challenge"));
    assert_eq!(
        answer.header("www-authenticate"),
        format!(
            r#"{CHALLENGE}, error="insufficient_claims", claims="eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjp7ImVzc2VudGlhbCI6dHJ1ZSwgInZhbHVlIjoiMTYzNTUyNzc5MCJ9fX0=""#
        )
    );
    reply(request("fresh")).await.expect(200);
}

#[tokio::test]
async fn lacking_scopes_are_listed_in_an_intune_error() {
    let graph = Graph::start().await;
    let body = serde_json::json!({});
    let write = |token| json(graph.without_token(Method::POST, P), &body).bearer_auth(token);
    let (code, message) = reply(write("read-only-token")).await.error(403);
    assert_eq!(code, "Forbidden");
    let inner: serde_json::Value = serde_json::from_str(&message).unwrap();
    assert!(inner["Message"].as_str().unwrap().starts_with(
        "Application is not authorized to perform this operation. Application must have one of the following scopes: DeviceManagementConfiguration.ReadWrite.All, DeviceManagementApps.ReadWrite.All - Operation ID"
    ));
    let read = |token| graph.without_token(Method::GET, &demo("")).bearer_auth(token);
    reply(read("read-only-token")).await.expect(200);
    reply(read("no-scope-token")).await.error(403);
}

#[tokio::test]
async fn a_read_scope_is_enough_for_payload_links() {
    let graph = Graph::start().await;
    let body = serde_json::json!({"payloadIds": []});
    let links = |token| {
        json(graph.without_token(Method::POST, &format!("{P}/hasPayloadLinks")), &body).bearer_auth(token)
    };
    reply(links("read-only-token")).await.expect(200);
    reply(links("configuration-token")).await.error(403);
}

#[tokio::test]
async fn authentication_can_be_off() {
    use msgraph_sandbox::settings::{Settings, Switch};
    let graph = Graph::with(Settings { auth: Switch::Off, ..Settings::default() }).await;
    reply(graph.without_token(Method::GET, &demo(""))).await.expect(200);
}
