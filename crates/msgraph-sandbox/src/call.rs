//! One request to the service: a single request, or an item of a batch.

use bytes::Bytes;
use http::header::{HOST, HeaderName};
use http::uri::Scheme;
use http::{HeaderMap, Method};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::error::{GraphError, Result, Trace};
use crate::model::Version;
use crate::path::Address;
use crate::settings::Settings;

/// The header with the caller's id for a request.
pub(crate) const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("client-request-id");

/// An undecoded request.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) method: Method,
    /// Version included.
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// How a request arrived, which decides the faults that can apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Http1,
    /// A separate random stream.
    Http2,
    /// An item of a batch, which has no connection.
    BatchItem,
}

/// A request with its parsed path.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) message: &'a Message,
    /// The request's number in the record; 0 if it is not recorded.
    pub(crate) number: u64,
    /// The version and the resource that the path names, or the error.
    pub(crate) target: Result<(Version, Address)>,
    pub(crate) trace: Trace,
    /// Scheme, host and port that the caller used.
    pub(crate) base: String,
}

impl Message {
    /// Path and query as on a request line.
    pub(crate) fn path_and_query(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Whether a comma-separated header names a token, as `Prefer` does.
    pub(crate) fn header_lists(&self, name: &str, token: &str) -> bool {
        self.headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|value| value.trim().eq_ignore_ascii_case(token))
    }
}

impl<'a> Call<'a> {
    pub(crate) fn new(message: &'a Message, scheme: &Scheme, settings: &Settings) -> Self {
        let request_id = Uuid::new_v4().to_string();
        let client_request_id = message
            .headers
            .get(CLIENT_REQUEST_ID)
            .and_then(|value| value.to_str().ok())
            .filter(|value| Uuid::try_parse(value).is_ok())
            .map_or_else(|| request_id.clone(), str::to_owned);
        let target = target(&message.path);
        let service_url = service_url(&target, message);
        Self {
            message,
            number: 0,
            target,
            trace: Trace { request_id, client_request_id, date: OffsetDateTime::now_utc(), service_url },
            base: settings.public_url.clone().unwrap_or_else(|| address_used(message, scheme)),
        }
    }

    /// An item of a batch: it shares the ids and the address of the batch.
    pub(crate) fn of_item(message: &'a Message, outer: &Call<'_>, settings: &Settings) -> Self {
        // The scheme does not matter, because the base URL is that of the batch.
        let mut call = Self::new(message, &Scheme::HTTP, settings);
        if !message.headers.contains_key(CLIENT_REQUEST_ID) {
            call.trace.client_request_id.clone_from(&outer.trace.client_request_id);
        }
        call.trace.request_id.clone_from(&outer.trace.request_id);
        call.base.clone_from(&outer.base);
        call.number = outer.number;
        call
    }

    /// The service root: what links and contexts begin with.
    pub(crate) fn root(&self, version: Version) -> String {
        format!("{}/{}", self.base, version.segment())
    }
}

fn target(path: &str) -> Result<(Version, Address)> {
    let path = path.trim_start_matches('/');
    let (segment, rest) = path.split_once('/').unwrap_or((path, ""));
    let version = Version::parse(segment).ok_or_else(|| GraphError::invalid_version(segment))?;
    Ok((version, Address::parse(rest, version)?))
}

/// The URL of Intune's front end in wrapped messages: keys in parentheses and, for beta, an API version with 3000 added
/// to the year, as seen in live error messages.
fn service_url(target: &Result<(Version, Address)>, message: &Message) -> String {
    let (path, api_version) = match target {
        Ok((Version::Beta, address)) => (address.canonical.as_str(), "5026-02-15"),
        Ok((Version::V1, address)) => (address.canonical.as_str(), "2026-02-15"),
        Err(_) => (message.path.as_str(), "5026-02-15"),
    };
    let query = message.query.as_deref().map(|query| format!("&{query}")).unwrap_or_default();
    format!("https://fef.msud01.manage.microsoft.com{}?api-version={api_version}{query}", service_path(path))
}

/// The path at Intune's service for these types, as the errors of missing routes name it.
pub(crate) fn service_path(canonical: &str) -> String {
    format!("/AppLifecycle_2611/StatelessAppMetadataFEService{canonical}")
}

fn address_used(message: &Message, scheme: &Scheme) -> String {
    let scheme = message.header("x-forwarded-proto").unwrap_or(scheme.as_str());
    let host =
        message.header("x-forwarded-host").or_else(|| message.header(HOST.as_str())).unwrap_or("localhost");
    format!("{scheme}://{host}")
}
