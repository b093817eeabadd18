//! Properties that hold for every input, one for each fuzz target in `fuzz/`. A property accepts
//! any bytes and panics if it does not hold.
//!
//! Properties are next to the code that they test, in the `properties` module of their layer. They
//! are compiled only for the fuzzer and for tests. The tests run them on each seed in `fuzz/seeds`
//! and on mutated seeds, also on machines without the fuzzer.

pub use crate::graph::properties::{batch_answer, date_time_offset, odata, page};
pub use crate::provisioning_profile::properties::provisioning_profile;
pub use crate::schema::properties::{cursor, global_id, graph_error, prepare_operation};
pub use crate::server::request_body;

#[cfg(test)]
mod tests;
