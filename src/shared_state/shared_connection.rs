//! The connection for commands, which all requests share, and what happens while there is none.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{FromRedisValue, RedisError, Script, ServerErrorKind, cmd};
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::sync::{Notify, watch};
use tokio::time::sleep;
use tracing::{debug, error, info, warn};

use super::connection::{COMMAND_TIMEOUT, ConnectError, ConnectionSettings};
use super::server_check;
use super::server_clock::ServerClock;
use crate::telemetry::metrics;

/// The start of each key in the server, and of each channel.
pub(super) const PREFIX: &str = "intune-graphql:";
/// The format of the data. Another format is of a version that this one cannot share data with.
pub(super) const FORMAT: u8 = 1;
/// How often an idle connection is checked.
const PING_INTERVAL: Duration = Duration::from_secs(2);
/// First delay before connecting again. It doubles after each failure.
const MIN_RETRY_DELAY: Duration = Duration::from_millis(50);
/// Maximum delay.
const MAX_RETRY_DELAY: Duration = Duration::from_secs(2);

/// The state that replicas share. Clones share the connection.
#[derive(Clone)]
pub struct SharedState(Arc<Inner>);

struct Inner {
    settings: ConnectionSettings,
    open: Script,
    status: Mutex<Status>,
    /// Why the server rejected the last change; `None` if it did not.
    rejection: Mutex<Option<Unavailable>>,
    /// The hash key of the data, since it was first read.
    hash_key: Mutex<Option<[u8; 32]>>,
    /// Notified when the connection has failed.
    failed: Notify,
    /// Counts connections that were established.
    connections: watch::Sender<u64>,
}

enum Status {
    Up { connection: MultiplexedConnection, number: u64, clock: ServerClock },
    Down(Arc<ConnectError>),
}

/// Why the shared state could not be used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Unavailable {
    /// There is no connection.
    #[error(transparent)]
    NotConnected(Arc<ConnectError>),
    /// The server rejected a command.
    #[error("the server rejects a command")]
    Rejected(#[source] Arc<RedisError>),
    /// The server's clock is beyond the deadline of a command, which was not executed.
    #[error("the server's clock has changed")]
    Late,
    /// The server has data that this version cannot read.
    #[error("a record has a format of another version")]
    Format,
}

impl SharedState {
    /// The state at a server. Nothing is connected yet.
    #[must_use]
    pub fn new(settings: ConnectionSettings) -> Self {
        let status = Status::Down(Arc::new(ConnectError::NotYet { address: settings.name() }));
        metrics::set_shared_state_up(false);
        Self(Arc::new(Inner {
            settings,
            open: Script::new(include_str!("scripts/open.lua")),
            status: Mutex::new(status),
            rejection: Mutex::default(),
            hash_key: Mutex::new(None),
            failed: Notify::new(),
            connections: watch::Sender::new(0),
        }))
    }

    /// Connects for the first time, and logs how the server may lose data.
    ///
    /// # Errors
    ///
    /// A wrong setting, or a server of a kind that cannot be used. A server that cannot be reached is no error: it is
    /// tried again by [`SharedState::run`].
    pub async fn start(&self) -> Result<(), Arc<ConnectError>> {
        match self.connect().await {
            Ok(mut connection) => {
                info!(address = %self.0.settings.address, "connected to the shared state");
                for risk in server_check::risks(&mut connection).await {
                    warn!(address = %self.0.settings.address, risk, "the shared state may lose idempotency keys");
                }
                Ok(())
            }
            Err(error) if error.is_permanent() => Err(error),
            Err(error) => {
                let reason = with_source(&*error);
                warn!(
                    reason,
                    "the shared state cannot be reached; writes with an idempotency key fail until it can"
                );
                Ok(())
            }
        }
    }

    /// Checks the connection, and connects again whenever it has failed, until the future is dropped.
    pub async fn run(self) {
        let mut delay = MIN_RETRY_DELAY;
        loop {
            let current = match &*self.status() {
                Status::Up { connection, number, .. } => Some((connection.clone(), *number)),
                Status::Down(_) => None,
            };
            let Some((mut connection, number)) = current else {
                match self.connect().await {
                    Ok(_) => {
                        delay = MIN_RETRY_DELAY;
                        info!(address = %self.0.settings.address, "the shared state can be used again");
                    }
                    Err(error) => {
                        debug!(reason = with_source(&*error), "the shared state still cannot be reached");
                        sleep(delay.mul_f64(0.5 + fastrand::f64())).await;
                        delay = (delay * 2).min(MAX_RETRY_DELAY);
                    }
                }
                continue;
            };
            tokio::select! {
                () = self.0.failed.notified() => {}
                () = sleep(PING_INTERVAL) => {
                    match check(&mut connection).await {
                        Ok(clock) => self.set_clock(number, clock),
                        Err(error) if is_failure(&error) => drop(self.set_down(number, error)),
                        Err(_rejected) => {}
                    }
                }
            }
        }
    }

