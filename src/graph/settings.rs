//! Settings of the Microsoft Graph client.

use std::path::PathBuf;
use std::time::Duration;

use super::root::ServiceRoot;

/// The URL that creates a device status; the page 'Add deviceStatuses' shows both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreatePath {
    /// `POST …/deviceStatuses`.
    Collection,
    /// `POST …/deviceStatuses/$ref`.
    Ref,
}

/// Settings of a [`Client`](super::Client).
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// The origin and version of all calls.
    pub root: ServiceRoot,
    /// PEM file of certificate authorities to trust besides the system's.
    pub ca: Option<PathBuf>,
    /// The URL that creates a device status.
    pub create_path: CreatePath,
    /// Timeout of connection attempts.
    pub connect_timeout: Duration,
    /// Timeout of one attempt at a read, or at a write that may be sent again.
    pub attempt_timeout: Duration,
    /// Whether Graph keeps client-supplied ids and rejects a second object with the same id.
    pub honors_client_ids: bool,
    /// Maximum size of a response in bytes, after decompression.
    pub max_response: usize,
    /// Maximum total size in bytes of responses to reads that are not used yet.
    pub max_buffered: usize,
    /// Bytes of these that one caller may use.
    pub max_buffered_per_caller: usize,
}
