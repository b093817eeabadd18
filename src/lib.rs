//! A typed GraphQL façade over Microsoft Graph's Intune app provisioning endpoints.
//!
//! Dependencies point one way: [`server`] (HTTP) -> [`schema`] (GraphQL) -> [`graph`] (Microsoft Graph). [`config`]
//! feeds them; [`sandbox`] is an in-memory Microsoft Graph that shares no type with them and is spoken to over HTTP.

pub mod commands;
pub mod config;
pub mod graph;
pub mod sandbox;
pub mod schema;
pub mod server;
pub mod telemetry;
