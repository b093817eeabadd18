//! The gateway as clients see it: the real server in front of the real sandbox, each on a free loopback port and started through
//! the same `run` as `main`.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use intune_graphql::config::GatewayConfig;
use intune_graphql::gateway::{self, Listeners, Settings};
use intune_graphql::graph::{CreatePath, ServiceRoot};
use intune_graphql::idempotency::{IdempotencyService, MemoryStore};
use intune_graphql::schema::{ApiSettings, CursorKey};
use intune_graphql::server;
use msgraph_sandbox::{self as sandbox, DEMO_CONFIGURATION_ID, RecordedRequest, Sandbox};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Length of the accept queue.
const BACKLOG: u32 = 4096;

/// The connection limits of a gateway without settings.
pub(crate) fn connection_limits() -> server::ConnectionLimits {
    let settings = Settings::from_config(&GatewayConfig::default()).unwrap();
    settings.server.connections
}

/// The default token of tests.
pub(crate) const TOKEN: &str = "test-token.0";

/// A unique token, for which no `Retry-After` is pending.
pub(crate) fn fresh_token() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    format!("test-token.{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The client that tests speak to the program with.
pub(crate) fn http_client() -> reqwest::ClientBuilder {
    intune_graphql::graph::install_tls_provider();
    reqwest::Client::builder().no_proxy()
}

/// An empty store of idempotency keys, in memory.
pub(crate) fn idempotency_service() -> IdempotencyService {
    IdempotencyService::new(Arc::new(MemoryStore::new(10_000).unwrap()), Duration::from_secs(3600))
}

/// A gateway, its sandbox, and a client for both. Both stop when it is dropped.
pub(crate) struct Gateway {
    /// `http://127.0.0.1:PORT`
    pub(crate) url: String,
    admin_url: String,
    /// The sandbox's service root.
    pub(crate) sandbox_url: String,
    /// The upstream that the gateway calls as Microsoft Graph.
    pub(crate) sandbox: Sandbox,
    client: reqwest::Client,
    server: JoinHandle<usize>,
    stop: [oneshot::Sender<()>; 2],
}

/// How a [`Gateway`] differs from the defaults.
pub(crate) struct Builder {
    sandbox: sandbox::Settings,
    root: Option<String>,
    settings: Settings,
    send_buffer: Option<usize>,
}

impl Builder {
    pub(crate) fn sandbox(mut self, settings: sandbox::Settings) -> Self {
        self.sandbox = settings;
        self
    }

    pub(crate) fn create_path(mut self, create_path: CreatePath) -> Self {
        self.settings.graph.create_path = create_path;
        self
    }

    /// A file of certificate authorities to trust.
    pub(crate) fn graph_ca(mut self, file: PathBuf) -> Self {
        self.settings.graph.ca = Some(file);
        self
    }

    /// Another Graph root than the sandbox's.
    pub(crate) fn graph_root(mut self, root: &str) -> Self {
        self.root = Some(root.to_owned());
        self
    }

    pub(crate) fn max_response(mut self, bytes: usize) -> Self {
        self.settings.graph.max_response = bytes;
        self
    }

    pub(crate) fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.settings.graph.connect_timeout = timeout;
        self
    }

    pub(crate) fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.settings.graph.attempt_timeout = timeout;
        self
    }

    /// Graph keeps client-supplied ids, and the setting declares it.
    pub(crate) fn keeps_ids(mut self) -> Self {
        self.settings.graph.honors_client_ids = true;
        self
    }

    /// The system's send buffer for each connection of a client, in bytes; it otherwise takes megabytes that the client has not
    /// read.
    pub(crate) fn send_buffer(mut self, bytes: usize) -> Self {
        self.send_buffer = Some(bytes);
        self
    }

    pub(crate) fn settings(mut self, change: impl FnOnce(&mut server::Settings)) -> Self {
        change(&mut self.settings.server);
        self
    }

    pub(crate) fn api(mut self, change: impl FnOnce(&mut ApiSettings)) -> Self {
        change(&mut self.settings.api);
        self
    }

    pub(crate) async fn start(self) -> Gateway {
        let bind = || server::bind(([127, 0, 0, 1], 0).into(), BACKLOG).unwrap();
        let (upstream, public, admin) = (bind(), bind(), bind());
        if let Some(bytes) = self.send_buffer {
            socket2::SockRef::from(&public).set_send_buffer_size(bytes).unwrap();
        }
        let url = format!("http://{}", public.local_addr().unwrap());
        let admin_url = format!("http://{}", admin.local_addr().unwrap());
        let sandbox_url = format!("http://{}/beta", upstream.local_addr().unwrap());
        let mut settings = self.settings;
        let root = self.root.unwrap_or_else(|| sandbox_url.clone());
        settings.graph.root = ServiceRoot::parse(&root, false).unwrap();
        settings.graph.max_buffered = settings.server.max_buffered_bytes;
        let gateway = gateway::Gateway::new(settings).unwrap();

        let sandbox = Sandbox::new(self.sandbox);
        let (stop_sandbox, sandbox_stopped) = oneshot::channel::<()>();
        let (stop_gateway, gateway_stopped) = oneshot::channel::<()>();
        tokio::spawn(sandbox::run(upstream, sandbox.clone(), async { drop(sandbox_stopped.await) }));
        let run = gateway.run(
            Listeners { public, admin },
            async { drop(gateway_stopped.await) },
            std::future::pending(),
        );
        let server = tokio::spawn(run);
        let client = http_client().build().unwrap();
        Gateway { url, admin_url, sandbox_url, sandbox, client, server, stop: [stop_sandbox, stop_gateway] }
    }
}

