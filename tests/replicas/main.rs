//! Tests of gateways that share state in Redis or Valkey: `cargo test --test replicas`. They need Debian's package
//! `redis-server`, or another server that the environment variable `REDIS_SERVER` names.

mod redis_certificate;
mod redis_server;
mod server_control;
