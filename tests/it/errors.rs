//! Each way in which Graph can fail a create, and the error that the caller receives.

use msgraph_sandbox::{DEMO_CONFIGURATION_ID, FaultRule};
use serde_json::{Value, json};

use crate::add_device_status::{MUTATION, device_status, input};
use crate::harness::{Gateway, TOKEN};

/// The behaviour of Graph, in the sandbox's fault language (`TOKEN` is the caller's token), and the
/// result for the caller.
pub(crate) struct Case {
    fault: &'static str,
    code: &'static str,
    outcome: &'static str,
    retryable: bool,
    /// Other members of `extensions`, and a part of the message.
    more: fn() -> Value,
    message: &'static str,
}

impl Case {
    pub(crate) fn rule(&self, token: &str) -> FaultRule {
        FaultRule::once(self.fault.replace("TOKEN", token).parse().unwrap())
    }
}

const fn case(
    fault: &'static str,
    code: &'static str,
    outcome: &'static str,
    retryable: bool,
    more: fn() -> Value,
    message: &'static str,
) -> Case {
    Case { fault, code, outcome, retryable, more, message }
}

fn nothing() -> Value {
    json!({})
}

/// Graph's status and code.
fn graph(status: u16, code: impl Into<Value>) -> Value {
    json!({"graph": {"status": status, "code": code.into()}})
}

