//! The program's log: the access log, failed calls to Graph, the start, and the ids in each line.

use msgraph_sandbox::{FaultRule, Sandbox};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::add_device_status::{MUTATION, device_status, input};
use crate::bulk::{BULK, numbered};
use crate::commands::Program;
use crate::harness::{TOKEN, http_client};

const ID: &str = "0b6f2c0a-5d1e-4c55-9f1b-7a1d3c1e9f10";
const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const QUERY: &str = "query Named { iosLobAppProvisioningConfigurations(first: 1) { nodes { id } } }";

/// A program with a log in JSON, in front of a sandbox.
struct Gateway {
    program: Program,
    url: String,
    sandbox: Sandbox,
    runtime: Runtime,
    client: reqwest::Client,
}

impl Gateway {
    fn start(more: &[&str]) -> Self {
        let runtime = Runtime::new().unwrap();
        let sandbox = Sandbox::new(msgraph_sandbox::Settings::default());
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let root = format!("http://{}/beta", listener.local_addr().unwrap());
        runtime.spawn(msgraph_sandbox::run(listener, sandbox.clone(), std::future::pending()));
        Self::in_front_of(&root, runtime, sandbox, more)
    }

    fn in_front_of(root: &str, runtime: Runtime, sandbox: Sandbox, more: &[&str]) -> Self {
        let timeout =
            if more.contains(&"--request-timeout") { &[][..] } else { &["--request-timeout", "950ms"] };
        let mut program = Program::serve(root, &[&["--log-format", "json"], timeout, more].concat());
        let url = program.line("listening on ");
        Self { program, url, sandbox, runtime, client: http_client().build().unwrap() }
    }

    fn post(&self, body: String) -> Value {
        let request = self.client.post(format!("{}/graphql", self.url)).bearer_auth(TOKEN).body(body);
        let request = request
            .header("content-type", "application/json")
            .header("client-request-id", ID)
            .header("traceparent", TRACEPARENT);
        let text = self.runtime.block_on(async { request.send().await.unwrap().text().await.unwrap() });
        serde_json::from_str(&text).unwrap()
    }

    fn graphql(&self, query: &str, variables: Value) -> Value {
        self.post(json!({"query": query, "variables": variables}).to_string())
    }

    fn add(&self, faults: &[&str]) -> Value {
        self.sandbox.clear_faults();
        faults.iter().for_each(|fault| self.sandbox.inject(FaultRule::once(fault.parse().unwrap())));
        self.graphql(MUTATION, input(device_status()))
    }

    /// Stops the program, and gives its log lines.
    fn log(self) -> Vec<Value> {
        let (code, said) = self.program.stop();
        assert_eq!(code, Some(0), "{said}");
        let lines = said.lines().filter(|line| line.contains("\"timestamp\""));
        lines
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
            .collect()
    }
}

fn of_access(log: &[Value]) -> Vec<&Value> {
    log.iter().filter(|line| line["target"] == "intune_graphql::access").collect()
}

#[track_caller]
fn assert_fields(line: &Value, expected: Value) {
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(line.get(name).unwrap_or(&Value::Null), value, "{name}: {line:#}");
    }
}

#[test]
fn the_access_log_has_one_line_for_each_operation() {
    let gateway = Gateway::start(&["--access-log", "all"]);
    gateway.graphql(QUERY, Value::Null);
    gateway.add(&["429;retry-after=0"]);
    gateway.add(&["403;code=Forbidden"]);
    gateway.add(&["drop-applied"]);
    gateway.post("{".to_owned());
    let bulk = json!({"input": {
        "configurationId": msgraph_sandbox::DEMO_CONFIGURATION_ID, "deviceStatuses": numbered(3),
    }});
    gateway.graphql(BULK, bulk);
    let log = gateway.log();
    let lines = of_access(&log);
    let expected = [
        json!({"operation.name": "Named", "operation.type": "query", "code": "OK", "errors": 0, "http.status": 200,
               "graph.calls": 1, "graph.retries": 0, "transport": "http", "outcome": null}),
        json!({"operation.type": "mutation", "code": "OK", "graph.calls": 2, "graph.retries": 1}),
        json!({"code": "FORBIDDEN", "errors": 1, "outcome": "REJECTED", "http.status": 200, "graph.calls": 1}),
        json!({"code": "OUTCOME_UNKNOWN", "outcome": "UNKNOWN", "graph.calls": 1}),
        json!({"operation.type": "unknown", "code": "BAD_REQUEST", "http.status": 400, "graph.calls": 0}),
        json!({"operation.type": "mutation", "code": "OK", "graph.batch_items": 3}),
    ];
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    for (line, expected) in lines.iter().zip(expected) {
        assert_fields(line, expected);
        assert_fields(
            line,
            json!({"level": "INFO", "message": "operation", "client_request_id": ID,
                                   "trace_id": &TRACEPARENT[3..35]}),
        );
        assert!(line["duration_ms"].is_f64() && line["graph.duration_ms"].is_number(), "{line:#}");
    }
    for (line, is_known) in lines.iter().zip([true, true, true, false, false, true]) {
        assert_eq!(line["graph.request_id"].is_string(), is_known, "{line:#}");
    }
}

