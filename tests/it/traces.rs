//! Traces over OTLP: the spans of a request, their ids, and what is not in them.

use msgraph_sandbox::{DEMO_CONFIGURATION_ID, FaultRule, Sandbox};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::{Value, json};

use crate::add_device_status::{MUTATION, device_status};
use crate::bulk::{BULK, numbered};
use crate::commands::Program;
use crate::harness::http_client;
use crate::otlp_receiver::{OtlpReceiver, Received, Span};

pub(crate) const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const ROUTE: &str = "/deviceAppManagement/iosLobAppProvisioningConfigurations/{id}/deviceStatuses";
pub(crate) const READ: &str =
    "query Read($id: ID!) { iosLobAppProvisioningConfiguration(id: $id) { displayName } }";

/// The program with traces, in front of a sandbox.
pub(crate) struct Gateway {
    program: Program,
    pub(crate) url: String,
    admin: String,
    pub(crate) sandbox: Sandbox,
    client: reqwest::Client,
}

impl Gateway {
    /// With these variables. The default delay of exports is long, so that mostly a shutdown exports.
    pub(crate) async fn start(variables: &[(&str, &str)]) -> Self {
        let sandbox = Sandbox::new(msgraph_sandbox::Settings::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let root = format!("http://{}/beta", listener.local_addr().unwrap());
        tokio::spawn(msgraph_sandbox::run(listener, sandbox.clone(), std::future::pending()));
        let arguments = [
            &["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--graph-url", &root][..],
            &["--log-format", "json", "--access-log", "all"],
        ]
        .concat();
        let mut program = Program::start_with(&arguments, variables);
        let url = program.line("listening on ");
        let admin = program.line("admin listening on ");
        Self { program, url, admin, sandbox, client: http_client().build().unwrap() }
    }

    pub(crate) fn request(&self, query: &str, variables: Value) -> reqwest::RequestBuilder {
        let body = json!({"query": query, "variables": variables}).to_string();
        let request =
            self.client.post(format!("{}/graphql", self.url)).bearer_auth("canary-token").body(body);
        request.header("content-type", "application/json").header("cookie", "canary-cookie")
    }

    pub(crate) async fn graphql(&self, query: &str, variables: Value) -> Value {
        let response = self.request(query, variables).send().await.unwrap();
        serde_json::from_str(&response.text().await.unwrap()).unwrap()
    }

    pub(crate) async fn counter(&self, result: &str) -> u64 {
        let page =
            self.client.get(format!("{}/metrics", self.admin)).send().await.unwrap().text().await.unwrap();
        let name = format!("intune_graphql_trace_spans_total{{result=\"{result}\"}} ");
        page.lines().find_map(|line| line.strip_prefix(&name)).unwrap().parse().unwrap()
    }

    /// Stops the program, and returns its log.
    pub(crate) async fn stop(self) -> Vec<Value> {
        let program = self.program;
        let (code, said) = tokio::task::spawn_blocking(|| program.stop()).await.unwrap();
        assert_eq!(code, Some(0), "{said}");
        said.lines()
            .filter(|line| line.contains("\"timestamp\""))
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

impl Received {
    #[track_caller]
    pub(crate) fn only(&self, name: &str) -> &Span {
        let found: Vec<&Span> = self.spans.iter().filter(|span| span.name == name).collect();
        let [span] = found[..] else { panic!("{} spans {name}: {:#?}", found.len(), self.spans) };
        span
    }
}

impl Span {
    #[track_caller]
    pub(crate) fn assert(&self, kind: SpanKind, parent: &str, attributes: Value) {
        assert_eq!((self.kind, self.parent.as_str()), (kind, parent), "{self:#?}");
        for (name, value) in attributes.as_object().unwrap() {
            assert_eq!(self.attributes.get(name).unwrap_or(&Value::Null), value, "{name}: {self:#?}");
        }
    }
}

pub(crate) fn canary_input() -> Value {
    let mut status = device_status();
    for field in ["deviceDisplayName", "userName", "deviceModel", "userPrincipalName"] {
        status[field] = json!(format!("canary {field}"));
    }
    json!({"input": {
        "configurationId": DEMO_CONFIGURATION_ID, "deviceStatus": status, "idempotencyKey": "canary-key",
        "clientMutationId": "canary-mutation",
    }})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mutation_with_one_retry_is_one_trace() {
    let receiver = OtlpReceiver::start().await;
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=a%20b".to_owned()),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test".to_owned()),
    ];
    let gateway = Gateway::start(&variables.each_ref().map(|(name, value)| (*name, value.as_str()))).await;
    gateway.sandbox.inject(FaultRule::once("429;retry-after=0;code=TooManyRequests".parse().unwrap()));
    let response = gateway.request(MUTATION, canary_input()).header("traceparent", TRACEPARENT).send();
    let response = response.await.unwrap();
    let id = response.headers()["client-request-id"].to_str().unwrap().to_owned();
    let host = gateway.url.strip_prefix("http://127.0.0.1:").unwrap().parse::<u16>().unwrap();
    let sandbox = gateway.sandbox.clone();
    let log = gateway.stop().await;
    let received = receiver.received();

    let request = received.only("POST /graphql");
    request.assert(SpanKind::Server, "00f067aa0ba902b7", json!({
        "http.request.method": "POST", "http.route": "/graphql", "url.scheme": "http", "url.path": "/graphql",
        "http.response.status_code": 200, "network.protocol.version": "1.1", "server.address": "127.0.0.1",
        "server.port": host, "client_request_id": id, "error.type": null,
    }));
    let operation = received.only("mutation Add");
    operation.assert(
        SpanKind::Internal,
        &request.id,
        json!({
            "graphql.operation.name": "Add", "graphql.operation.type": "mutation", "client_request_id": id,
            "error.type": null,
        }),
    );
    let hash = operation.attributes["graphql.document.hash"].as_str().unwrap();
    assert!(hash.starts_with("sha256:") && hash.len() == 71, "{hash}");
    let resolver = received.only("resolve addDeviceStatus");
    resolver.assert(
        SpanKind::Internal,
        &operation.id,
        json!({
            "graphql.field.name": "addDeviceStatus", "error.type": null,
        }),
    );
    let mut calls: Vec<&Span> =
        received.spans.iter().filter(|span| span.name == format!("POST {ROUTE}")).collect();
    calls.sort_by_key(|span| span.times);
    let [first, second] = calls[..] else { panic!("two calls: {:#?}", received.spans) };
    for (call, expected) in [
        (
            first,
            json!({"http.response.status_code": 429, "error.type": "429", "http.request.resend_count": null}),
        ),
        (
            second,
            json!({"http.response.status_code": 201, "error.type": null, "http.request.resend_count": 1}),
        ),
    ] {
        call.assert(SpanKind::Client, &resolver.id, expected);
        call.assert(
            SpanKind::Client,
            &resolver.id,
            json!({
                "http.request.method": "POST", "url.template": ROUTE, "server.address": "127.0.0.1",
                "client_request_id": id, "network.protocol.version": "1.1",
            }),
        );
        assert_eq!(call.is_error, call.attributes.contains_key("error.type"));
        assert_eq!(call.attributes["graph.request_id"].as_str().unwrap().len(), 36);
    }
    assert_eq!(received.spans.len(), 5, "{:#?}", received.spans);
    assert!(
        received.spans.iter().all(|span| span.trace_id == TRACEPARENT[3..35] && span.times.0 <= span.times.1)
    );

    // The ids are those of Graph's record and of the log.
    let sent: Vec<String> =
        sandbox.requests().iter().map(|sent| sent.header("traceparent").unwrap().to_owned()).collect();
    assert_eq!(sent, [first, second].map(|call| format!("00-{}-{}-01", call.trace_id, call.id)));
    let of_request: Vec<&Value> = log.iter().filter(|line| line["client_request_id"] == id).collect();
    assert!(of_request.len() >= 2, "the failed call and the operation: {log:#?}");
    assert!(of_request.iter().all(|line| line["trace_id"] == request.trace_id), "{of_request:#?}");
    let throttled = of_request.iter().find(|line| line["graph.status"] == 429).unwrap();
    assert_eq!(throttled["graph.request_id"], first.attributes["graph.request_id"]);

    // The process, and nothing that a caller sent.
    assert_eq!(received.resource["service.name"], "intune-graphql");
    assert_eq!(received.resource["deployment.environment.name"], "test");
    assert_eq!(received.resource["service.version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(received.headers["x-key"], "a b");
    let text = String::from_utf8_lossy(&received.bytes).to_lowercase();
    for secret in ["canary", "fragment all", DEMO_CONFIGURATION_ID, "bearer"] {
        assert!(!text.contains(secret), "{secret}: {:#?}", received.spans);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_callers_trace_the_gateway_begins_one() {
    let receiver = OtlpReceiver::start().await;
    let endpoint = format!("{}/v1/traces", receiver.endpoint());
    let gateway = Gateway::start(&[
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &endpoint),
        ("OTEL_BSP_SCHEDULE_DELAY", "1"),
        ("OTEL_SERVICE_NAME", "named"),
    ])
    .await;
    gateway.graphql(READ, json!({"id": "none"})).await;
    let received = receiver.until(4).await;
    assert_eq!(received.resource["service.name"], "named");
    let request = received.only("POST /graphql");
    assert_eq!(request.parent, "");
    let (operation, resolver) =
        (received.only("query Read"), received.only("resolve iosLobAppProvisioningConfiguration"));
    let call = received.only("GET /deviceAppManagement/iosLobAppProvisioningConfigurations/{id}");
    for (span, parent) in [(operation, request), (resolver, operation), (call, resolver)] {
        assert_eq!((&span.parent, &span.trace_id), (&parent.id, &request.trace_id));
    }
    // Graph's answer that it has no such object is null to the caller.
    assert_eq!((call.attributes["error.type"].as_str(), resolver.is_error), (Some("404"), false));
    // They are counted when the collector's response has arrived.
    while gateway.counter("exported").await < 4 {
        tokio::task::yield_now().await;
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn traces_are_exported_by_grpc_too() {
    let receiver = OtlpReceiver::start().await;
    let endpoint = receiver.endpoint();
    for (name, delay) in
        [("OTEL_EXPORTER_OTLP_ENDPOINT", "1"), ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "5000")]
    {
        let gateway = Gateway::start(&[
            (name, &endpoint),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=a%20b"),
            ("OTEL_BSP_SCHEDULE_DELAY", delay),
        ])
        .await;
        gateway.graphql(READ, json!({"id": "none"})).await;
        gateway.stop().await;
        let received = receiver.received();
        assert_eq!(received.spans.len(), 4, "{:#?}", received.spans);
        assert_eq!(received.resource["service.name"], "intune-graphql");
        assert_eq!(received.headers.get_all("x-key").iter().collect::<Vec<_>>(), ["a b"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_that_the_caller_does_not_sample_is_sent_on_and_not_exported() {
    let receiver = OtlpReceiver::start().await;
    let endpoint = receiver.endpoint();
    let not_sampled = TRACEPARENT.replace("-01", "-00");
    for (sampler, traceparent, is_exported) in [
        ("", Some(not_sampled.as_str()), false),
        ("parentbased_always_off", None, false),
        ("parentbased_always_off", Some(TRACEPARENT), true),
        ("always_off", Some(TRACEPARENT), false),
        ("always_on", Some(&not_sampled), true),
        ("parentbased_traceidratio", None, false),
    ] {
        let gateway = Gateway::start(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
            ("OTEL_TRACES_SAMPLER", sampler),
            ("OTEL_TRACES_SAMPLER_ARG", "0"),
        ])
        .await;
        let request = gateway.request(READ, json!({"id": "none"}));
        let request =
            traceparent.iter().fold(request, |request, value| request.header("traceparent", *value));
        request.send().await.unwrap();
        let sent = gateway.sandbox.requests();
        let sent_on = sent[0].header("traceparent").map(str::to_owned);
        gateway.stop().await;
        let spans = receiver.received().spans;
        assert_eq!(!spans.is_empty(), is_exported, "{sampler} {traceparent:?}: {spans:#?}");
        if !is_exported {
            assert_eq!(sent_on.as_deref(), traceparent, "{sampler}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_does_not_respond_delays_no_request_and_its_spans_are_counted() {
    // It accepts connections, and nothing else.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (address, result, message) in [
        (silent.local_addr().unwrap(), "dropped", "trace spans were dropped: the queue is full"),
        (closed, "failed", "trace spans could not be exported"),
    ] {
        let endpoint = format!("http://{address}");
        let gateway = Gateway::start(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "5000"),
            ("OTEL_BSP_SCHEDULE_DELAY", "1"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "8"),
        ])
        .await;
        let awaited = async {
            while gateway.counter(result).await == 0 {
                let response = gateway.graphql(READ, json!({"id": DEMO_CONFIGURATION_ID})).await;
                assert!(response.get("errors").is_none(), "{response:#}");
            }
        };
        // Less than one export takes.
        tokio::time::timeout(std::time::Duration::from_secs(4), awaited)
            .await
            .expect("requests are not delayed");
        let log = gateway.stop().await;
        assert!(log.iter().any(|line| line["message"] == message && line["level"] == "WARN"), "{log:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_linked_to_the_resolvers_that_wait_for_its_items() {
    let receiver = OtlpReceiver::start().await;
    let endpoint = receiver.endpoint();
    let gateway = Gateway::start(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)]).await;
    let query = "query Both($a: ID!, $b: ID!) {
        a: iosLobAppProvisioningConfiguration(id: $a) { displayName }
        b: iosLobAppProvisioningConfiguration(id: $b) { displayName }
        c: iosLobAppProvisioningConfiguration(id: $b) { version }
    }";
    gateway.sandbox.inject(FaultRule::once("503;retry-after=0".parse().unwrap()));
    gateway.graphql(query, json!({"a": DEMO_CONFIGURATION_ID, "b": "none"})).await;
    gateway.stop().await;
    let received = receiver.received();
    let operation = received.only("query Both");
    let mut resolvers: Vec<&str> = Vec::new();
    for span in received.spans.iter().filter(|span| span.name == "resolve iosLobAppProvisioningConfiguration")
    {
        span.assert(SpanKind::Internal, &operation.id, json!({}));
        resolvers.push(&span.id);
    }
    assert_eq!(resolvers.len(), 3, "{:#?}", received.spans);
    let mut batches: Vec<&Span> = received.spans.iter().filter(|span| span.name == "POST /$batch").collect();
    batches.sort_by_key(|span| span.times);
    let [failed, answered] = batches[..] else { panic!("two batches: {:#?}", received.spans) };
    failed.assert(SpanKind::Client, &operation.id, json!({"http.response.status_code": 503}));
    answered.assert(
        SpanKind::Client,
        &operation.id,
        json!({
            "http.response.status_code": 200, "http.request.resend_count": 1,
        }),
    );
    for batch in [failed, answered] {
        let mut linked: Vec<&str> = batch.links.iter().map(|(id, _)| id.as_str()).collect();
        linked.sort_unstable();
        resolvers.sort_unstable();
        assert_eq!(linked, resolvers);
        let mut items: Vec<i64> = batch
            .links
            .iter()
            .map(|(_, attributes)| attributes["graph.batch.item"].as_i64().unwrap())
            .collect();
        items.sort_unstable();
        assert_eq!(items, [0, 1, 1], "one item for one resolver, and one for two");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_create_is_part_of_its_resolver() {
    let receiver = OtlpReceiver::start().await;
    let endpoint = receiver.endpoint();
    let gateway = Gateway::start(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)]).await;
    let input = json!({"configurationId": DEMO_CONFIGURATION_ID, "deviceStatuses": numbered(3)});
    gateway.sandbox.inject(FaultRule::once("429;retry-after=0".parse().unwrap()));
    gateway.graphql(BULK, json!({"input": input})).await;
    gateway.stop().await;
    let received = receiver.received();
    let resolver = received.only("resolve addDeviceStatuses");
    let mut batches: Vec<&Span> = received.spans.iter().filter(|span| span.name == "POST /$batch").collect();
    batches.sort_by_key(|span| span.times);
    assert_eq!(batches.len(), 2, "{:#?}", received.spans);
    for (batch, resends) in batches.iter().zip([Value::Null, json!(1)]) {
        batch.assert(SpanKind::Client, &resolver.id, json!({"http.request.resend_count": resends}));
    }
}
