//! Multi Admin Approval: `--approval apps`.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use msgraph_sandbox::settings::{ApprovalPolicy, Settings};
use msgraph_sandbox::{ApprovalState, DEMO_CONFIGURATION_ID};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::{Graph, P, Reply, demo, json, reply, status_body};

const JUSTIFICATION: &str = "x-msft-approval-justification";
const CODE: &str = "x-msft-approval-code";

async fn guarded() -> Graph {
    Graph::with(Settings { approval: ApprovalPolicy::Apps, ..Settings::default() }).await
}

fn create(graph: &Graph) -> RequestBuilder {
    json(graph.request(Method::POST, &demo("/deviceStatuses")), &status_body())
}

fn rows(graph: &Graph) -> usize {
    graph.sandbox.device_statuses(DEMO_CONFIGURATION_ID).len()
}

/// The code of a write that is held for approval.
async fn held(request: RequestBuilder) -> String {
    let reply = reply(request.header(JUSTIFICATION, STANDARD.encode("Ticket 7: größer"))).await;
    let (code, message) = reply.error(412);
    assert_eq!(code, "BadRequest");
    let approval = reply.header(CODE).to_owned();
    assert!(message.contains(&approval), "{message}");
    approval
}

#[track_caller]
fn forbidden(reply: &Reply) {
    let (code, message) = reply.error(403);
    assert_eq!(code, "Forbidden");
    assert!(!message.to_lowercase().contains("approval"), "{message}");
}

#[tokio::test]
async fn a_write_is_executed_once_it_is_approved() {
    let graph = guarded().await;
    let before = rows(&graph);
    let (code, message) = reply(create(&graph)).await.error(400);
    assert_eq!(code, "BadRequest");
    assert!(message.contains("Header 'x-msft-approval-justification' is required"), "{message}");

    let approval = held(create(&graph)).await;
    let [request] = &graph.sandbox.approvals()[..] else { panic!("one request") };
    assert_eq!((request.justification.as_str(), request.state), ("Ticket 7: größer", ApprovalState::Pending));
    // A request is open.
    reply(create(&graph).header(JUSTIFICATION, STANDARD.encode("again"))).await.error(409);
    reply(create(&graph).header(CODE, &approval)).await.error(409);

    assert!(graph.sandbox.approve(&approval));
    // Any other write is not the approved one.
    let other = json(graph.request(Method::POST, &demo("/deviceStatuses")), &json!({"userName": "other"}));
    forbidden(&reply(other.header(CODE, &approval)).await);
    let other = json(graph.request(Method::POST, &demo("/userStatuses")), &status_body());
    forbidden(&reply(other.header(CODE, &approval)).await);
    let other = json(graph.request(Method::PATCH, &demo("")), &status_body());
    forbidden(&reply(other.header(CODE, &approval)).await);
    let other = json(graph.without_token(Method::POST, &demo("/deviceStatuses")), &status_body());
    forbidden(&reply(other.bearer_auth("second-user-token").header(CODE, &approval)).await);
    forbidden(&reply(create(&graph).header(CODE, &approval).header(JUSTIFICATION, "YQ==")).await);
    forbidden(&reply(create(&graph).header(CODE, "00000000-0000-0000-0000-000000000000")).await);
    assert_eq!(rows(&graph), before);

    reply(create(&graph).header(CODE, &approval)).await.expect(201);
    assert_eq!(rows(&graph), before + 1);
    assert_eq!(graph.sandbox.approvals()[0].state, ApprovalState::Completed);
    // It is approved once.
    forbidden(&reply(create(&graph).header(CODE, &approval)).await);
}

/// Repeats race on several threads.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_code_admits_one_write() {
    let graph = guarded().await;
    for _ in 0..20 {
        let before = rows(&graph);
        let approval = held(create(&graph)).await;
        assert!(graph.sandbox.approve(&approval));
        let repeats: Vec<_> =
            (0..8).map(|_| tokio::spawn(create(&graph).header(CODE, &approval).send())).collect();
        let mut created = 0;
        for repeat in repeats {
            created += u32::from(repeat.await.unwrap().unwrap().status() == 201);
        }
        assert_eq!((created, rows(&graph)), (1, before + 1));
    }
}

#[tokio::test]
async fn a_code_stays_valid_if_its_write_fails() {
    let graph = guarded().await;
    let missing = P.to_owned() + "/00000000-0000-4000-8000-000000000000";
    let approval = held(graph.request(Method::DELETE, &missing)).await;
    assert!(graph.sandbox.approve(&approval));
    for _ in 0..2 {
        reply(graph.request(Method::DELETE, &missing).header(CODE, &approval)).await.error(404);
    }
    assert_eq!(graph.sandbox.approvals()[0].state, ApprovalState::Approved);
}

