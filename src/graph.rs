//! The only door to Microsoft Graph: a typed client for the slice of it that the façade serves.
//!
//! A [`Client`] has the connection pool and the service root. A [`Session`] is the client with one
//! caller's token and deadline. The collections of a session follow Graph's: one method per
//! operation, each documented with its request line. This layer does not depend on GraphQL.
//!
//! ```
//! use intune_graphql::graph::{Error, Key, Session, odata::Select};
//!
//! /// Reads the display name of a configuration; `None` if Graph has no such configuration.
//! async fn display_name(session: &Session, key: &Key) -> Result<Option<String>, Error> {
//!     let configurations = session.ios_lob_app_provisioning_configurations().collection();
//!     let found = configurations.get_opt(key, &Select::from(["id", "displayName"])).await?;
//!     Ok(found.and_then(|configuration| configuration.display_name.value().cloned()))
//! }
//! ```

mod address;
mod allowance;
mod approval;
mod auth;
mod batch;
#[cfg(feature = "benchmarks")]
pub(crate) mod benchmarks;
mod body;
mod body_limit;
mod breaker;
mod call_log;
mod call_span;
mod caller;
mod client;
mod client_state;
mod connect;
mod connection;
mod content_coding;
mod data_loader;
mod delivery;
mod device_app_management;
mod envelope;
mod error;
mod forbidden;
mod http_client;
mod in_place;
mod key;
mod key_usage;
pub mod models;
pub mod odata;
mod page;
mod pool;
#[cfg(any(test, fuzzing))]
pub mod properties;
mod read_batch;
mod refused_options;
mod request;
mod response;
mod retry;
mod retry_after;
mod retry_after_cache;
mod root;
mod send_gate;
mod session;
mod settings;
mod single_flight;
mod tls;
mod transport;
mod writes;

pub use self::allowance::{ReadAllowance, ReadBudget, ReadRates};
pub use self::approval::{Approval, ApprovalRefusal, InvalidApproval};
pub use self::auth::{Authorization, NotABearerToken};
pub use self::caller::Caller;
pub use self::client::Client;
pub use self::connect::ClientError;
pub use self::device_app_management::{
    Collection, CreateObserver, CreateOutcome, CreateResult, Created, DeviceStatuses,
    IosLobAppProvisioningConfigurations, NoopObserver, ReadBack,
};
pub use self::error::{ApiError, Error, Outcome, ResponseInfo, WriteError, WriteKind};
pub use self::forbidden::{Forbidden, ForbiddenReason};
pub use self::key::{InvalidKey, Key, canonical_key, is_guid};
pub use self::page::{NextLink, NextPage, Page, PageMemory};
pub use self::root::{Cloud, ServiceRoot, ServiceRootError};
pub use self::session::Session;
pub use self::settings::{ClientSettings, CreatePath};
pub use self::tls::{TlsError, install_tls_provider, tls_client_config};
pub use crate::memory::MemoryShare;
