//! What each command does: binds its listeners, says where they are, and runs until told to stop.

mod demo;
mod healthcheck;

use std::io::Write as _;
use std::net::SocketAddr;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tracing::{info, warn};

use crate::config::{Command, GatewayConfig, GraphConfig, SandboxConfig};
use crate::graph::{Client, ClientSettings, ServiceRoot};
use crate::sandbox::{self, Sandbox};
use crate::{schema, server};

/// A health check that failed: whoever is asked is not ready.
#[derive(Debug, thiserror::Error)]
#[error("not ready")]
pub struct NotReady;

/// Runs a command to its end.
///
/// # Errors
///
/// Where a setting cannot be used or an address cannot be bound; [`NotReady`] where a health check fails;
/// [`server::WriteCutOff`].
pub fn run(command: Command) -> anyhow::Result<()> {
    if let Command::Schema = command {
        return print(&schema::sdl());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
        match command {
            Command::Demo(config) => demo::run(config).await,
            Command::Serve(config) => serve(config).await,
            Command::Sandbox(config) => sandbox(config).await,
            Command::Healthcheck(config) => healthcheck::run(&config).await.context(NotReady),
            Command::Schema => Ok(()),
        }
    });
    // A name that is still being looked up is nothing to wait for.
    runtime.shutdown_background();
    ended
}

async fn serve(config: GatewayConfig) -> anyhow::Result<()> {
    let graph = graph_client(&config.graph)?;
    info!(graph.root = %graph.root(), "speaking to Microsoft Graph");
    let listener = bind(config.listen, "--listen").await?;
    let admin = bind(config.admin_listen, "--admin-listen").await?;
    let stop = stop_signal()?;
    print(&format!("listening on http://{}", listener.local_addr()?))?;
    print(&format!("admin listening on http://{}", admin.local_addr()?))?;
    let settings = server::Settings {
        deadline: config.http.deadline,
        max_body: config.http.max_body,
        introspection: config.introspection,
        graphiql: config.graphiql.then(|| server::PageSettings::serve(graph.root())),
    };
    Ok(server::run(listener, admin, graph, settings, stop).await?)
}

async fn sandbox(config: SandboxConfig) -> anyhow::Result<()> {
    let listener = bind(config.listen, "--listen").await?;
    let sandbox = Sandbox::new(config.into());
    let stop = stop_signal()?;
    print(&format!("sandbox listening on http://{}/beta", listener.local_addr()?))?;
    sandbox::run(listener, sandbox, stop).await.context("the sandbox failed")
}

/// The client that a configuration describes.
fn graph_client(config: &GraphConfig) -> anyhow::Result<Client> {
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
        max_response: config.max_graph_response,
    })?)
}

async fn bind(address: SocketAddr, setting: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("{setting}: cannot listen on {address}"))
}

/// Prints a line on standard output at once, for whoever waits for it.
fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{}", text.trim_end())?;
    Ok(stdout.flush()?)
}

/// Resolves at the first SIGTERM or SIGINT (Ctrl-C). To be called before the address is printed: whoever reads it may ask
/// to stop at once.
fn stop_signal() -> anyhow::Result<impl Future<Output = ()> + Send + 'static> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        Ok(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        })
    }
    #[cfg(not(unix))]
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}
