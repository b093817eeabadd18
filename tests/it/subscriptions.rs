//! Subscriptions as Server-Sent Events: subscribers receive the statuses that callers add.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, StatusCode};
use msgraph_sandbox::DEMO_CONFIGURATION_ID;
use serde_json::{Value, json};

use crate::add_device_status::{MUTATION, device_status, input};
use crate::harness::{Gateway, Reply, TOKEN, fresh_token};

/// The subscription of the tests.
pub(crate) const ADDED: &str = "subscription($id: ID!) { deviceStatusAdded(configurationId: $id) {
    deviceStatusId deviceStatus { id graphId userName configuration { displayName } } } }";

pub(crate) const HINT: &str =
    "subscription($id: ID!) { deviceStatusAdded(configurationId: $id) { deviceStatusId } }";

/// The next event of a stream.
#[derive(Debug, PartialEq)]
pub(crate) enum Event {
    Alive,
    Next(Value),
    Complete,
    /// The stream is over.
    End,
}

/// A stream of events.
pub(crate) struct Events {
    pub(crate) response: reqwest::Response,
    text: String,
}

impl Events {
    /// Subscribes; the response is a stream of events.
    pub(crate) async fn ask(request: reqwest::RequestBuilder, token: Option<&str>, query: &str) -> Self {
        Self::read(ask(request, token, query, json!({"id": DEMO_CONFIGURATION_ID})).await)
    }

    fn read(response: reqwest::Response) -> Self {
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        Self { response, text: String::new() }
    }

    pub(crate) async fn event(&mut self) -> Event {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                return match event.split_once('\n') {
                    None if event == ":" => Event::Alive,
                    Some(("event: complete", "data:")) => Event::Complete,
                    Some(("event: next", data)) => {
                        let data = data.strip_prefix("data: ").unwrap();
                        Event::Next(serde_json::from_str(data).unwrap())
                    }
                    _ => panic!("{event:?}"),
                };
            }
            match self.response.chunk().await {
                Ok(Some(chunk)) => self.text += std::str::from_utf8(&chunk).unwrap(),
                _ => {
                    assert_eq!(self.text, "", "no event is cut");
                    return Event::End;
                }
            }
        }
    }

    /// The next event except keep-alive messages.
    pub(crate) async fn next(&mut self) -> Event {
        loop {
            match self.event().await {
                Event::Alive => {}
                event => return event,
            }
        }
    }

    /// The next response.
    pub(crate) async fn answer(&mut self) -> Value {
        match self.next().await {
            Event::Next(answer) => answer,
            event => panic!("{event:?}"),
        }
    }
}

pub(crate) async fn ask(
    request: reqwest::RequestBuilder,
    token: Option<&str>,
    query: &str,
    variables: Value,
) -> reqwest::Response {
    let body = json!({"query": query, "variables": variables});
    let mut request =
        request.header("content-type", "application/json").header("accept", "text/event-stream");
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    request.body(body.to_string()).send().await.unwrap()
}

/// How many requests Graph was sent with a token.
pub(crate) fn requests_with_token(gateway: &Gateway, token: &str) -> usize {
    let bearer = format!("Bearer {token}");
    gateway.sent().iter().filter(|sent| sent.header("authorization") == Some(&bearer)).count()
}

/// Subscribes, and waits for the authorization check.
pub(crate) async fn subscribe(gateway: &Gateway, token: &str, query: &str) -> Events {
    subscribe_with(gateway, token, query, json!({"id": DEMO_CONFIGURATION_ID})).await
}

/// The same with any variables.
pub(crate) async fn subscribe_with(gateway: &Gateway, token: &str, query: &str, variables: Value) -> Events {
    let before = requests_with_token(gateway, token);
    let events = Events::read(ask(gateway.post(), Some(token), query, variables).await);
    while requests_with_token(gateway, token) == before {
        tokio::task::yield_now().await;
    }
    events
}

/// Adds a status, and returns its global id.
pub(crate) async fn add(gateway: &Gateway) -> Value {
    add_as(gateway, TOKEN).await
}

/// The same with a token.
pub(crate) async fn add_as(gateway: &Gateway, token: &str) -> Value {
    let reply = gateway.graphql_as(Some(token), MUTATION, input(device_status())).await;
    reply.data()["addDeviceStatus"]["deviceStatusId"].clone()
}

/// Tokens of each tenant and of none, each of which sets one apart: two tenants, one of them in capitals too, one whose
/// id is no GUID, tokens that are no JWT, and a JWT that names no tenant.
pub(crate) fn tokens_by_tenant() -> Vec<Vec<String>> {
    const ONE: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
    let jwt = |claims: Value| {
        let claims = URL_SAFE_NO_PAD.encode(claims.to_string());
        format!("{}.{claims}.s", URL_SAFE_NO_PAD.encode(fresh_token()))
    };
    vec![
        vec![jwt(json!({"tid": ONE})), jwt(json!({"tid": ONE.to_uppercase()}))],
        vec![
            jwt(json!({"tid": ONE.replace('7', "8")})),
            jwt(json!({"aud": "x", "tid": ONE.replace('7', "8")})),
        ],
        vec![jwt(json!({"tid": "contoso"})), jwt(json!({"tid": "contoso"}))],
        vec![fresh_token(), jwt(json!({"aud": "x"}))],
    ]
}

