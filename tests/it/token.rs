//! A canary token appears nowhere but in requests to Graph, and no log line has what a status says of a person or a device.

use intune_graphql::graph::{
    Authorization, Caller, Client, ClientSettings, CreatePath, MemoryShare, ServiceRoot,
};
use msgraph_sandbox::{FaultRule, Sandbox};
use serde_json::json;

use crate::add_device_status::{MUTATION, device_status, input};
use crate::bulk::BULK;
use crate::commands::Program;
use crate::errors::CASES;
use crate::harness::{Gateway, http_client};

const CANARY: &str = "canary-0385114b-b48f-4800-a046-f249eaba24b1";

/// In each text of the statuses that are added.
const PERSONAL: &str = "canary-7b0e";

fn personal_status() -> serde_json::Value {
    let mut status = device_status();
    for property in ["deviceDisplayName", "userName", "deviceModel", "userPrincipalName"] {
        status[property] = json!(format!("{PERSONAL}-{property}@contoso.example"));
    }
    status
}

#[test]
fn the_token_and_personal_data_appear_in_no_log_line_of_either_form() {
    for format in ["text", "json"] {
        nothing_secret_is_logged(format);
    }
}

fn nothing_secret_is_logged(format: &str) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let sandbox = Sandbox::new(msgraph_sandbox::Settings::default());
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let root = format!("http://{}/beta", listener.local_addr().unwrap());
    runtime.spawn(msgraph_sandbox::run(listener, sandbox.clone(), std::future::pending()));

    let mut gateway = Program::serve(
        &root,
        &[
            &["--graphiql", "--introspection", "--request-timeout", "950ms", "--log", "trace"][..],
            &["--access-log", "all", "--log-format", format],
        ]
        .concat(),
    );
    let url = gateway.line("listening on ");
    let http_1 = http_client().build().unwrap();
    let http_2 = http_client().http2_prior_knowledge().build().unwrap();
    let send = |client: &reqwest::Client, token: &str, body: String| {
        let request = client.post(format!("{url}/graphql")).header("content-type", "application/json");
        let request = request.header("authorization", token).body(body);
        runtime.block_on(async { request.send().await.unwrap().text().await.unwrap() })
    };
    let post = |token: &str, body: String| send(&http_1, token, body);

    let bearer = format!("Bearer {CANARY}");
    let body = json!({"query": MUTATION, "variables": input(personal_status())}).to_string();
    let bulk = json!({"query": BULK, "variables": {"input": {
        "configurationId": msgraph_sandbox::DEMO_CONFIGURATION_ID, "deviceStatuses": [personal_status(), personal_status()],
    }}});
    let list = json!({"query": "query($id: ID!, $name: String) { iosLobAppProvisioningConfiguration(id: $id) {
        deviceStatuses(filter: {userName: {eq: $name}}) { nodes { userName } } } }",
        "variables": {"id": msgraph_sandbox::DEMO_CONFIGURATION_ID, "name": format!("{PERSONAL}-userName")}});
    let mut answers = vec![post(&bearer, body.clone()), send(&http_2, &bearer, body.clone())];
    for case in CASES {
        sandbox.clear_faults();
        sandbox.inject(case.rule(CANARY));
        answers.push(post(&bearer, body.clone()));
    }
    sandbox.clear_faults();
    for (token, body) in [
        (bearer.as_str(), "{".to_owned()),
        (bearer.as_str(), bulk.to_string()),
        (bearer.as_str(), list.to_string()),
        (bearer.as_str(), json!({"query": "{ nothing }"}).to_string()),
        (bearer.as_str(), json!({"query": "{ __schema { queryType { name } } }"}).to_string()),
        (bearer.as_str(), json!({"query": MUTATION, "variables": {}}).to_string()),
        // Not usable as bearer tokens, and still secrets.
        (format!("Bearer {CANARY} x").as_str(), body.clone()),
        (format!("Basic {CANARY}").as_str(), body.clone()),
    ] {
        answers.push(send(&http_2, token, body.clone()));
        answers.push(post(token, body));
    }

    let arrived =
        sandbox.requests().iter().filter(|sent| sent.header("authorization") == Some(&bearer)).count();
    assert!(arrived > CASES.len() / 2, "the token goes to Graph: {arrived}");
    let (code, said) = gateway.stop();
    assert_eq!(code, Some(0));
    assert!(said.contains("TRACE"), "the log is at trace level");
    let leak = said.lines().find(|line| line.contains(CANARY) || line.contains(PERSONAL));
    assert_eq!(leak, None, "in the log");
    for answer in answers {
        assert!(!answer.contains(CANARY), "{answer}");
    }
}

#[tokio::test]
async fn a_long_token_that_graph_echoes_is_redacted_before_truncation() {
    let gateway = Gateway::start().await;
    let token = format!("{CANARY}.{}", "a1B2-c3D4_".repeat(150));
    for fault in
        ["400;message=TOKEN", "400;code=TOKEN", "500;message=TOKEN", "400;body=wrapped;message=x TOKEN"]
    {
        let fault = fault.replace("TOKEN", &token);
        gateway.sandbox.inject(FaultRule::once(fault.parse().unwrap()));
        let reply = gateway.graphql_as(Some(&token), MUTATION, input(device_status())).await;
        assert!(!reply.json.to_string().contains(CANARY), "{:.60}: {:#}", fault, reply.json);
    }
}

#[test]
fn no_debug_output_shows_the_token() {
    let authorization = Authorization::parse(&format!("Bearer {CANARY}").parse().unwrap()).unwrap();
    let caller = Caller {
        authorization,
        telemetry: intune_graphql::telemetry::request::RequestTelemetry::random(),
        deadline: std::time::Instant::now(),
        disconnected: tokio_util::sync::CancellationToken::new(),
        guard: None,
        memory_share: MemoryShare::default(),
    };
    let client = Client::new(ClientSettings {
        root: ServiceRoot::parse("http://127.0.0.1:1/beta", false).unwrap(),
        ca: None,
        create_path: CreatePath::Collection,
        attempt_timeout: std::time::Duration::from_secs(1),
        honors_client_ids: false,
        connect_timeout: std::time::Duration::from_secs(1),
        max_response: 1,
        max_buffered: 1,
        max_buffered_per_caller: 1,
    })
    .unwrap();
    let session = client.session(caller.clone());
    let configurations = session.ios_lob_app_provisioning_configurations();
    for shown in [
        format!("{caller:#?}"),
        format!("{session:#?}"),
        format!("{configurations:#?}"),
        format!("{client:#?}"),
    ] {
        assert!(!shown.contains("canary"), "{shown}");
    }
}