    /// Whether there is a connection.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub fn health(&self) -> Result<(), Unavailable> {
        match &*self.status() {
            Status::Up { .. } => Ok(()),
            Status::Down(error) => Err(Unavailable::NotConnected(Arc::clone(error))),
        }
    }

    /// Whether there is a connection, and the server accepted the last change.
    ///
    /// # Errors
    ///
    /// Why not.
    pub(super) fn accepts_changes(&self) -> Result<(), Unavailable> {
        self.health()?;
        self.rejection().clone().map_or(Ok(()), Err)
    }

    /// Notes whether the server accepted a change: without memory, for example, it can only be read.
    pub(super) fn note_change<T>(&self, result: &Result<T, Unavailable>) {
        let rejection = match result {
            Ok(_) => None,
            Err(error @ Unavailable::Rejected(_)) => Some(error.clone()),
            Err(Unavailable::NotConnected(_) | Unavailable::Format | Unavailable::Late) => return,
        };
        let reason = rejection.as_ref().map(|rejection| with_source(rejection));
        let mut last = self.rejection();
        let was_rejected = std::mem::replace(&mut *last, rejection).is_some();
        drop(last);
        match reason {
            Some(reason) if !was_rejected => {
                metrics::set_shared_state_up(false);
                warn!(
                    reason,
                    "the shared state rejects changes; writes with an idempotency key fail until it accepts them"
                );
            }
            None if was_rejected => {
                metrics::set_shared_state_up(self.health().is_ok());
                info!("the shared state accepts changes again");
            }
            _ => {}
        }
    }

    /// The key of keyed hashes, which all replicas share. It is known also while the server cannot be reached.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] if the server was never reached.
    pub fn hash_key(&self) -> Result<[u8; 32], Unavailable> {
        match *self.hash_key_lock() {
            Some(key) => Ok(key),
            None => Err(self.health().err().unwrap_or(Unavailable::Format)),
        }
    }

    /// When a command that is sent now must have been executed, in milliseconds since 1970 by the server's clock. Later, its
    /// caller has been told that it failed.
    pub(super) fn command_deadline(&self) -> Result<u64, Unavailable> {
        match &*self.status() {
            Status::Up { clock, .. } => Ok(clock.after(COMMAND_TIMEOUT)),
            Status::Down(error) => Err(Unavailable::NotConnected(Arc::clone(error))),
        }
    }

    /// Reads the server's clock again, which has been changed.
    pub(super) async fn read_clock(&self) -> Result<(), Unavailable> {
        let (mut connection, number) = match &*self.status() {
            Status::Up { connection, number, .. } => (connection.clone(), *number),
            Status::Down(error) => return Err(Unavailable::NotConnected(Arc::clone(error))),
        };
        match ServerClock::read(&mut connection).await {
            Ok(clock) => {
                self.set_clock(number, clock);
                Ok(())
            }
            Err(error) if is_failure(&error) => Err(Unavailable::NotConnected(self.set_down(number, error))),
            Err(error) => Err(Unavailable::Rejected(Arc::new(error))),
        }
    }

    /// A number that changes whenever a connection was established.
    pub(super) fn connections(&self) -> watch::Receiver<u64> {
        self.0.connections.subscribe()
    }

    pub(super) fn settings(&self) -> &ConnectionSettings {
        &self.0.settings
    }

    /// Runs a script, whose first key is that of the data's description, and whose first argument is the hash key. `keys`
    /// and `arguments` are the rest.
    ///
    /// # Errors
    ///
    /// [`Unavailable`], at once if there is no connection, and in any case after [`COMMAND_TIMEOUT`]. The script may have
    /// run, or run later.
    pub(super) async fn invoke<T: FromRedisValue>(
        &self,
        script: &Script,
        keys: &[String],
        arguments: &[&[u8]],
    ) -> Result<T, Unavailable> {
        let hash_key = self.hash_key()?;
        let (mut connection, number) = match &*self.status() {
            Status::Up { connection, number, .. } => (connection.clone(), *number),
            Status::Down(error) => return Err(Unavailable::NotConnected(Arc::clone(error))),
        };
        let mut invocation = script.prepare_invoke();
        invocation.key(meta_key()).arg(&hash_key[..]);
        for key in keys {
            invocation.key(key);
        }
        for argument in arguments {
            invocation.arg(*argument);
        }
        let result =
            match tokio::time::timeout(COMMAND_TIMEOUT, invocation.invoke_async(&mut connection)).await {
                Ok(result) => result,
                Err(_elapsed) => Err(RedisError::from(io::Error::from(io::ErrorKind::TimedOut))),
            };
        result.map_err(|error| {
            if is_failure(&error) {
                return Unavailable::NotConnected(self.set_down(number, error));
            }
            match error.code() {
                Some("FORMAT") => Unavailable::Format,
                Some("LATE") => Unavailable::Late,
                _ => Unavailable::Rejected(Arc::new(error)),
            }
        })
    }

    /// Connects, and makes the connection that of all requests.
    async fn connect(&self) -> Result<MultiplexedConnection, Arc<ConnectError>> {
        match self.opened().await {
            Ok(connection) => {
                let number = *self.0.connections.borrow() + 1;
                let (connection, clock) = connection;
                *self.status() = Status::Up { connection: connection.clone(), number, clock };
                metrics::set_shared_state_up(self.rejection().is_none());
                self.0.connections.send_replace(number);
                Ok(connection)
            }
            Err(error) => {
                let error = Arc::new(error);
                *self.status() = Status::Down(Arc::clone(&error));
                Err(error)
            }
        }
    }

    /// A connection to a server that can be used, whose hash key is known.
    async fn opened(&self) -> Result<(MultiplexedConnection, ServerClock), ConnectError> {
        let settings = &self.0.settings;
        let mut connection = settings.connect().await?;
        let info: Result<String, RedisError> = cmd("INFO").query_async(&mut connection).await;
        let reason = match &info {
            Ok(info) => server_check::unsupported(info),
            // A server may not show it to this user.
            Err(error) if error.code() == Some("NOPERM") => None,
            Err(error) => return Err(settings.rejected(error.clone())),
        };
        if let Some(reason) = reason {
            return Err(ConnectError::Unsupported { address: settings.name(), reason });
        }
        let known = *self.hash_key_lock();
        let mut fresh = [0; 32];
        SystemRandom::new().fill(&mut fresh).map_err(|_| {
            settings.rejected(io::Error::other("the system provides no random numbers").into())
        })?;
        let mut invocation = self.0.open.prepare_invoke();
        invocation.key(meta_key()).arg(FORMAT).arg(&known.unwrap_or(fresh)[..]);
        let (key, is_new): (Vec<u8>, bool) = match invocation.invoke_async(&mut connection).await {
            Ok(opened) => opened,
            Err(error) if error.code() == Some("FORMAT") => {
                let found = error.detail().unwrap_or("another one").to_owned();
                let reason = format!(
                    "has data of format {found}, and this version uses format {FORMAT}; use one version, or another database number"
                );
                return Err(ConnectError::Unsupported { address: settings.name(), reason });
            }
            Err(error) => return Err(settings.rejected(error)),
        };
        let key: [u8; 32] = key.try_into().map_err(|_| ConnectError::Unsupported {
            address: settings.name(),
            reason: "has data of another program; use another database number".to_owned(),
        })?;
        if known.is_some_and(|known| is_new || known != key) {
            error!(address = %settings.address, "the shared state has lost its data: earlier idempotency keys are forgotten");
        }
        *self.hash_key_lock() = Some(key);
        let clock = ServerClock::read(&mut connection).await.map_err(|source| settings.rejected(source))?;
        Ok((connection, clock))
    }

    fn set_clock(&self, of: u64, new: ServerClock) {
        if let Status::Up { number, clock, .. } = &mut *self.status()
            && *number == of
        {
            *clock = new;
        }
    }

    /// Notes that the connection of this number has failed, and returns the reason.
    fn set_down(&self, failed: u64, error: RedisError) -> Arc<ConnectError> {
        let error = Arc::new(ConnectError::Lost { address: self.0.settings.name(), source: error });
        let mut status = self.status();
        if matches!(&*status, Status::Up { number, .. } if *number == failed) {
            *status = Status::Down(Arc::clone(&error));
            drop(status);
            metrics::set_shared_state_up(false);
            self.0.failed.notify_one();
            let reason = with_source(&*error);
            warn!(
                reason,
                "the shared state cannot be reached; writes with an idempotency key fail until it can"
            );
        }
        error
    }

    fn status(&self) -> MutexGuard<'_, Status> {
        self.0.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rejection(&self) -> MutexGuard<'_, Option<Unavailable>> {
        self.0.rejection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hash_key_lock(&self) -> MutexGuard<'_, Option<[u8; 32]>> {
        self.0.hash_key.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for SharedState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedState").field("settings", &self.0.settings).finish_non_exhaustive()
    }
}

