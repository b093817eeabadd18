//! Builds a gateway from its configuration. Only this module uses the settings of every layer.

mod state;

use std::num::NonZero;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use graphql_prepare::Limits;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{info, warn};

use crate::config::{
    self, AccessLogConfig, FrontEndConfig, GatewayConfig, GraphConfig, LimitsConfig, LoadConfig, TlsConfig,
    TracesConfig,
};
use crate::graph::{
    Client, ClientError, ClientSettings, Cloud, CreatePath, ReadRates, ServiceRoot, ServiceRootError,
    install_tls_provider, tls_client_config,
};
use crate::schema::{Api, ApiSettings, CursorKey, TrustedDocuments, TrustedDocumentsMode};
pub use crate::server::Listeners;
use crate::server::{
    self, CertificateFiles, ConcurrencyLimits, ConnectionLimits, GraphiqlSettings, Tls, Workers,
};
use crate::shared_state::{SharedDocuments, SharedEvents, SharedState};
use crate::telemetry::operation::{AccessLog, AccessLogMode};
use crate::telemetry::traces::{BatchSettings, Protocol, RootSampler, Sampler, TraceSettings, Tracer};

/// Maximum time that a shutdown waits for traces to be exported, within the drain timeout.
const MAX_FLUSH: Duration = Duration::from_secs(5);
/// Maximum time that a shutdown waits for events to be sent to other replicas.
const MAX_EVENT_FLUSH: Duration = Duration::from_secs(1);
/// Open files besides client connections, including those of the admin listener.
const OTHER_FILES: u64 = 64;

/// The settings of each layer.
pub struct Settings {
    /// Settings of the client of Microsoft Graph.
    pub graph: ClientSettings,
    /// Settings of the GraphQL API.
    pub api: ApiSettings,
    /// Settings of the HTTP server.
    pub server: server::Settings,
    /// Settings of traces; `None` if there are none.
    pub traces: Option<TraceSettings>,
    /// The state that replicas share; `None` if there is none.
    pub shared_state: Option<SharedState>,
    /// Maximum number of writes whose idempotency keys are stored.
    pub state_capacity: usize,
}

/// A gateway that is ready to serve.
pub struct Gateway {
    client: Client,
    api: Api,
    settings: server::Settings,
    workers: Workers,
    shared_state: Option<SharedState>,
    state_capacity: usize,
    shared_events: Option<SharedEvents>,
    shared_documents: Option<SharedDocuments>,
}

impl Gateway {
    /// Builds each layer.
    ///
    /// # Errors
    ///
    /// If the certificate authorities cannot be read, or a trusted document is not valid, and the message names the setting; if
    /// no thread can be started.
    pub fn new(settings: Settings) -> anyhow::Result<Self> {
        let Settings { graph, api, server: mut settings, traces, shared_state, state_capacity } = settings;
        let has_ca = graph.ca.is_some();
        let client = match Client::new(graph) {
            Err(error @ ClientError::Tls(_)) if has_ca => return Err(error).context("--graph-ca"),
            client => client?,
        };
        let (shared_events, shared_documents) = (api.shared_events.clone(), api.shared_documents.clone());
        let api = Api::new(api).context("--trusted-documents")?;
        settings.tracer = traces.map(Tracer::start).transpose()?;
        let workers = Workers::start(settings.workers).context("cannot start a thread")?;
        Ok(Self {
            client,
            api,
            settings,
            workers,
            shared_state,
            state_capacity,
            shared_events,
            shared_documents,
        })
    }

    /// Connects to the state that replicas share, if there is one. A server that cannot be reached is tried again while the
    /// gateway runs.
    ///
    /// # Errors
    ///
    /// If the server rejects the credentials, or is of a kind that cannot be used.
    pub async fn connect_shared_state(&self) -> anyhow::Result<()> {
        match &self.shared_state {
            Some(state) => Ok(state.start().await.context("--state-url")?),
            None => Ok(()),
        }
    }

