//! What users can do with the gateway, through its front door: one binary, one module per capability.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod asked;
mod filter_literals;
mod filters;
mod harness;

mod add_device_status;
mod assignments;
mod audits;
mod auth;
mod batch_faults;
mod bulk;
mod commands;
mod counts;
mod coverage;
mod cursors;
mod drain;
mod errors;
mod execution;
mod graphiql;
mod http;
mod idempotency;
mod ignored;
mod incidents;
mod limits;
mod load;
mod node;
mod operations;
mod page_faults;
mod pagination;
mod panics;
mod persisted;
mod proxy;
mod reads;
mod retries;
mod round_trips;
mod sandbox;
mod sdl;
mod select;
mod shutdown;
mod slow_clients;
mod state_file;
mod tls;
mod token;
mod wire;
mod writes;
