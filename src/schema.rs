//! The GraphQL schema: what callers see of Graph. Resolvers are thin: check and map the input, make one call of the
//! Graph client, map the output.

mod error;
mod mutation;
mod node;
mod query;
mod types;

use async_graphql::{Context, EmptySubscription, Request, Response, Schema, ValidationMode};

use self::error::FieldError;
use self::mutation::Mutation;
use self::query::Query;
use crate::graph::Session;

pub use self::error::ErrorCode;

type GatewaySchema = Schema<Query, Mutation, EmptySubscription>;

fn build(mode: ValidationMode) -> GatewaySchema {
    Schema::build(Query, Mutation, EmptySubscription)
        .register_output_type::<ErrorCode>()
        .register_output_type::<error::WriteOutcome>()
        .validation_mode(mode)
        .finish()
}

/// The schema in GraphQL's schema definition language, as `schema.graphql` at the project's root holds it.
#[must_use]
pub fn sdl() -> String {
    build(ValidationMode::Strict).sdl()
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
