//! What has hurt other gateways: a test for each, named for its row in the project's list of incidents and for what was
//! done. Those that have a file of their own stand there, under their row's number as well: links and cursors that lead
//! elsewhere (`row_10` in `page_faults` and `cursors`), the token where it should not be (`row_13` in `token` and `auth`),
//! damaged batches (`row_16` in `batch_faults`), slow clients (`row_19` in `slow_clients`). All others are here.

use futures_util::future::join_all;
use http::{Method, StatusCode};
use msgraph_sandbox::{self as sandbox, DEMO_CONFIGURATION_ID, FaultRule, Sandbox};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::add_device_status::{MUTATION, device_status, input, input_with};
use crate::commands::Program;
use crate::harness::{Gateway, Reply, TOKEN, fresh_token, http_client};

async fn post(gateway: &Gateway, body: String) -> Reply {
    let request = gateway
        .post()
        .header("content-type", "application/json")
        .header("accept", "application/graphql-response+json")
        .bearer_auth(TOKEN);
    Reply::read(request.body(body).send().await.unwrap()).await
}

async fn query(gateway: &Gateway, query: &str) -> Reply {
    post(gateway, json!({"query": query}).to_string()).await
}

/// The process lives and serves.
async fn assert_serving(gateway: &Gateway) {
    query(gateway, "{ __typename }").await.data();
}

async fn connect(gateway: &Gateway) -> TcpStream {
    TcpStream::connect(gateway.url.trim_start_matches("http://")).await.unwrap()
}

/// Refused with few and short words, and Graph was not asked.
async fn assert_rejected(gateway: &Gateway, document: &str, code: &str) {
    let reply = query(gateway, document).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    let errors = reply.json["errors"].as_array().unwrap();
    assert!(errors.len() <= 10, "{}", errors.len());
    assert!(errors.iter().all(|error| error["extensions"]["code"] == code), "{code}: {errors:?}");
    assert!(reply.json.to_string().len() < 4096);
    assert!(gateway.sent().is_empty());
    assert_serving(gateway).await;
}

#[tokio::test]
async fn deeply_nested_values_and_selections_are_rejected() {
    let gateway = Gateway::start().await;
    for depth in [65, 2000, 7000] {
        let lists = format!("{{node(id:{}{}){{id}}}}", "[".repeat(depth), "]".repeat(depth));
        assert_rejected(&gateway, &lists, "QUERY_TOO_LARGE").await;
        let objects = format!("{{node(id:{}1{}){{id}}}}", "{a:".repeat(depth), "}".repeat(depth));
        assert_rejected(&gateway, &objects, "QUERY_TOO_LARGE").await;
        let selections = format!("{}a{}", "{a:".repeat(depth), "}".repeat(depth));
        assert_rejected(&gateway, &selections, "GRAPHQL_PARSE_FAILED").await;
        let selections = format!("{}{}", "{a".repeat(depth), "}".repeat(depth));
        assert_rejected(&gateway, &selections, "QUERY_TOO_LARGE").await;
    }
    // A document of 1 MB is refused by its length.
    let gateway = Gateway::builder().settings(|settings| settings.max_request_body = 4 << 20).start().await;
    assert_rejected(&gateway, &"{a".repeat(500_000), "QUERY_TOO_LARGE").await;
}

#[tokio::test]
async fn exponentially_growing_fragments_are_rejected_without_expansion() {
    let gateway = Gateway::start().await;
    // To go through two to the power of 190 selections would take for ever: whoever answers has not begun.
    for levels in [22, 190] {
        let mut doubling = "query{node(id:\"ig~1.c.YQ\"){...F0}}".to_owned();
        for level in 0..levels {
            doubling += &format!("fragment F{level} on Node{{...F{0} ...F{0}}}", level + 1);
        }
        doubling += &format!("fragment F{levels} on Node{{id}}");
        assert_rejected(&gateway, &doubling, "QUERY_TOO_LARGE").await;
    }
    let mut wide = "query{node(id:\"ig~1.c.YQ\"){...F0}}".to_owned();
    for level in 0..7 {
        let spreads: String = (0..10).map(|alias| format!("a{alias}:id ...F{} ", level + 1)).collect();
        wide += &format!("fragment F{level} on Node{{{spreads}}}");
    }
    wide += "fragment F7 on Node{id}";
    assert_rejected(&gateway, &wide, "QUERY_TOO_LARGE").await;
    let cyclic = "query{node(id:\"x\"){...F}} fragment F on Node{id ...F}";
    assert_rejected(&gateway, cyclic, "GRAPHQL_VALIDATION_FAILED").await;
    let unused = "query A{__typename} query B{node(id:\"x\"){...F}} fragment F on Node{...F}";
    assert_rejected(&gateway, unused, "GRAPHQL_VALIDATION_FAILED").await;
}

