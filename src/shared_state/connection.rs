//! Opens connections to the server.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisConnectionInfo, RedisError};
use rustls::pki_types::ServerName;
use secrecy::{ExposeSecret as _, SecretString};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;

use super::address::ServerAddress;

/// Maximum time to connect, with TLS.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Maximum time of a command, after which the server counts as unreachable.
pub(super) const COMMAND_TIMEOUT: Duration = Duration::from_secs(2);
/// Commands that may wait to be written to the connection. Further ones wait without a place.
const PIPELINE_BUFFER: usize = 1024;
/// When an idle connection is first checked by TCP, and how often then.
const KEEPALIVE: [Duration; 2] = [Duration::from_secs(15), Duration::from_secs(5)];

/// How to connect.
#[derive(Clone)]
pub struct ConnectionSettings {
    /// The server.
    pub address: ServerAddress,
    /// The password, if the server needs one.
    pub password: Option<SecretString>,
    /// For an address with TLS.
    pub tls: Option<Arc<rustls::ClientConfig>>,
}

impl fmt::Debug for ConnectionSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionSettings").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Why there is no connection, or none that can be used.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No connection was established.
    #[error("cannot connect to {address}")]
    Io {
        /// The server.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// The server ended the connection, or did not respond, as one does that expects TLS, or none.
    #[error("{address} does not take the connection; {advice}")]
    Protocol {
        /// The server.
        address: String,
        /// What to check.
        advice: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The host is not a name of a certificate.
    #[error("{host} cannot be the name of a server with TLS")]
    ServerName {
        /// The host.
        host: String,
    },
    /// The server needs a password, or another one.
    #[error(
        "{address} rejects the credentials; check the variable INTUNE_GRAPHQL_STATE_PASSWORD or --state-password-file, and \
         the user's rights: {reason}"
    )]
    Credentials {
        /// The server.
        address: String,
        /// What the server says.
        reason: String,
    },
    /// A command of the handshake failed.
    #[error("{address} rejects the connection: {reason}")]
    Rejected {
        /// The server.
        address: String,
        /// What the server says.
        reason: String,
    },
    /// The server is of a kind that cannot be used.
    #[error("{address} {reason}")]
    Unsupported {
        /// The server.
        address: String,
        /// Its kind, and what to do.
        reason: String,
    },
    /// The connection was lost, or a command had no response in time.
    #[error("the connection to {address} failed")]
    Lost {
        /// The server.
        address: String,
        /// Why.
        source: RedisError,
    },
    /// No attempt has ended yet.
    #[error("not connected to {address} yet")]
    NotYet {
        /// The server.
        address: String,
    },
}

impl ConnectError {
    /// Whether connecting again cannot help: a setting is wrong.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::ServerName { .. } | Self::Unsupported { .. } | Self::Credentials { .. } => true,
            // A database number that the server does not have.
            Self::Rejected { reason, .. } => reason.contains("DB index is out of range"),
            Self::Io { .. } | Self::Protocol { .. } | Self::Lost { .. } | Self::NotYet { .. } => false,
        }
    }
}

/// A TCP or TLS stream.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl ConnectionSettings {
    /// Connects for commands.
    ///
    /// # Errors
    ///
    /// [`ConnectError`].
    pub(super) async fn connect(&self) -> Result<MultiplexedConnection, ConnectError> {
        let stream = self.open_stream().await?;
        let config = AsyncConnectionConfig::new()
            .set_response_timeout(Some(COMMAND_TIMEOUT))
            .set_pipeline_buffer_size(PIPELINE_BUFFER);
        let info = self.handshake();
        let handshake = MultiplexedConnection::new_with_config(&info, stream, config);
        let (connection, driver) = timeout(CONNECT_TIMEOUT, handshake)
            .await
            .map_err(|_| self.io(io::ErrorKind::TimedOut.into()))?
            .map_err(|source| self.handshake_failed(source))?;
        tokio::spawn(driver);
        Ok(connection)
    }

    /// The server's address, for messages.
    pub(super) fn name(&self) -> String {
        self.address.to_string()
    }

    pub(super) fn rejected(&self, source: RedisError) -> ConnectError {
        // Its source says the same.
        let (address, reason) = (self.name(), source.to_string());
        let is_about_credentials = matches!(source.kind(), redis::ErrorKind::AuthenticationFailed)
            || matches!(source.code(), Some("NOAUTH" | "WRONGPASS" | "NOPERM"));
        if is_about_credentials {
            return ConnectError::Credentials { address, reason };
        }
        ConnectError::Rejected { address, reason }
    }

    /// The server ended the connection at the first command.
    fn handshake_failed(&self, source: RedisError) -> ConnectError {
        if !source.is_io_error() {
            return self.rejected(source);
        }
        if self.address.is_tls || source.is_timeout() {
            return self.io(io::Error::other(source));
        }
        let advice = "if it uses TLS, the URL begins with rediss://";
        ConnectError::Protocol { address: self.name(), advice, source: io::Error::other(source) }
    }

    /// TLS failed on an established connection.
    fn tls_failed(&self, source: io::Error) -> ConnectError {
        let inner = source.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        let is_other_protocol = match inner {
            Some(error) => matches!(error, rustls::Error::InvalidMessage(_)),
            None => true,
        };
        if !is_other_protocol {
            return self.io(source);
        }
        let advice = "if it does not use TLS, the URL begins with redis://";
        ConnectError::Protocol { address: self.name(), advice, source }
    }

    fn io(&self, source: io::Error) -> ConnectError {
        ConnectError::Io { address: self.name(), source }
    }

    /// What is sent first: the credentials, the database, and the name for the server's list of clients.
    pub(super) fn handshake(&self) -> RedisConnectionInfo {
        let ServerAddress { user, database, .. } = &self.address;
        let mut info = RedisConnectionInfo::default()
            .set_db(i64::from(*database))
            .set_lib_name("intune-graphql", env!("CARGO_PKG_VERSION"));
        if let Some(user) = user {
            info = info.set_username(user);
        }
        if let Some(password) = &self.password {
            info = info.set_password(password.expose_secret());
        }
        info
    }

    /// A stream to the server, on which nothing was sent.
    pub(super) async fn open_stream(&self) -> Result<Box<dyn Stream>, ConnectError> {
        let ServerAddress { host, port, is_tls, .. } = &self.address;
        let deadline = Instant::now() + CONNECT_TIMEOUT;
        let timed_out = |_| io::Error::from(io::ErrorKind::TimedOut);
        let stream = timeout_at(deadline, TcpStream::connect((host.as_str(), *port))).await;
        let stream = stream.map_err(timed_out).flatten().map_err(|error| self.io(error))?;
        let [idle, interval] = KEEPALIVE;
        let keepalive = TcpKeepalive::new().with_time(idle).with_interval(interval);
        // A server that cannot be reached any more is noticed by commands as well.
        let _ = stream.set_nodelay(true);
        let _ = SockRef::from(&stream).set_tcp_keepalive(&keepalive);
        let Some(tls) = self.tls.as_ref().filter(|_| *is_tls) else { return Ok(Box::new(stream)) };
        let name = ServerName::try_from(host.clone())
            .map_err(|_| ConnectError::ServerName { host: host.clone() })?;
        let stream = timeout_at(deadline, TlsConnector::from(Arc::clone(tls)).connect(name, stream)).await;
        let stream = stream.map_err(timed_out).flatten().map_err(|error| self.tls_failed(error))?;
        Ok(Box::new(stream))
    }
}
