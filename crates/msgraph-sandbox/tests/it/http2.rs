//! The sandbox over HTTP/2: streams that are refused, and connections that are left.

use std::error::Error as _;
use std::time::Duration;

use msgraph_sandbox::settings::{Settings, Switch, Tls};
use msgraph_sandbox::{DEMO_CONFIGURATION_ID, TestCertificate};
use reqwest::{Client, ClientBuilder, Method, RequestBuilder, Version};

use super::{Graph, demo, reply, status_body};

/// A sandbox over https, and a client that trusts it.
struct Https {
    graph: Graph,
    client: Client,
}

impl Https {
    async fn start(settings: Settings) -> Self {
        Self::with(settings, |client| client).await
    }

    async fn with(settings: Settings, set: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Self {
        let certificate = TestCertificate::generate().unwrap();
        let trusted = reqwest::Certificate::from_pem(certificate.authority_pem().as_bytes()).unwrap();
        let graph =
            Graph::with(Settings { tls: Some(Tls::Generated(certificate)), statuses: 0, ..settings }).await;
        let client = Client::builder().no_proxy().retry(reqwest::retry::never()).tls_certs_only([trusted]);
        Self { graph, client: set(client).build().unwrap() }
    }

    fn request(&self, method: Method, path: &str, fault: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("https://{}{path}", self.graph.address));
        let request = request.bearer_auth("t");
        if fault.is_empty() { request } else { request.header("x-sandbox-fault", fault) }
    }

    fn get(&self, fault: &str) -> RequestBuilder {
        self.request(Method::GET, &demo(""), fault)
    }

    fn create(&self, fault: &str) -> RequestBuilder {
        super::json(self.request(Method::POST, &demo("/deviceStatuses"), fault), &status_body())
    }

    fn statuses(&self) -> usize {
        self.graph.sandbox.device_statuses(DEMO_CONFIGURATION_ID).len()
    }

    /// Waits until so many requests have arrived.
    async fn arrived(&self, requests: usize) {
        while self.graph.sandbox.requests().len() < requests {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// The HTTP/2 error at the bottom of a client's one.
fn h2_error(error: &reqwest::Error) -> &h2::Error {
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(found) = error.downcast_ref::<h2::Error>() {
            return found;
        }
        source = error.source();
    }
    panic!("no HTTP/2 error: {error:?}")
}

#[tokio::test]
async fn http2_is_offered_over_https_and_can_be_disabled() {
    for (http2, version) in [(Switch::On, Version::HTTP_2), (Switch::Off, Version::HTTP_11)] {
        let https = Https::start(Settings { http2, ..Settings::default() }).await;
        let answer = https.get("").send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.version()), (200, version));
        assert!(answer.headers().contains_key("date"));
        let context = reply(https.get("")).await.expect(200)["@odata.context"].to_string();
        assert!(context.contains(&format!("https://{}/beta/", https.graph.address)), "{context}");
        let requests = https.graph.sandbox.requests();
        assert_eq!(requests[0].is_http2, http2 == Switch::On);
        assert_eq!(requests.iter().map(|request| request.connection).collect::<Vec<_>>(), [1, 1]);
    }
}

#[tokio::test]
async fn a_body_of_any_size_arrives() {
    let https = Https::start(Settings::default()).await;
    let body = serde_json::json!({"description": "x".repeat(3 << 20)});
    let request = https.request(Method::PATCH, &demo(""), "");
    reply(super::json(request, &body)).await.expect(200);
}

#[tokio::test]
async fn a_refused_stream_is_not_processed_and_the_connection_stays_open() {
    let https = Https::start(Settings::default()).await;
    let error = https.create("refuse-stream").send().await.unwrap_err();
    assert_eq!(h2_error(&error).reason(), Some(h2::Reason::REFUSED_STREAM));
    assert!(h2_error(&error).is_remote());
    assert_eq!(https.statuses(), 0);
    reply(https.create("")).await.expect(201);
    let requests = https.graph.sandbox.requests();
    assert_eq!(requests[0].faults, ["refuse-stream"]);
    assert_eq!(requests[1].connection, 1);
}