#[tokio::test]
async fn thousands_of_directives_have_a_short_error() {
    let gateway = Gateway::start().await;
    for directives in ["@a".repeat(5000), "@skip(if:false)".repeat(1000)] {
        assert_rejected(&gateway, &format!("{{__typename {directives}}}"), "QUERY_TOO_LARGE").await;
        assert_rejected(&gateway, &format!("{{...{directives}{{__typename}}}}"), "QUERY_TOO_LARGE").await;
        assert_rejected(&gateway, &format!("query {directives}{{__typename}}"), "QUERY_TOO_LARGE").await;
    }
    assert_rejected(&gateway, &format!("{{__typename {}}}", "@a".repeat(20)), "GRAPHQL_VALIDATION_FAILED")
        .await;
}

#[tokio::test]
async fn two_hundred_aliased_writes_are_rejected() {
    let gateway = Gateway::start().await;
    let fields: String = (0..130)
        .map(|index| format!("a{index}:deleteDeviceStatus(input:{{id:\"x\"}}){{deletedId}} "))
        .collect();
    assert_rejected(&gateway, &format!("mutation{{{fields}}}"), "QUERY_TOO_LARGE").await;
    let fields: String =
        (0..60).map(|index| format!("a{index}:addDeviceStatus(input:$i){{replayed}} ")).collect();
    assert_rejected(&gateway, &format!("mutation($i:AddDeviceStatusInput!){{{fields}}}"), "BAD_USER_INPUT")
        .await;
    let body = json!({"query": format!("mutation($i:AddDeviceStatusInput!){{{fields}}}"),
        "variables": {"i": input(device_status())["input"]}});
    assert_eq!(post(&gateway, body.to_string()).await.code(), "QUERY_TOO_LARGE");
    assert!(gateway.sent().is_empty());
}

#[tokio::test]
async fn an_array_of_requests_is_rejected() {
    let gateway = Gateway::start().await;
    let requests: Vec<Value> = vec![json!({"query": "{ __typename }"}); 1000];
    let reply = post(&gateway, Value::Array(requests).to_string()).await;
    assert_eq!((reply.status, reply.code()), (StatusCode::BAD_REQUEST, "BAD_REQUEST"));
}

#[tokio::test]
async fn cross_site_requests_of_a_browser_write_nothing() {
    let gateway = Gateway::start().await;
    let body = json!({"query": MUTATION, "variables": input(device_status())}).to_string();
    for content_type in [
        None,
        Some("text/plain;charset=UTF-8"),
        Some("application/x-www-form-urlencoded"),
        Some("multipart/form-data; boundary=x"),
        Some("message/rfc822"),
    ] {
        let mut request = gateway.post().bearer_auth(TOKEN).body(body.clone());
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        assert_eq!(
            request.send().await.unwrap().status(),
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "{content_type:?}"
        );
    }
    let url = format!(
        "/graphql?{}",
        url::form_urlencoded::Serializer::new(String::new())
            .append_pair("query", MUTATION)
            .append_pair("variables", &input(device_status()).to_string())
            .finish()
    );
    let answer = gateway.request(Method::GET, &url).bearer_auth(TOKEN).send().await.unwrap();
    assert_eq!(
        (answer.status(), answer.headers()["allow"].to_str().unwrap()),
        (StatusCode::METHOD_NOT_ALLOWED, "POST")
    );
    let answer =
        gateway.request(Method::PUT, "/graphql").header("content-type", "application/json").body(body);
    assert_eq!(answer.send().await.unwrap().status(), StatusCode::METHOD_NOT_ALLOWED);
    assert!(gateway.sent().is_empty());
}