pub(crate) const CASES: &[Case] = &[
    // Refusals.
    case(
        "400;code=BadRequest;message=You sent TOKEN, why",
        "BAD_USER_INPUT",
        "REJECTED",
        false,
        || graph(400, "BadRequest"),
        "You sent [redacted], why",
    ),
    case(
        "400;body=wrapped;code=BadRequest;message=Bad property",
        "BAD_USER_INPUT",
        "REJECTED",
        false,
        || graph(400, "BadRequest"),
        "rejected the request: Bad property",
    ),
    case(
        "401;code=InvalidAuthenticationToken;message=Access token has expired.",
        "UNAUTHENTICATED",
        "REJECTED",
        false,
        || graph(401, "InvalidAuthenticationToken"),
        "expired",
    ),
    case(
        "claims-challenge",
        "UNAUTHENTICATED",
        "REJECTED",
        false,
        || graph(401, "InvalidAuthenticationToken"),
        "challenge",
    ),
    case(
        "403;body=wrapped;code=Forbidden;message=Application must have one of the following scopes: A, B",
        "FORBIDDEN",
        "REJECTED",
        false,
        || graph(403, "Forbidden"),
        "one of the following scopes: A, B",
    ),
    case(
        "404;body=wrapped;code=ResourceNotFound",
        "NOT_FOUND",
        "REJECTED",
        false,
        || graph(404, "ResourceNotFound"),
        "no such object",
    ),
    case("410", "NOT_FOUND", "REJECTED", false, nothing, "no such object"),
    case(
        "409;code=Conflict;message=Taken",
        "CONFLICT",
        "REJECTED",
        false,
        || graph(409, "Conflict"),
        "Taken",
    ),
    case("412", "CONFLICT", "REJECTED", false, nothing, "conflict"),
    case("413;body=empty", "BAD_USER_INPUT", "REJECTED", false, || graph(413, Value::Null), "rejected"),
    case("415", "BAD_USER_INPUT", "REJECTED", false, nothing, "rejected"),
    case("422;message=No", "BAD_USER_INPUT", "REJECTED", false, nothing, "No"),
    case("418;body=text", "BAD_USER_INPUT", "REJECTED", false, || graph(418, Value::Null), "rejected"),
    // No such operation.
    case(
        "missing-route",
        "UPSTREAM_NOT_SUPPORTED",
        "REJECTED",
        false,
        || graph(400, "No method match route template"),
        "POST /beta/deviceAppManagement",
    ),
    case(
        "segment-not-found",
        "UPSTREAM_NOT_SUPPORTED",
        "REJECTED",
        false,
        || graph(400, "BadRequest"),
        "no such operation in this tenant",
    ),
    case(
        "invalid-version",
        "UPSTREAM_NOT_SUPPORTED",
        "REJECTED",
        false,
        || graph(404, "ResourceNotFound"),
        "POST /beta/",
    ),
    case(
        "405;code=Request_BadRequest",
        "UPSTREAM_NOT_SUPPORTED",
        "REJECTED",
        false,
        || graph(405, "Request_BadRequest"),
        "POST /beta/",
    ),
    case("501", "UPSTREAM_NOT_SUPPORTED", "UNKNOWN", false, nothing, "POST /beta/"),
    // Failures.
    case(
        "500;body=wrapped;code=InternalServerError",
        "OUTCOME_UNKNOWN",
        "UNKNOWN",
        false,
        || graph(500, "InternalServerError"),
        "may have happened",
    ),
    case("500;applied=true", "OUTCOME_UNKNOWN", "UNKNOWN", false, nothing, "may have happened"),
    case("bad-gateway", "OUTCOME_UNKNOWN", "UNKNOWN", false, || graph(502, Value::Null), "may have happened"),
    case(
        "503;retry-after=3",
        "UPSTREAM_UNAVAILABLE",
        "REJECTED",
        true,
        || json!({"retryAfter": 3}),
        "unavailable",
    ),
    case("503", "OUTCOME_UNKNOWN", "UNKNOWN", false, || json!({"retryAfter": null}), "may have happened"),
    case(
        "service-timeout;retry-after=3",
        "OUTCOME_UNKNOWN",
        "UNKNOWN",
        false,
        || graph(503, "CancelledOnServiceTimeout"),
        "may have happened",
    ),
    case("504", "OUTCOME_UNKNOWN", "UNKNOWN", false, nothing, "may have happened"),
    case(
        "504;body=empty-message;code=UnknownError",
        "OUTCOME_UNKNOWN",
        "UNKNOWN",
        false,
        || graph(504, "UnknownError"),
        "may have happened",
    ),
    case(
        "504;body=empty",
        "OUTCOME_UNKNOWN",
        "UNKNOWN",
        false,
        || graph(504, Value::Null),
        "may have happened",
    ),
    case(
        "gateway-timeout",
        "OUTCOME_UNKNOWN",
        "UNKNOWN",
        false,
        || graph(504, "UnknownError"),
        "may have happened",
    ),
    case("gateway-timeout;applied=true", "OUTCOME_UNKNOWN", "UNKNOWN", false, nothing, "may have happened"),
    case("507", "OUTCOME_UNKNOWN", "UNKNOWN", false, nothing, "may have happened"),
    case("408", "OUTCOME_UNKNOWN", "UNKNOWN", false, nothing, "may have happened"),
    // Bodies that are not an envelope, with any status.
    case("400;body=empty", "BAD_USER_INPUT", "REJECTED", false, || graph(400, Value::Null), "rejected"),
    case("400;body=truncated", "BAD_USER_INPUT", "REJECTED", false, || graph(400, Value::Null), "rejected"),
    case("400;body=text", "BAD_USER_INPUT", "REJECTED", false, || graph(400, Value::Null), "rejected"),
    case("400;body=html", "BAD_USER_INPUT", "REJECTED", false, || graph(400, Value::Null), "rejected"),
    // Redirects are not followed.
    case(
        "302;location=http://127.0.0.1:1/beta",
        "OUTCOME_UNKNOWN",
        "UNKNOWN",
        false,
        || graph(302, "Found").as_object().map_or(Value::Null, |_| json!({"graph": {"status": 302}})),
        "may have happened",
    ),
    case(
        "307;location=/beta/elsewhere",
        "OUTCOME_UNKNOWN",
        "UNKNOWN",
        false,
        || json!({"graph": {"status": 307}}),
        "may have happened",
    ),
    // Connections that end.
    case(
        "drop-unread",
        "OUTCOME_UNKNOWN",
        "UNKNOWN",
        false,
        || json!({"graph": {"status": null}}),
        "may have happened",
    ),
    case(
        "drop-unread;close=reset",
        "OUTCOME_UNKNOWN",
        "UNKNOWN",
        false,
        || json!({"graph": {"status": null}}),
        "may have happened",
    ),
    case("drop-mid-answer", "OUTCOME_UNKNOWN", "UNKNOWN", false, nothing, "may have happened"),
    case("drop-mid-answer;close=reset", "OUTCOME_UNKNOWN", "UNKNOWN", false, nothing, "may have happened"),
    case("drop-applied", "OUTCOME_UNKNOWN", "UNKNOWN", false, nothing, "may have happened"),
    case("drop-applied;close=reset", "OUTCOME_UNKNOWN", "UNKNOWN", false, nothing, "may have happened"),
    // Successes without the created object.
    case(
        "without;members=id",
        "UPSTREAM_ERROR",
        "APPLIED",
        false,
        || graph(201, Value::Null),
        "Do not send the create again",
    ),
    case(
        "empty-body",
        "UPSTREAM_ERROR",
        "APPLIED",
        false,
        || graph(201, Value::Null),
        "Do not send the create again",
    ),
    case("not-json", "UPSTREAM_ERROR", "APPLIED", false, nothing, "Do not send the create again"),
    case("truncated", "UPSTREAM_ERROR", "APPLIED", false, nothing, "Do not send the create again"),
    case(
        "created-204;header=none",
        "UPSTREAM_ERROR",
        "APPLIED",
        false,
        || graph(204, Value::Null),
        "Do not send the create again",
    ),
    case(
        "created-204;header=location;location=https://evil.example/beta/deviceAppManagement/x",
        "UPSTREAM_ERROR",
        "APPLIED",
        false,
        nothing,
        "Do not send the create again",
    ),
    case(
        "canned;status=200;text=<html>sign in</html>",
        "OUTCOME_UNKNOWN",
        "UNKNOWN",
        false,
        || graph(200, Value::Null),
        "may have happened",
    ),
    case("canned;status=202;text={}", "OUTCOME_UNKNOWN", "UNKNOWN", false, nothing, "may have happened"),
    // Throttling. A `Retry-After` applies to all requests of the token, so its case is the last
    // one.
    case(
        "429;body=wrapped;code=TooManyRequests",
        "THROTTLED",
        "REJECTED",
        true,
        || json!({"graph": {"status": 429}}),
        "throttles",
    ),
    case("429;retry-after=soon", "THROTTLED", "REJECTED", true, nothing, "throttles"),
    case("429;retry-after=10", "THROTTLED", "REJECTED", true, || json!({"retryAfter": 10}), "throttles"),
];

