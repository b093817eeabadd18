//! A typed GraphQL façade over Microsoft Graph's Intune app provisioning endpoints.
//!
//! Dependencies point one way: [`server`] (HTTP) -> [`schema`] (GraphQL) -> [`graph`] (Microsoft Graph). [`gateway`]
//! builds them from [`config`], plain data that imports none of them; [`commands`] runs the program's commands.
//! [`telemetry`]: logs and metrics. [`json`]: bounded JSON parsing shared by both ends. The commands `demo` and `sandbox` start
//! `msgraph-sandbox`, an in-memory Microsoft Graph that shares no type with them and is spoken to over HTTP.
//!
//! One request, followed through them:
//!
//! 1. `server::graphql` reads the HTTP request: media types, size, the token, the JSON.
//! 2. [`schema::Api::prepare`] has [`graphql_prepare`] parse and validate the document, coerce the variables, and merge
//!    the selections, so that nothing executes before all of it is known to be good, and nothing twice.
//! 3. [`schema::Api::execute`] runs the resolvers. They are thin: a resolver maps its input and asks the caller's
//!    [`graph::Session`].
//! 4. The session gathers reads that become ready together into one `$batch`, and sends writes as often as is safe, each
//!    with the caller's token, to the service root and nowhere else. The [`idempotency`] service keeps the
//!    outcomes of creates that have an idempotency key.
//! 5. What comes back is an entity of [`graph::models`], or a [`graph::Error`] that says what the caller can do; the
//!    schema turns it into a node, or into an error with a code.

pub mod commands;
pub mod config;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod gateway;
pub mod graph;
pub mod idempotency;
pub mod json;
mod memory;
pub mod schema;
pub mod server;
pub mod telemetry;
