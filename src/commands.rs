//! What each command does: binds its listeners, says where they are, and runs until told to stop.

#[cfg(feature = "sandbox")]
mod demo;
mod healthcheck;

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tracing::{error, warn};

use crate::config::{Command, GatewayConfig};
use crate::gateway::{Gateway, Listeners, Settings};
use crate::{schema, server};

/// A health check that failed: whoever is asked is not ready.
#[derive(Debug, thiserror::Error)]
#[error("not ready")]
pub struct NotReady;

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
    // Built before an address is printed: a script that waits for the address must not find a gateway that ends at once.
    let gateway = Gateway::new(Settings::from_config(&config)?)?;
    if config.state.state_file.is_none() {
        warn!("idempotency keys are stored in memory and lost when the gateway stops; set --state-file");
    }
    let listeners = Listeners {
        public: bind(config.listen.listen, config.load.listen_backlog, "--listen")?,
        admin: bind(config.listen.admin_listen, config.load.listen_backlog, "--admin-listen")?,
    };
    let stop = stop_signal()?;
    print(&format!("listening on http://{}", listeners.public.local_addr()?))?;
    print(&format!("admin listening on http://{}", listeners.admin.local_addr()?))?;
    match gateway.run(listeners, stop).await {
        0 => Ok(ExitCode::SUCCESS),
        writes => {
            error!(writes, "writes to Graph were cut off; whether they happened is not known");
            Ok(ExitCode::FAILURE)
        }
    }
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