/// The key of the data's description.
fn meta_key() -> String {
    format!("{PREFIX}meta")
}

/// Reads the server's time, and checks that it is still the primary.
async fn check(connection: &mut MultiplexedConnection) -> Result<ServerClock, RedisError> {
    let info: Result<String, RedisError> = cmd("INFO").arg("replication").query_async(connection).await;
    match info {
        Ok(info) if server_check::is_replica(&info) => {
            let message = "READONLY the server has become a read-only replica";
            Err(RedisError::from(io::Error::new(io::ErrorKind::ReadOnlyFilesystem, message)))
        }
        Err(error) if is_failure(&error) => Err(error),
        Ok(_) | Err(_) => ServerClock::read(connection).await,
    }
}

/// Whether the connection must be replaced: it is lost or does not respond, the server cannot serve at present, or the data
/// behind it are others.
fn is_failure(error: &RedisError) -> bool {
    use redis::ErrorKind;
    match error.kind() {
        ErrorKind::Io | ErrorKind::Parse => true,
        ErrorKind::Server(kind) => matches!(
            kind,
            ServerErrorKind::BusyLoading | ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown
        ),
        _ => error.is_unrecoverable_error() || matches!(error.code(), Some("REPLACED" | "NOAUTH")),
    }
}

fn with_source(error: &(dyn std::error::Error + 'static)) -> String {
    crate::tls_error::with_causes(error)
}
