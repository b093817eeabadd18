//! Signals that stop the program, or make it read files again.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::info;

/// Signals within this time after the first count as the same one: some programs, GNU `timeout` among them, signal both the
/// process and its group.
const REPEAT_WINDOW: Duration = Duration::from_secs(1);

/// SIGTERM, SIGINT (Ctrl-C), and SIGHUP unless it has another meaning.
#[derive(Debug, Clone)]
pub(super) struct Signals {
    first: CancellationToken,
    second: CancellationToken,
}

impl Signals {
    /// Registers the handlers, so that no signal after this call is missed. With `reload`, SIGHUP notifies it and stops nothing.
    ///
    /// # Errors
    ///
    /// If the system does not allow a handler.
    pub(super) fn new(reload: Option<Arc<Notify>>) -> std::io::Result<Self> {
        let signals = Self { first: CancellationToken::new(), second: CancellationToken::new() };
        let Self { first, second } = signals.clone();
        let mut receiver = Receiver::new(reload)?;
        tokio::spawn(async move {
            receiver.next().await;
            first.cancel();
            let repeats = async {
                loop {
                    receiver.next().await;
                    info!("another signal within a second of the first is ignored");
                }
            };
            let _: Result<(), _> = tokio::time::timeout(REPEAT_WINDOW, repeats).await;
            receiver.next().await;
            second.cancel();
        });
        Ok(signals)
    }

    /// Resolves at the first signal.
    pub(super) fn first(&self) -> impl Future<Output = ()> + Send + 'static {
        self.first.clone().cancelled_owned()
    }

    /// Resolves at the next signal that is not a repetition of the first.
    pub(super) fn second(&self) -> impl Future<Output = ()> + Send + 'static {
        self.second.clone().cancelled_owned()
    }
}

#[cfg(unix)]
struct Receiver {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
    reload: Option<Arc<Notify>>,
}

#[cfg(unix)]
impl Receiver {
    fn new(reload: Option<Arc<Notify>>) -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            reload,
        })
    }

    /// Waits for the next signal that stops the program.
    async fn next(&mut self) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hang_up.recv() => match &self.reload {
                    Some(reload) => reload.notify_one(),
                    None => return,
                },
            }
        }
    }
}

#[cfg(not(unix))]
struct Receiver;

#[cfg(not(unix))]
impl Receiver {
    #[expect(clippy::unnecessary_wraps, reason = "registering fails on other systems")]
    fn new(_reload: Option<Arc<Notify>>) -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        drop(tokio::signal::ctrl_c().await);
    }
}