#[tokio::test]
async fn each_graph_response_maps_to_its_code_and_outcome_and_is_sent_once() {
    let gateway = Gateway::short_timeouts().start().await;
    for case in CASES {
        gateway.sandbox.clear_faults();
        gateway.clear_requests();
        gateway.sandbox.inject(case.rule(TOKEN));
        let reply = gateway.graphql(MUTATION, input(device_status())).await;
        let error = reply.error();
        let extensions = &error["extensions"];
        assert_eq!(extensions["code"], case.code, "{}: {error:#}", case.fault);
        assert_eq!(extensions["outcome"], case.outcome, "{}: {error:#}", case.fault);
        assert_eq!(extensions["retryable"], case.retryable, "{}: {error:#}", case.fault);
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(case.message), "{}: {message}", case.fault);
        assert_eq!(error["path"], json!(["addDeviceStatus"]));
        assert_eq!(reply.json["data"], json!({"addDeviceStatus": null}));
        assert_eq!(reply.status, 200, "the HTTP status is GraphQL's own");
        for (name, expected) in (case.more)().as_object().unwrap() {
            match expected.as_object() {
                Some(members) => {
                    for (member, expected) in members {
                        assert_eq!(&extensions[name][member], expected, "{}: {error:#}", case.fault);
                    }
                }
                None => assert_eq!(&extensions[name], expected, "{}: {error:#}", case.fault),
            }
        }
        for inner in ["fef.", "manage.microsoft.com", "Operation ID", "Activity ID", "\r", "\\n"] {
            assert!(!message.contains(inner), "{}: {message}", case.fault);
        }
        let posts = gateway.sent().iter().filter(|sent| sent.method == http::Method::POST).count();
        assert_eq!(posts, 1, "{}", case.fault);
        assert_eq!(gateway.sent().len(), 1, "{}: nothing else is asked", case.fault);
    }
}