impl Gateway {
    pub(crate) fn builder() -> Builder {
        let mut config = GatewayConfig::default();
        config.front_end.introspection = true;
        config.load.max_buffered_bytes = 64 * 1024 * 1024;
        config.request.request_timeout = Duration::from_secs(20);
        config.shutdown.drain_timeout = Duration::from_secs(20);
        let mut settings = Settings::from_config(&config).unwrap();
        // One thread, so that the gateway runs only while the test waits.
        settings.server.workers = 0;
        // Tests hang up as soon as they see a state, and mean it.
        settings.server.connections.half_close_window = Duration::ZERO;
        settings.api.cursor_key = CursorKey::new(&[7; 32]).unwrap();
        settings.api.idempotency = idempotency_service();
        Builder { sandbox: sandbox::Settings::default(), root: None, settings, send_buffer: None }
    }

    pub(crate) async fn start() -> Self {
        Self::builder().start().await
    }

    /// One whose requests end before the first back-off does: nothing is sent twice, unless Graph names the wait.
    pub(crate) fn short_timeouts() -> Builder {
        Self::builder().settings(|settings| settings.request_timeout = Duration::from_millis(950))
    }

    /// Shuts the gateway down and waits until no request is in flight.
    pub(crate) async fn stop(self) {
        drop(self.stop);
        assert_eq!(self.server.await.unwrap(), 0, "writes that were cut off");
    }

    /// Sends an operation with the tests' token.
    #[track_caller]
    pub(crate) fn graphql(&self, query: &str, variables: Value) -> impl Future<Output = Reply> + use<> {
        self.graphql_as(Some(TOKEN), query, variables)
    }

    /// Sends an operation with a token, or without one.
    #[track_caller]
    pub(crate) fn graphql_as(
        &self,
        token: Option<&str>,
        query: &str,
        variables: Value,
    ) -> impl Future<Output = Reply> + use<> {
        let mut request = self
            .post()
            .header("content-type", "application/json")
            .header("accept", "application/graphql-response+json")
            .body(json!({"query": query, "variables": variables}).to_string());
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        async move { Reply::read(request.send().await.unwrap()).await }
    }

    /// A bare POST to `/graphql`.
    pub(crate) fn post(&self) -> reqwest::RequestBuilder {
        self.client.post(format!("{}/graphql", self.url))
    }

