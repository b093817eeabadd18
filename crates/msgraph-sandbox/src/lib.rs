#![doc = include_str!("../README.md")]
//!
//! # How it is built
//!
//! A request passes through `wire` (connections: HTTP/1.1, and HTTP/2 over https), `exchange` (record, faults, headers),
//! `batch` for `$batch`, `operation` (throttling), `routes` (methods and scopes), and `reads` or `writes`. These work on the
//! `store` by the metadata in `model`.

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

/// A handle to a sandbox; clones share one.
#[derive(Debug, Clone)]
pub struct Sandbox(Arc<SandboxState>);

impl Sandbox {
    /// A sandbox with its data in place; `run` serves it.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self(Arc::new(SandboxState::new(settings)))
    }

    /// The requests that arrived, oldest first, as far as the record still has them.
    #[must_use]
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.0.record.all()
    }

    /// How many requests the record let go since it was last cleared.
    #[must_use]
    pub fn dropped_requests(&self) -> u64 {
        self.0.record.dropped()
    }

    /// Empties the record.
    pub fn clear_requests(&self) {
        self.0.record.clear();
    }

    /// Adds a rule after those that are there.
    pub fn inject(&self, rule: FaultRule) {
        self.0.fault_plan.add(rule);
    }

    /// Removes all rules, those of the settings included.
    pub fn clear_faults(&self) {
        self.0.fault_plan.clear();
    }

    /// Sets the clock of the throttling windows forward.
    pub fn advance_clock(&self, by: Duration) {
        self.0.throttle.advance(by);
    }

    /// Puts data, faults, record and throttling windows back to what they were at start.
    pub fn reset(&self) {
        self.0.reset();
    }

    /// The device statuses of a provisioning configuration as beta shows them, in order of arrival; empty where
    /// there is no such configuration.
    #[must_use]
    pub fn device_statuses(&self, configuration_id: &str) -> Vec<Json> {
        self.entities(&EntitySetPath::Contained {
            root: PROVISIONING_CONFIGURATIONS,
            key: configuration_id.to_owned(),
            navigation: DEVICE_STATUSES,
        })
    }

    /// The provisioning configurations as beta shows them, in order of arrival.
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

/// Serves a sandbox until `shutdown` completes. Exchanges under way get two seconds to end.
///
/// # Errors
///
/// Where certificate or key of the settings cannot be read. What goes wrong on one connection ends that one only.
pub async fn run(
    listener: TcpListener,
    sandbox: Sandbox,
    shutdown: impl Future<Output = ()> + Send,
) -> std::io::Result<()> {
    wire::serve(listener, sandbox.0, shutdown).await
}
