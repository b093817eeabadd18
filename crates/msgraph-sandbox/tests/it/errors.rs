//! The error shapes, byte for byte.

use msgraph_sandbox::DEMO_CONFIGURATION_ID;
use reqwest::Method;

use super::{Graph, Reply, demo, reply};

const CLIENT_REQUEST_ID: &str = "d8d4fea4-bac5-3a83-88fd-0e43cd5b0505";

async fn named(graph: &Graph, path: &str) -> Reply {
    reply(graph.request(Method::GET, path).header("client-request-id", CLIENT_REQUEST_ID)).await
}

/// The tail that every envelope has.
fn inner_error(answer: &Reply) -> String {
    let body = answer.json();
    let date = body["error"]["innerError"]["date"].as_str().expect("a date");
    assert_eq!(date.len(), "2021-07-02T01:40:19".len());
    assert!(date.chars().all(|character| character.is_ascii_digit() || "-T:".contains(character)), "{date}");
    format!(
        r#""innerError":{{"date":"{date}","request-id":"{}","client-request-id":"{CLIENT_REQUEST_ID}"}}"#,
        answer.header("request-id")
    )
}

#[tokio::test]
async fn a_gateway_error() {
    let graph = Graph::start().await;
    let answer = named(&graph, "/beta/mef").await;
    assert_eq!(
        answer.text,
        format!(
            r#"{{"error":{{"code":"BadRequest","message":"Resource not found for the segment 'mef'.",{}}}}}"#,
            inner_error(&answer)
        )
    );
}

#[tokio::test]
async fn an_intune_error() {
    let graph = Graph::start().await;
    let answer = named(&graph, &demo("/deviceStatuses/a'b?$select=id")).await;
    assert_eq!(answer.status, 404);
    assert_eq!(
        answer.text,
        format!(
            r#"{{"error":{{"code":"ResourceNotFound","message":"{{\r\n  \"_version\": 3,\r\n  \"Message\": \"An error has occurred - Operation ID (for customer support): 00000000-0000-0000-0000-000000000000 - Activity ID: {CLIENT_REQUEST_ID} - Url: https://fef.msud01.manage.microsoft.com/AppLifecycle_2611/StatelessAppMetadataFEService/deviceAppManagement/iosLobAppProvisioningConfigurations('{DEMO_CONFIGURATION_ID}')/deviceStatuses('a''b')?api-version=5026-02-15&$select=id\",\r\n  \"CustomApiErrorPhrase\": \"\",\r\n  \"RetryAfter\": null,\r\n  \"ErrorSourceService\": \"\",\r\n  \"HttpHeaders\": \"{{}}\"\r\n}}",{}}}}}"#,
            inner_error(&answer)
        )
    );
}

#[tokio::test]
async fn a_missing_parent_is_not_found_either() {
    let graph = Graph::start().await;
    let path = demo("/deviceStatuses").replace(DEMO_CONFIGURATION_ID, "nope");
    let (code, message) = graph.get(&path).await.error(404);
    assert_eq!(code, "ResourceNotFound");
    assert!(message.starts_with("{\r\n  \"_version\": 3,\r\n  \"Message\": \"An error has occurred - "));
}

#[tokio::test]
async fn a_double_wrapped_time_out() {
    let graph = Graph::start().await;
    graph.inject("gateway-timeout;times=1");
    let answer = named(&graph, &demo("")).await;
    assert!(
        answer.text.starts_with(
            r#"{"error":{"code":"UnknownError","message":"{\"Message\":\"{\\r\\n  \\\"_version\\\": 3,\\r\\n"#
        ),
        "{}",
        answer.text
    );
    assert!(
        answer.text.ends_with(&format!(r#"\\r\\n}}\"}}",{}}}}}"#, inner_error(&answer))),
        "{}",
        answer.text
    );
}

#[tokio::test]
async fn the_gateways_429() {
    let graph = Graph::start().await;
    graph.inject("429;retry-after=10;times=1");
    let answer = graph.get(&demo("")).await;
    assert_eq!(answer.status, 429);
    assert_eq!(answer.header("retry-after"), "10");
    let inner = answer.json();
    let date = inner["error"]["innerError"]["date"].as_str().unwrap();
    assert_eq!(
        answer.text,
        format!(
            r#"{{"error":{{"code":"TooManyRequests","innerError":{{"code":"429","date":"{date}","message":"Please retry after","request-id":"{}","status":"429"}},"message":"Please retry again later."}}}}"#,
            answer.header("request-id")
        )
    );
    assert!(!answer.headers.keys().any(|name| {
        name.as_str().starts_with("x-ms-throttle") || name.as_str().starts_with("ratelimit")
    }));
}