    /// Serves until `shutdown` completes and the drain has ended; `abort` ends the drain early. Returns the number of writes
    /// that were cut off.
    pub async fn run(
        self,
        listeners: Listeners,
        shutdown: impl Future<Output = ()> + Send,
        abort: impl Future<Output = ()> + Send,
    ) -> usize {
        let Self {
            client,
            api,
            settings,
            workers,
            shared_state,
            state_capacity,
            shared_events,
            shared_documents,
        } = self;
        let mut shared_tasks = JoinSet::new();
        if let Some(state) = shared_state {
            shared_tasks.spawn(state.clone().share_waits(client.retry_after_cache()));
            shared_tasks.spawn(state.clone().clean_records(state_capacity));
            shared_tasks.spawn(state.run());
        }
        if shared_events.is_some() {
            shared_tasks.spawn(api.share_events());
        }
        if let Some(documents) = shared_documents {
            shared_tasks.spawn(documents.run());
        }
        info!(graph.root = %client.root(), "calling Microsoft Graph");
        workers.spawn_on_each(|| client.clone().open_connection());
        let tracer = settings.tracer.clone();
        if let Some(tracer) = &tracer {
            info!(endpoint = tracer.endpoint(), "exporting traces");
        }
        let drain = settings.drain_delay + settings.drain_timeout;
        let (began, aborted) = (OnceLock::new(), AtomicBool::new(false));
        let shutdown = async {
            shutdown.await;
            let _ = began.set(Instant::now());
        };
        let abort = async {
            abort.await;
            aborted.store(true, Ordering::Relaxed);
        };
        let writes = server::run(listeners, client, api, settings, workers, shutdown, abort).await;
        if let Some(events) = shared_events {
            let _ = timeout(MAX_EVENT_FLUSH, events.flush()).await;
        }
        drop(shared_tasks);
        if let Some(tracer) = tracer {
            let elapsed = began.get().map(Instant::elapsed).unwrap_or_default();
            let rest = if aborted.into_inner() { Duration::ZERO } else { drain.saturating_sub(elapsed) };
            tracer.shutdown(rest.min(MAX_FLUSH)).await;
        }
        writes
    }
}

impl Settings {
    /// Checks settings that depend on each other. Reads and creates no file.
    ///
    /// # Errors
    ///
    /// If a setting cannot be used. The message names it.
    pub fn check(config: &GatewayConfig) -> anyhow::Result<()> {
        let GatewayConfig { request, load, .. } = config;
        anyhow::ensure!(
            load.max_buffered_bytes >= request.max_request_body,
            "--max-buffered-bytes: must be no less than --max-request-body"
        );
        anyhow::ensure!(
            config.graph.graph_attempt_timeout > config.graph.graph_connect_timeout,
            "--graph-attempt-timeout: must exceed --graph-connect-timeout"
        );
        anyhow::ensure!(
            config.front_end.trusted_documents.is_some()
                || config.front_end.trusted_documents_mode == config::TrustedDocumentsMode::Off,
            "--trusted-documents-mode: needs --trusted-documents"
        );
        anyhow::ensure!(
            config.graph.graph_url.is_none() || config.graph.graph_cloud == config::Cloud::Global,
            "--graph-url: replaces --graph-cloud; set one of them"
        );
        state::check(&config.state)?;
        let TlsConfig { tls_cert, tls_key, admin_tls } = &config.tls;
        anyhow::ensure!(tls_cert.is_some() || tls_key.is_none(), "--tls-key: needs --tls-cert");
        anyhow::ensure!(tls_key.is_some() || tls_cert.is_none(), "--tls-cert: needs --tls-key");
        anyhow::ensure!(tls_cert.is_some() || !admin_tls, "--admin-tls: needs --tls-cert and --tls-key");
        service_root(&config.graph)?;
        Ok(())
    }

