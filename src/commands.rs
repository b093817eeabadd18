//! What each command does: binds its listeners, says where they are, and runs until told to stop.

#[cfg(feature = "sandbox")]
mod demo;
mod healthcheck;

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::net::TcpListener;
use tracing::{error, info, warn};

use crate::config::{Command, GatewayConfig, GraphConfig, HttpConfig, LoadConfig, StateConfig};
use crate::graph::{Client, ClientSettings, ReadRates, ServiceRoot};
use crate::schema::{Api, ApiSettings, CursorKey, TrustedDocuments};
use crate::server::ConnectionLimits;
use crate::state::{FileStore, Ledger, MemoryStore, Store};
use crate::{schema, server};

/// A health check that failed: whoever is asked is not ready.
#[derive(Debug, thiserror::Error)]
#[error("not ready")]
pub struct NotReady;

/// Open files that are no connection, and those of the admin listener.
const OTHER_FILES: u64 = 64;

/// Runs a command to its end: its exit code is 1 where the gateway had to cut writes off when it stopped.
///
/// # Errors
///
/// Where a setting cannot be used or an address cannot be bound; [`NotReady`] where a health check fails.
pub fn run(command: Command) -> anyhow::Result<ExitCode> {
    if let Command::Schema = command {
        print(&schema::sdl())?;
        return Ok(ExitCode::SUCCESS);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
        match command {
            #[cfg(feature = "sandbox")]
            Command::Demo(config) => demo::run(config).await?,
            Command::Serve(config) => return serve(*config).await,
            #[cfg(feature = "sandbox")]
            Command::Sandbox(options) => msgraph_sandbox::start(*options, stop_signal()?).await?,
            Command::Healthcheck(config) => healthcheck::run(&config).await.context(NotReady)?,
            Command::Schema => {}
        }
        Ok(ExitCode::SUCCESS)
    });
    // A name that is still being looked up is nothing to wait for.
    runtime.shutdown_background();
    ended
}

async fn serve(config: GatewayConfig) -> anyhow::Result<ExitCode> {
    let graph = graph_client(&config.graph, config.load.max_buffered)?;
    info!(graph.root = %graph.root(), "speaking to Microsoft Graph");
    // Before an address is said: whoever waits for it is not to find a gateway that ends at once.
    let api = Api::new(ApiSettings {
        introspection: config.introspection,
        limits: (&config.limits).into(),
        trusted_documents: trusted_documents(&config)?,
        default_page_size: config.default_page_size,
        cursor_key: cursor_key(config.cursor_key_file.as_deref())?,
        max_payload: config.http.max_payload,
        max_response: config.http.max_response,
        ledger: ledger(&config.state)?,
        subscriber_recheck: config.subscriber_recheck,
        subscription_reads: ReadRates {
            subscriber: config.max_subscriber_reads,
            process: config.max_subscription_reads,
        },
    })
    .context("--trusted-documents")?;
    let settings = server::Settings {
        drain_delay: config.drain_delay,
        drain_timeout: config.drain_timeout,
        cors_origins: config.cors_origins,
        graphiql: config.graphiql.then(|| server::PageSettings::serve(graph.root())),
        ..server_settings(&config.http, &config.load)
    };
    anyhow::ensure!(
        settings.max_buffered >= settings.max_body,
        "--max-buffered: must be no less than --max-body"
    );
    let listener = bind(config.listen, config.load.listen_backlog, "--listen")?;
    let admin = bind(config.admin_listen, config.load.listen_backlog, "--admin-listen")?;
    let stop = stop_signal()?;
    print(&format!("listening on http://{}", listener.local_addr()?))?;
    print(&format!("admin listening on http://{}", admin.local_addr()?))?;
    match server::run(listener, admin, graph, api, settings, stop).await {
        0 => Ok(ExitCode::SUCCESS),
        writes => {
            error!(writes, "writes to Graph were cut off; whether they happened is not known");
            Ok(ExitCode::FAILURE)
        }
    }
}

/// How requests are served that have these limits, and nothing special besides.
fn server_settings(http: &HttpConfig, load: &LoadConfig) -> server::Settings {
    let connections = ConnectionLimits::from(load);
    server::Settings {
        deadline: http.deadline,
        max_body: http.max_body,
        body_timeout: http.body_timeout,
        max_buffered: load.max_buffered,
        admission: load.into(),
        max_streams: load.max_streams,
        connections: ConnectionLimits { connections: room_for(connections.connections), ..connections },
        drain_delay: Duration::ZERO,
        drain_timeout: Duration::from_secs(30),
        cors_origins: Vec::new(),
        graphiql: None,
    }
}

