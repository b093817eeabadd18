//! What holds whatever is sent to us: one property for each target of the fuzzer in `fuzz/`. A property takes any bytes,
//! and panics where it does not hold.
//!
//! They stand beside what they are about, in a `properties` of their layer, and are part of no build but the fuzzer's and
//! the tests'. The tests hold them against every seed in `fuzz/seeds`, and against changed ones, so that a machine
//! without the fuzzer tries them as well.

pub use crate::graph::properties::{batch_answer, date_time_offset, odata, page};
pub use crate::schema::properties::{cursor, global_id, graph_error, prepare_operation};
pub use crate::server::request_body;

#[cfg(test)]
mod tests;
