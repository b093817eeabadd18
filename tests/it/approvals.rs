//! Multi Admin Approval: writes that a second administrator has to approve.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use msgraph_sandbox::settings::{ApprovalPolicy, IdPolicy};
use msgraph_sandbox::{DEMO_CONFIGURATION_ID, FaultRule, RecordedRequest, Sandbox, Settings};
use serde_json::{Value, json};

use crate::add_device_status::{MUTATION, device_status, input};
use crate::bulk::numbered;
use crate::canned_graph::CannedResponse;
use crate::commands::Program;
use crate::drain::{self, try_send};
use crate::harness::{Gateway, Reply};
use crate::idempotency::{created, keyed};
use crate::malformed_writes::Scripted;

const JUSTIFICATION: &str = "x-msft-approval-justification";
const CODE: &str = "x-msft-approval-code";

/// A sandbox whose policy guards apps.
fn guarded() -> Settings {
    Settings { approval: ApprovalPolicy::Apps, ..Settings::default() }
}

async fn start() -> Gateway {
    Gateway::builder().sandbox(guarded()).start().await
}

/// A fault in which Graph asks for a justification although it has created the object.
fn leaves_an_object() -> FaultRule {
    let message = format!("Header '{JUSTIFICATION}' is required to request approval");
    format!("400;applied;code=BadRequest;body=wrapped;message={message};method=POST;times=1").parse().unwrap()
}

fn with_approval(mut variables: Value, approval: Value) -> Value {
    variables["input"]["approval"] = approval;
    variables
}

fn justified(variables: Value) -> Value {
    with_approval(variables, json!({"justification": "Ticket 7: größer"}))
}

fn with_code(variables: Value, code: &str) -> Value {
    with_approval(variables, json!({"code": code}))
}

/// The code of the request that a reply waits for.
#[track_caller]
fn pending(reply: &Reply) -> String {
    assert_eq!(reply.failure(), ("APPROVAL_PENDING", "REJECTED", false));
    reply.error()["extensions"]["approvalCode"].as_str().unwrap().to_owned()
}

/// The approval headers of a request.
fn approval_headers(request: &RecordedRequest) -> Vec<(&'static str, String)> {
    [JUSTIFICATION, CODE]
        .into_iter()
        .filter_map(|name| Some((name, request.header(name)?.to_owned())))
        .collect()
}

fn posts(gateway: &Gateway) -> Vec<RecordedRequest> {
    gateway.sent().into_iter().filter(|sent| sent.method == Method::POST).collect()
}

#[tokio::test]
async fn a_write_that_needs_approval_says_so_at_each_step() {
    let gateway = start().await;
    let before = gateway.status_count();
    let reply = gateway.graphql(MUTATION, input(device_status())).await;
    assert_eq!(reply.failure(), ("APPROVAL_REQUIRED", "UNKNOWN", false));
    insta::assert_snapshot!(reply.error()["message"].as_str().unwrap(), @"This write needs the approval of a second administrator. Repeat the call with `approval: { justification: … }`. Check before that whether the object exists: the refused call may have left it. Microsoft Graph asks for it: Header 'x-msft-approval-justification' is required to request approval");
    let first = gateway.sent().remove(0);
    assert_eq!(approval_headers(&first), []);

    gateway.clear_requests();
    let reply = gateway.graphql(MUTATION, justified(input(device_status()))).await;
    let code = pending(&reply);
    let message = reply.error()["message"].as_str().unwrap().replace(&code, "[code]");
    insta::assert_snapshot!(message, @"This write waits for the approval of a second administrator. After the approval, repeat the call with `approvalCode` in `approval: { code: … }`, and otherwise with the same input. Microsoft Graph returned: The request was submitted for approval. x-msft-approval-code: [code]");
    let [sent] = &gateway.sent()[..] else { panic!("one request") };
    assert_eq!(approval_headers(sent), [(JUSTIFICATION, STANDARD.encode("Ticket 7: größer"))]);
    assert_eq!(gateway.sandbox.approvals()[0].justification, "Ticket 7: größer");
    assert_eq!(reply.error()["extensions"]["graph"]["status"], 412);

    // While the request is open, Graph does not return its code.
    for variables in [justified(input(device_status())), with_code(input(device_status()), &code)] {
        let reply = gateway.graphql(MUTATION, variables).await;
        assert_eq!(reply.failure(), ("APPROVAL_PENDING", "REJECTED", false));
        let extensions = &reply.error()["extensions"];
        assert_eq!((&extensions["graph"]["status"], extensions.get("approvalCode")), (&json!(409), None));
    }

    assert!(gateway.sandbox.approve(&code));
    gateway.clear_requests();
    let reply = gateway.graphql(MUTATION, with_code(input(device_status()), &code)).await;
    created(&reply);
    let [sent] = &gateway.sent()[..] else { panic!("one request") };
    assert_eq!(approval_headers(sent), [(CODE, code.clone())]);
    assert_eq!((&sent.path, &sent.body), (&first.path, &first.body), "the same request");
    assert_eq!(gateway.status_count(), before + 1);
}

