//! The sandbox's settings, as plain data.

use std::path::PathBuf;

use clap::ValueEnum;

use crate::certificate::TestCertificate;
use crate::faults::{Fault, FaultRule};

/// How the sandbox behaves. The default is the documented profile: everything that is published works.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Which account of Graph to play.
    pub profile: Profile,
    /// Scheme, host and port under which callers reach the sandbox, without a trailing slash; taken from each
    /// request where unset.
    pub public_url: Option<String>,
    /// Serve https with this certificate; plain http where unset.
    pub tls: Option<Tls>,
    /// Whether HTTP/2 is offered over https (ALPN `h2` before `http/1.1`). Plain http is always HTTP/1.1.
    pub http2: Switch,
    /// Streams that a client may have open on one HTTP/2 connection (`SETTINGS_MAX_CONCURRENT_STREAMS`); those beyond
    /// are reset with `REFUSED_STREAM`.
    pub max_streams: u32,
    /// Whether `Authorization` is checked.
    pub auth: Switch,
    /// What `POST …/deviceStatuses/$ref` does.
    pub ref_mode: RefMode,
    /// What becomes of an `id` in the body of a create.
    pub ids: IdPolicy,
    /// Form of the ids of new status rows.
    pub status_ids: StatusIds,
    /// Whether a property that the type lacks is refused in a body; off passes over it.
    pub strict_bodies: Switch,
    /// Whether `Prefer: return=minimal` is honoured.
    pub return_minimal: Switch,
    /// Whether answers are compressed for callers who accept it.
    pub gzip: Switch,
    /// Seed of the data, of new ids and of random faults.
    pub seed: u64,
    /// Provisioning configurations at start.
    pub configurations: usize,
    /// Device statuses at start, of all provisioning configurations together; nine in ten belong to the first.
    pub statuses: usize,
    /// Entities per page where `$top` does not ask for fewer, and at most.
    pub page_size: usize,
    /// Longest request body, in bytes; a longer one is 413.
    pub max_body: usize,
    /// Requests that the record keeps; the oldest go first.
    pub record: usize,
    /// Whether an absolute or versioned URL of a batch item is taken apart instead of refused.
    pub lenient_batch_urls: Switch,
    /// Whether the published limits are enforced.
    pub throttle: Switch,
    /// Whether an answer that these limits refuse says when to come back.
    pub retry_after: Switch,
    /// How many times faster than the wall clock the throttling windows pass; above 0.
    pub clock_rate: f64,
    /// Faults from the start.
    pub faults: Vec<FaultRule>,
    /// Share of requests, 0 to 1, that meet a fault of `fault_mix`.
    pub fault_rate: f64,
    /// What random faults are drawn from, each as likely as the next.
    pub fault_mix: Vec<Fault>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            profile: Profile::Documented,
            public_url: None,
            tls: None,
            http2: Switch::On,
            max_streams: 100,
            auth: Switch::On,
            ref_mode: RefMode::Refuse,
            ids: IdPolicy::Ignore,
            status_ids: StatusIds::Composite,
            strict_bodies: Switch::On,
            return_minimal: Switch::On,
            gzip: Switch::On,
            seed: 1,
            configurations: 5,
            statuses: 1200,
            page_size: 1000,
            max_body: 4 * 1024 * 1024,
            record: 10_000,
            lenient_batch_urls: Switch::Off,
            throttle: Switch::Off,
            retry_after: Switch::On,
            clock_rate: 1.0,
            faults: Vec::new(),
            fault_rate: 0.0,
            fault_mix: Vec::new(),
        }
    }
}

/// A certificate to serve https with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tls {
    /// The operator's.
    Files {
        /// PEM file with the certificate, and those that lead up to its authority.
        certificate: PathBuf,
        /// PEM file with the certificate's private key.
        key: PathBuf,
    },
    /// One that was made for this run.
    Made(TestCertificate),
}

/// Which account of Graph the sandbox plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// What the reference pages say: every route works, dates come back as they were given.
    Documented,
    /// What was reported of the live service: routes of computed rows are refused, dates come back in UTC.
    LiveLike,
}

/// What `POST …/deviceStatuses/$ref` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RefMode {
    /// 400 `No method match route template`, as a contained navigation property has no references.
    Refuse,
    /// Creates the status, as the page "Add deviceStatuses" says; the POST without `$ref` is then refused.
    Stub,
}

/// What becomes of an `id` in the body of a create.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum IdPolicy {
    /// The service assigns an id whatever the body says.
    Ignore,
    /// A given id is kept; one that is taken is 409.
    Keep,
}

/// Form of the ids of new status rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StatusIds {
    /// `<guid>_<configuration id>_<guid>`, as seen on the live service.
    Composite,
    /// One GUID, as in the documented examples.
    Guid,
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// Yes.
    On,
    /// No.
    Off,
}

impl Switch {
    pub(crate) fn is_on(self) -> bool {
        self == Self::On
    }
}
