//! A typed GraphQL façade over Microsoft Graph's Intune app provisioning endpoints.
//!
//! Dependencies point one way: [`server`] (HTTP) -> [`schema`] (GraphQL) -> [`graph`] (Microsoft Graph). [`config`]
//! feeds them, and [`commands`] starts them; [`sandbox`] is an in-memory Microsoft Graph that shares no type with them and
//! is spoken to over HTTP.
//!
//! One `addDeviceStatus`, followed through them:
//!
//! 1. `server::listener` takes the connection; `server::graphql` reads the body within the deadline, and the one bearer
//!    token out of the headers.
//! 2. [`schema::operation`] parses the document, checks it and every variable against the SDL, and collects the fields, so
//!    that each response key stands once. Whatever is wrong with the request is found here, before anything is sent.
//! 3. The library resolves what is left. `schema::mutation` maps the input and calls [`graph::DeviceStatuses::create`] of
//!    the caller's [`graph::Session`].
//! 4. `graph::exchange` sends one POST to the service root and reads the answer within bounds; `graph::answer` tells success
//!    from failure, and [`graph::Outcome`] what is known of a write that failed.
//! 5. `schema::error` turns a failure into a code and a sentence for strangers, and logs it once.

pub mod commands;
pub mod config;
pub mod graph;
pub mod sandbox;
pub mod schema;
pub mod server;
pub mod telemetry;