#[tokio::test]
async fn oversized_and_compressed_bodies_are_rejected() {
    let gateway = Gateway::builder().settings(|settings| settings.max_request_body = 1000).start().await;
    let body = json!({"query": "{ __typename }", "variables": {"x": "x".repeat(2000)}}).to_string();
    let head = "POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nconnection: close\r\n";
    // So small that all of it is read at once, and the answer never lost with what is unread.
    for request in [
        format!("{head}content-length: {}\r\n\r\n{body}", body.len()),
        format!("{head}transfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len()),
    ] {
        let mut stream = connect(&gateway).await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        assert!(answer.contains("QUERY_TOO_LARGE"), "{answer}");
    }
    // One without an end is cut; nobody waits until it has come.
    let mut stream = connect(&gateway).await;
    stream.write_all(format!("{head}transfer-encoding: chunked\r\n\r\n").as_bytes()).await.unwrap();
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(1 << 16));
    while stream.write_all(chunk.as_bytes()).await.is_ok() {}
    let request =
        gateway.post().header("content-type", "application/json").header("content-encoding", "gzip");
    assert_eq!(request.body("x").send().await.unwrap().status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_serving(&gateway).await;
}

#[tokio::test]
async fn other_charsets_are_rejected() {
    let gateway = Gateway::start().await;
    for charset in ["utf-7", "utf-16", "iso-8859-1", "x-mac-roman"] {
        let request = gateway.post().header("content-type", format!("application/json; charset={charset}"));
        let answer = request.body(r#"{"query": "{ __typename }"}"#).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE, "{charset}");
    }
}

#[tokio::test]
async fn no_error_reveals_the_schema_if_introspection_is_off() {
    let gateway = Gateway::builder().api(|api| api.introspection = false).start().await;
    for document in [
        "{__schema{types{name}}}",
        "{a:__type(name:\"Query\"){name}}",
        "{...F} fragment F on Query{__schema{types{name}}}",
    ] {
        assert_rejected(&gateway, document, "INTROSPECTION_DISABLED").await;
    }
    // Each is one letter away from something that there is.
    let list = "iosLobAppProvisioningConfigurations";
    let patch = "mutation($p: DeviceStatusPatch!) {
        updateDeviceStatus(input: {id: \"x\", deviceStatus: $p}) { clientMutationId } }";
    for (document, variables) in [
        ("{ nod }".to_owned(), json!({})),
        (format!("{{ {list}(frst: 1) {{ totalCount }} }}"), json!({})),
        (format!("{{ {list}(first: 1) {{ totalCont }} }}"), json!({})),
        (format!("{{ {list}(first: 1) {{ totalCount @skp(if: true) }} }}"), json!({})),
        ("query($p: DeviceStatusPtch) { __typename }".to_owned(), json!({})),
        ("{ ... on Qury { __typename } }".to_owned(), json!({})),
        (patch.replace("$p}", "{platfrm: 1}}").replace("($p: DeviceStatusPatch!)", ""), json!({})),
        (patch.replace("$p}", "{status: COMPLIAN}}").replace("($p: DeviceStatusPatch!)", ""), json!({})),
        (patch.to_owned(), json!({"p": {"platfrm": 1}})),
        (patch.to_owned(), json!({"p": {"status": "COMPLIAN"}})),
        (patch.to_owned(), json!({"p": {"status": 1}})),
        (patch.to_owned(), json!({"p": [1]})),
    ] {
        let reply = gateway.graphql(&document, variables).await;
        let said = reply.error()["message"].as_str().unwrap().to_owned();
        assert!(["GRAPHQL_VALIDATION_FAILED", "BAD_USER_INPUT"].contains(&reply.code()), "{said}");
        for untold in
            ["mean", "`node`", "`first`", "`totalCount`", "skip", "platform", "COMPLIANT", "userName"]
        {
            assert!(!said.contains(untold) || document.contains(untold), "{document}: {said}");
        }
    }
}

#[tokio::test]
async fn ids_stay_one_segment_of_the_graph_path() {
    let gateway = Gateway::start().await;
    let root = "/beta/deviceAppManagement/iosLobAppProvisioningConfigurations/";
    for id in [
        "x/../../../users",
        "x?$filter=",
        "%2e%2e%2f",
        "x\r\nHost: a",
        "..",
        "%2e%2e",
        "x#y",
        "x\\..\\y",
        "ü",
    ] {
        gateway.clear_requests();
        let mut variables = input(device_status());
        variables["input"]["configurationId"] = json!(id);
        gateway.graphql(MUTATION, variables).await.error();
        for sent in gateway.sent() {
            let segments: Vec<&str> =
                sent.path.strip_prefix(root).unwrap_or_else(|| panic!("{}", sent.path)).split('/').collect();
            assert_eq!((segments.len(), segments[1]), (2, "deviceStatuses"), "{id:?}: {}", sent.path);
            assert_eq!(sent.query, None);
        }
    }
    assert_serving(&gateway).await;
}

#[tokio::test]
async fn two_callers_share_neither_requests_nor_responses() {
    let gateway = Gateway::start().await;
    let document = format!(
        "{{ iosLobAppProvisioningConfiguration(id: \"{DEMO_CONFIGURATION_ID}\") {{ id displayName }} }}"
    );
    let (allowed, forbidden) = (fresh_token(), "no-scope-token".to_owned());
    let calls = (0..20).map(|index| {
        let token = if index % 2 == 0 { &allowed } else { &forbidden };
        gateway.graphql_as(Some(token), &document, json!({}))
    });
    let replies = join_all(calls).await;
    for (index, reply) in replies.iter().enumerate() {
        if index % 2 == 0 {
            assert!(reply.data()["iosLobAppProvisioningConfiguration"]["displayName"].is_string());
        } else {
            assert_eq!(reply.code(), "FORBIDDEN");
            assert!(reply.json["data"]["iosLobAppProvisioningConfiguration"].is_null());
        }
    }
    let sent = gateway.sent();
    assert_eq!(sent.len(), 20);
    for token in [&allowed, &forbidden] {
        let header = format!("Bearer {token}");
        assert_eq!(sent.iter().filter(|sent| sent.header("authorization") == Some(&header)).count(), 10);
    }
}

#[tokio::test]
async fn only_allowlisted_headers_go_to_graph() {
    let gateway = Gateway::start().await;
    let request = gateway
        .post()
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {TOKEN}"))
        .header("connection", "authorization, x-hop")
        .header("x-hop", "1")
        .header("cookie", "session=1")
        .header("x-forwarded-host", "evil.example")
        .header("x-forwarded-for", "1.2.3.4")
        .header("forwarded", "for=1.2.3.4")
        .header("prefer", "return=minimal")
        .header("x-sandbox-fault", "500")
        .header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
        .header("origin", "https://evil.example")
        .body(json!({"query": MUTATION, "variables": input(device_status())}).to_string());
    Reply::read(request.send().await.unwrap()).await.data();
    let [sent] = &gateway.sent()[..] else { panic!("one request") };
    for name in [
        // It speaks of the caller's connection to the gateway, which is not Graph's.
        "connection",
        "x-hop",
        "cookie",
        "x-forwarded-host",
        "x-forwarded-for",
        "forwarded",
        "prefer",
        "x-sandbox-fault",
        "traceparent",
        "origin",
    ] {
        assert_eq!(sent.header(name), None, "{name}");
    }
    assert_eq!(sent.header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));

    // Two lengths: the chunks count (RFC 9112, section 6.3), and what a proxy that counts otherwise took for a second
    // request is neither answered nor sent on.
    gateway.clear_requests();
    let body = json!({"query": MUTATION, "variables": input(device_status())}).to_string();
    let smuggled = "GET /graphql?query={smuggled:__typename} HTTP/1.1\r\nhost: x\r\n\r\n";
    for lengths in [
        "content-length: 5\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 5\r\n",
    ] {
        let request = format!(
            "POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nauthorization: Bearer {TOKEN}\r\n\
             {lengths}\r\n{:x}\r\n{body}\r\n0\r\n\r\n{smuggled}",
            body.len()
        );
        let mut stream = connect(&gateway).await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // The connection may be reset for what was left unread on it.
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8(answer).unwrap();
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{lengths}: {answer}");
        assert!(answer.starts_with("HTTP/1.1 200 ") && !answer.contains("smuggled"), "{lengths}: {answer}");
    }
    let sent = gateway.sent();
    assert_eq!(sent.len(), 2);
    for sent in sent {
        assert_eq!(sent.header("transfer-encoding"), None);
        assert_eq!(sent.header("content-length"), Some(sent.body.len().to_string().as_str()));
    }
}

#[tokio::test]
async fn a_write_with_a_lost_response_is_sent_once() {
    let gateway = Gateway::start().await;
    for fault in ["drop-applied", "504"] {
        gateway.clear_requests();
        gateway.sandbox.inject(FaultRule::once(fault.parse().unwrap()));
        let mut variables = input(device_status());
        variables["input"]["idempotencyKey"] = json!(fault);
        for _ in 0..2 {
            let reply = gateway.graphql(MUTATION, variables.clone()).await;
            assert_eq!(reply.error()["extensions"]["outcome"], "UNKNOWN");
        }
        assert_eq!(gateway.sent().iter().filter(|sent| sent.method == Method::POST).count(), 1, "{fault}");
    }
}

#[tokio::test]
async fn extreme_dates_pass_unchanged_and_impossible_ones_are_rejected() {
    let gateway = Gateway::start().await;
    for date in ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.9999999Z", "2020-02-29T00:00:00-00:00"] {
        let mut status = device_status();
        status["lastReportedDateTime"] = json!(date);
        gateway.clear_requests();
        let reply = gateway.graphql(MUTATION, input(status)).await;
        assert_eq!(reply.data()["addDeviceStatus"]["deviceStatus"]["lastReportedDateTime"], date);
        let body: Value = serde_json::from_slice(&gateway.sent()[0].body).unwrap();
        assert_eq!(body["lastReportedDateTime"], date);
    }
    let mut status = device_status();
    status["lastReportedDateTime"] = json!("2020-01-01T00:00:60Z");
    gateway.clear_requests();
    assert_eq!(gateway.graphql(MUTATION, input(status)).await.code(), "BAD_USER_INPUT");
    assert!(gateway.sent().is_empty());
}

#[test]
fn requests_cannot_forge_log_lines() {
    const FORGED: &str = "forged-1f3a";
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let sandbox = Sandbox::new(sandbox::Settings::default());
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let root = format!("http://{}/beta", listener.local_addr().unwrap());
    runtime.spawn(sandbox::run(listener, sandbox.clone(), std::future::pending()));
    let forged = format!("x\n{FORGED} ERROR all is lost\r\n{FORGED}\u{1b}[2J\u{2028}{FORGED}");

    for format in ["text", "json"] {
        let mut gateway = Program::serve(&root, &["--log", "trace", "--log-format", format]);
        let url = gateway.line("listening on ");
        // Graph fails, and says it with the same text: the one answer that is logged at any level.
        sandbox.inject(FaultRule::once(format!("500;code={forged};message={forged}").parse().unwrap()));
        let mut keyed = input(device_status());
        keyed["input"]["idempotencyKey"] = json!(forged);
        for body in [
            json!({"query": MUTATION, "variables": input_with("userName", json!(forged))}),
            json!({"query": MUTATION, "variables": keyed}),
            json!({"query": MUTATION, "variables": input(device_status()), "operationName": forged}),
            json!({"query": format!("{{ node(id: {}) {{ id }} }}", json!(forged))}),
            json!({"query": format!("{{ {forged} }}")}),
            json!({"query": "{ __typename }", "extensions": {forged.as_str(): forged}}),
        ] {
            let request = http_client().build().unwrap().post(format!("{url}/graphql"));
            let request = request.bearer_auth(TOKEN).header("content-type", "application/json");
            // The controls that a header's value may hold, and a path's may in its escaped form.
            let request = request.header("client-request-id", format!("{FORGED}\t{FORGED}"));
            runtime.block_on(async {
                request.body(body.to_string()).send().await.unwrap().text().await.unwrap()
            });
        }
        let request = http_client().build().unwrap().get(format!("{url}/%0a{FORGED}%1b[2J?%0a{FORGED}"));
        runtime.block_on(async { request.send().await.unwrap() });

        let (code, said) = gateway.stop();
        assert_eq!(code, Some(0));
        assert!(said.contains("Graph failed") && said.contains(FORGED), "{said:.3000}");
        assert!(
            !said.contains('\u{1b}') && !said.contains('\r') && !said.contains('\u{2028}'),
            "a control in the log"
        );
        for line in said.lines() {
            assert!(!line.starts_with(FORGED), "{line:.300}");
            if format == "json" && line.starts_with('{') {
                serde_json::from_str::<Value>(line).unwrap();
            }
        }
    }
}

/// A frame of HTTP/2 (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let stream = stream.to_be_bytes();
    [&length[1..], &[kind, flags], &stream, payload].concat()
}

/// The error with which the gateway ended a connection by GOAWAY, among the frames that it sent.
fn goaway(mut frames: &[u8]) -> Option<u32> {
    while let Some((head, rest)) = frames.split_at_checked(9) {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let (payload, rest) = rest.split_at_checked(length)?;
        if head[3] == GOAWAY {
            return Some(u32::from_be_bytes(payload[4..8].try_into().unwrap())).filter(|error| *error != 0);
        }
        frames = rest;
    }
    None
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// `GET /graphql` by `http`, without a host.
const GET: &[u8] = b"\x82\x86\x44\x08/graphql";

/// The ids of streams that a client opens.
fn streams(count: usize) -> impl Iterator<Item = u32> {
    (1..).step_by(2).take(count)
}

#[tokio::test]
async fn http_2_frame_floods_close_only_their_own_connection() {
    /// RFC 9113, section 7.
    const PROTOCOL_ERROR: u32 = 1;
    const ENHANCE_YOUR_CALM: u32 = 11;
    /// Whichever it is.
    const ANY: Option<u32> = Some(0);

    let gateway = Gateway::start().await;
    let open = |id: u32| frame(HEADERS, END_HEADERS | END_STREAM, id, GET);
    let rapid_reset = streams(10_000).flat_map(|id| [open(id), frame(RST_STREAM, 0, id, &[0, 0, 0, 8])]);
    // The gateway is made to reset streams, by mistakes that concern nothing but the stream.
    let window = |id: u32, by: u32| frame(WINDOW_UPDATE, 0, id, &by.to_be_bytes());
    let too_much = streams(10_000).flat_map(|id| [open(id), window(id, 0x7fff_ffff)]);
    let no_window = streams(10_000).flat_map(|id| [open(id), window(id, 0)]);
    let data_when_ended = streams(10_000).flat_map(|id| [open(id), frame(DATA, 0, id, b"x")]);
    // Headers that never end, each block empty of them.
    let mut continuations = vec![frame(HEADERS, END_STREAM, 1, GET)];
    continuations.extend((0..10_000).map(|_| frame(CONTINUATION, 0, 1, &[])));
    // Headers that never end, and grow.
    let mut growing = vec![frame(HEADERS, END_STREAM, 1, GET)];
    let field = [b"\0\x01a\x7f\xf1\x1e".as_slice(), &[b'y'; 4080]].concat();
    growing.extend((0..1000).map(|_| frame(CONTINUATION, 0, 1, &field)));
    // One field of 4000 bytes, kept in the table, and named again by one byte each: 64 MB of headers in 16 kB.
    let kept = [b"\x40\x01a\x7f\xa1\x1e".as_slice(), &[b'y'; 4000]].concat();
    let bomb = [GET, &kept, &[0xbe; 12_000]].concat();
    let bombs = streams(100).map(|id| frame(HEADERS, END_HEADERS | END_STREAM, id, &bomb));

    let floods = [
        ("rapid reset", rapid_reset.collect::<Vec<_>>().concat(), Some(ENHANCE_YOUR_CALM)),
        ("windows of too much", too_much.collect::<Vec<_>>().concat(), Some(ENHANCE_YOUR_CALM)),
        // An error of the connection, or, where the answer is there already, of a stream that is closed.
        ("data after the end", data_when_ended.collect::<Vec<_>>().concat(), ANY),
        ("windows of nothing", no_window.collect::<Vec<_>>().concat(), Some(PROTOCOL_ERROR)),
        ("continuations", continuations.concat(), Some(ENHANCE_YOUR_CALM)),
        ("growing headers", growing.concat(), Some(ENHANCE_YOUR_CALM)),
        ("header bombs", bombs.collect::<Vec<_>>().concat(), Some(ENHANCE_YOUR_CALM)),
        // These are answered one by one, and cost no more than they bring.
        ("pings", frame(PING, 0, 0, &[7; 8]).repeat(20_000), None),
        ("settings", frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 9]).repeat(20_000), None),
    ];
    let attacks = floods.map(async |(name, flood, expected)| {
        let start = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(SETTINGS, 0, 0, &[])].concat();
        let (mut answers, mut sending) = connect(&gateway).await.into_split();
        let send = async move {
            // The gateway may hang up before all of it is sent.
            let _ = sending.write_all(&[start, flood].concat()).await;
            let _ = sending.shutdown().await;
        };
        let mut answered = Vec::new();
        let (_, ()) = tokio::join!(answers.read_to_end(&mut answered), send);
        let ended = goaway(&answered).map(|error| if expected == ANY { 0 } else { error });
        ((name, ended), (name, expected))
    });
    let others = async {
        for _ in 0..20 {
            assert_serving(&gateway).await;
        }
    };
    let (ended, ()) = tokio::join!(join_all(attacks), others);
    let (ended, expected): (Vec<_>, Vec<_>) = ended.into_iter().unzip();
    assert_eq!(ended, expected);
    assert_serving(&gateway).await;
    assert_eq!(gateway.sent().len(), 0);
}

