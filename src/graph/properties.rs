//! Properties of Graph's responses and of requests to Graph that hold for every input: see
//! [`crate::fuzzing`].

mod approval;
mod batch_answer;
mod date_time_offset;
mod graph_error;
mod odata;
mod page;

use std::time::Instant;

use http::HeaderValue;
use tokio_util::sync::CancellationToken;

pub(crate) use self::approval::{errors_of_writes, sent as approval_is_sent};
pub use self::batch_answer::batch_answer;
pub use self::date_time_offset::date_time_offset;
pub(crate) use self::graph_error::read_response;
pub use self::odata::odata;
pub use self::page::page;
use super::auth::Authorization;
use super::caller::Caller;
use super::response::RequestLine;
use crate::telemetry::request::RequestTelemetry;

const REQUEST_LINE: RequestLine<'static> = RequestLine { method: "GET", root: "/beta", path: "/x" };

/// The caller's token, which no response may return.
pub(crate) const TOKEN: &str = "canary-token.0123456789";

fn caller() -> Caller {
    let header = HeaderValue::from_str(&format!("Bearer {TOKEN}")).expect("it is plain text");
    Caller {
        authorization: Authorization::parse(&header).expect("it is a bearer token"),
        telemetry: RequestTelemetry::random(),
        deadline: Instant::now(),
        disconnected: CancellationToken::new(),
        guard: None,
        memory_share: crate::memory::MemoryShare::default(),
    }
}
