#![doc = include_str!("../README.md")]
//!
//! # How it is built
//!
//! A request passes through `wire` (connections: HTTP/1.1, and HTTP/2 over https), `exchange` (record, faults, headers),
//! `batch` for `$batch`, `operation` (throttling), `routes` (methods and scopes), and `reads` or `writes`. These work on the
//! `store` by the metadata in `model`.

mod approvals;
mod auth;
mod batch;
mod body;
mod call;
mod certificate;
mod command;
mod control;
mod entity;
mod error;
mod exchange;
pub mod faults;
mod filter;
mod instant;
mod model;
mod operation;
mod options;
mod paging;
mod path;
mod profile;
mod query;
mod random;
mod reads;
mod record;
mod render;
mod response;
mod routes;
mod seed;
mod service;
pub mod settings;
mod state;
mod store;
mod throttle;
mod tls;
mod wire;
mod writes;

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use serde_json::Value as Json;
use tokio::net::TcpListener;

pub use self::approvals::{ApprovalRequest, ApprovalState};
pub use self::certificate::TestCertificate;
pub use self::command::{is_healthy, start};
pub use self::faults::{Fault, FaultRule, FaultSyntaxError};
use self::model::{DEVICE_STATUSES, PROVISIONING_CONFIGURATIONS, Version};
pub use self::options::Options;
pub use self::record::RecordedRequest;
use self::render::{Members, View};
pub use self::seed::DEMO_CONFIGURATION_ID;
pub use self::settings::Settings;
use self::state::SandboxState;
use self::store::EntitySetPath;

/// A handle to a sandbox. Clones share the same data, rules and recorded requests.
#[derive(Debug, Clone)]
pub struct Sandbox(Arc<SandboxState>);

impl Sandbox {
    /// Creates a sandbox with the data of the settings. Serve it with [`run`].
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self(Arc::new(SandboxState::new(settings)))
    }

    /// The recorded requests, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.0.record.all()
    }

    /// Number of requests dropped since the record was last cleared, because it exceeded [`Settings::record`].
    #[must_use]
    pub fn dropped_requests(&self) -> u64 {
        self.0.record.dropped()
    }

    /// Clears the recorded requests.
    pub fn clear_requests(&self) {
        self.0.record.clear();
    }

    /// Adds a fault rule after the existing ones.
    pub fn inject(&self, rule: FaultRule) {
        self.0.fault_plan.add(rule);
    }

    /// Removes all fault rules, including those of the settings.
    pub fn clear_faults(&self) {
        self.0.fault_plan.clear();
    }

    /// Advances the clock of the throttling windows and of the requests for approval.
    pub fn advance_clock(&self, by: Duration) {
        self.0.throttle.advance(by);
        self.0.service.approvals.advance(by);
    }

    /// The requests for approval, oldest first.
    #[must_use]
    pub fn approvals(&self) -> Vec<ApprovalRequest> {
        self.0.service.approvals.all()
    }

    /// Approves a pending request for approval. Returns false if there is none with this code.
    pub fn approve(&self, code: &str) -> bool {
        self.0.service.approvals.approve(code)
    }

    /// Refuses a pending request for approval. Returns false if there is none with this code.
    pub fn refuse(&self, code: &str) -> bool {
        self.0.service.approvals.refuse(code)
    }

    /// Restores data, fault rules, recorded requests, requests for approval and throttling windows to those of the start.
    pub fn reset(&self) {
        self.0.reset();
    }

    /// The device statuses of a provisioning configuration in beta's JSON, in order of creation; empty if the configuration
    /// does not exist.
    #[must_use]
    pub fn device_statuses(&self, configuration_id: &str) -> Vec<Json> {
        self.entities(&EntitySetPath::Contained {
            root: PROVISIONING_CONFIGURATIONS,
            key: configuration_id.to_owned(),
            navigation: DEVICE_STATUSES,
        })
    }

    /// The provisioning configurations in beta's JSON, in order of creation.
    #[must_use]
    pub fn configurations(&self) -> Vec<Json> {
        self.entities(&EntitySetPath::Root(PROVISIONING_CONFIGURATIONS))
    }

    fn entities(&self, address: &EntitySetPath) -> Vec<Json> {
        let store = self.0.service.store.read().unwrap_or_else(PoisonError::into_inner);
        let view = View { version: Version::Beta, echo_dates: self.0.service.echoes_dates(), select: None };
        let entities = store.set(address).into_iter().flat_map(store::EntitySet::iter);
        entities
            .map(|entry| {
                let mut out = Vec::new();
                let mut members = Members::open(&mut out);
                view.entity(&mut members, &entry.entity);
                members.close();
                serde_json::from_slice(&out).unwrap_or_default()
            })
            .collect()
    }
}

/// Serves a sandbox until `shutdown` completes. In-flight exchanges then have two seconds to finish.
///
/// # Errors
///
/// If the certificate or key of the settings cannot be read. An error on a connection closes only that connection.
pub async fn run(
    listener: TcpListener,
    sandbox: Sandbox,
    shutdown: impl Future<Output = ()> + Send,
) -> std::io::Result<()> {
    wire::serve(listener, sandbox.0, shutdown).await
}
