//! Limits, budgets and timeouts of subscriptions.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use intune_graphql::graph::ReadRates;
use intune_graphql::server::{ConcurrencyLimits, ConnectionLimits};
use msgraph_sandbox::{DEMO_CONFIGURATION_ID, RecordedRequest};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::add_device_status::device_status;
use crate::commands::Program;
use crate::harness::{Gateway, Reply, TOKEN, connection_limits, fresh_token, http_client};
use crate::slow_clients::{connect, requests_with_window};
use crate::subscriptions::{ADDED, Event, Events, HINT, add, ask, subscribe};

const BULK: &str =
    "mutation($input: AddDeviceStatusesInput!) { addDeviceStatuses(input: $input) { createdCount } }";

/// Adds statuses in one call.
async fn add_bulk(gateway: &Gateway, count: usize) {
    let statuses: Vec<Value> = (0..count).map(|_| device_status()).collect();
    let input = json!({"input": {"configurationId": DEMO_CONFIGURATION_ID, "deviceStatuses": statuses}});
    let reply = gateway.graphql(BULK, input).await;
    assert_eq!(reply.data()["addDeviceStatuses"]["createdCount"], count);
}

/// The number of objects that were requested from Graph, including the items of batches.
fn reads(gateway: &Gateway) -> usize {
    assert_eq!(gateway.sandbox.dropped_requests(), 0);
    let of = |request: &RecordedRequest| match request.path.ends_with("/$batch") {
        true => request.batch_items().iter().filter(|item| item["method"] == "GET").count(),
        false => usize::from(request.method == Method::GET),
    };
    gateway.sent().iter().map(of).sum()
}

#[tokio::test]
async fn event_reads_stay_within_their_budget_and_all_events_arrive() {
    const SUBSCRIBERS: usize = 60;
    const STATUSES: usize = 20;
    let rates = ReadRates { subscriber: 1, process: 6 };
    let gateway = Gateway::builder().api(|api| api.subscription_reads = rates).start().await;
    let mut subscribers = Vec::new();
    for number in 0..SUBSCRIBERS {
        let counts = "subscription($id: ID!) { deviceStatusAdded(configurationId: $id) { deviceStatusId
            deviceStatus { id configuration { displayName deviceStatusCounts { count } } } } }";
        let query = if number % 2 == 0 { ADDED } else { counts };
        subscribers.push(subscribe(&gateway, &fresh_token(), query).await);
    }
    gateway.clear_requests();
    let refused = gateway.counter("intune_graphql_subscription_reads_rejected_total").await;
    let begun = Instant::now();
    add_bulk(&gateway, STATUSES).await;
    let (mut read, mut throttled) = (0, 0);
    for events in &mut subscribers {
        let mut ids = HashSet::new();
        for _ in 0..STATUSES {
            let answer = events.answer().await;
            let added = &answer["data"]["deviceStatusAdded"];
            ids.insert(added["deviceStatusId"].as_str().unwrap().to_owned());
            read += usize::from(added["deviceStatus"].is_object());
            for error in answer["errors"].as_array().into_iter().flatten() {
                let extensions = &error["extensions"];
                assert_eq!(
                    (&extensions["code"], &extensions["retryable"]),
                    (&json!("THROTTLED"), &json!(true))
                );
                assert!(extensions["retryAfter"].as_f64().unwrap() > 0.0, "{error}");
                throttled += 1;
            }
        }
        assert_eq!(ids.len(), STATUSES, "every event arrives");
    }
    // A bucket of ten seconds' worth, and its refill since.
    let budget = rates.process * (10 + usize::try_from(begun.elapsed().as_secs()).unwrap() + 1);
    let sent = reads(&gateway);
    assert!(sent <= budget, "{sent} reads of {budget}");
    assert!(sent >= rates.process * 10 && read > 0, "the budget is used: {sent}, {read}");
    assert!(throttled >= SUBSCRIBERS * STATUSES - budget, "{throttled}");
    let counted = gateway.counter("intune_graphql_subscription_reads_rejected_total").await;
    assert!(counted >= refused + u64::try_from(throttled).unwrap() / 9);
}

