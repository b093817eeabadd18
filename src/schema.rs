//! The GraphQL schema: what callers see of Graph. Resolvers are thin: check and map the input, make one call of the
//! Graph client, map the output.

mod api;
mod error;
mod mutation;
mod node;
pub mod operation;
mod query;
mod selection;
mod types;

use async_graphql::{Context, EmptySubscription, Schema, ValidationMode};

use self::error::FieldError;
use self::mutation::Mutation;
use self::query::Query;
use crate::graph::{Key, Session};

pub use self::api::{Api, GraphqlRequest};
pub use self::error::ErrorCode;

type GatewaySchema = Schema<Query, Mutation, EmptySubscription>;

fn build(mode: ValidationMode) -> GatewaySchema {
    Schema::build(Query, Mutation, EmptySubscription)
        .register_output_type::<ErrorCode>()
        .register_output_type::<error::WriteOutcome>()
        .validation_mode(mode)
        // Bounded before execution, by limits that count what is executed.
        .limit_recursive_depth(usize::MAX)
        .finish()
}

/// The schema in GraphQL's schema definition language, as `schema.graphql` at the project's root holds it.
#[must_use]
pub fn sdl() -> String {
    build(ValidationMode::Strict).sdl()
}

/// The global id of the configuration with Graph's key `key`.
#[must_use]
pub fn configuration_id(key: &Key) -> String {
    node::GlobalId::Configuration(key.clone()).encode()
}

/// What each resolver may use: Graph as the caller may use it, where a usable token came.
struct RequestData {
    session: Option<Session>,
}

/// Graph on behalf of the caller.
///
/// # Errors
///
/// `UNAUTHENTICATED` where no usable token came.
fn session<'a>(ctx: &Context<'a>) -> Result<&'a Session, FieldError> {
    ctx.data::<RequestData>()
        .ok()
        .and_then(|data| data.session.as_ref())
        .ok_or_else(FieldError::unauthenticated)
}
