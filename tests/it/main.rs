//! What users can do with the gateway, through its front door: one binary, one module per capability.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod harness;

mod add_device_status;
mod auth;
mod commands;
mod drain;
mod errors;
mod execution;
mod graphiql;
mod http;
mod proxy;
mod reads;
mod sandbox;
mod sdl;
mod shutdown;
mod tls;
mod token;
mod wire;
mod writes;