#[tokio::test]
async fn a_repeat_that_is_not_the_approved_write_says_what_must_be_identical() {
    let gateway = start().await;
    let code = pending(&gateway.graphql(MUTATION, justified(input(device_status()))).await);
    assert!(gateway.sandbox.approve(&code));
    let mut other = input(device_status());
    other["input"]["deviceStatus"]["userName"] = json!("other");
    let reply = gateway.graphql(MUTATION, with_code(other, &code)).await;
    assert_eq!(reply.failure(), ("FORBIDDEN", "REJECTED", false));
    assert_eq!(reply.error()["extensions"]["reason"], "APPROVAL");
    insta::assert_snapshot!(reply.error()["message"].as_str().unwrap(), @"Microsoft Graph does not allow the caller to do this: An error has occurred. With `approval: { code: … }`, the call must have the same input as the one that was held, and come from the same user and app. Its request must be approved, not used yet, and not expired.");
    let same = with_code(input(device_status()), &code);
    let reply = gateway.graphql_as(Some("second-user-token"), MUTATION, same.clone()).await;
    assert_eq!(reply.error()["extensions"]["reason"], "APPROVAL");
    // A permission that the token lacks is another reason.
    let reply = gateway.graphql_as(Some("read-only-token"), MUTATION, same).await;
    assert_eq!(reply.error()["extensions"]["reason"], "SCOPE");

    // Refused, expired and used requests are the same to Graph.
    let refused = pending(&gateway.graphql(MUTATION, justified(keyed("a", numbered(1).remove(0)))).await);
    assert!(gateway.sandbox.refuse(&refused));
    let reply = gateway.graphql(MUTATION, with_code(keyed("a", numbered(1).remove(0)), &refused)).await;
    assert_eq!(reply.error()["extensions"]["reason"], "APPROVAL");
    gateway.sandbox.advance_clock(std::time::Duration::from_hours(73));
    let reply = gateway.graphql(MUTATION, with_code(input(device_status()), &code)).await;
    assert_eq!(reply.error()["extensions"]["reason"], "APPROVAL");
}

/// Each write but `addDeviceStatuses`: its field, and the input without an approval.
fn writes(status_id: &Value) -> Vec<(&'static str, &'static str, Value)> {
    let configuration = json!({"displayName": "n", "payloadFileName": "f", "payload": "YQ=="});
    vec![
        ("AddDeviceStatus", "deviceStatusId", input(device_status())["input"].clone()),
        (
            "UpdateDeviceStatus",
            "deviceStatus { id }",
            json!({"id": status_id, "deviceStatus": {"userName": "x"}}),
        ),
        (
            "CreateIosLobAppProvisioningConfiguration",
            "configurationId",
            json!({ "configuration": configuration }),
        ),
        (
            "UpdateIosLobAppProvisioningConfiguration",
            "configuration { id }",
            json!({"id": DEMO_CONFIGURATION_ID, "configuration": {"displayName": "x"}}),
        ),
        (
            "AssignIosLobAppProvisioningConfiguration",
            "configuration { id }",
            json!({"id": DEMO_CONFIGURATION_ID, "assignments": [{"target": "ALL_DEVICES"}], "groupAssignments": []}),
        ),
        ("DeleteDeviceStatus", "deletedId", json!({ "id": status_id })),
        ("DeleteIosLobAppProvisioningConfiguration", "deletedId", json!({"id": DEMO_CONFIGURATION_ID})),
    ]
}

#[tokio::test]
async fn each_mutation_goes_through_the_exchange_and_reads_carry_nothing() {
    let gateway = start().await;
    let first = "query($id: ID!) { iosLobAppProvisioningConfiguration(id: $id) { deviceStatuses(first: 1) { nodes { id } } } }";
    let reply = gateway.graphql(first, json!({"id": DEMO_CONFIGURATION_ID})).await;
    let id = reply.data()["iosLobAppProvisioningConfiguration"]["deviceStatuses"]["nodes"][0]["id"].clone();
    for (name, selection, input) in writes(&id) {
        let field = format!("{}{}", name[..1].to_lowercase(), &name[1..]);
        let mutation =
            format!("mutation($input: {name}Input!) {{ {field}(input: $input) {{ {selection} }} }}");
        let variables = json!({ "input": input });
        gateway.clear_requests();
        let reply = gateway.graphql(&mutation, variables.clone()).await;
        assert_eq!(reply.failure(), ("APPROVAL_REQUIRED", "UNKNOWN", false), "{name}");
        let code = pending(&gateway.graphql(&mutation, justified(variables.clone())).await);
        assert!(gateway.sandbox.approve(&code));
        let reply = gateway.graphql(&mutation, with_code(variables, &code)).await;
        assert!(!reply.data()[&field].is_null(), "{name}");

        let sent = gateway.sent();
        let (reads, writes): (Vec<_>, Vec<_>) = sent.iter().partition(|sent| sent.method == Method::GET);
        assert!(reads.iter().all(|read| approval_headers(read).is_empty()), "{name}");
        let headers: Vec<_> = writes.iter().flat_map(|write| approval_headers(write)).collect();
        assert_eq!(headers, [(JUSTIFICATION, STANDARD.encode("Ticket 7: größer")), (CODE, code)], "{name}");
        let requests = writes.iter().map(|write| (&write.method, &write.path, &write.body));
        let [one, two, three] = &requests.collect::<Vec<_>>()[..] else { panic!("{name}") };
        assert!(one == two && two == three, "{name}");
    }
}