    /// Maps the configuration to each layer's settings, and reads the files that it names. Creates the state file if there
    /// is none.
    ///
    /// # Errors
    ///
    /// If a setting cannot be used. The message names it.
    pub fn from_config(config: &GatewayConfig) -> anyhow::Result<Self> {
        Self::check(config)?;
        let GatewayConfig { request, load, .. } = config;
        let graph = graph(&config.graph, load.max_buffered_bytes, max_buffered_per_caller(config))?;
        let shared_state = state::shared_state(&config.state)?;
        let server = server::Settings {
            tls: tls(&config.tls)?,
            admin_tls: config.tls.admin_tls,
            workers: std::thread::available_parallelism().map_or(1, NonZero::get),
            request_timeout: request.request_timeout,
            max_request_body: request.max_request_body,
            body_timeout: request.body_timeout,
            max_buffered_bytes: load.max_buffered_bytes,
            max_buffered_per_caller: max_buffered_per_caller(config),
            concurrency: ConcurrencyLimits {
                max_concurrent_requests: load.max_concurrent_requests,
                max_queued_requests: load.max_queued_requests,
                max_caller_share: load.max_caller_share,
            },
            max_subscriptions: config.subscriptions.max_subscriptions,
            connections: ConnectionLimits {
                max_connections: max_connections(load.max_connections),
                header_timeout: load.header_timeout,
                idle_timeout: load.idle_timeout,
                send_timeout: load.send_timeout,
                half_close_window: server::HALF_CLOSE_WINDOW,
            },
            drain_delay: config.shutdown.drain_delay,
            drain_timeout: config.shutdown.drain_timeout,
            cors_origins: config.front_end.cors_origins.clone(),
            allow_loopback_origins: false,
            access_log: access_log(&config.access_log),
            tracer: None,
            reload: Arc::default(),
            graphiql: config.front_end.graphiql.then(|| GraphiqlSettings::serve(&graph.root)),
        };
        let api = ApiSettings {
            introspection: config.front_end.introspection,
            limits: limits(&config.limits),
            trusted_documents: trusted_documents(&config.front_end)?,
            default_page_size: config.front_end.default_page_size,
            cursor_key: cursor_key(config.front_end.cursor_key_file.as_deref())?,
            max_configuration_payload: request.max_configuration_payload,
            max_fallback_pages: request.max_fallback_pages,
            max_response: request.max_response,
            idempotency: state::idempotency_service(config, shared_state.clone())?,
            subscription_recheck: config.subscriptions.subscription_recheck,
            subscription_reads: ReadRates {
                subscriber: config.subscriptions.max_subscriber_reads,
                process: config.subscriptions.max_subscription_reads,
            },
            shared_events: shared_state.clone().map(SharedEvents::new),
            shared_documents: shared_state
                .clone()
                .map(|state| SharedDocuments::new(state, config.limits.max_document)),
        };
        let traces = config.traces.as_ref().map(traces).transpose()?;
        let state_capacity = config.state.state_capacity;
        Ok(Self { graph, api, server, traces, shared_state, state_capacity })
    }
}

fn tls(config: &TlsConfig) -> anyhow::Result<Option<Tls>> {
    match (&config.tls_cert, &config.tls_key) {
        (Some(certificate), Some(key)) => {
            let files = CertificateFiles { certificate: certificate.clone(), key: key.clone() };
            Ok(Some(Tls::read(files).context("--tls-cert and --tls-key")?))
        }
        _ => Ok(None),
    }
}

fn service_root(config: &GraphConfig) -> anyhow::Result<ServiceRoot> {
    let cloud = match config.graph_cloud {
        config::Cloud::Global => Cloud::Global,
        config::Cloud::UsGovL4 => Cloud::UsGovL4,
        config::Cloud::UsGovL5 => Cloud::UsGovL5,
        config::Cloud::China => Cloud::China,
    };
    let url = config.graph_url.as_deref().unwrap_or_else(|| cloud.beta_root());
    ServiceRoot::parse(url, config.allow_insecure_graph).map_err(|why| match why {
        ServiceRootError::Insecure(_) => {
            anyhow::anyhow!("--graph-url: {why}, or set --allow-insecure-graph if that network is yours")
        }
        why => anyhow::anyhow!("--graph-url: {why}"),
    })
}

/// One caller's share of a memory budget: enough for one request body in any case.
fn max_buffered_per_caller(config: &GatewayConfig) -> usize {
    let LoadConfig { max_buffered_bytes, max_caller_share, .. } = config.load;
    let share = (max_buffered_bytes / 100).saturating_mul(max_caller_share);
    if max_caller_share == 100 { max_buffered_bytes } else { share.max(config.request.max_request_body) }
}

fn graph(
    config: &GraphConfig,
    max_buffered: usize,
    max_buffered_per_caller: usize,
) -> anyhow::Result<ClientSettings> {
    let root = service_root(config)?;
    if root.url().scheme() == "http" && !root.is_loopback() {
        warn!(graph.root = %root, "callers' tokens are sent to Graph unencrypted");
    }
    Ok(ClientSettings {
        root,
        ca: config.graph_ca.clone(),
        create_path: match config.graph_create_path {
            config::CreatePath::Collection => CreatePath::Collection,
            config::CreatePath::Ref => CreatePath::Ref,
        },
        connect_timeout: config.graph_connect_timeout,
        attempt_timeout: config.graph_attempt_timeout,
        honors_client_ids: config.graph_honors_client_ids,
        max_response: config.graph_max_response,
        max_buffered,
        max_buffered_per_caller,
    })
}