#[tokio::test]
async fn every_write_and_no_read_needs_approval() {
    let graph = guarded().await;
    graph.get(&demo("/deviceStatuses?$top=1")).await.expect(200);
    graph.post(&format!("{P}/hasPayloadLinks"), &json!({"payloadIds": []})).await.expect(200);
    for (method, path) in [
        (Method::POST, P.to_owned()),
        (Method::PATCH, demo("")),
        (Method::DELETE, demo("")),
        (Method::POST, demo("/assign")),
    ] {
        let refused = reply(json(graph.request(method.clone(), &path), &json!({}))).await;
        assert!(refused.error(400).1.contains(JUSTIFICATION), "{method} {path}");
    }
    let approval = held(graph.request(Method::DELETE, &demo(""))).await;
    assert!(graph.sandbox.approve(&approval));
    reply(graph.request(Method::DELETE, &demo("")).header(CODE, &approval)).await.expect(204);
}

#[tokio::test]
async fn a_justification_is_base64_of_at_most_1024_characters() {
    let graph = guarded().await;
    for value in [String::new(), "no base64".to_owned(), STANDARD.encode("x".repeat(769))] {
        reply(create(&graph).header(JUSTIFICATION, &value)).await.error(400);
    }
    reply(create(&graph).header(JUSTIFICATION, STANDARD.encode("x".repeat(768)))).await.error(412);
}

#[tokio::test]
async fn a_request_can_be_refused_and_expires_after_three_days() {
    let graph = guarded().await;
    let refused = held(create(&graph)).await;
    assert!(graph.sandbox.refuse(&refused) && !graph.sandbox.approve(&refused));
    forbidden(&reply(create(&graph).header(CODE, &refused)).await);
    // Another request can follow.
    let late = held(create(&graph)).await;
    assert!(graph.sandbox.approve(&late));
    graph.sandbox.advance_clock(Duration::from_hours(72));
    forbidden(&reply(create(&graph).header(CODE, &late)).await);
    let states: Vec<_> = graph.sandbox.approvals().iter().map(|request| request.state).collect();
    assert_eq!(states, [ApprovalState::Refused, ApprovalState::Expired]);
    assert!(!graph.sandbox.approve(&late));
}

#[tokio::test]
async fn items_of_a_batch_are_held_one_by_one() {
    let graph = guarded().await;
    let before = rows(&graph);
    let item = |id: &str, name: &str, header: &str, value: &str| {
        let mut body = status_body();
        body["userName"] = json!(name);
        json!({
            "id": id, "method": "POST", "url": demo("/deviceStatuses").trim_start_matches("/beta"),
            "headers": {"Content-Type": "application/json", header: value}, "body": body
        })
    };
    let send = async |items: &[Value]| {
        let answer = graph.post("/beta/$batch", &json!({"requests": items})).await.expect(200);
        answer["responses"].as_array().unwrap().clone()
    };
    let justification = STANDARD.encode("why");
    let read = json!({"id": "3", "method": "GET", "url": demo("").trim_start_matches("/beta")});
    let held = send(&[
        item("1", "a", JUSTIFICATION, &justification),
        item("2", "b", JUSTIFICATION, &justification),
        item("4", "c", "x-other", ""),
        read,
    ])
    .await;
    let statuses: Vec<_> = held.iter().map(|item| item["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [412, 412, 400, 200]);
    let code = |index: usize| held[index]["headers"]["X-Msft-Approval-Code"].as_str().unwrap().to_owned();
    assert_ne!(code(0), code(1));
    assert!(graph.sandbox.approve(&code(0)));
    let sent = send(&[item("1", "a", CODE, &code(0)), item("2", "b", CODE, &code(1))]).await;
    assert_eq!((&sent[0]["status"], &sent[1]["status"]), (&json!(201), &json!(409)));
    // Outside of a batch, it is the same write.
    assert!(graph.sandbox.approve(&code(1)));
    let mut body = status_body();
    body["userName"] = json!("b");
    let single = json(graph.request(Method::POST, &demo("/deviceStatuses")), &body);
    reply(single.header(CODE, code(1))).await.expect(201);
    assert_eq!(rows(&graph), before + 2);
}

#[tokio::test]
async fn requests_are_decided_over_http() {
    let graph = guarded().await;
    let approval = held(create(&graph)).await;
    let call = async |method: Method, path: &str| {
        reply(graph.without_token(method, &format!("/_sandbox/approvals{path}"))).await
    };
    let listed = call(Method::GET, "").await.expect(200);
    let expected = json!([{"code": approval, "method": "POST", "url": demo("/deviceStatuses"),
        "justification": "Ticket 7: größer", "state": "pending"}]);
    assert_eq!(listed, expected);
    for (method, path, status) in [
        (Method::POST, format!("/{approval}/nope"), 404),
        (Method::POST, "/nope/approve".to_owned(), 404),
        (Method::DELETE, String::new(), 405),
        (Method::POST, format!("/{approval}/approve"), 204),
        (Method::POST, format!("/{approval}/approve"), 404),
        (Method::POST, format!("/{approval}/refuse"), 404),
    ] {
        assert_eq!(call(method, &path).await.status, status, "{path}");
    }
    reply(create(&graph).header(CODE, &approval)).await.expect(201);
    graph.sandbox.reset();
    assert_eq!(call(Method::GET, "").await.expect(200), json!([]));
}