#[tokio::test]
async fn an_approval_is_checked_before_anything_is_sent() {
    let gateway = start().await;
    // Exactly one of both, before anything executes.
    for approval in [
        json!({}),
        json!({"justification": "a", "code": "b"}),
        json!({"justification": null}),
        json!({"justification": "a", "code": null}),
        json!({"why": "a"}),
    ] {
        let reply = gateway.graphql(MUTATION, with_approval(input(device_status()), approval.clone())).await;
        assert_eq!(reply.code(), "BAD_USER_INPUT", "{approval}");
        assert_eq!(reply.error()["extensions"]["variable"][0], "input", "{approval}");
    }
    let literal =
        "mutation { deleteDeviceStatus(input: {id: \"x\", approval: {justification: \"a\", code: \"b\"}}) {
        deletedId } }";
    let expected = "GRAPHQL_VALIDATION_FAILED";
    assert_eq!(gateway.graphql(literal, json!({})).await.code(), expected);

    for (approval, named) in [
        (json!({"justification": ""}), "`input.approval.justification` must not be blank"),
        (json!({"justification": " \n"}), "`input.approval.justification` must not be blank"),
        (json!({"justification": "ü".repeat(385)}), "at most 768 bytes"),
        (json!({"code": ""}), "`input.approval.code` must be the code"),
        (json!({"code": "a\r\nx-evil: 1"}), "`input.approval.code` must be the code"),
        (json!({"code": "a".repeat(65)}), "up to 64 letters"),
        (json!({"code": "ä"}), "`input.approval.code`"),
    ] {
        let reply = gateway.graphql(MUTATION, with_approval(input(device_status()), approval)).await;
        assert_eq!(reply.failure(), ("BAD_USER_INPUT", "NOT_SENT", false));
        let message = reply.error()["message"].as_str().unwrap();
        assert!(message.contains(named) && !message.contains("evil"), "{message}");
    }
    assert_eq!(gateway.sent().len(), 0);
    // The longest that fits, and a text that no header could hold as it is.
    for text in ["ü".repeat(384), "a\r\nx-evil: 1\0".to_owned()] {
        let approval = json!({ "justification": text });
        let mut status = device_status();
        status["userName"] = json!(text.len().to_string());
        pending(&gateway.graphql(MUTATION, with_approval(input(status), approval)).await);
        assert_eq!(gateway.sandbox.approvals().pop().unwrap().justification, text);
    }
}

#[tokio::test]
async fn one_idempotency_key_carries_the_whole_exchange() {
    let gateway = start().await;
    let before = gateway.status_count();
    let call = || keyed("k", device_status());
    let reply = gateway.graphql(MUTATION, call()).await;
    assert_eq!(reply.failure(), ("APPROVAL_REQUIRED", "UNKNOWN", false));

    // Graph may have left an object, so that it is not sent again without an approval.
    gateway.clear_requests();
    let reply = gateway.graphql(MUTATION, call()).await;
    assert_eq!(reply.failure(), ("APPROVAL_REQUIRED", "UNKNOWN", false));
    let mut other = call();
    other["input"]["deviceStatus"]["userName"] = json!("other");
    let reply = gateway.graphql(MUTATION, justified(other)).await;
    assert_eq!(reply.failure(), ("IDEMPOTENCY_KEY_REUSED", "NOT_SENT", false));
    assert_eq!(posts(&gateway).len(), 0);

    let code = pending(&gateway.graphql(MUTATION, justified(call())).await);
    let reply = gateway.graphql(MUTATION, with_code(call(), &code)).await;
    assert_eq!(reply.failure(), ("APPROVAL_PENDING", "REJECTED", false));
    let reply = gateway.graphql(MUTATION, call()).await;
    assert_eq!(reply.failure(), ("APPROVAL_REQUIRED", "UNKNOWN", false), "the first call is not forgotten");
    assert!(gateway.sandbox.approve(&code));
    let reply = gateway.graphql(MUTATION, with_code(call(), &code)).await;
    let (id, replayed) = created(&reply);
    assert!(!replayed);

    gateway.clear_requests();
    for variables in [call(), justified(call()), with_code(call(), &code)] {
        let reply = gateway.graphql(MUTATION, variables).await;
        assert_eq!(created(&reply), (id, true));
    }
    assert_eq!(posts(&gateway).len(), 0);
    assert_eq!(gateway.status_count(), before + 1);
}