#[tokio::test]
async fn no_object_is_readable_without_a_token() {
    let gateway = Gateway::start().await;
    let id = "ig~1.c.~4qI2MTYx4qIxNqLiMTai4g";
    for document in [
        format!("{{ node(id: \"{id}\") {{ id }} }}"),
        format!("{{ nodes(ids: [\"{id}\"]) {{ ...F }} }} fragment F on Node {{ id }}"),
        format!("{{ ... on Query {{ iosLobAppProvisioningConfiguration(id: \"{id}\") {{ id }} }} }}"),
        "{ iosLobAppProvisioningConfigurations { totalCount } }".to_owned(),
    ] {
        let reply = gateway.graphql_as(None, &document, json!({})).await;
        assert_eq!(reply.code(), "UNAUTHENTICATED", "{document}");
    }
    assert!(gateway.sent().is_empty());
}

#[tokio::test]
async fn the_number_of_validation_errors_is_limited_to_ten() {
    let gateway = Gateway::start().await;
    let fields: String = (0..900).map(|index| format!("f{index} ")).collect();
    assert_rejected(&gateway, &format!("{{{fields}}}"), "GRAPHQL_VALIDATION_FAILED").await;
}

#[tokio::test]
async fn multipart_uploads_are_rejected() {
    let gateway = Gateway::start().await;
    let operations = json!({"query": MUTATION, "variables": input(device_status())});
    let part = |name: &str, body: &str| {
        format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{body}\r\n")
    };
    let body = part("operations", &operations.to_string()) + &part("map", "{}") + "--x--\r\n";
    let request = gateway.request(Method::POST, "/graphql").bearer_auth(TOKEN).body(body);
    let request = request.header("content-type", "multipart/form-data; boundary=x");
    assert_eq!(request.send().await.unwrap().status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert!(gateway.sent().is_empty());
    assert_serving(&gateway).await;
}

/// Members that nobody reads nest without end: the JSON reader passes over them without a bound.
#[tokio::test]
async fn a_deeply_nested_graph_response_is_an_error() {
    const ONE: &str = "query($id: ID!) { iosLobAppProvisioningConfiguration(id: $id) { displayName } }";
    let gateway = Gateway::start().await;
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let read = async |answer: String| {
        gateway.sandbox.clear_faults();
        gateway.sandbox.inject(format!("canned;text={answer}").parse().unwrap());
        let variables = json!({"id": DEMO_CONFIGURATION_ID});
        gateway.graphql_as(Some(&fresh_token()), ONE, variables).await
    };
    let entity =
        |depth| format!(r#"{{"id":"{DEMO_CONFIGURATION_ID}","displayName":"a [{{","x":{}}}"#, nested(depth));
    let reply = read(entity(63)).await;
    assert_eq!(reply.json["data"]["iosLobAppProvisioningConfiguration"]["displayName"], "a [{");
    for depth in [64, 1_000_000] {
        let reply = read(entity(depth)).await;
        assert_eq!(reply.code(), "UPSTREAM_ERROR", "{depth}");
    }
    // A refusal is one, whatever else it says.
    let refusal = format!(r#"{{"error":{{"code":"Forbidden"}},"x":{}}}"#, nested(1_000_000));
    gateway.sandbox.clear_faults();
    gateway.sandbox.inject(format!("canned;status=403;text={refusal}").parse().unwrap());
    let reply = gateway.graphql(ONE, json!({"id": DEMO_CONFIGURATION_ID})).await;
    assert_eq!(reply.code(), "FORBIDDEN");
    gateway.sandbox.clear_faults();
    gateway.graphql(ONE, json!({"id": DEMO_CONFIGURATION_ID})).await.data();
}