#[tokio::test]
async fn authorization_checks_stay_within_the_budget_and_delay_events() {
    const SUBSCRIBERS: usize = 40;
    let rates = ReadRates { subscriber: 1000, process: 3 };
    let gateway = Gateway::builder().api(|api| {
        api.subscription_reads = rates;
        api.subscription_recheck = Duration::ZERO;
    });
    let gateway = gateway.start().await;
    let mut subscribers = Vec::new();
    for _ in 0..SUBSCRIBERS {
        subscribers.push(subscribe(&gateway, &fresh_token(), HINT).await);
    }
    gateway.clear_requests();
    let begun = Instant::now();
    let id = add(&gateway).await;
    for events in &mut subscribers {
        assert_eq!(events.answer().await["data"]["deviceStatusAdded"]["deviceStatusId"], id);
    }
    // Thirty at once, and the others at three a second.
    assert!(begun.elapsed() >= Duration::from_secs(3), "{:?}", begun.elapsed());
    assert_eq!(reads(&gateway), SUBSCRIBERS);
}

#[tokio::test]
async fn subscribers_that_began_together_are_checked_again_one_after_another() {
    const SUBSCRIBERS: usize = 40;
    const RECHECK: Duration = Duration::from_secs(4);
    let gateway = Gateway::builder().api(|api| {
        api.subscription_reads = ReadRates { subscriber: 1000, process: 1000 };
        api.subscription_recheck = RECHECK;
    });
    let gateway = gateway.start().await;
    let begun = Instant::now();
    let mut subscribers = Vec::new();
    for _ in 0..SUBSCRIBERS {
        subscribers.push(subscribe(&gateway, &fresh_token(), HINT).await);
    }
    gateway.clear_requests();
    let mut checked_at = Vec::new();
    while checked_at.len() < SUBSCRIBERS {
        let id = add(&gateway).await;
        for events in &mut subscribers {
            assert_eq!(events.answer().await["data"]["deviceStatusAdded"]["deviceStatusId"], id);
        }
        let new = reads(&gateway) - checked_at.len();
        checked_at.extend(std::iter::repeat_n(begun.elapsed(), new));
    }
    // Each at a random time in the second half of the interval.
    assert!(checked_at.iter().all(|at| *at >= RECHECK / 2), "{checked_at:?}");
    let early = checked_at.iter().filter(|at| **at < RECHECK * 3 / 4).count();
    assert!(early > 0 && early < SUBSCRIBERS, "{early} {checked_at:?}");
}