#[tokio::test]
async fn a_held_create_is_sent_again_only_with_an_approval() {
    let gateway = start().await;
    let before = gateway.status_count();
    let call = || {
        let mut status = device_status();
        status["graphId"] = json!("held");
        keyed("k", status)
    };
    let code = pending(&gateway.graphql(MUTATION, justified(call())).await);
    // Nothing was written, so that nothing is looked for either.
    let is_still_held = async || {
        gateway.clear_requests();
        let reply = gateway.graphql(MUTATION, call()).await;
        assert_eq!(reply.failure(), ("APPROVAL_PENDING", "REJECTED", false));
        assert_eq!(reply.error()["extensions"].get("approvalCode"), None);
        let sent = gateway.sent();
        assert!(!sent.iter().any(|sent| sent.path.contains("deviceStatuses")), "{sent:?}");
        reply.error()["message"].as_str().unwrap().to_owned()
    };
    insta::assert_snapshot!(is_still_held().await, @"This write waits for the approval of a second administrator, which an earlier call with this idempotency key asked for. This call has no approval for it, so the gateway did not send it. After the approval, repeat the call with the code of the request in `approval: { code: … }`; the gateway does not store the code. If the request was refused or has expired, ask again with `approval: { justification: … }`.");
    let mut other = call();
    other["input"]["deviceStatus"]["userName"] = json!("other");
    let reply = gateway.graphql(MUTATION, justified(other)).await;
    assert_eq!(reply.failure(), ("IDEMPOTENCY_KEY_REUSED", "NOT_SENT", false));

    // It stays held after each rejection.
    let reply = gateway.graphql(MUTATION, with_code(call(), "another-code")).await;
    assert_eq!(reply.failure(), ("FORBIDDEN", "REJECTED", false));
    is_still_held().await;
    for variables in [with_code(call(), &code), justified(call())] {
        let reply = gateway.graphql(MUTATION, variables).await;
        assert_eq!(reply.failure(), ("APPROVAL_PENDING", "REJECTED", false));
    }
    is_still_held().await;

    assert!(gateway.sandbox.approve(&code));
    gateway.clear_requests();
    let reply = gateway.graphql(MUTATION, with_code(call(), &code)).await;
    let (id, replayed) = created(&reply);
    assert!(!replayed);
    assert!(
        !gateway.sent().iter().any(|sent| sent.method == Method::GET && sent.path.contains("deviceStatuses"))
    );
    assert_eq!(created(&gateway.graphql(MUTATION, call()).await), (id, true));
    assert_eq!((posts(&gateway).len(), gateway.status_count()), (1, before + 1));
}

#[tokio::test]
async fn a_held_create_that_is_refused_may_have_left_an_object() {
    let gateway = start().await;
    let call = || keyed("k", device_status());
    let code = pending(&gateway.graphql(MUTATION, justified(call())).await);
    let asks = format!("400;body=wrapped;message=Header '{JUSTIFICATION}' is required;method=POST;times=1");
    gateway.replace_faults(&[&asks]);
    // From then on it is known, also while it is held again.
    for (variables, expected) in [
        (with_code(call(), &code), ("APPROVAL_REQUIRED", "UNKNOWN", false)),
        (call(), ("APPROVAL_REQUIRED", "UNKNOWN", false)),
        (with_code(call(), &code), ("APPROVAL_PENDING", "REJECTED", false)),
        (call(), ("APPROVAL_REQUIRED", "UNKNOWN", false)),
    ] {
        assert_eq!(gateway.graphql(MUTATION, variables).await.failure(), expected);
    }
    assert_eq!(posts(&gateway).len(), 2);
}

#[tokio::test]
async fn an_approved_create_whose_response_is_lost_is_not_sent_again() {
    let gateway = start().await;
    let before = gateway.status_count();
    gateway.graphql(MUTATION, keyed("k", device_status())).await.error();
    let code = pending(&gateway.graphql(MUTATION, justified(keyed("k", device_status()))).await);
    assert!(gateway.sandbox.approve(&code));
    gateway.replace_faults(&["drop-applied;method=POST;times=1"]);
    for variables in [with_code(keyed("k", device_status()), &code), justified(keyed("k", device_status()))] {
        let reply = gateway.graphql(MUTATION, variables).await;
        assert_eq!(reply.failure(), ("OUTCOME_UNKNOWN", "UNKNOWN", true));
    }
    assert_eq!((posts(&gateway).len(), gateway.status_count()), (1, before + 1));
}

#[tokio::test]
async fn an_approved_update_whose_response_is_lost_may_have_used_its_code() {
    const UPDATE: &str = "mutation($input: UpdateIosLobAppProvisioningConfigurationInput!) {
        updateIosLobAppProvisioningConfiguration(input: $input) { configuration { id } } }";
    let gateway = start().await;
    let update = || json!({"input": {"id": DEMO_CONFIGURATION_ID, "configuration": {"displayName": "x"}}});
    let code = pending(&gateway.graphql(UPDATE, justified(update())).await);
    assert!(gateway.sandbox.approve(&code));
    gateway.clear_requests();
    gateway.replace_faults(&["drop-applied;method=PATCH;times=1"]);
    let reply = gateway.graphql(UPDATE, with_code(update(), &code)).await;
    assert_eq!(reply.failure(), ("FORBIDDEN", "UNKNOWN", false));
    insta::assert_snapshot!(reply.error()["message"].as_str().unwrap(), @"Microsoft Graph does not allow the caller to do this: An error has occurred. The response to a first attempt with this code was lost: it may have executed the write and used the code. Read the object before you ask for another approval.");
    assert_eq!(gateway.sent().iter().filter(|sent| sent.method == Method::PATCH).count(), 2);
}

