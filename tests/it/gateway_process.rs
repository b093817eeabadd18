//! The program as a process in front of a [`FakeGraph`], with its own metrics and a drain that tests can await.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::commands::Program;
use crate::drain;
use crate::fake_graph::FakeGraph;
use crate::harness::{Reply, http_client};

/// How long a state is waited for before a test has failed.
const TIMEOUT: Duration = Duration::from_secs(15);

pub(crate) struct GatewayProcess {
    program: Program,
    client: Arc<Client>,
}

struct Client {
    http: reqwest::Client,
    url: String,
    admin: String,
}

impl GatewayProcess {
    pub(crate) fn start(graph: &FakeGraph, arguments: &[&str]) -> Self {
        Self::of(graph.program(arguments))
    }

    /// In front of a Graph at `root`.
    pub(crate) fn serve(root: &str, arguments: &[&str]) -> Self {
        Self::of(drain::gateway(root, arguments))
    }

    fn of((program, url, admin): (Program, String, String)) -> Self {
        Self { program, client: Arc::new(Client { http: http_client().build().unwrap(), url, admin }) }
    }

    /// One whose clients use HTTP/2: they leave by resetting a stream.
    pub(crate) fn start_with_http2(graph: &FakeGraph, arguments: &[&str]) -> Self {
        let (program, url, admin) = graph.program(arguments);
        let http = http_client().http2_prior_knowledge().build().unwrap();
        Self { program, client: Arc::new(Client { http, url, admin }) }
    }

    /// Host and port.
    pub(crate) fn address(&self) -> &str {
        self.client.url.strip_prefix("http://").unwrap()
    }

    /// Sends an operation, on a new connection if necessary. Aborting the task closes the
    /// connection.
    pub(crate) fn spawn(&self, token: &str, query: &str, variables: Value) -> JoinHandle<Reply> {
        let body = json!({"query": query, "variables": variables}).to_string();
        let request = self.client.http.post(format!("{}/graphql", self.client.url));
        let request = request
            .header("content-type", "application/json")
            .header("accept", "application/graphql-response+json")
            .bearer_auth(token)
            .body(body);
        tokio::spawn(async move { Reply::read(request.send().await.unwrap()).await })
    }

    pub(crate) async fn graphql(&self, token: &str, query: &str, variables: Value) -> Reply {
        self.spawn(token, query, variables).await.unwrap()
    }

    /// The page of metrics.
    pub(crate) async fn metrics(&self) -> String {
        self.client.admin("/metrics").await.unwrap().text().await.unwrap()
    }

    /// The sum of a metric over its labels; 0 if it is missing.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let text = self.metrics().await;
        let of_line = |line: &str| {
            let rest = line.strip_prefix(name)?;
            let is_whole = rest.starts_with(['{', ' ']);
            is_whole.then(|| rest.rsplit(' ').next()?.parse::<f64>().ok())?
        };
        text.lines().filter_map(of_line).sum()
    }

    /// Waits until so many requests are in flight.
    pub(crate) async fn until_in_flight(&self, count: usize) {
        self.until_metric("intune_graphql_requests_in_flight", f64::from(u32::try_from(count).unwrap()))
            .await;
    }

    /// Waits until a metric has a whole value.
    pub(crate) async fn until_metric(&self, name: &str, value: f64) {
        let awaited = async {
            while (self.metric(name).await - value).abs() > 0.5 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(TIMEOUT, awaited).await.unwrap_or_else(|_| panic!("{name} to be {value}"));
    }

    /// Sends SIGTERM, and waits until it has been noticed.
    pub(crate) async fn terminate(&self) {
        self.program.terminate();
        let awaited = async {
            while self.client.admin("/readyz").await.is_some_and(|answer| answer.status() != 503) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(TIMEOUT, awaited).await.expect("SIGTERM to be noticed");
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: &str) {
        self.program.signal(signal);
    }

    /// Waits for the end after [`Self::terminate`], and returns the exit code.
    pub(crate) async fn ended(self) -> Option<i32> {
        let Self { program, .. } = self;
        tokio::task::spawn_blocking(|| program.ended().0).await.unwrap()
    }

    /// Sends SIGTERM and waits for the end. Returns the exit code and the log.
    pub(crate) async fn stop_with_log(self) -> (Option<i32>, String) {
        let Self { program, .. } = self;
        program.terminate();
        tokio::task::spawn_blocking(|| program.ended()).await.unwrap()
    }

    /// Sends SIGTERM and waits until no request is in flight. Returns the exit code.
    pub(crate) async fn stop(self) -> Option<i32> {
        self.program.terminate();
        self.ended().await
    }
}

impl Client {
    async fn admin(&self, path: &str) -> Option<reqwest::Response> {
        self.http.get(format!("{}{path}", self.admin)).send().await.ok()
    }
}

/// Disconnects during a request that has been in flight for longer than the half-close window. A
/// client that closes its sending side earlier still waits for the response.
pub(crate) async fn disconnect(caller: &JoinHandle<Reply>) {
    tokio::time::sleep(Duration::from_millis(100)).await;
    caller.abort();
}
