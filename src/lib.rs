//! A typed GraphQL gateway in front of Microsoft Graph's Intune endpoints for iOS app provisioning.
//!
//! Dependencies point one way: [`server`] (HTTP) -> [`schema`] (GraphQL) -> [`graph`] (Microsoft
//! Graph). [`gateway`] builds the layers from [`config`], plain data that imports none of them.
//! [`commands`]: the program's commands. [`telemetry`]: logs and metrics. [`shared_state`]: state that replicas
//! share. [`printable`]: texts from
//! outside, made safe to print. [`json`]: bounded JSON parsing shared by both ends.
//! [`provisioning_profile`]: Apple's provisioning profiles. [`tls_error`]: errors of TLS as sentences. The commands `demo` and `sandbox` start
//! `msgraph-sandbox`, an in-memory Microsoft Graph, which is called over HTTP and shares no types
//! with the layers.
//!
//! One request passes through the layers as follows:
//!
//! 1. `server::graphql` reads the HTTP request: media types, size, token, JSON.
//! 2. [`schema::Api::prepare`] uses [`graphql_prepare`] to parse and validate the document, coerce
//!    the variables, and merge the selections. Nothing executes until the whole request is valid,
//!    and each field executes once.
//! 3. [`schema::Api::execute`] runs the resolvers. They are thin: a resolver maps its input and
//!    calls the caller's [`graph::Session`].
//! 4. The session combines reads that become ready together into one `$batch`, and repeats writes
//!    only if that is safe. Each call has the caller's token and goes to the service root only. The
//!    [`idempotency`] service stores the outcomes of creates that have an idempotency key.
//! 5. The result is an entity of [`graph::models`], or a [`graph::Error`] whose variants follow
//!    what the caller can do. The schema converts it to a node, or to an error with a code.

#[cfg(feature = "benchmarks")]
pub mod benchmarks;
pub mod commands;
pub mod config;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod gateway;
pub mod graph;
pub mod idempotency;
pub mod json;
mod memory;
pub mod printable;
pub mod provisioning_profile;
pub mod schema;
pub mod server;
pub mod shared_state;
pub mod telemetry;
pub mod tls_error;