#[tokio::test]
async fn an_object_that_a_refused_create_has_left_is_found_by_its_key() {
    let settings = Settings { ids: IdPolicy::Keep, ..guarded() };
    let gateway =
        Gateway::builder().sandbox(Settings { approval: ApprovalPolicy::Off, ..settings }).keeps_ids();
    let gateway = gateway.start().await;
    let before = gateway.status_count();
    let call = |key: &str, id: &str| {
        let mut status = device_status();
        status["graphId"] = json!(id);
        keyed(key, status)
    };
    // At once,
    gateway.sandbox.inject(leaves_an_object());
    assert!(!created(&gateway.graphql(MUTATION, call("k1", "left-1")).await).1);
    assert_eq!((posts(&gateway).len(), gateway.status_count()), (1, before + 1));
    // or before it is sent with an approval, if it could not be read at first.
    gateway.clear_requests();
    gateway.sandbox.inject(leaves_an_object());
    gateway.sandbox.inject("403;method=GET;times=1".parse().unwrap());
    let reply = gateway.graphql(MUTATION, call("k2", "left-2")).await;
    assert_eq!(reply.failure(), ("APPROVAL_REQUIRED", "UNKNOWN", false));
    let reply = gateway.graphql(MUTATION, justified(call("k2", "left-2"))).await;
    assert!(created(&reply).1, "the earlier call has made it");
    assert_eq!((posts(&gateway).len(), gateway.status_count()), (1, before + 2));

    // Nothing is sent while it cannot be read.
    gateway.clear_requests();
    gateway.sandbox.inject(leaves_an_object());
    gateway.sandbox.inject("500;method=GET;path=deviceStatuses".parse().unwrap());
    gateway.graphql(MUTATION, call("k4", "left-4")).await.error();
    let reply = gateway.graphql(MUTATION, justified(call("k4", "left-4"))).await;
    assert_eq!(reply.failure(), ("OUTCOME_UNKNOWN", "UNKNOWN", true));
    insta::assert_snapshot!(reply.error()["message"].as_str().unwrap(), @"Microsoft Graph asked an earlier call with this idempotency key for an approval, and may have left the object. Reading it failed, so this call sent nothing. Repeat the call.");
    assert_eq!(posts(&gateway).len(), 1);
    gateway.sandbox.clear_faults();
    assert!(created(&gateway.graphql(MUTATION, justified(call("k4", "left-4"))).await).1);
    assert_eq!((posts(&gateway).len(), gateway.status_count()), (1, before + 3));

    // The key of another object is rejected by Graph.
    gateway.clear_requests();
    let message = format!("400;message=Header '{JUSTIFICATION}' is required;method=POST;times=1");
    gateway.sandbox.inject(message.parse().unwrap());
    let other = || {
        let mut variables = call("k5", "left-4");
        variables["input"]["deviceStatus"]["userName"] = json!("other");
        variables
    };
    gateway.graphql(MUTATION, other()).await.error();
    let reply = gateway.graphql(MUTATION, justified(other())).await;
    assert_eq!(reply.failure(), ("CONFLICT", "REJECTED", false));
    assert_eq!((posts(&gateway).len(), gateway.status_count()), (2, before + 3));

    // What is certainly not there is not sent again without an approval, even where ids are honored.
    gateway.clear_requests();
    let message = format!("400;message=Header '{JUSTIFICATION}' is required;method=POST");
    gateway.sandbox.inject(message.parse().unwrap());
    let reply = gateway.graphql(MUTATION, call("k3", "not-left")).await;
    assert_eq!(reply.failure(), ("APPROVAL_REQUIRED", "UNKNOWN", false));
    assert_eq!(posts(&gateway).len(), 1);
}

#[tokio::test]
async fn a_lost_create_that_needs_approval_when_sent_again_stays_unknown() {
    let settings = Settings { ids: IdPolicy::Keep, ..Settings::default() };
    let gateway = Gateway::builder().sandbox(settings).keeps_ids().start().await;
    let asks = format!("400;body=wrapped;message=Header '{JUSTIFICATION}' is required;method=POST;times=1");
    gateway.replace_faults(&["drop-unread;method=POST;times=1", &asks]);
    let call = || {
        let mut status = device_status();
        status["graphId"] = json!("lost");
        keyed("k", status)
    };
    let reply = gateway.graphql(MUTATION, call()).await;
    assert_eq!(reply.failure(), ("APPROVAL_REQUIRED", "UNKNOWN", false));
    assert_eq!(posts(&gateway).len(), 2);
    insta::assert_snapshot!(reply.error()["message"].as_str().unwrap(), @"Microsoft Graph's response to this create was lost: it may have happened. Sent again, it needs the approval of a second administrator. Check whether the object exists. If it does not, create it with `approval: { justification: … }` and, if the call had an idempotency key, a new key: a repeat with the old one sends nothing, since its outcome stays unknown. Microsoft Graph asks for it: Header 'x-msft-approval-justification' is required");

    // As the message says.
    for variables in [call(), justified(call())] {
        let reply = gateway.graphql(MUTATION, variables).await;
        assert_eq!(reply.failure(), ("OUTCOME_UNKNOWN", "UNKNOWN", true));
    }
    assert_eq!(posts(&gateway).len(), 2);
}

const BULK: &str = "mutation($input: AddDeviceStatusesInput!) { addDeviceStatuses(input: $input) {
    createdCount failedCount
    results { replayed deviceStatusId error { code message retryable outcome approvalCode reason } } } }";

