//! The service root of Microsoft Graph: the one origin that a caller's token may go to.

use std::fmt;

use http::uri::PathAndQuery;
use url::{Host, Position, Url};

/// The national clouds. Tokens of one are not valid in another (Microsoft Graph: "National cloud deployments").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cloud {
    /// `https://graph.microsoft.com`, GCC included.
    Global,
    /// US Government L4 (GCC High): `https://graph.microsoft.us`.
    UsGovL4,
    /// US Government L5 (DoD): `https://dod-graph.microsoft.us`.
    UsGovL5,
    /// China, operated by 21Vianet: `https://microsoftgraph.chinacloudapi.cn`.
    China,
}

impl Cloud {
    /// Every cloud.
    pub const ALL: [Self; 4] = [Self::Global, Self::UsGovL4, Self::UsGovL5, Self::China];

    /// The root of the cloud's beta endpoint; `iosLobAppProvisioningConfigurations` exists only there.
    #[must_use]
    pub fn beta_root(self) -> &'static str {
        match self {
            Self::Global => "https://graph.microsoft.com/beta",
            Self::UsGovL4 => "https://graph.microsoft.us/beta",
            Self::UsGovL5 => "https://dod-graph.microsoft.us/beta",
            Self::China => "https://microsoftgraph.chinacloudapi.cn/beta",
        }
    }

    fn host(self) -> &'static str {
        self.beta_root().trim_start_matches("https://").trim_end_matches("/beta")
    }
}

/// A checked service root: scheme, host and port, and a path that ends in the version; no trailing slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceRoot(Url);

/// The reason why a service root was rejected.
#[derive(Debug, thiserror::Error)]
pub enum ServiceRootError {
    /// Not an absolute URL.
    #[error("not a URL ({0}); write it as in https://graph.microsoft.com/beta")]
    NotAUrl(url::ParseError),
    /// Another scheme than http and https.
    #[error("the scheme must be https (or http towards a loopback address)")]
    Scheme,
    /// User-info, query or fragment in the URL.
    #[error("must not contain a user, password, query or fragment")]
    Surplus,
    /// The version is missing.
    #[error("the API version is missing; write it as in {0}/beta")]
    NoVersion(String),
    /// Plain HTTP to Microsoft Graph, which supports HTTPS. No setting allows it.
    #[error(
        "plain http to {0}, which is Microsoft Graph itself, would send callers' tokens unencrypted; use https"
    )]
    InsecureCloud(String),
    /// Plain HTTP to a host that is not loopback.
    #[error("plain http to {0} would send callers' tokens unencrypted; use https")]
    Insecure(String),
}

impl ServiceRoot {
    /// Checks a root as an operator wrote it, as in `https://graph.microsoft.com/beta`.
    ///
    /// # Errors
    ///
    /// If it is not an absolute http(s) URL with a version, or plain HTTP to a host that is not
    /// loopback while `allow_insecure` is not set.
    pub fn parse(text: &str, allow_insecure: bool) -> Result<Self, ServiceRootError> {
        let mut url = Url::parse(text).map_err(ServiceRootError::NotAUrl)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(ServiceRootError::Scheme);
        }
        let surplus = !url.username().is_empty()
            || url.password().is_some()
            || url.query().is_some()
            || url.fragment().is_some();
        if surplus {
            return Err(ServiceRootError::Surplus);
        }
        let path = url.path().trim_end_matches('/').to_owned();
        if path.is_empty() {
            return Err(ServiceRootError::NoVersion(url.as_str().trim_end_matches('/').to_owned()));
        }
        url.set_path(&path);
        let root = Self(url);
        if root.0.scheme() == "http" && !root.is_loopback() {
            let host = root.0.host_str().unwrap_or_default().to_owned();
            if Cloud::ALL.iter().any(|cloud| cloud.host() == host) {
                return Err(ServiceRootError::InsecureCloud(host));
            }
            if !allow_insecure {
                return Err(ServiceRootError::Insecure(host));
            }
        }
        Ok(root)
    }

    /// The root as a URL, without a trailing slash.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// The target of a request to `path`, which starts with a slash and is relative to the root. The origin is no part of it,
    /// whatever `path` holds. `None` if it forms no URL.
    #[must_use]
    pub(super) fn path_and_query(&self, path: &str) -> Option<PathAndQuery> {
        if is_normal(path) {
            return PathAndQuery::try_from([self.0.path(), path].concat()).ok();
        }
        let url = Url::parse(&[self.0.as_str(), path].concat()).ok()?;
        PathAndQuery::try_from(&url[Position::BeforePath..Position::AfterQuery]).ok()
    }

    /// Whether the host is this machine: `localhost`, `127.0.0.0/8` or `::1`.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self.0.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
            None => false,
        }
    }
}

