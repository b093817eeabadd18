//! State that replicas share, in Valkey or Redis: idempotency records, and what else one replica has to know of another.
//!
//! A [`SharedState`] has one connection for commands, which all requests share. While the server cannot be reached, each
//! use fails at once, and a task connects again. The reasons for the design: `docs/decisions/shared-state.md`.

mod address;
mod connection;
mod documents;
mod event_format;
mod event_listener;
mod event_publisher;
mod events;
mod hex;
mod record_cleaner;
mod record_format;
mod record_store;
mod server_check;
mod server_clock;
mod shared_connection;
mod waits;

pub use self::address::{AddressError, ServerAddress};
pub use self::connection::{ConnectError, ConnectionSettings};
pub use self::documents::SharedDocuments;
pub use self::event_format::{SharedEvent, TenantHash};
pub use self::events::SharedEvents;
pub use self::record_store::{RecordSettings, RecordStore};
pub use self::shared_connection::{SharedState, Unavailable};
pub use self::waits::{WaitCache, WaitId, WaitQueue};