fn code(answer: &Value) -> &str {
    answer["errors"][0]["extensions"]["code"].as_str().unwrap()
}

#[tokio::test]
async fn an_added_status_is_sent_to_subscribers() {
    let gateway = Gateway::start().await;
    let (one, other) = (fresh_token(), fresh_token());
    let mut hints = subscribe(&gateway, &one, HINT).await;
    let mut whole = subscribe(&gateway, &other, ADDED).await;
    assert_eq!(hints.event().await, Event::Alive, "the stream shows that it is open");
    gateway.clear_requests();
    for _ in 0..3 {
        let id = add(&gateway).await;
        assert_eq!(hints.answer().await, json!({"data": {"deviceStatusAdded": {"deviceStatusId": id}}}));
        let answer = whole.answer().await;
        let added = &answer["data"]["deviceStatusAdded"];
        assert_eq!((&added["deviceStatusId"], &added["deviceStatus"]["id"]), (&id, &id), "{answer}");
        assert!(added["deviceStatus"]["configuration"]["displayName"].is_string(), "{answer}");
    }
    // Subscribers that select only the id cause no call. The others read with their own tokens, for
    // each event.
    assert_eq!(requests_with_token(&gateway, &one), 0);
    assert!(requests_with_token(&gateway, &other) >= 3);
}

#[tokio::test]
async fn events_are_delivered_only_within_their_tenant() {
    let gateway = Gateway::start().await;
    let tenants = tokens_by_tenant();
    let mut subscribers = Vec::new();
    for tokens in &tenants {
        for token in tokens {
            subscribers.push((tokens, subscribe(&gateway, token, HINT).await));
        }
    }
    // Twice, because an event for the wrong subscribers would arrive before their own.
    for _ in 0..2 {
        for tokens in &tenants {
            for token in tokens {
                let id = add_as(&gateway, token).await;
                for (_, events) in subscribers.iter_mut().filter(|(theirs, _)| *theirs == tokens) {
                    let hint = json!({"data": {"deviceStatusAdded": {"deviceStatusId": id}}});
                    assert_eq!(events.answer().await, hint);
                }
            }
        }
    }
}

#[tokio::test]
async fn statuses_of_a_bulk_are_events_and_replays_are_not() {
    const BULK: &str = "mutation($input: AddDeviceStatusesInput!) { addDeviceStatuses(input: $input) {
        results { deviceStatusId } } }";
    let gateway = Gateway::start().await;
    let mut events = subscribe(&gateway, &fresh_token(), HINT).await;
    let mut keyed = input(device_status());
    keyed["input"]["idempotencyKey"] = json!("k-1");
    let first = gateway.graphql(MUTATION, keyed.clone()).await.data()["addDeviceStatus"].clone();
    let again = gateway.graphql(MUTATION, keyed).await.data()["addDeviceStatus"].clone();
    assert_eq!((&first["replayed"], &again["replayed"]), (&json!(false), &json!(true)));
    let statuses: Vec<Value> = (0..25).map(|_| device_status()).collect();
    let bulk = json!({"input": {"configurationId": DEMO_CONFIGURATION_ID, "deviceStatuses": statuses}});
    let reply = gateway.graphql(BULK, bulk).await;
    let results = reply.data()["addDeviceStatuses"]["results"].as_array().unwrap();
    let mut expected: Vec<Value> = results.iter().map(|result| result["deviceStatusId"].clone()).collect();
    assert_eq!(expected.len(), 25);
    assert_eq!(events.answer().await["data"]["deviceStatusAdded"]["deviceStatusId"], first["deviceStatusId"]);
    let mut told = Vec::new();
    for _ in 0..25 {
        told.push(events.answer().await["data"]["deviceStatusAdded"]["deviceStatusId"].clone());
    }
    // Batches end in any order.
    told.sort_by_key(Value::to_string);
    expected.sort_by_key(Value::to_string);
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_subscriber_without_read_access_gets_only_an_error() {
    let gateway = Gateway::start().await;
    for (token, fault, expected) in [
        (None, "", "UNAUTHENTICATED"),
        (Some(TOKEN), "401", "UNAUTHENTICATED"),
        (Some(TOKEN), "403", "FORBIDDEN"),
        (Some(TOKEN), "404", "NOT_FOUND"),
    ] {
        gateway.sandbox.clear_faults();
        if !fault.is_empty() {
            gateway.sandbox.inject(fault.parse().unwrap());
        }
        let mut events = Events::ask(gateway.post(), token, HINT).await;
        let answer = events.answer().await;
        assert_eq!(code(&answer), expected);
        // It did not begin: a request error, which has no data.
        assert!(answer.get("data").is_none(), "{answer}");
        assert_eq!(answer["errors"][0]["path"], json!(["deviceStatusAdded"]));
        assert_eq!(events.next().await, Event::Complete);
        assert_eq!(events.next().await, Event::End);
    }
}