#[tokio::test]
async fn the_items_of_a_bulk_write_are_approved_one_by_one() {
    let gateway = start().await;
    let before = gateway.status_count();
    let call = |more: Value| {
        let mut input = json!({"configurationId": DEMO_CONFIGURATION_ID, "deviceStatuses": numbered(3),
            "idempotencyKey": "k"});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "input": input })
    };
    let results = async |more: Value| {
        let reply = gateway.graphql(BULK, call(more)).await;
        reply.data()["addDeviceStatuses"]["results"].as_array().unwrap().clone()
    };
    let codes = |results: &[Value]| -> Vec<String> {
        let code = |result: &Value| result["error"]["code"].as_str().unwrap_or("created").to_owned();
        results.iter().map(code).collect()
    };
    let required = results(json!({})).await;
    assert_eq!(codes(&required), ["APPROVAL_REQUIRED"; 3]);
    assert_eq!(required[0]["error"]["outcome"], "UNKNOWN");
    let held = results(json!({"approval": {"justification": "why"}})).await;
    assert_eq!(codes(&held), ["APPROVAL_PENDING"; 3]);
    assert_eq!(
        (&held[0]["error"]["outcome"], &held[0]["error"]["retryable"]),
        (&json!("REJECTED"), &json!(false))
    );
    let approvals: Vec<&str> =
        held.iter().map(|result| result["error"]["approvalCode"].as_str().unwrap()).collect();
    assert!(approvals[0] != approvals[1] && approvals[1] != approvals[2]);
    let batch = gateway.sent().pop().unwrap();
    assert_eq!(approval_headers(&batch), [], "they belong to the items");
    let expected = json!({"Content-Type": "application/json", JUSTIFICATION: STANDARD.encode("why")});
    assert!(batch.batch_items().iter().all(|item| item["headers"] == expected), "{batch:?}");

    // Two are approved, and one of those by the wrong code.
    assert!(gateway.sandbox.approve(approvals[0]) && gateway.sandbox.approve(approvals[1]));
    let item = |index: usize, code: &str| json!({"index": index, "approval": {"code": code}});
    let mixed = results(json!({"itemApprovals": [item(1, approvals[0]), item(0, approvals[0])]})).await;
    assert_eq!(codes(&mixed), ["created", "FORBIDDEN", "APPROVAL_REQUIRED"]);
    assert_eq!(mixed[1]["error"]["reason"], "APPROVAL");
    let headers: Vec<Value> = gateway
        .sent()
        .pop()
        .unwrap()
        .batch_items()
        .iter()
        .map(|item| item["headers"][CODE].clone())
        .collect();
    assert_eq!(headers, [approvals[0], approvals[0]]);

    // The rest, the last of which goes without a batch.
    let more = results(json!({"itemApprovals": [item(1, approvals[1]), item(2, approvals[2])]})).await;
    assert_eq!(codes(&more), ["created", "created", "APPROVAL_PENDING"]);
    assert_eq!((&more[0]["replayed"], &more[1]["replayed"]), (&json!(true), &json!(false)));
    assert!(gateway.sandbox.approve(approvals[2]));
    let last =
        results(json!({"approval": {"justification": "why"}, "itemApprovals": [item(2, approvals[2])]}))
            .await;
    assert_eq!(codes(&last), ["created"; 3]);
    let single = posts(&gateway).pop().unwrap();
    assert!(single.path.ends_with("/deviceStatuses"), "{}", single.path);
    assert_eq!(approval_headers(&single), [(CODE, approvals[2].to_owned())]);
    assert_eq!(gateway.status_count(), before + 3);
}

#[tokio::test]
async fn held_items_of_a_bulk_write_wait_for_their_own_approvals() {
    let gateway = start().await;
    let before = gateway.status_count();
    let results = async |count: usize, more: Value| {
        let mut input = json!({"configurationId": DEMO_CONFIGURATION_ID, "deviceStatuses": numbered(count),
            "idempotencyKey": format!("k{count}")});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let reply = gateway.graphql(BULK, json!({ "input": input })).await;
        reply.data()["addDeviceStatuses"]["results"].as_array().unwrap().clone()
    };
    let errors = |results: &[Value]| -> Vec<[Value; 4]> {
        let member = |result: &Value| {
            ["code", "outcome", "retryable", "approvalCode"].map(|name| result["error"][name].clone())
        };
        results.iter().map(member).collect()
    };
    let held = results(3, json!({"approval": {"justification": "why"}})).await;
    let codes: Vec<&str> =
        held.iter().map(|result| result["error"]["approvalCode"].as_str().unwrap()).collect();
    let still_held = [json!("APPROVAL_PENDING"), json!("REJECTED"), json!(false), Value::Null];
    gateway.clear_requests();
    assert_eq!(errors(&results(3, json!({})).await), [(); 3].map(|()| still_held.clone()));
    assert_eq!(posts(&gateway).len(), 0);

    // Only the approved one is sent, not the others without an approval.
    let item = |index: usize| json!({"index": index, "approval": {"code": codes[index]}});
    assert!(gateway.sandbox.approve(codes[0]));
    let mixed = results(3, json!({"itemApprovals": [item(0)]})).await;
    assert!(mixed[0]["error"].is_null() && mixed[0]["replayed"] == false, "{mixed:?}");
    assert_eq!(errors(&mixed[1..]), [still_held.clone(), still_held.clone()]);
    assert_eq!(mixed[1]["error"]["message"], results(3, json!({})).await[1]["error"]["message"]);
    let [sent] = &posts(&gateway)[..] else { panic!("one request") };
    assert!(sent.path.ends_with("/deviceStatuses"), "{}", sent.path);
    assert_eq!(gateway.status_count(), before + 1);

    assert!(gateway.sandbox.approve(codes[1]) && gateway.sandbox.approve(codes[2]));
    let rest = results(3, json!({"itemApprovals": [item(1), item(2)]})).await;
    assert!(rest.iter().all(|result| result["error"].is_null()), "{rest:?}");
    assert_eq!((posts(&gateway).len(), gateway.status_count()), (2, before + 3));
}