#[test]
fn the_access_log_is_of_errors_by_default_and_can_be_off_or_sampled() {
    for (more, expected) in [
        (&[][..], &["NOT_FOUND"][..]),
        (&["--access-log", "off"], &[]),
        (&["--access-log", "all", "--access-log-sample", "0.0000001"], &["NOT_FOUND"]),
    ] {
        let gateway = Gateway::start(more);
        gateway.graphql(QUERY, Value::Null);
        gateway.add(&["404"]);
        let log = gateway.log();
        let codes: Vec<_> =
            of_access(&log).iter().map(|line| line["code"].as_str().unwrap().to_owned()).collect();
        assert_eq!(codes, expected, "{more:?}");
    }
}

#[test]
fn a_bulk_write_with_failed_items_is_logged_as_an_error_and_one_without_success_has_the_code_of_its_first_item()
 {
    let mut gateway = Gateway::start(&[]);
    let admin = gateway.program.line("admin listening on ");
    let input =
        json!({"configurationId": msgraph_sandbox::DEMO_CONFIGURATION_ID, "deviceStatuses": numbered(3)});
    let bulk = |faults: &[&str], query: &str| {
        gateway.sandbox.clear_faults();
        faults.iter().for_each(|fault| gateway.sandbox.inject(fault.parse().unwrap()));
        gateway.graphql(query, json!({"input": input}));
    };
    bulk(&[], BULK);
    bulk(&["batch-item;item=2;status=403"], BULK);
    bulk(&["403;code=Forbidden"], BULK);
    let several = "mutation($input: AddDeviceStatusesInput!) {
        a: addDeviceStatuses(input: $input) { failedCount } b: addDeviceStatuses(input: $input) { failedCount } }";
    bulk(&["403;code=Forbidden"], several);
    let metrics = gateway.runtime.block_on(async {
        gateway.client.get(format!("{admin}/metrics")).send().await.unwrap().text().await.unwrap()
    });
    for (code, count) in [("OK", 2), ("FORBIDDEN", 2)] {
        let series =
            format!("intune_graphql_requests_total{{operation_type=\"mutation\",code=\"{code}\"}} {count}\n");
        assert!(metrics.contains(&series), "{series}: {metrics}");
    }
    let log = gateway.log();
    let lines = of_access(&log);
    let expected = [
        json!({"code": "OK", "errors": 0, "failed_items": 1, "outcome": "REJECTED"}),
        json!({"code": "FORBIDDEN", "errors": 0, "failed_items": 3, "outcome": "REJECTED", "http.status": 200}),
        json!({"code": "FORBIDDEN", "errors": 0, "failed_items": 6, "outcome": "REJECTED"}),
    ];
    assert_eq!(lines.len(), expected.len(), "without failed items, it is not logged: {lines:#?}");
    for (line, expected) in lines.iter().zip(expected) {
        assert_fields(line, expected);
    }
}

#[test]
fn a_request_that_its_client_cancels_is_logged() {
    let mut gateway = Gateway::start(&["--request-timeout", "20s"]);
    let admin = gateway.program.line("admin listening on ");
    gateway.sandbox.inject("slow-first-byte;wait=30s".parse().unwrap());
    // By HTTP/1.1, a client that closes its connection may still wait for the response.
    let http_2 = http_client().http2_prior_knowledge().build().unwrap();
    let request = http_2.post(format!("{}/graphql", gateway.url)).bearer_auth(TOKEN);
    let body = json!({"query": QUERY}).to_string();
    let request = request.header("content-type", "application/json").body(body);
    gateway.runtime.block_on(async {
        let sent = tokio::spawn(request.send());
        let metrics = format!("{admin}/metrics");
        let until_in_flight = async |count: usize| {
            let line = format!("intune_graphql_requests_in_flight {count}");
            let metrics = async || gateway.client.get(&metrics).send().await.unwrap().text().await.unwrap();
            while !metrics().await.contains(&line) {
                tokio::task::yield_now().await;
            }
        };
        until_in_flight(1).await;
        sent.abort();
        until_in_flight(0).await;
    });
    let log = gateway.log();
    assert_fields(
        of_access(&log)[0],
        json!({"code": "CANCELLED", "operation.name": "Named", "http.status": null}),
    );
}