/// Waits until the program's metrics have this line.
async fn shows(admin: &str, line: &str) {
    let client = http_client().build().unwrap();
    let has = async || {
        let text = client.get(format!("{admin}/metrics")).send().await.unwrap().text().await.unwrap();
        text.lines().any(|shown| shown == line)
    };
    while !has().await {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_are_limited_separately_from_requests() {
    let upstream = Gateway::start().await;
    let mut program = Program::serve(
        &upstream.sandbox_url,
        &[
            "--max-concurrent-requests",
            "1",
            "--max-queued-requests",
            "0",
            "--max-caller-share",
            "100",
            "--max-subscriptions",
            "3",
        ],
    );
    let url = format!("{}/graphql", program.line("listening on "));
    let admin = program.line("admin listening on ");
    let client = http_client().build().unwrap();
    shows(&admin, "intune_graphql_subscriptions 0").await;
    let mut streams = Vec::new();
    for _ in 0..3 {
        streams.push(Events::ask(client.post(&url), Some(TOKEN), HINT).await);
    }
    shows(&admin, "intune_graphql_subscriptions 3").await;
    shows(&admin, "intune_graphql_requests_in_flight 0").await;
    // They do not count as requests in flight, and a fourth of them is rejected.
    let query = json!({"query": "{ __typename }"}).to_string();
    let query = client.post(&url).header("content-type", "application/json").body(query);
    Reply::read(query.send().await.unwrap()).await.data();
    let refused =
        Reply::read(ask(client.post(&url), Some(TOKEN), HINT, json!({"id": DEMO_CONFIGURATION_ID})).await)
            .await;
    assert_eq!((refused.status, refused.code()), (StatusCode::SERVICE_UNAVAILABLE, "OVERLOADED"));
    assert_eq!(refused.headers["retry-after"], "1");
    // A client that disconnects makes room.
    streams.pop();
    shows(&admin, "intune_graphql_subscriptions 2").await;
    streams.push(Events::ask(client.post(&url), Some(TOKEN), HINT).await);
    shows(&admin, "intune_graphql_subscriptions 3").await;
    // At the end they are closed without `complete`, so that their clients connect to another
    // gateway.
    program.terminate();
    for mut stream in streams {
        assert_eq!(stream.next().await, Event::End);
    }
    let (code, said) = program.ended();
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains("cut"), "{said}");
}

#[tokio::test]
async fn one_caller_gets_only_its_share_of_subscriptions() {
    let gateway = Gateway::builder().settings(|settings| {
        settings.max_subscriptions = 8;
        settings.concurrency = ConcurrencyLimits { max_caller_share: 25, ..settings.concurrency };
    });
    let gateway = gateway.start().await;
    let token = fresh_token();
    let _streams =
        [subscribe(&gateway, &token, HINT).await, Events::ask(gateway.post(), Some(&token), HINT).await];
    let refused =
        Reply::read(ask(gateway.post(), Some(&token), HINT, json!({"id": DEMO_CONFIGURATION_ID})).await)
            .await;
    assert!(refused.error()["message"].as_str().unwrap().starts_with("The caller already uses its share"));
    subscribe(&gateway, &fresh_token(), HINT).await;
}

/// A gateway with short timeouts.
pub(crate) async fn short_timeouts() -> Gateway {
    let gateway = Gateway::builder().settings(|settings| {
        settings.request_timeout = Duration::from_millis(500);
        settings.connections = ConnectionLimits {
            header_timeout: Duration::from_millis(300),
            idle_timeout: Duration::from_millis(400),
            send_timeout: Duration::from_millis(400),
            ..connection_limits()
        };
    });
    gateway.start().await
}

#[tokio::test]
async fn an_event_stream_continues_beyond_all_timeouts() {
    let gateway = short_timeouts().await;
    for version in ["HTTP/1.1", "HTTP/2.0"] {
        let client = match version {
            "HTTP/2.0" => http_client().http2_prior_knowledge(),
            _ => http_client(),
        };
        let client = client.build().unwrap();
        let url = format!("{}/graphql", gateway.url);
        let mut events = Events::ask(client.post(url), Some(TOKEN), ADDED).await;
        assert_eq!(format!("{:?}", events.response.version()), version);
        // A sign of life each 200 ms, so that this takes four deadlines.
        for _ in 0..10 {
            assert_eq!(events.event().await, Event::Alive);
        }
        for _ in 0..2 {
            let id = add(&gateway).await;
            assert_eq!(events.answer().await["data"]["deviceStatusAdded"]["deviceStatus"]["id"], id);
        }
    }
}

#[tokio::test]
async fn an_unread_event_stream_is_closed() {
    let gateway = short_timeouts().await;
    let path = "/graphql?query=subscription{deviceStatusAdded(configurationId:%22x%22){deviceStatusId}}";
    let query = [
        &b"\x82\x86\x44"[..],
        &[u8::try_from(path.len()).unwrap()],
        path.as_bytes(),
        // accept: text/event-stream
        b"\x0f\x04\x11text/event-stream",
    ]
    .concat();
    // A window of no bytes: not even a sign of life can be sent.
    let mut stream = connect(&gateway).await;
    stream.write_all(&requests_with_window(&query, 0)).await.unwrap();
    let mut said = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut said)).await;
    assert!(closed.is_ok(), "it is closed");
}