#[tokio::test]
async fn item_approvals_name_each_item_once() {
    let gateway = start().await;
    for indices in [vec![2], vec![-1], vec![0, 0]] {
        let items: Vec<Value> =
            indices.iter().map(|index| json!({"index": index, "approval": {"code": "a"}})).collect();
        let input = json!({"configurationId": DEMO_CONFIGURATION_ID, "deviceStatuses": numbered(2),
            "itemApprovals": items});
        let reply = gateway.graphql(BULK, json!({ "input": input })).await;
        assert_eq!(reply.failure(), ("BAD_USER_INPUT", "NOT_SENT", false), "{indices:?}");
        assert!(reply.error()["message"].as_str().unwrap().contains("`input.itemApprovals["));
    }
    assert_eq!(gateway.sent().len(), 0);
}

#[tokio::test]
async fn conflicts_without_a_sign_of_approval_stay_conflicts() {
    let gateway = Gateway::start().await;
    let taken = "409;message=An approval profile with this name exists already";
    for (fault, variables) in [
        ("412", input(device_status())),
        ("409", input(device_status())),
        ("409", justified(input(device_status()))),
        (taken, input(device_status())),
        ("412;message=The etag does not match", with_code(input(device_status()), "a")),
    ] {
        gateway.replace_faults(&[&format!("{fault};times=1")]);
        let reply = gateway.graphql(MUTATION, variables).await;
        assert_eq!(reply.failure(), ("CONFLICT", "REJECTED", false), "{fault}");
        assert_eq!(reply.error()["extensions"].get("approvalCode"), None);
    }
    // A 403 can ask for a justification as well.
    let asks = format!("403;body=wrapped;message=Header '{JUSTIFICATION}' is required;times=1");
    gateway.replace_faults(&[&asks]);
    let reply = gateway.graphql(MUTATION, input(device_status())).await;
    assert_eq!(reply.failure(), ("APPROVAL_REQUIRED", "UNKNOWN", false));
}

#[tokio::test]
async fn hostile_codes_are_not_passed_on() {
    const GUID: &str = "0d5a9e4c-8f0b-4d7e-9f41-3b2f5a6c7d8e";
    let scripted = Scripted::start().await;
    let body = |message: &str| json!({"error": {"code": "BadRequest", "message": message}}).to_string();
    let held = |values: &[&str], message: &str| {
        let response = CannedResponse::new(412, body(message));
        values.iter().fold(response, |response, value| response.append(CODE, value))
    };
    let huge = "a".repeat(8000);
    for (response, code) in [
        (held(&[GUID], ""), Some(GUID)),
        (held(&[GUID, GUID], ""), Some(GUID)),
        (held(&[], &format!("{CODE}: {GUID}")), Some(GUID)),
        (held(&["<script>"], &format!("x-msft-approval-code is '{GUID}'")), Some(GUID)),
        (held(&[GUID, "11111111-8f0b-4d7e-9f41-3b2f5a6c7d8e"], ""), None),
        (held(&[""], ""), None),
        (held(&[&huge], ""), None),
        (held(&["<script>"], ""), None),
        (held(&["not a guid"], ""), None),
        (held(&[], "Your approval request was submitted"), None),
    ] {
        let reply = scripted.graphql(response, MUTATION, justified(input(device_status()))).await;
        assert_eq!(reply.failure(), ("APPROVAL_PENDING", "REJECTED", false), "{code:?}");
        let found = reply.error()["extensions"].get("approvalCode").and_then(Value::as_str);
        assert_eq!(found, code);
        assert_eq!(scripted.posts(), 1);
    }
    let message = format!("An approval request exists already. Activity ID: {GUID}");
    let reply = scripted
        .graphql(CannedResponse::new(409, body(&message)), MUTATION, justified(input(device_status())))
        .await;
    assert_eq!(reply.failure(), ("APPROVAL_PENDING", "REJECTED", false));
    assert_eq!(reply.error()["extensions"].get("approvalCode"), None, "another GUID");
    // What an incomplete response says is not known.
    let reply = scripted.graphql(held(&[GUID], "").cut(), MUTATION, justified(input(device_status()))).await;
    assert_eq!(reply.failure(), ("OUTCOME_UNKNOWN", "UNKNOWN", false));
    assert_eq!(reply.error()["extensions"].get("approvalCode"), None);
    // In a batch, the headers are JSON.
    for (value, code) in [
        (json!(GUID), Some(GUID)),
        (json!([GUID]), Some(GUID)),
        (json!([GUID, "a"]), None),
        (json!("a\r\nb"), None),
        (json!({}), None),
        (json!(huge), None),
    ] {
        let item = |id: &str| {
            json!({"id": id, "status": 412, "headers": {"X-Msft-Approval-Code": value},
                "body": {"error": {"code": "BadRequest", "message": "The approval request is pending"}}})
        };
        let response = CannedResponse::new(200, json!({"responses": [item("0"), item("1")]}).to_string());
        let input = json!({"configurationId": DEMO_CONFIGURATION_ID, "deviceStatuses": numbered(2),
            "approval": {"justification": "why"}});
        let reply = scripted.graphql(response, BULK, json!({ "input": input })).await;
        for result in reply.data()["addDeviceStatuses"]["results"].as_array().unwrap() {
            assert_eq!(result["error"]["code"], "APPROVAL_PENDING", "{value}");
            assert_eq!(result["error"]["approvalCode"].as_str(), code, "{value}");
        }
    }
}

