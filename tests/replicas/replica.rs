//! Gateways as processes that share a Redis server and a sandbox.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use msgraph_sandbox::{self as sandbox, DEMO_CONFIGURATION_ID, Sandbox};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::redis_server::RedisServer;

const PROGRAM: &str = env!("CARGO_BIN_EXE_intune-graphql");
/// The token of callers, unless a test sends another.
pub(crate) const TOKEN: &str = "test-token.0";
/// How long a state is waited for before a test has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Names the program of another version, for example one that `tests/replicas/rolling_upgrade` has built.
const OTHER_PROGRAM_VARIABLE: &str = "OTHER_INTUNE_GRAPHQL";

const ADD: &str = "mutation Add($input: AddDeviceStatusInput!) {
  addDeviceStatus(input: $input) { replayed deviceStatusId deviceStatus { graphId } }
}";

/// A Redis server and a sandbox. Both stop when it is dropped.
pub(crate) struct Deployment {
    pub(crate) redis: RedisServer,
    pub(crate) sandbox: Sandbox,
    /// The sandbox's service root.
    pub(crate) root: String,
    seeded: usize,
}

impl Deployment {
    pub(crate) async fn start() -> Self {
        Self::with_redis(RedisServer::start().unwrap()).await
    }

    pub(crate) async fn with_redis(redis: RedisServer) -> Self {
        let sandbox = Sandbox::new(sandbox::Settings::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let root = format!("http://{}/beta", listener.local_addr().unwrap());
        tokio::spawn(sandbox::run(listener, sandbox.clone(), std::future::pending()));
        let seeded = sandbox.device_statuses(DEMO_CONFIGURATION_ID).len();
        Self { redis, sandbox, root, seeded }
    }

    /// Starts a gateway that uses both, with more settings.
    pub(crate) fn replica(&self, more: &[&str]) -> Replica {
        self.replica_at(&self.redis.url(), more, &[])
    }

    /// Starts a gateway of the other version; of the same one, if no other is named.
    pub(crate) fn other_replica(&self, more: &[&str]) -> Replica {
        let url = self.redis.url();
        let arguments = [&["--graph-url", &self.root, "--state-url", &url], more].concat();
        let program = std::env::var(OTHER_PROGRAM_VARIABLE).unwrap_or_else(|_| PROGRAM.to_owned());
        Replica::start_program(&program, &arguments, &[])
            .unwrap_or_else(|log| panic!("{program} ended: {log}"))
    }

    /// Starts a gateway with another address of the server, and environment variables.
    pub(crate) fn replica_at(&self, url: &str, more: &[&str], variables: &[(&str, &str)]) -> Replica {
        let arguments = [&["--graph-url", &self.root, "--state-url", url], more].concat();
        Replica::start(&arguments, variables).unwrap_or_else(|log| panic!("the gateway ended: {log}"))
    }

    /// Number of device statuses that were added to the demo configuration.
    pub(crate) fn status_count(&self) -> usize {
        self.sandbox.device_statuses(DEMO_CONFIGURATION_ID).len() - self.seeded
    }

    /// Makes the sandbox fail as the rules say, from now on.
    pub(crate) fn replace_faults(&self, rules: &[&str]) {
        self.sandbox.clear_faults();
        for rule in rules {
            self.sandbox.inject(rule.parse().unwrap());
        }
        self.sandbox.clear_requests();
    }

    /// Waits until the sandbox has received this many requests of the method since the last change of its faults.
    pub(crate) async fn until_received(&self, method: &str, count: usize) {
        until("the sandbox receives requests", async || {
            self.sandbox.requests().iter().filter(|request| request.method == method).count() >= count
        })
        .await;
    }
}

/// A gateway process, killed on drop.
pub(crate) struct Replica {
    child: Child,
    /// Kept open, because the program ends if it cannot print.
    _stdout: BufReader<ChildStdout>,
    log: Option<JoinHandle<String>>,
    /// `http://127.0.0.1:PORT`
    pub(crate) url: String,
    admin: String,
    client: reqwest::Client,
}

impl Replica {
    /// Starts `serve` on free ports.
    ///
    /// # Errors
    ///
    /// The log, if the program ends at its start.
    pub(crate) fn start(arguments: &[&str], variables: &[(&str, &str)]) -> Result<Self, String> {
        Self::start_program(PROGRAM, arguments, variables)
    }