#[tokio::test]
async fn request_ids_are_returned() {
    let gateway = Gateway::start().await;
    gateway.sandbox.inject(FaultRule::once("500".parse().unwrap()));
    let reply = gateway.graphql(MUTATION, input(device_status())).await;
    let graph = &reply.error()["extensions"]["graph"];
    let sent = gateway.sent();
    assert_eq!(graph["clientRequestId"].as_str(), sent[0].header("client-request-id"));
    assert_eq!(graph["requestId"].as_str().unwrap().len(), 36);
}

#[tokio::test]
async fn a_claims_challenge_is_returned_unchanged() {
    let gateway = Gateway::start().await;
    gateway.sandbox.inject(FaultRule::once("claims-challenge".parse().unwrap()));
    let reply = gateway.graphql(MUTATION, input(device_status())).await;
    let challenge = reply.error()["extensions"]["wwwAuthenticate"].as_str().unwrap();
    assert!(
        challenge.starts_with("Bearer realm=\"\"") && challenge.contains("error=\"insufficient_claims\"")
    );
    assert!(challenge.contains("claims=\"eyJ"), "{challenge}");
    // The next request, with another token, is served.
    gateway.graphql_as(Some("another-token"), MUTATION, input(device_status())).await.data();
}

#[tokio::test]
async fn retry_after_may_be_a_date() {
    let gateway = Gateway::start().await;
    gateway.sandbox.inject(FaultRule::once("429;retry-after=date:40s".parse().unwrap()));
    let reply = gateway.graphql(MUTATION, input(device_status())).await;
    let wait = reply.error()["extensions"]["retryAfter"].as_f64().unwrap();
    assert!((35.0..=41.0).contains(&wait), "{wait}");
}

#[tokio::test]
async fn graphs_own_rejections_map_to_codes() {
    let gateway = Gateway::start().await;
    for (token, code) in [
        ("expired-token", "UNAUTHENTICATED"),
        ("wrong-audience-token", "UNAUTHENTICATED"),
        ("revoked-token", "UNAUTHENTICATED"),
        ("read-only-token", "FORBIDDEN"),
        ("no-scope-token", "FORBIDDEN"),
    ] {
        let reply = gateway.graphql_as(Some(token), MUTATION, input(device_status())).await;
        assert_eq!(reply.code(), code, "{token}");
    }
    let message = gateway.graphql_as(Some("read-only-token"), MUTATION, input(device_status())).await;
    let message = message.error()["message"].as_str().unwrap();
    assert!(message.contains("DeviceManagementApps.ReadWrite.All"), "{message}");
}

