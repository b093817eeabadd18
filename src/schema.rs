//! The GraphQL schema: the API that callers use. Resolvers are thin: they check and map the input,
//! make one call of the Graph client, and map the output.

mod api;
#[cfg(feature = "benchmarks")]
pub(crate) mod benchmarks;
mod bounded;
mod connection;
mod context;
mod cursor;
mod cycle_detector;
mod document_cache;
mod document_check;
mod entity_cache;
mod error;
mod error_budget;
mod filter;
mod global_id;
mod graphql_request;
mod list;
mod manifest_watch;
mod mutation;
mod node;
mod persisted_documents;
mod preparation;
#[cfg(any(test, fuzzing))]
pub mod properties;
mod query;
mod response_budget;
mod selection;
mod status_events;
mod subscription;
mod trusted_documents;
mod type_names;
mod types;
mod untrusted_report;

use async_graphql::{SDLExportOptions, Schema, SchemaBuilder, ValidationMode};
use graphql_prepare::SharedRoot;

use self::mutation::Mutation;
use self::query::Query;
use self::subscription::Subscription;
use crate::graph::Key;

pub use self::api::{Api, ApiSettings, Executed, Health, PrepareError};
pub use self::cursor::{CursorKey, CursorKeyError};
pub use self::document_check::{DocumentCheck, Problem};
pub(crate) use self::error::WriteOutcome;
pub use self::error::{ErrorCode, RequestError};
pub use self::graphql_request::{GraphqlRequest, PersistedQuery};
pub use self::response_budget::ResponseMemory;
pub use self::trusted_documents::{TrustedDocuments, TrustedDocumentsError, TrustedDocumentsMode};

type GatewaySchema = Schema<SharedRoot<Query>, SharedRoot<Mutation>, Subscription>;

fn build(mode: ValidationMode) -> SchemaBuilder<SharedRoot<Query>, SharedRoot<Mutation>, Subscription> {
    Schema::build(SharedRoot(Query), SharedRoot(Mutation), Subscription)
        .register_output_type::<ErrorCode>()
        .register_output_type::<error::WriteOutcome>()
        .validation_mode(mode)
        // The preparation of operations has its own limits, which count executed selections.
        .limit_recursive_depth(usize::MAX)
}

/// The schema in GraphQL's schema definition language, as `schema.graphql` at the project's root holds it.
#[must_use]
pub fn sdl() -> String {
    build(ValidationMode::Strict).finish().sdl_with_options(SDLExportOptions::new().include_specified_by())
}

/// The global id of the configuration with Graph's key `key`.
#[must_use]
pub fn configuration_id(key: &Key) -> String {
    global_id::GlobalId::Configuration(key.clone()).encode()
}
