//! Entry points of the benchmarks in `benches/` to code that is private to its layer. Part of no build without the feature
//! `benchmarks`.

pub use crate::graph::benchmarks::{
    batch_request, create_body, read_batch_response, read_created_status, read_page,
};
pub use crate::schema::benchmarks::map_status;