/// Whether the URL parser would leave a path and its query as they are: no character that it encodes or removes, and no dot
/// segment. Nearly all are, since keys and options are encoded before.
fn is_normal(path: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/?%$&=_-.~,:()@".contains(&byte);
    path.starts_with('/')
        && path.bytes().all(is_plain)
        && !path.contains("/.")
        && !path.contains("%2e")
        && !path.contains("%2E")
}

impl fmt::Display for ServiceRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

#[cfg(test)]
mod tests {
    use http::uri::PathAndQuery;
    use proptest::prelude::*;
    use url::{Position, Url};

    use super::{ServiceRoot, is_normal};

    proptest! {
        #[test]
        fn a_target_is_what_the_url_parser_makes_of_it(path in "/([a-z0-9./?%$&=_~,:()@ '#\\\\é-]|%2[eEfF]|/\\.\\.?/)*") {
            let root = ServiceRoot::parse("https://graph.microsoft.com/beta", false).unwrap();
            let url = Url::parse(&format!("https://graph.microsoft.com/beta{path}")).unwrap();
            let expected = PathAndQuery::try_from(&url[Position::BeforePath..Position::AfterQuery]).ok();
            prop_assert_eq!(root.path_and_query(&path), expected, "{}", path);
        }
    }

    #[test]
    fn targets_of_requests_are_not_parsed_as_urls() {
        for path in [
            "/deviceAppManagement/iosLobAppProvisioningConfigurations/a%2Fb/deviceStatuses",
            "/$batch",
            "/deviceAppManagement/x?$select=id,status&$top=100&$filter=status%20eq%20%27compliant%27",
        ] {
            assert!(is_normal(path), "{path}");
        }
    }

    #[test]
    fn roots_that_are_taken() {
        for (text, root) in [
            ("https://graph.microsoft.com/beta", "https://graph.microsoft.com/beta"),
            ("https://graph.microsoft.com/beta/", "https://graph.microsoft.com/beta"),
            ("http://127.0.0.1:4010/beta", "http://127.0.0.1:4010/beta"),
            ("http://[::1]:4010/beta", "http://[::1]:4010/beta"),
            ("http://localhost:4010/beta", "http://localhost:4010/beta"),
        ] {
            assert_eq!(ServiceRoot::parse(text, false).unwrap().to_string(), root);
        }
    }

    #[test]
    fn roots_that_are_refused() {
        for text in [
            "graph.microsoft.com/beta",
            "ftp://graph.microsoft.com/beta",
            "https://user@graph.microsoft.com/beta",
            "https://graph.microsoft.com/beta?x=1",
            "https://graph.microsoft.com",
            "http://graph.microsoft.com/beta",
            "http://sandbox:4010/beta",
        ] {
            let error = ServiceRoot::parse(text, false).unwrap_err().to_string();
            assert!(!error.contains('\n'), "{error}");
        }
        assert!(ServiceRoot::parse("http://sandbox:4010/beta", true).is_ok());
        assert!(ServiceRoot::parse("http://graph.microsoft.com/beta", true).is_err());
    }
}