#[tokio::test]
async fn go_away_responds_to_earlier_streams_and_processes_no_later_one() {
    let https = Https::start(Settings::default()).await;
    let earlier = tokio::spawn(https.create("slow-first-byte;wait=300ms").send());
    https.arrived(1).await;
    let error = https.create("go-away").send().await.unwrap_err();
    assert!(h2_error(&error).is_go_away() && h2_error(&error).is_remote(), "{error:?}");
    assert_eq!(h2_error(&error).reason(), Some(h2::Reason::NO_ERROR));
    reply(https.create("")).await.expect(201);
    assert_eq!(earlier.await.unwrap().unwrap().status(), 201);
    assert_eq!(https.statuses(), 2);
    let connections: Vec<u64> =
        https.graph.sandbox.requests().iter().map(|request| request.connection).collect();
    assert_eq!(connections, [1, 1, 2]);
}

#[tokio::test]
async fn http1_has_no_stream_to_refuse() {
    let https = Https::start(Settings { http2: Switch::Off, ..Settings::default() }).await;
    for fault in ["refuse-stream", "go-away"] {
        reply(https.create(fault)).await.expect(201);
    }
}

#[tokio::test]
async fn more_streams_than_allowed_are_refused() {
    let https = Https::start(Settings { max_streams: 2, ..Settings::default() }).await;
    // On a new connection a client does not know the limit yet.
    let calls: Vec<_> =
        (0..12).map(|_| tokio::spawn(https.create("slow-first-byte;wait=50ms").send())).collect();
    let mut created = 0;
    for call in calls {
        match call.await.unwrap() {
            Ok(answer) => created += usize::from(answer.status() == 201),
            Err(error) => assert_eq!(h2_error(&error).reason(), Some(h2::Reason::REFUSED_STREAM)),
        }
    }
    assert_eq!(https.statuses(), created);
    assert!(https.graph.sandbox.requests().iter().all(|request| request.is_http2));
}

#[tokio::test]
async fn a_dropped_stream_keeps_the_others_and_a_reset_connection_does_not() {
    for (close, survives) in [("fin", true), ("reset", false)] {
        let https = Https::start(Settings::default()).await;
        let other = tokio::spawn(https.get("slow-first-byte;wait=300ms").send());
        https.arrived(1).await;
        https.create(&format!("drop-applied;close={close}")).send().await.unwrap_err();
        let unread = https.create("drop-unread").send();
        assert_eq!(other.await.unwrap().is_ok(), survives, "{close}");
        unread.await.unwrap_err();
        assert_eq!(https.statuses(), 1);
        let cut = https.create(&format!("drop-mid-answer;bytes=10;close={close}")).send().await;
        assert!(match cut {
            Ok(answer) => answer.bytes().await.is_err(),
            Err(_) => true,
        });
        assert_eq!(https.statuses(), 2);
    }
}

#[tokio::test]
async fn responses_can_be_sent_in_chunks() {
    let https = Https::start(Settings::default()).await;
    let answer = reply(https.get("slow-body;piece=100;pause=1ms")).await.expect(200);
    assert_eq!(answer["id"], DEMO_CONFIGURATION_ID);
    reply(https.create("created-204")).await.expect(204);
}

#[tokio::test]
async fn a_handshake_can_take_longer_than_a_client_waits() {
    let https =
        Https::with(Settings::default(), |client| client.connect_timeout(Duration::from_millis(200))).await;
    https.graph.inject("slow-handshake;wait=1h;times=1");
    let error = https.create("").send().await.unwrap_err();
    assert!(error.is_connect() && error.is_timeout(), "{error:?}");
    assert!(https.graph.sandbox.requests().is_empty());
    reply(https.create("")).await.expect(201);
    assert_eq!(https.graph.sandbox.requests()[0].connection, 2);
}

#[tokio::test]
async fn a_connection_can_close_before_anything_is_read() {
    let https = Https::start(Settings::default()).await;
    for close in ["fin", "reset"] {
        https.graph.inject(&format!("drop-connection;times=1;close={close}"));
        assert!(https.create("").send().await.unwrap_err().is_connect(), "{close}");
    }
    reply(https.create("")).await.expect(201);
    assert_eq!(https.statuses(), 1);
}
