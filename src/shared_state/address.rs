//! The address of the server, as a URL.

use std::fmt::{self, Display, Formatter};

use percent_encoding::percent_decode_str;
use url::Url;

const DEFAULT_PORT: u16 = 6379;

/// Where the server is, and which of its databases is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerAddress {
    /// A host name or an IP address, without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) is_tls: bool,
    /// The user of the server's access control list; `None` for the default user.
    pub(super) user: Option<String>,
    pub(super) database: u32,
}

/// Why a URL is not an address. No message contains the URL, which may have a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It is not a URL, or has another form.
    #[error(
        "must be redis://HOST:PORT or rediss://HOST:PORT, with a database number as the path if it is not 0"
    )]
    Malformed,
    /// It has a password.
    #[error(
        "must not contain a password; set the variable INTUNE_GRAPHQL_STATE_PASSWORD or --state-password-file"
    )]
    Password,
    /// It is of Sentinel or of a cluster.
    #[error(
        "Sentinel and Cluster are not supported; name one server, or one address that always leads to the primary"
    )]
    Unsupported,
}

impl ServerAddress {
    /// Parses `redis://[user@]host[:port][/database]`, or `rediss://` for TLS.
    ///
    /// # Errors
    ///
    /// [`AddressError`].
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let scheme = text.split("://").next().unwrap_or_default().to_ascii_lowercase();
        if scheme.contains("sentinel") || scheme.contains("cluster") {
            return Err(AddressError::Unsupported);
        }
        let url = Url::parse(text).map_err(|_| AddressError::Malformed)?;
        let is_tls = match url.scheme() {
            "redis" | "valkey" => false,
            "rediss" | "valkeys" => true,
            _ => return Err(AddressError::Malformed),
        };
        if url.password().is_some() {
            return Err(AddressError::Password);
        }
        let host = url.host_str().unwrap_or_default();
        if host.contains(',') {
            return Err(AddressError::Unsupported);
        }
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() || url.query().is_some() || url.fragment().is_some() {
            return Err(AddressError::Malformed);
        }
        let database = match url.path().trim_start_matches('/') {
            "" => 0,
            number => number.parse().map_err(|_| AddressError::Malformed)?,
        };
        let user = percent_decode_str(url.username()).decode_utf8().map_err(|_| AddressError::Malformed)?;
        Ok(Self {
            host: host.to_owned(),
            port: url.port().unwrap_or(DEFAULT_PORT),
            is_tls,
            user: (!user.is_empty()).then(|| user.into_owned()),
            database,
        })
    }

    /// Whether it names a user.
    #[must_use]
    pub fn has_user(&self) -> bool {
        self.user.is_some()
    }

    /// Whether the connection uses TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.is_tls
    }
}

/// The URL without a user.
impl Display for ServerAddress {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "rediss" } else { "redis" };
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{scheme}://{open}{}{close}:{}/{}", self.host, self.port, self.database)
    }
}

#[cfg(test)]
mod tests {
    use super::{AddressError, ServerAddress};

    #[test]
    fn addresses_are_parsed() {
        for (text, normal, user) in [
            ("redis://localhost", "redis://localhost:6379/0", None),
            ("rediss://cache.example.org:6380/3", "rediss://cache.example.org:6380/3", None),
            ("valkeys://gateway@[::1]:1/", "rediss://[::1]:1/0", Some("gateway")),
            ("redis://a%40b@10.0.0.1", "redis://10.0.0.1:6379/0", Some("a@b")),
        ] {
            let address = ServerAddress::parse(text).unwrap();
            assert_eq!(address.to_string(), normal);
            assert_eq!(address.user.as_deref(), user);
        }
    }

    #[test]
    fn other_texts_are_rejected_without_repeating_them() {
        for (text, error) in [
            ("localhost:6379", AddressError::Malformed),
            ("http://localhost", AddressError::Malformed),
            ("redis://", AddressError::Malformed),
            ("redis://host/one", AddressError::Malformed),
            ("redis://host/0?protocol=resp3", AddressError::Malformed),
            ("redis://:secret@host", AddressError::Password),
            ("rediss://user:secret@host:6380/0", AddressError::Password),
            ("redis+sentinel://host:26379/main", AddressError::Unsupported),
            ("redis://a:1,b:2/0", AddressError::Malformed),
            ("redis://a,b/0", AddressError::Unsupported),
        ] {
            let found = ServerAddress::parse(text).unwrap_err();
            assert_eq!(found, error, "{text}");
            assert!(!found.to_string().contains("secret"));
        }
    }
}
