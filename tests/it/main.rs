//! What users can do with the gateway, through its front door: one binary, one module per capability.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod asked;
mod filter_literals;
mod filters;
mod harness;

mod add_device_status;
mod assignments;
mod auth;
mod batch_faults;
mod commands;
mod counts;
mod cursors;
mod errors;
mod execution;
mod http;
mod ignored;
mod node;
mod page_faults;
mod pagination;
mod reads;
mod round_trips;
mod sandbox;
mod sdl;
mod select;
mod token;
