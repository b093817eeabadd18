//! The sandbox's settings, as plain data.

use std::path::PathBuf;

use clap::ValueEnum;

use crate::certificate::TestCertificate;
use crate::faults::{Fault, FaultRule};

/// How the sandbox behaves. The default is the documented profile: everything that is published works.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The behaviour to simulate: as documented or as reported.
    pub profile: Profile,
    /// Scheme, host and port in links, without a trailing slash; taken from each request if unset.
    pub public_url: Option<String>,
    /// Serve https with this certificate; plain http if unset.
    pub tls: Option<Tls>,
    /// Whether HTTP/2 is offered over https (ALPN `h2` before `http/1.1`). Plain http is always HTTP/1.1.
    pub http2: Switch,
    /// Maximum number of concurrent streams on one HTTP/2 connection (`SETTINGS_MAX_CONCURRENT_STREAMS`). Streams above it
    /// are reset with `REFUSED_STREAM`.
    pub max_streams: u32,
    /// Whether `Authorization` is checked.
    pub auth: Switch,
    /// What `POST …/deviceStatuses/$ref` does.
    pub ref_mode: RefMode,
    /// How an `id` in the body of a create is handled.
    pub ids: IdPolicy,
    /// Form of the ids of new status rows.
    pub status_ids: StatusIds,
    /// Whether an unknown property in a body is rejected; off ignores it.
    pub strict_bodies: Switch,
    /// Whether `Prefer: return=minimal` is honoured.
    pub return_minimal: Switch,
    /// Whether responses are compressed for clients that accept gzip.
    pub gzip: Switch,
    /// Seed of the data, of new ids and of random faults.
    pub seed: u64,
    /// Provisioning configurations at start.
    pub configurations: usize,
    /// Device statuses at start, of all provisioning configurations together; nine in ten belong to the first.
    pub statuses: usize,
    /// Maximum number of entities per page, and the default of `$top`.
    pub page_size: usize,
    /// Maximum size of a request body in bytes; a larger one is 413.
    pub max_body: usize,
    /// Maximum number of recorded requests; the oldest are dropped first.
    pub record: usize,
    /// Whether an absolute or versioned URL of a batch item is accepted.
    pub lenient_batch_urls: Switch,
    /// The writes that need the approval of a second administrator.
    pub approval: ApprovalPolicy,
    /// Whether the published throttling limits are enforced.
    pub throttle: Switch,
    /// Whether the response to a throttled request has `Retry-After`.
    pub retry_after: Switch,
    /// How many times faster than the wall clock the throttling windows pass; above 0.
    pub clock_rate: f64,
    /// The fault rules at start.
    pub faults: Vec<FaultRule>,
    /// Share of requests, 0 to 1, that get a random fault of `fault_mix`.
    pub fault_rate: f64,
    /// The random faults, each with the same probability.
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
            approval: ApprovalPolicy::Off,
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
    /// From files.
    Files {
        /// PEM file with the certificate chain.
        certificate: PathBuf,
        /// PEM file with the certificate's private key.
        key: PathBuf,
    },
    /// Generated for this run.
    Generated(TestCertificate),
}

/// The behaviour that the sandbox simulates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// Microsoft Graph's reference pages: every route works, and dates are returned as the caller wrote them.
    Documented,
    /// Reports about the live service: the routes of computed rows are missing, and dates are returned in UTC.
    LiveLike,
}

/// What `POST …/deviceStatuses/$ref` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RefMode {
    /// 400 `No method match route template`, as a contained navigation property has no references.
    Refuse,
    /// Creates the status, as the page "Add deviceStatuses" documents. The POST without `$ref` is
    /// then rejected.
    Stub,
}

/// How an `id` in the body of a create is handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum IdPolicy {
    /// The service ignores it and assigns an id.
    Ignore,
    /// The service uses it; an existing id is 409.
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

/// The writes that need the approval of a second administrator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ApprovalPolicy {
    /// None.
    Off,
    /// Each write below `/deviceAppManagement`, as with an access policy for apps.
    Apps,
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