    fn start_program(program: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Result<Self, String> {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("INTUNE_GRAPHQL_")) {
            command.env_remove(name);
        }
        command.envs(variables.iter().copied());
        command.args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{program} does not start: {error}"));
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut stderr = child.stderr.take().unwrap();
        let log = std::thread::spawn(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).unwrap();
            text
        });
        let mut addresses = Vec::new();
        while addresses.len() < 2 {
            let mut line = String::new();
            if stdout.read_line(&mut line).unwrap() == 0 {
                child.wait().unwrap();
                return Err(log.join().unwrap());
            }
            addresses.extend(line.trim_end().split_once("listening on ").map(|(_, url)| url.to_owned()));
        }
        let admin = addresses.pop().unwrap();
        let url = addresses.pop().unwrap();
        intune_graphql::graph::install_tls_provider();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Ok(Self { child, _stdout: stdout, log: Some(log), url, admin, client })
    }

    /// A request to the GraphQL endpoint.
    pub(crate) fn post(&self) -> reqwest::RequestBuilder {
        self.client.post(format!("{}/graphql", self.url)).header("content-type", "application/json")
    }

    /// The response to an operation. Does not wait before it is sent, so that it can be spawned.
    pub(crate) fn graphql(
        &self,
        token: &str,
        query: &str,
        variables: &Value,
    ) -> impl Future<Output = Reply> + Send + use<> {
        let request =
            self.post().bearer_auth(token).body(json!({"query": query, "variables": variables}).to_string());
        async move {
            let response = request.send().await.unwrap();
            Reply(serde_json::from_str(&response.text().await.unwrap()).unwrap())
        }
    }

    /// Adds a device status with an idempotency key.
    pub(crate) fn add(&self, key: &str) -> impl Future<Output = Reply> + Send + use<> {
        self.add_as(TOKEN, Some(key), "a device")
    }

    /// Adds a device status with this name of the device.
    pub(crate) fn add_as(
        &self,
        token: &str,
        key: Option<&str>,
        device: &str,
    ) -> impl Future<Output = Reply> + Send + use<> {
        self.graphql(
            token,
            ADD,
            &json!({"input": {
                "configurationId": DEMO_CONFIGURATION_ID,
                "idempotencyKey": key,
                "deviceStatus": device_status(device),
            }}),
        )
    }

    /// Status and body of a page of the admin listener.
    pub(crate) async fn admin(&self, path: &str) -> (u16, String) {
        let response = self.client.get(format!("{}{path}", self.admin)).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    /// The sum of a metric over its labels; 0 if it is missing.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let text = self.admin("/metrics").await.1;
        let of_line = |line: &str| {
            let rest = line.strip_prefix(name)?;
            rest.starts_with(['{', ' ']).then(|| rest.rsplit(' ').next()?.parse::<f64>().ok())?
        };
        text.lines().filter_map(of_line).sum()
    }

    /// Waits until the gateway can use the shared state, or cannot.
    pub(crate) async fn until_shared_state_is(&self, is_up: bool) {
        let wanted = f64::from(u8::from(is_up));
        until("the shared state's connection changes", async || {
            (self.metric("intune_graphql_shared_state_up").await - wanted).abs() < 0.5
        })
        .await;
    }

    /// Sends a signal, such as `-STOP`.
    pub(crate) fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// Kills the process, and returns its log.
    pub(crate) fn kill(mut self) -> String {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.log.take().unwrap().join().unwrap()
    }

    /// Stops the process with SIGTERM, and returns its exit code and its log.
    pub(crate) fn stop(mut self) -> (Option<i32>, String) {
        self.signal("-TERM");
        let code = self.child.wait().unwrap().code();
        (code, self.log.take().unwrap().join().unwrap())
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A device status with this name of the device, as an input.
pub(crate) fn device_status(device: &str) -> Value {
    json!({
        "deviceDisplayName": device,
        "userName": "A user",
        "deviceModel": "A model",
        "platform": 8,
        "complianceGracePeriodExpirationDateTime": "2016-12-31T23:56:44.9519127-08:00",
        "status": "COMPLIANT",
        "lastReportedDateTime": "2016-12-31T23:57:41.6559639+03:00",
        "userPrincipalName": "user@example.org",
    })
}

/// A GraphQL response.
#[derive(Debug)]
pub(crate) struct Reply(pub(crate) Value);

impl Reply {
    /// The id of the created status, and whether it was replayed.
    #[track_caller]
    pub(crate) fn created(&self) -> (&str, bool) {
        assert!(self.0.get("errors").is_none(), "{:#}", self.0);
        let payload = &self.0["data"]["addDeviceStatus"];
        (payload["deviceStatusId"].as_str().unwrap(), payload["replayed"].as_bool().unwrap())
    }

    /// Code, outcome and `retryable` of the only error.
    #[track_caller]
    pub(crate) fn failure(&self) -> (&str, &str, bool) {
        let errors = self.0["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        let [error] = errors else { panic!("not one error: {:#}", self.0) };
        let extensions = &error["extensions"];
        (
            extensions["code"].as_str().unwrap(),
            extensions["outcome"].as_str().unwrap_or_default(),
            extensions["retryable"].as_bool().unwrap(),
        )
    }
}

/// Waits until a state is reached.
pub(crate) async fn until(what: &str, mut reached: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !reached().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("waited in vain: {what}"));
}
