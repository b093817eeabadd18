//! Tests of gateways that share state in Redis or Valkey: `cargo test --test replicas`. They need Debian's package
//! `redis-server`, or another server that the environment variable `REDIS_SERVER` names. `OTHER_INTUNE_GRAPHQL` names the
//! gateway of another version for the tests of upgrades.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod connections;
mod documents;
mod events;
mod keys;
mod redis_certificate;
mod redis_server;
mod replica;
mod server_control;
mod subscriber;
mod upgrade;
mod waits;