#[test]
fn each_failed_call_to_graph_is_logged_with_its_ids_and_typed_values() {
    let gateway = Gateway::start(&[]);
    for fault in [
        "429;retry-after=60;code=TooManyRequests",
        "403;code=Forbidden",
        "500",
        "drop-unread",
        "slow-first-byte;wait=3s",
    ] {
        gateway.sandbox.reset();
        gateway.sandbox.inject(FaultRule::once(fault.parse().unwrap()));
        // Graph's wait holds for the token.
        let body = json!({"query": MUTATION, "variables": input(device_status())}).to_string();
        let request = gateway.client.post(format!("{}/graphql", gateway.url)).body(body);
        let request = request.header("content-type", "application/json").header("client-request-id", ID);
        let request = request.bearer_auth(crate::harness::fresh_token());
        gateway.runtime.block_on(async { request.send().await.unwrap() });
    }
    let log = gateway.log();
    let calls = log.iter().filter(|line| line.get("graph.route").is_some() && line.get("writes").is_none());
    let calls: Vec<_> = calls.collect();
    let route = "/deviceAppManagement/iosLobAppProvisioningConfigurations/{id}/deviceStatuses";
    let expected = [
        json!({"level": "INFO", "message": "Graph throttled a call", "graph.status": 429, "retry_after_ms": 60_000.0,
               "graph.code": "TooManyRequests"}),
        json!({"level": "INFO", "message": "Graph refused a call", "graph.status": 403, "graph.code": "Forbidden"}),
        json!({"level": "WARN", "message": "Graph failed a call", "graph.status": 500}),
        json!({"level": "WARN", "message": "a call to Graph has no usable response", "graph.status": null}),
    ];
    assert!(calls.len() >= expected.len(), "{calls:#?}");
    for (line, expected) in calls.iter().zip(expected) {
        assert_fields(line, expected);
        assert_fields(line, json!({"client_request_id": ID, "graph.method": "POST", "graph.route": route}));
        assert!(line["duration_ms"].is_f64());
    }
    assert!(calls[..3].iter().all(|line| line["graph.request_id"].as_str().unwrap().len() == 36));
    let unknown = log.iter().filter(|line| line["message"] == "the outcome of a write is unknown");
    let unknown: Vec<_> = unknown.collect();
    assert_eq!(unknown.len(), 3, "a 500, a lost response and a late one: {log:#?}");
    assert!(unknown.iter().all(|line| line["client_request_id"] == ID));
}

#[test]
fn an_unreachable_graph_is_a_warning() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let sandbox = Sandbox::new(msgraph_sandbox::Settings::default());
    let root = format!("http://{closed}/beta");
    let gateway = Gateway::in_front_of(&root, Runtime::new().unwrap(), sandbox, &[]);
    gateway.graphql(MUTATION, input(device_status()));
    let log = gateway.log();
    let line = log.iter().find(|line| line.get("graph.route").is_some()).unwrap();
    assert_fields(line, json!({"level": "WARN", "error": "no connection to Graph", "client_request_id": ID}));
    assert!(line["cause"].as_str().unwrap().contains("refused"), "{line}");
}

#[test]
fn the_start_line_has_the_version_and_the_settings() {
    let gateway = Gateway::start(&["--max-cost", "77"]);
    let log = gateway.log();
    let start = log.iter().find(|line| line["message"] == "starting").unwrap();
    assert_fields(
        start,
        json!({"message": "starting", "version": env!("CARGO_PKG_VERSION"), "level": "INFO"}),
    );
    let settings = start["settings"].as_str().unwrap();
    for setting in ["--max-cost=77", "--request-timeout=950ms", "--access-log=errors", "--log-format=json"] {
        assert!(settings.split(' ').any(|found| found == setting), "{setting}: {settings}");
    }
}

#[test]
fn text_lines_have_the_ids_and_stay_on_one_line() {
    let sandbox = Sandbox::new(msgraph_sandbox::Settings::default());
    let runtime = Runtime::new().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let root = format!("http://{}/beta", listener.local_addr().unwrap());
    runtime.spawn(msgraph_sandbox::run(listener, sandbox.clone(), std::future::pending()));
    let mut program = Program::serve(&root, &["--access-log", "all"]);
    let url = program.line("listening on ");
    sandbox.inject(FaultRule::once("403;code=Two words".parse().unwrap()));
    let body = json!({"query": MUTATION, "variables": input(device_status())}).to_string();
    let request = http_client().build().unwrap().post(format!("{url}/graphql")).bearer_auth(TOKEN).body(body);
    let request = request.header("content-type", "application/json").header("client-request-id", ID);
    runtime.block_on(async { request.send().await.unwrap() });
    let (_, said) = program.stop();
    let line = said.lines().find(|line| line.contains("Graph refused a call")).unwrap();
    assert!(
        line.contains(" INFO intune_graphql::graph::call_log: Graph refused a call graph.method=POST "),
        "{line}"
    );
    assert!(line.contains(" graph.status=403 graph.code=\"Two words\" "), "{line}");
    assert!(line.ends_with(&format!(" client_request_id={ID}")), "{line}");
    assert!(!said.contains('\x1b'), "no colors beside a terminal: {said}");
}

#[test]
fn the_sandbox_names_its_address_in_json_too() {
    let mut sandbox = Program::start(&["sandbox", "--listen", "127.0.0.1:0", "--log-format", "json"]);
    assert!(sandbox.line("sandbox listening on http://127.0.0.1:").ends_with("/beta"));
    assert_eq!(sandbox.stop().0, Some(0));
}
