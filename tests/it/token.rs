//! A canary token: wherever it is sent, it shows nowhere but in the request to Graph.

use intune_graphql::graph::{Authorization, Caller, Client, ClientSettings, CreatePath, ServiceRoot};
use intune_graphql::sandbox::Sandbox;
use serde_json::json;

use crate::add_device_status::{MUTATION, device_status, input};
use crate::commands::Program;
use crate::errors::CASES;

const CANARY: &str = "canary-0385114b-b48f-4800-a046-f249eaba24b1";

#[test]
fn the_token_shows_in_no_log_output_or_answer() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let sandbox = Sandbox::new(intune_graphql::sandbox::Settings::default());
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let root = format!("http://{}/beta", listener.local_addr().unwrap());
    runtime.spawn(intune_graphql::sandbox::run(listener, sandbox.clone(), std::future::pending()));

    let mut gateway = Program::start(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--admin-listen",
        "127.0.0.1:0",
        "--graph-url",
        &root,
        "--graphiql",
        "--introspection",
        "--deadline",
        "2s",
        "--log",
        "trace",
    ]);
    let url = gateway.line("listening on ");
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let post = |token: &str, body: String| {
        let request = client.post(format!("{url}/graphql")).header("content-type", "application/json");
        let request = request.header("authorization", token).body(body);
        runtime.block_on(async { request.send().await.unwrap().text().await.unwrap() })
    };

    let bearer = format!("Bearer {CANARY}");
    let body = json!({"query": MUTATION, "variables": input(device_status())}).to_string();
    let mut answers = vec![post(&bearer, body.clone())];
    for case in CASES {
        sandbox.clear_faults();
        sandbox.inject(case.rule(CANARY));
        answers.push(post(&bearer, body.clone()));
    }
    sandbox.clear_faults();
    for (token, body) in [
        (bearer.as_str(), "{".to_owned()),
        (bearer.as_str(), json!({"query": "{ nothing }"}).to_string()),
        (bearer.as_str(), json!({"query": "{ __schema { queryType { name } } }"}).to_string()),
        (bearer.as_str(), json!({"query": MUTATION, "variables": {}}).to_string()),
        // Not usable as bearer tokens, and still secrets.
        (format!("Bearer {CANARY} x").as_str(), body.clone()),
        (format!("Basic {CANARY}").as_str(), body.clone()),
    ] {
        answers.push(post(token, body));
    }

    let arrived =
        sandbox.requests().iter().filter(|sent| sent.header("authorization") == Some(&bearer)).count();
    assert!(arrived > CASES.len() / 2, "the token goes to Graph: {arrived}");
    let (code, said) = gateway.stop();
    assert_eq!(code, Some(0));
    assert!(said.contains("TRACE"), "the log is at trace level");
    assert!(
        !said.contains(CANARY),
        "in the log: {}",
        said.lines().find(|line| line.contains(CANARY)).unwrap()
    );
    for answer in answers {
        assert!(!answer.contains(CANARY), "{answer}");
    }
}

#[test]
fn no_debug_form_shows_the_token() {
    let authorization = Authorization::parse(&format!("Bearer {CANARY}").parse().unwrap()).unwrap();
    let caller =
        Caller { authorization, client_request_id: uuid::Uuid::nil(), deadline: std::time::Instant::now() };
    let client = Client::new(ClientSettings {
        root: ServiceRoot::parse("http://127.0.0.1:1/beta", false).unwrap(),
        ca: None,
        create_path: CreatePath::Collection,
        connect_timeout: std::time::Duration::from_secs(1),
        max_response: 1,
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
