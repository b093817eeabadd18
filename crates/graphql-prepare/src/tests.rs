//! Prepared operations, executed by async-graphql.

mod coercion;
#[expect(clippy::disallowed_types, reason = "async-graphql's macros use its own `Result`")]
mod directives;
mod execution;
#[expect(
    clippy::disallowed_types,
    clippy::too_many_arguments,
    reason = "async-graphql's macros use its own `Result`, and a parameter for each argument"
)]
mod fixture;
mod selections;
