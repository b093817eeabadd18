//! Prepared operations, executed by the library.

mod coercion;
mod execution;
#[expect(
    clippy::disallowed_types,
    clippy::too_many_arguments,
    reason = "the library's macros write its own `Result`, and a parameter for each argument"
)]
mod gateway;
mod selections;