/// As many connections as there can be: each is an open file, and may need another one towards Graph.
fn room_for(connections: usize) -> usize {
    // As many files as the system lets the process have without asking anybody.
    let Ok(files) = rlimit::increase_nofile_limit(u64::MAX) else { return connections };
    let most = usize::try_from(files.saturating_sub(OTHER_FILES) / 2).unwrap_or(usize::MAX).max(1);
    if connections > most {
        warn!(
            files,
            connections = most,
            "the system's limit of open files leaves room for fewer connections"
        );
    }
    connections.min(most)
}

/// The documents that a configuration trusts.
fn trusted_documents(config: &GatewayConfig) -> anyhow::Result<TrustedDocuments> {
    let Some(file) = &config.trusted_documents else { return Ok(TrustedDocuments::default()) };
    let mut documents = TrustedDocuments::read(file).context("--trusted-documents")?;
    documents.only = config.trusted_documents_only;
    info!(documents = documents.iter().count(), only = documents.only, "trusting documents");
    Ok(documents)
}

/// The ledger of idempotency keys that a configuration describes.
fn ledger(config: &StateConfig) -> anyhow::Result<Ledger> {
    let store: Arc<dyn Store> = match &config.state_file {
        Some(file) => Arc::new(FileStore::open(file, config.state_capacity).context("--state-file")?),
        None => {
            warn!(
                "idempotency keys are kept in memory, and forgotten when the gateway ends: see --state-file"
            );
            Arc::new(memory_store(config.state_capacity)?)
        }
    };
    Ok(Ledger::new(store, config.state_retention))
}

fn memory_store(capacity: usize) -> anyhow::Result<MemoryStore> {
    MemoryStore::new(capacity).map_err(|_| anyhow::anyhow!("no random numbers can be had"))
}

/// The client that a configuration describes.
fn graph_client(config: &GraphConfig, max_buffered: usize) -> anyhow::Result<Client> {
    let url = config.graph_url.as_deref().unwrap_or_else(|| config.graph_cloud.beta_root());
    let root = ServiceRoot::parse(url, config.allow_insecure_graph)
        .map_err(|why| anyhow::anyhow!("--graph-url: {why}"))?;
    if root.url().scheme() == "http" && !root.is_loopback() {
        warn!(graph.root = %root, "callers' tokens go to Graph unencrypted");
    }
    Ok(Client::new(ClientSettings {
        root,
        ca: config.graph_ca.clone(),
        create_path: config.create_path,
        connect_timeout: config.connect_timeout,
        attempt_timeout: config.attempt_timeout,
        keeps_ids: config.graph_keeps_ids,
        max_response: config.max_graph_response,
        max_buffered,
    })?)
}

/// The key that cursors are sealed with: the file's, else one that nobody else has.
fn cursor_key(file: Option<&Path>) -> anyhow::Result<CursorKey> {
    let Some(file) = file else { return Ok(CursorKey::random()?) };
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("--cursor-key-file: cannot read {}", file.display()))?;
    let bytes = STANDARD.decode(text.trim()).unwrap_or_default();
    CursorKey::new(&bytes)
        .map_err(|_| anyhow::anyhow!("--cursor-key-file: {} must hold 32 bytes in base64", file.display()))
}

fn bind(address: SocketAddr, backlog: u32, setting: &str) -> anyhow::Result<TcpListener> {
    server::bind(address, backlog).with_context(|| format!("{setting}: cannot listen on {address}"))
}

/// Prints a line on standard output at once, for whoever waits for it.
fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{}", text.trim_end())?;
    Ok(stdout.flush()?)
}

/// Resolves at the first SIGTERM or SIGINT (Ctrl-C); the second ends the process at once. To be called before the address
/// is printed: whoever reads it may ask to stop at once.
fn stop_signal() -> anyhow::Result<impl Future<Output = ()> + Send + 'static> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut signalled = async move || {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        Ok(async move {
            signalled().await;
            tokio::spawn(async move {
                signalled().await;
                warn!("told to stop twice: what is under way is cut off");
                std::process::exit(1);
            });
        })
    }
    #[cfg(not(unix))]
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}
