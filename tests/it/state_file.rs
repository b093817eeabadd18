//! `--state-file`: idempotency keys outlive the gateway, however it ends.

use std::collections::HashMap;
use std::path::PathBuf;

use msgraph_sandbox::settings::IdPolicy;
use msgraph_sandbox::{DEMO_CONFIGURATION_ID, Sandbox, Settings};
use serde_json::{Value, json};

use crate::add_device_status::{MUTATION, device_status, input};
use crate::bulk::BULK;
use crate::commands::Program;
use crate::drain::{gateway, try_send};

/// A path whose file is removed on drop.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("intune-graphql-{name}-{}", std::process::id())))
    }

    fn as_str(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn sandbox() -> (tokio::runtime::Runtime, Sandbox, String) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let sandbox = Sandbox::new(Settings { ids: IdPolicy::Keep, ..Settings::default() });
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let root = format!("http://{}/beta", listener.local_addr().unwrap());
    runtime.spawn(msgraph_sandbox::run(listener, sandbox.clone(), std::future::pending()));
    (runtime, sandbox, root)
}

/// A create of a status with this user name.
fn single(name: &str, graph_id: Option<&str>) -> Value {
    let mut status = device_status();
    status["userName"] = json!(name);
    if let Some(id) = graph_id {
        status["graphId"] = json!(id);
    }
    let mut variables = input(status);
    variables["input"]["idempotencyKey"] = json!(name);
    json!({"query": MUTATION, "variables": variables})
}

fn bulk(name: &str) -> Value {
    let statuses: Vec<Value> = (0..30)
        .map(|number| {
            let mut status = device_status();
            status["userName"] = json!(format!("{name}-{number}"));
            status
        })
        .collect();
    let input =
        json!({"configurationId": DEMO_CONFIGURATION_ID, "deviceStatuses": statuses, "idempotencyKey": name});
    json!({"query": BULK, "variables": {"input": input}})
}

/// The number of objects with each user name.
fn names(sandbox: &Sandbox) -> HashMap<String, usize> {
    let mut names = HashMap::new();
    for status in sandbox.device_statuses(DEMO_CONFIGURATION_ID) {
        *names.entry(status["userName"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
    }
    names
}

fn start(root: &str, file: &Scratch) -> (Program, String) {
    let (program, url, _) = gateway(root, &["--state-file", file.as_str(), "--request-timeout", "5s"]);
    (program, url)
}

#[test]
fn an_idempotency_key_is_known_after_a_restart() {
    let (runtime, sandbox, root) = sandbox();
    let file = Scratch::new("restart");
    let (program, url) = start(&root, &file);
    let first = runtime.block_on(try_send(url, single("k", None))).unwrap();
    let (code, said) = program.stop();
    assert_eq!(code, Some(0));
    assert!(!said.contains("kept in memory"), "{said}");
    let (program, url) = start(&root, &file);
    let second = runtime.block_on(try_send(url, single("k", None))).unwrap();
    let id = |answer: &Value| answer["data"]["addDeviceStatus"]["deviceStatusId"].clone();
    assert_eq!(second["data"]["addDeviceStatus"]["replayed"], true, "{second}");
    assert_eq!(id(&first), id(&second));
    assert_eq!(names(&sandbox)["k"], 1);
    // A second gateway receives an error that the file is in use.
    let arguments =
        ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--state-file", file.as_str()];
    let (code, said) = Program::start(&arguments).ended();
    assert_eq!(code, Some(2));
    assert!(said.contains("--state-file") && said.contains("in use"), "{said}");
    assert_eq!(program.stop().0, Some(0));
}

#[test]
fn a_start_without_a_state_file_warns_that_keys_are_not_kept() {
    let (_runtime, _sandbox, root) = sandbox();
    let (program, _, _) = gateway(&root, &[]);
    let (_, said) = program.stop();
    assert!(
        said.contains("idempotency keys are stored in memory and lost") && said.contains("--state-file"),
        "{said}"
    );
}

#[test]
fn a_gateway_killed_during_writes_duplicates_nothing() {
    let (runtime, sandbox, root) = sandbox();
    let file = Scratch::new("kill");
    // Some responses are late, some are lost, some writes are never applied.
    for fault in [
        "slow-first-byte;wait=40ms;method=POST;rate=0.6",
        "drop-applied;method=POST;rate=0.1",
        "504;method=POST;rate=0.1",
    ] {
        sandbox.inject(fault.parse().unwrap());
    }
    for round in 0..20 {
        sandbox.clear_requests();
        let (program, url) = start(&root, &file);
        let requests: Vec<(Value, Option<String>)> = (0..12)
            .map(|number| {
                let name = format!("{round}-{number}");
                match number {
                    0 | 1 => (bulk(&name), None),
                    2..=6 => (single(&name, Some(&name)), Some(name)),
                    _ => (single(&name, None), Some(name)),
                }
            })
            .collect();
        let calls: Vec<_> = requests
            .iter()
            .map(|(request, _)| runtime.spawn(try_send(url.clone(), request.clone())))
            .collect();
        // At another place in each round.
        runtime.block_on(async {
            while sandbox.requests().len() < 1 + round % 10 {
                tokio::task::yield_now().await;
            }
        });
        program.kill();
        let told: Vec<Option<Value>> =
            calls.into_iter().map(|call| runtime.block_on(call).unwrap()).collect();

        let (program, url) = start(&root, &file);
        for ((request, name), told) in requests.into_iter().zip(told) {
            let answer = runtime.block_on(try_send(url.clone(), request)).unwrap();
            let Some(name) = name else { continue };
            let payload = &answer["data"]["addDeviceStatus"];
            match payload["deviceStatusId"].as_str() {
                Some(id) => {
                    if let Some(first) = told
                        .as_ref()
                        .and_then(|told| told["data"]["addDeviceStatus"]["deviceStatusId"].as_str())
                    {
                        assert_eq!(
                            (id, &payload["replayed"]),
                            (first, &json!(true)),
                            "what was told is kept"
                        );
                    }
                }
                None => {
                    let code = &answer["errors"][0]["extensions"]["code"];
                    assert_eq!(code, "OUTCOME_UNKNOWN", "{name}: {answer}");
                }
            }
        }
        assert_eq!(program.stop().0, Some(0));
        let doubled: Vec<_> = names(&sandbox)
            .into_iter()
            .filter(|(name, count)| name.starts_with(&format!("{round}-")) && *count > 1)
            .collect();
        assert!(doubled.is_empty(), "round {round}: {doubled:?}");
    }
}