    /// Any request to the gateway.
    pub(crate) fn request(&self, method: http::Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    /// The response of the admin listener.
    pub(crate) async fn ask_admin(&self, path: &str) -> reqwest::Response {
        self.client.get(format!("{}{path}", self.admin_url)).send().await.unwrap()
    }

    /// The status of the admin listener's response.
    pub(crate) async fn admin(&self, path: &str) -> StatusCode {
        self.ask_admin(path).await.status()
    }

    /// The value of a counter on the admin listener, which counts for the whole process, other tests included.
    pub(crate) async fn counter(&self, name: &str) -> u64 {
        let text = self.ask_admin("/metrics").await.text().await.unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name}: {text}")).parse().unwrap()
    }

    /// The requests of the sandbox since the start or the last [`Self::forget`].
    pub(crate) fn sent(&self) -> Vec<RecordedRequest> {
        self.sandbox.requests()
    }

    pub(crate) fn clear_requests(&self) {
        self.sandbox.clear_requests();
    }

    /// Number of POST requests that the sandbox received.
    pub(crate) fn post_count(&self) -> usize {
        self.sent().iter().filter(|sent| sent.method == http::Method::POST).count()
    }

    /// Number of device statuses of the demo configuration in the sandbox.
    pub(crate) fn status_count(&self) -> usize {
        self.sandbox.device_statuses(DEMO_CONFIGURATION_ID).len()
    }

    /// Replaces the sandbox's fault rules, and clears its recorded requests.
    #[track_caller]
    pub(crate) fn replace_faults(&self, rules: &[&str]) {
        self.sandbox.clear_faults();
        for rule in rules {
            self.sandbox.inject(rule.parse().unwrap());
        }
        self.clear_requests();
    }
}

/// A response of the gateway, with the checks that apply to every response.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) json: Value,
}

impl Reply {
    pub(crate) async fn read(response: reqwest::Response) -> Self {
        let status = response.status();
        let headers = response.headers().clone();
        let text = response.text().await.unwrap();
        let json: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text:?}"));
        let reply = Self { status, headers, json };
        reply.check();
        reply
    }

    fn check(&self) {
        let content_type = self.headers["content-type"].to_str().unwrap();
        let known = ["application/graphql-response+json; charset=utf-8", "application/json; charset=utf-8"];
        assert!(known.contains(&content_type), "{content_type}");
        let members: Vec<&str> = self.json.as_object().unwrap().keys().map(String::as_str).collect();
        assert!(members.iter().all(|member| ["data", "errors"].contains(member)), "{members:?}");
        if content_type.starts_with("application/graphql-response") {
            assert_eq!(self.status.is_success(), members.contains(&"data"), "{self:?}");
        }
        let Some(errors) = self.json.get("errors") else { return };
        let errors = errors.as_array().unwrap();
        assert!(!errors.is_empty(), "errors, where present, are not empty");
        for error in errors {
            assert!(!error["message"].as_str().unwrap().is_empty());
            assert!(error["extensions"]["code"].is_string(), "an error has a code: {error}");
            assert!(
                error["extensions"]["retryable"].is_boolean(),
                "an error says if it can be repeated: {error}"
            );
        }
    }

    /// The data of a response without errors.
    #[track_caller]
    pub(crate) fn data(&self) -> &Value {
        assert!(self.json.get("errors").is_none(), "{:#}", self.json);
        &self.json["data"]
    }

    /// The only error of a response.
    #[track_caller]
    pub(crate) fn error(&self) -> &Value {
        let errors = self.json["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        let [error] = errors else { panic!("not one error: {:#}", self.json) };
        error
    }

    /// Code, outcome and `retryable` of the only error.
    #[track_caller]
    pub(crate) fn failure(&self) -> (&str, &str, bool) {
        let extensions = &self.error()["extensions"];
        (self.code(), extensions["outcome"].as_str().unwrap(), extensions["retryable"].as_bool().unwrap())
    }

    /// The one error's code.
    #[track_caller]
    pub(crate) fn code(&self) -> &str {
        self.error()["extensions"]["code"].as_str().unwrap()
    }
}