#[tokio::test]
async fn an_event_with_an_unreadable_status_is_an_error_and_the_stream_continues() {
    let gateway = Gateway::short_timeouts().start().await;
    let mut events = subscribe(&gateway, &fresh_token(), ADDED).await;
    gateway.sandbox.inject("403;method=GET;path=deviceStatuses;times=1".parse().unwrap());
    let id = add(&gateway).await;
    let answer = events.answer().await;
    assert_eq!(code(&answer), "FORBIDDEN");
    let added = &answer["data"]["deviceStatusAdded"];
    assert_eq!(added, &json!({"deviceStatusId": id, "deviceStatus": null}));
    gateway.sandbox.clear_faults();
    let id = add(&gateway).await;
    assert_eq!(events.answer().await["data"]["deviceStatusAdded"]["deviceStatus"]["id"], id);
}

#[tokio::test]
async fn a_subscriber_who_loses_read_access_gets_no_more_events() {
    let gateway =
        Gateway::short_timeouts().api(|api| api.subscription_recheck = Duration::ZERO).start().await;
    let mut events = subscribe(&gateway, &fresh_token(), HINT).await;
    let id = add(&gateway).await;
    assert_eq!(events.answer().await["data"]["deviceStatusAdded"]["deviceStatusId"], id);
    let failed = json!({"deviceStatusAdded": null});
    // A temporary error does not end the subscription: this event is lost, with an error.
    gateway.sandbox.inject("503;method=GET".parse().unwrap());
    add(&gateway).await;
    let answer = events.answer().await;
    assert_eq!((code(&answer), &answer["data"]), ("UPSTREAM_UNAVAILABLE", &failed));
    gateway.sandbox.clear_faults();
    let id = add(&gateway).await;
    assert_eq!(events.answer().await["data"]["deviceStatusAdded"]["deviceStatusId"], id);
    gateway.sandbox.inject("403;method=GET".parse().unwrap());
    add(&gateway).await;
    let answer = events.answer().await;
    assert_eq!((code(&answer), &answer["data"]), ("FORBIDDEN", &failed));
    assert_eq!(events.next().await, Event::Complete);
    assert_eq!(events.next().await, Event::End);
}

#[tokio::test]
async fn queries_and_mutations_are_answered_as_an_event_stream_if_only_that_is_accepted() {
    let gateway = Gateway::start().await;
    for (query, expected) in [
        ("{ __typename }", json!({"data": {"__typename": "Query"}})),
        ("mutation { __typename }", json!({"data": {"__typename": "Mutation"}})),
    ] {
        let mut events = Events::ask(gateway.post(), Some(TOKEN), query).await;
        assert_eq!(events.event().await, Event::Next(expected));
        assert_eq!(events.event().await, Event::Complete);
        assert_eq!(events.event().await, Event::End);
    }
    // Errors of an operation are events too, because browsers do not expose another status.
    let mut events = Events::ask(gateway.post(), Some(TOKEN), "subscription { nothing }").await;
    assert_eq!(code(&events.answer().await), "GRAPHQL_VALIDATION_FAILED");
    assert_eq!(events.next().await, Event::Complete);
    // Requests without an operation are not.
    let response = gateway.post().header("accept", "text/event-stream").body("{}").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test]
async fn a_subscription_requires_an_accepted_event_stream() {
    let gateway = Gateway::start().await;
    let reply = gateway.graphql(HINT, json!({"id": DEMO_CONFIGURATION_ID})).await;
    assert_eq!((reply.status, reply.code()), (StatusCode::NOT_ACCEPTABLE, "BAD_REQUEST"));
    assert!(reply.error()["message"].as_str().unwrap().contains("text/event-stream"));
    // A client that accepts both gets a stream for subscriptions, and otherwise a document.
    let both = |query: &str| {
        let body = json!({"query": query, "variables": {"id": DEMO_CONFIGURATION_ID}}).to_string();
        let request = gateway.post().bearer_auth(TOKEN).header("content-type", "application/json");
        request.header("accept", "application/json, text/event-stream").body(body).send()
    };
    Reply::read(both("{ __typename }").await.unwrap()).await.data();
    let is_stream = |headers: &HeaderMap| headers["content-type"] == "text/event-stream; charset=utf-8";
    assert!(is_stream(both(HINT).await.unwrap().headers()));
}
