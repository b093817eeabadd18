//! The variables of OpenTelemetry: what they turn off, their errors, and what is shown of them.

use serde_json::json;

use crate::commands::{ANY_PORTS, Program, program};
use crate::harness::http_client;
use crate::localhost_tls;
use crate::otlp_receiver::OtlpReceiver;
use crate::traces::{Gateway, READ, TRACEPARENT};

#[tokio::test(flavor = "multi_thread")]
async fn no_connection_is_made_while_traces_are_off() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    for variables in [
        &[][..],
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", "")],
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()), ("OTEL_SDK_DISABLED", "TRUE")],
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()), ("OTEL_TRACES_EXPORTER", "none")],
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()), ("OTEL_TRACES_SAMPLER", "always_off")],
    ] {
        let gateway = Gateway::start(variables).await;
        let response = gateway.request(READ, json!({"id": "none"})).header("traceparent", TRACEPARENT).send();
        response.await.unwrap();
        assert_eq!(gateway.sandbox.requests()[0].header("traceparent"), Some(TRACEPARENT));
        for result in ["exported", "dropped", "failed"] {
            assert_eq!(gateway.counter(result).await, 0, "{result}");
        }
        gateway.stop().await;
    }
    let accepted = futures_util::FutureExt::now_or_never(listener.accept());
    assert!(accepted.is_none(), "{accepted:?}");
}

#[test]
fn a_variable_that_cannot_be_used_is_named_with_what_is_allowed() {
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");
    for (name, value, allowed) in [
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "127.0.0.1:4318",
            "must be a URL that starts with http:// or https://",
        ),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "ftp://collector", "must be a URL that starts with http://"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://me:canary@collector", "set OTEL_EXPORTER_OTLP_HEADERS"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", "protocols are "),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "canary\n", "`canary` is not supported; protocols are "),
        ("OTEL_TRACES_EXPORTER", "zipkin", "set otlp or none"),
        ("OTEL_TRACES_SAMPLER", "sometimes", "samplers are always_on, always_off, traceidratio"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "canary", "as in name=value,other=value"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a b=canary", "as in name=value,other=value"),
        ("OTEL_RESOURCE_ATTRIBUTES", "=x", "as in name=value,other=value"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "a whole number from 1 to 86400000"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0", "a whole number from 1 to 100000"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4096", "a whole number from 1 to 2048"),
    ] {
        let output = program(&["config"]).envs([endpoint]).env(name, value).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{name}={value}: {error}");
        assert!(error.starts_with(&format!("error: {name}: ")) && error.contains(allowed), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(!name.ends_with("HEADERS") || !error.contains("canary"), "{error}");
        assert!(!error.contains("me:canary"), "{error}");
    }
    let ratio = [("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "50%")];
    let output = program(&["config"]).envs([endpoint]).envs(ratio).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("OTEL_TRACES_SAMPLER_ARG: `50%` must be a share from 0 to 1"), "{error}");
}

#[test]
fn the_configuration_shows_the_variables_without_headers() {
    let output = program(&["config"])
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
        .env("OTEL_EXPORTER_OTLP_HEADERS", "authorization=canary")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("\n# OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318\n"), "{text}");
    assert!(text.contains("\n# OTEL_EXPORTER_OTLP_HEADERS=***\n"), "{text}");
    assert!(!text.contains("canary"), "{text}");
    // It is still a configuration file.
    toml::from_str::<toml::Table>(&text).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_log_line_has_the_headers_of_exports() {
    let receiver = OtlpReceiver::start().await;
    let endpoint = receiver.endpoint();
    for protocol in ["http/protobuf", "grpc"] {
        let variables = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=canary%20header"),
            ("INTUNE_GRAPHQL_LOG", "trace"),
        ];
        let gateway = Gateway::start(&variables).await;
        gateway.graphql(READ, json!({"id": "none"})).await;
        let log = gateway.stop().await;
        assert_eq!(receiver.received().headers["authorization"], "canary header", "{protocol}");
        assert!(log.iter().any(|line| line["message"] == "exporting traces" && line["endpoint"].is_string()));
        let found: Vec<_> = log.iter().filter(|line| line.to_string().contains("canary")).collect();
        assert!(found.is_empty(), "{protocol}: {found:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_are_exported_over_https_to_a_collector_of_a_configured_authority() {
    let receiver = OtlpReceiver::start().await;
    for (protocol, alpn) in [("http/protobuf", &b"http/1.1"[..]), ("http/protobuf", b"h2"), ("grpc", b"h2")] {
        let (acceptor, authority) = localhost_tls::acceptor(alpn);
        let port = localhost_tls::forward(acceptor, receiver.address).await;
        let endpoint = format!("https://localhost:{port}");
        let authority = authority.to_str().unwrap();
        let variables = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
            ("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", authority),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nonexistent"),
        ];
        let gateway = Gateway::start(&variables).await;
        gateway.graphql(READ, json!({"id": "none"})).await;
        let log = gateway.stop().await;
        assert!(!receiver.received().spans.is_empty(), "{protocol}, {alpn:?}: {log:#?}");

        let gateway = Gateway::start(&variables[..2]).await;
        gateway.graphql(READ, json!({"id": "none"})).await;
        let log = gateway.stop().await;
        let failed = log.iter().find(|line| line["message"] == "trace spans could not be exported");
        let error = failed.unwrap_or_else(|| panic!("{log:#?}"))["error"].as_str().unwrap();
        assert!(error.contains("the certificate is not issued by a trusted authority"), "{error}");
        assert!(receiver.received().spans.is_empty(), "an authority that is not trusted");
    }
    let output = tokio::task::block_in_place(|| {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://localhost:1");
        let certificate = ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nonexistent");
        program(&[&["serve"], &ANY_PORTS[..]].concat()).envs([endpoint, certificate]).output()
    });
    let error = String::from_utf8(output.unwrap().stderr).unwrap();
    assert!(error.contains("error: OTEL_EXPORTER_OTLP_CERTIFICATE: cannot read /nonexistent: "), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_exports_traces() {
    let receiver = OtlpReceiver::start().await;
    let arguments = [&["demo", "--sandbox-listen", "127.0.0.1:0"], &ANY_PORTS[..]].concat();
    let mut demo = Program::start_with(&arguments, &[("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.endpoint())]);
    let url = demo.line("listening on ");
    let request = http_client().build().unwrap().post(format!("{url}/graphql"));
    let request = request.header("content-type", "application/json").bearer_auth("t");
    request.body(r#"{"query": "query Demo { __typename }"}"#).send().await.unwrap();
    let (code, log) = tokio::task::block_in_place(|| demo.stop());
    assert_eq!(code, Some(0), "{log}");
    assert!(receiver.received().spans.iter().any(|span| span.name == "query Demo"), "{log}");
}
