//! What a client of Microsoft Graph is made from.

use std::path::PathBuf;
use std::time::Duration;

use super::root::ServiceRoot;

/// Which URL creates a device status; the page 'Add deviceStatuses' shows both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreatePath {
    /// `POST …/deviceStatuses`.
    Collection,
    /// `POST …/deviceStatuses/$ref`.
    Ref,
}

/// What a [`Client`](super::Client) is made from.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// The one origin, and the version, that is spoken to.
    pub root: ServiceRoot,
    /// PEM file of certificate authorities to trust besides the system's.
    pub ca: Option<PathBuf>,
    /// Which URL creates a device status.
    pub create_path: CreatePath,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest wait for the answer to one attempt at a read, or at a write that may be sent again.
    pub attempt_timeout: Duration,
    /// Whether Graph keeps client-supplied ids, and refuses a second object with the same id.
    pub honors_client_ids: bool,
    /// Largest answer that is read, in bytes, after decompression.
    pub max_response: usize,
    /// Most bytes of all answers to reads together that have not been used.
    pub max_buffered: usize,
}