#[tokio::test]
async fn a_403_says_what_the_caller_lacks() {
    let gateway = Gateway::start().await;
    let read = "{ iosLobAppProvisioningConfigurations { nodes { id } } }";
    let reply = gateway.graphql_as(Some("read-only-token"), MUTATION, input(device_status())).await;
    let extensions = &reply.error()["extensions"];
    assert_eq!(extensions["reason"], "SCOPE");
    let required = ["DeviceManagementConfiguration.ReadWrite.All", "DeviceManagementApps.ReadWrite.All"];
    assert_eq!(extensions["requiredPermissions"], json!(required));
    let message = reply.error()["message"].as_str().unwrap();
    assert!(
        message.ends_with(". Ask an administrator to grant the app one of the required permissions."),
        "{message}"
    );

    for (message, reason, advice) in [
        ("User is not authorized to perform this operation", "ROLE", "an Intune role"),
        ("Set x-msft-approval-justification to continue", "APPROVAL", "a second administrator"),
        ("Insufficient privileges to complete the operation.", "OTHER", "Insufficient privileges"),
    ] {
        let fault = format!("403;body=wrapped;code=Forbidden;message={message}");
        gateway.sandbox.inject(FaultRule::once(fault.parse().unwrap()));
        let reply = gateway.graphql(read, json!({})).await;
        let extensions = &reply.error()["extensions"];
        assert_eq!(extensions["reason"], reason);
        assert_eq!(extensions.get("requiredPermissions"), None);
        assert!(reply.error()["message"].as_str().unwrap().contains(advice), "{reply:?}");
    }

    // An item of a bulk write has the same as fields.
    let bulk = "mutation ($input: AddDeviceStatusesInput!) { addDeviceStatuses(input: $input) {
        results { error { code reason requiredPermissions } } } }";
    let statuses = json!([device_status(), device_status()]);
    let variables = json!({"input": {"configurationId": DEMO_CONFIGURATION_ID, "deviceStatuses": statuses}});
    let reply = gateway.graphql_as(Some("read-only-token"), bulk, variables).await;
    for result in reply.data()["addDeviceStatuses"]["results"].as_array().unwrap() {
        let error = json!({"code": "FORBIDDEN", "reason": "SCOPE", "requiredPermissions": required});
        assert_eq!(result["error"], error);
    }
}

#[tokio::test]
async fn a_refused_connection_is_not_sent() {
    // Bound and not listening: no other process can use the port, and connections to it are
    // refused.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let root = format!("http://{}/beta", socket.local_addr().unwrap());
    let gateway = Gateway::short_timeouts().graph_root(&root).start().await;
    let reply = gateway.graphql(MUTATION, input(device_status())).await;
    assert_eq!(reply.code(), "UPSTREAM_UNAVAILABLE");
    assert_eq!(reply.error()["extensions"]["outcome"], "NOT_SENT");
    assert_eq!(reply.error()["extensions"]["retryable"], true);
    let read = "query { node(id: \"ig~1.c.YQ\") { id } }";
    let reply = gateway.graphql(read, json!({})).await;
    assert_eq!((reply.code(), reply.error()["extensions"].get("outcome")), ("UPSTREAM_UNAVAILABLE", None));
}

#[tokio::test]
async fn a_create_beyond_the_request_timeout_is_unknown_and_still_finishes() {
    let gateway = Gateway::builder()
        .settings(|settings| settings.request_timeout = std::time::Duration::from_millis(500))
        .start()
        .await;
    let before = gateway.sandbox.device_statuses(DEMO_CONFIGURATION_ID).len();
    gateway.sandbox.inject(FaultRule::once("slow-first-byte;wait=1500ms".parse().unwrap()));
    let query = "mutation($a: AddDeviceStatusInput!) {
        a: addDeviceStatus(input: $a) { deviceStatusId } b: addDeviceStatus(input: $a) { deviceStatusId } }";
    let reply = gateway.graphql(query, json!({"a": input(device_status())["input"]})).await;
    let extensions: Vec<&Value> =
        reply.json["errors"].as_array().unwrap().iter().map(|error| &error["extensions"]).collect();
    assert_eq!(
        (&extensions[0]["code"], &extensions[0]["outcome"]),
        (&json!("OUTCOME_UNKNOWN"), &json!("UNKNOWN"))
    );
    // The deadline is the request's: what comes after it in the same operation is not begun.
    assert_eq!(
        (&extensions[1]["code"], &extensions[1]["outcome"]),
        (&json!("UPSTREAM_TIMEOUT"), &json!("NOT_SENT"))
    );
    assert_eq!(gateway.sent().len(), 1);
    while gateway.sandbox.device_statuses(DEMO_CONFIGURATION_ID).len() == before {
        tokio::task::yield_now().await;
    }
}
