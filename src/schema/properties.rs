//! Properties of documents, ids, cursors and error messages that hold for every input: see
//! [`crate::fuzzing`].

mod cursor;
mod global_id;
mod graph_error;
mod prepare_operation;

pub use self::cursor::cursor;
pub use self::global_id::global_id;
pub use self::graph_error::graph_error;
pub use self::prepare_operation::prepare_operation;