fn access_log(config: &AccessLogConfig) -> AccessLog {
    let mode = match config.access_log {
        config::AccessLog::Off => AccessLogMode::Off,
        config::AccessLog::Errors => AccessLogMode::Errors,
        config::AccessLog::All => AccessLogMode::All,
    };
    AccessLog { mode, sample: config.access_log_sample }
}

/// Limits of documents by their settings.
pub(crate) fn limits(config: &LimitsConfig) -> Limits {
    Limits {
        document: config.max_document,
        tokens: config.max_tokens,
        nesting: config.max_nesting,
        directives: config.max_directives,
        expanded_selections: config.max_selections,
        depth: config.max_depth,
        aliases: config.max_aliases,
        response_key: Limits::default().response_key,
        root_fields: config.max_root_fields,
        root_mutations: config.max_root_mutations,
        cost: config.max_cost,
        introspection: config.max_introspection,
    }
}

fn traces(config: &TracesConfig) -> anyhow::Result<TraceSettings> {
    install_tls_provider();
    let tls = match &config.certificate {
        None => tls_client_config(None).context("OTEL_EXPORTER_OTLP_ENDPOINT")?,
        Some((variable, path)) => tls_client_config(Some(path)).context(*variable)?,
    };
    Ok(TraceSettings {
        tls,
        endpoint: config.endpoint.clone(),
        protocol: match config.protocol {
            config::TracesProtocol::HttpProtobuf => Protocol::HttpProtobuf,
            config::TracesProtocol::Grpc => Protocol::Grpc,
        },
        headers: config.headers.clone(),
        timeout: config.timeout,
        sampler: Sampler {
            is_parent_based: config.sampler.is_parent_based,
            root: match config.sampler.root {
                config::RootSampler::AlwaysOn => RootSampler::AlwaysOn,
                config::RootSampler::AlwaysOff => RootSampler::AlwaysOff,
                config::RootSampler::Ratio(ratio) => RootSampler::Ratio(ratio),
            },
        },
        resource: config.resource.clone(),
        batch: BatchSettings {
            max_queue_size: config.max_queue_size,
            max_export_batch_size: config.max_export_batch_size,
            schedule_delay: config.schedule_delay,
        },
    })
}

/// The possible number of connections. Each is an open file, and may need another one for a
/// connection to Graph.
fn max_connections(wanted: usize) -> usize {
    // The soft limit is raised to the hard limit, which any process may do.
    let Ok(files) = rlimit::increase_nofile_limit(u64::MAX) else { return wanted };
    let possible = usize::try_from(files.saturating_sub(OTHER_FILES) / 2).unwrap_or(usize::MAX).max(1);
    if wanted > possible {
        warn!(files, connections = possible, "the system's limit of open files allows fewer connections");
    }
    wanted.min(possible)
}

fn trusted_documents(config: &FrontEndConfig) -> anyhow::Result<TrustedDocuments> {
    let Some(file) = &config.trusted_documents else { return Ok(TrustedDocuments::default()) };
    let mut documents = TrustedDocuments::read(file).context("--trusted-documents")?;
    let (mode, name) = match config.trusted_documents_mode {
        config::TrustedDocumentsMode::Off => (TrustedDocumentsMode::Off, "off"),
        config::TrustedDocumentsMode::Report => (TrustedDocumentsMode::Report, "report"),
        config::TrustedDocumentsMode::Enforce => (TrustedDocumentsMode::Enforce, "enforce"),
    };
    documents.mode = mode;
    info!(documents = documents.iter().count(), mode = name, "trusted documents loaded");
    Ok(documents)
}

/// The key that seals cursors: the file's, or a random one.
fn cursor_key(file: Option<&Path>) -> anyhow::Result<CursorKey> {
    let Some(file) = file else { return Ok(CursorKey::random()?) };
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("--cursor-key-file: cannot read {}", file.display()))?;
    let bytes = STANDARD.decode(text.trim()).unwrap_or_default();
    CursorKey::new(&bytes)
        .map_err(|_| anyhow::anyhow!("--cursor-key-file: {} must contain 32 bytes in base64", file.display()))
}