#[tokio::test]
async fn a_read_needs_no_approval_whatever_graph_returns() {
    let gateway = Gateway::start().await;
    let read = "{ iosLobAppProvisioningConfigurations { nodes { id } } }";
    let asks = format!("400;body=wrapped;message=Header '{JUSTIFICATION}' is required;times=1");
    for (fault, code) in
        [(asks.as_str(), "BAD_USER_INPUT"), ("412;header.x-msft-approval-code=a;times=1", "CONFLICT")]
    {
        gateway.replace_faults(&[fault]);
        let reply = gateway.graphql(read, json!({})).await;
        assert_eq!(reply.code(), code);
        assert_eq!(reply.error()["extensions"].get("approvalCode"), None);
    }
}

#[test]
fn a_restart_in_the_middle_of_the_exchange_loses_nothing() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let sandbox = Sandbox::new(guarded());
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let root = format!("http://{}/beta", listener.local_addr().unwrap());
    runtime.spawn(msgraph_sandbox::run(listener, sandbox.clone(), std::future::pending()));
    let before = sandbox.device_statuses(DEMO_CONFIGURATION_ID).len();
    let file = std::env::temp_dir().join(format!("intune-graphql-approvals-{}", std::process::id()));
    let start = || -> (Program, String) {
        let (program, url, _) = drain::gateway(&root, &["--state-file", file.to_str().unwrap()]);
        (program, url)
    };
    // Each call has a gateway of its own.
    let call = |variables: Value| -> Value {
        let (program, url) = start();
        let request = json!({"query": MUTATION, "variables": variables});
        let reply = runtime.block_on(try_send(url, request)).unwrap();
        assert_eq!(program.stop().0, Some(0));
        reply
    };
    let code = |reply: &Value| reply["errors"][0]["extensions"]["code"].clone();
    let held = || crate::idempotency::keyed("held", numbered(1).remove(0));
    let keyed = || keyed("k", device_status());

    assert_eq!(code(&call(justified(held()))), "APPROVAL_PENDING");
    sandbox.clear_requests();
    assert_eq!(code(&call(held())), "APPROVAL_PENDING");
    assert!(sandbox.requests().iter().all(|sent| sent.method == Method::GET), "it is known to be held");

    assert_eq!(code(&call(keyed())), "APPROVAL_REQUIRED");
    sandbox.clear_requests();
    assert_eq!(code(&call(keyed())), "APPROVAL_REQUIRED");
    assert!(sandbox.requests().iter().all(|sent| sent.method == Method::GET), "the first call is known");
    let reply = call(justified(keyed()));
    assert_eq!(code(&reply), "APPROVAL_PENDING");
    let approval = reply["errors"][0]["extensions"]["approvalCode"].as_str().unwrap().to_owned();
    assert!(sandbox.approve(&approval));
    let reply = call(with_code(keyed(), &approval));
    assert_eq!(reply["data"]["addDeviceStatus"]["replayed"], false, "{reply}");
    let id = &reply["data"]["addDeviceStatus"]["deviceStatusId"];
    let again = call(with_code(keyed(), &approval));
    assert_eq!(again["data"]["addDeviceStatus"]["replayed"], true, "{again}");
    assert_eq!(&again["data"]["addDeviceStatus"]["deviceStatusId"], id);
    assert_eq!(sandbox.device_statuses(DEMO_CONFIGURATION_ID).len(), before + 1);
    let _ = std::fs::remove_file(file);
}

#[tokio::test]
async fn an_approval_is_in_no_log_or_trace() {
    // The header values are marked as sensitive, and errors are logged without headers.
    let (sandbox, root) = {
        let sandbox = Sandbox::new(guarded());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let root = format!("http://{}/beta", listener.local_addr().unwrap());
        tokio::spawn(msgraph_sandbox::run(listener, sandbox.clone(), std::future::pending()));
        (sandbox, root)
    };
    let process = crate::gateway_process::GatewayProcess::serve(&root, &["--log", "trace"]);
    let secret = json!({"justification": "secret-of-somebody"});
    let reply = process.graphql("t", MUTATION, with_approval(input(device_status()), secret)).await;
    let code = pending(&reply);
    assert!(sandbox.approve(&code));
    created(&process.graphql("t", MUTATION, with_code(input(device_status()), &code)).await);
    let (exit, log) = process.stop_with_log().await;
    assert_eq!(exit, Some(0));
    for text in ["secret-of-somebody", STANDARD.encode("secret-of-somebody").as_str(), code.as_str()] {
        assert!(!log.contains(text), "{text}");
    }
}
