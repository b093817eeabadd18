//! A request's body: bounded in size, in time, and in what all bodies take together.

use axum::body::{Body, HttpBody as _};
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, EXPECT};
use http::request::Parts;
use http::{StatusCode, Version};
use http_body_util::BodyExt as _;
use tokio::time::Instant;

use super::refusal::Refusal;
use crate::memory::{BudgetExceeded, Reservation};
use crate::server::settings::Settings;
use crate::telemetry::metrics::{self, Overloaded};

/// Most bytes of a refused body that are read on over.
const MOST_DISCARDED: usize = 8 * 1024 * 1024;
/// Bytes of each body that are not counted with those of all: short ones always have room.
const UNCOUNTED: usize = 16 * 1024;

/// A body that has not been read, or not in full.
pub(super) struct RequestBody {
    body: Body,
    /// What the client says of its length.
    declared: Option<usize>,
    /// Whether the client sends on while it is being refused, and sees nothing before it is done.
    is_pushed: bool,
    max: usize,
    /// When it has to be there.
    until: Instant,
    /// The memory of what has been read, until the request is done.
    held: Reservation,
}

impl RequestBody {
    pub(super) fn new(parts: &Parts, body: Body, settings: &Settings, held: Reservation) -> Self {
        let declared = parts.headers.get(CONTENT_LENGTH);
        Self {
            body,
            declared: declared.and_then(|length| length.to_str().ok()?.parse().ok()),
            is_pushed: parts.version < Version::HTTP_2 && !parts.headers.contains_key(EXPECT),
            max: settings.max_request_body,
            until: Instant::now() + settings.body_timeout.min(settings.request_timeout),
            held,
        }
    }

    /// All of it.
    ///
    /// # Errors
    ///
    /// 413 where it is too large, 408 where it does not come in time, 503 where all bodies together take too much, and 400
    /// where it is cut short.
    pub(super) async fn read(&mut self) -> Result<Bytes, Refusal> {
        if self.declared.is_some_and(|length| length > self.max) {
            return Err(self.too_large());
        }
        // One that comes drop by drop would otherwise hold its connection, and a shutdown, for as long as it likes.
        tokio::time::timeout_at(self.until, self.collect()).await.unwrap_or_else(|_elapsed| {
            let message = "The request's body did not come in time.";
            Err(Refusal::http(StatusCode::REQUEST_TIMEOUT, message))
        })
    }

    async fn collect(&mut self) -> Result<Bytes, Refusal> {
        // Most bodies come in one piece, which need not be copied.
        let mut first = Bytes::new();
        let mut all = BytesMut::new();
        let mut length = 0;
        while let Some(frame) = self.body.frame().await {
            let frame = frame
                .map_err(|_| Refusal::http(StatusCode::BAD_REQUEST, "The request's body was cut short."))?;
            let Ok(data) = frame.into_data() else { continue };
            let before = length;
            length += data.len();
            if length > self.max {
                return Err(self.too_large());
            }
            let counted = length.saturating_sub(UNCOUNTED) - before.saturating_sub(UNCOUNTED);
            self.held.reserve(counted).map_err(|BudgetExceeded| {
                metrics::refused(Overloaded::Memory);
                Refusal::Overloaded(Overloaded::Memory)
            })?;
            if first.is_empty() && all.is_empty() {
                first = data;
            } else {
                all.extend_from_slice(&std::mem::take(&mut first));
                all.extend_from_slice(&data);
            }
        }
        Ok(if all.is_empty() { first } else { all.freeze() })
    }

    /// The memory that it takes, for a request that goes on after it has been answered.
    pub(super) fn into_held(self) -> Reservation {
        self.held
    }

    fn too_large(&self) -> Refusal {
        let message = format!("The request's body is larger than {} bytes.", self.max);
        Refusal::too_large(StatusCode::PAYLOAD_TOO_LARGE, message)
    }

    /// Reads on over what is left of a body that is refused, as far as that goes. By HTTP/1 a client that is still sending
    /// when the connection closes may lose the answer with it.
    pub(super) async fn discard(&mut self) {
        self.held.release();
        if !self.is_pushed {
            return;
        }
        let mut left = MOST_DISCARDED;
        let discard = async {
            while !self.body.is_end_stream()
                && let Some(Ok(frame)) = self.body.frame().await
            {
                let length = frame.data_ref().map_or(0, Bytes::len);
                let Some(rest) = left.checked_sub(length) else { return };
                left = rest;
            }
        };
        // Where the time is up, the client has had its chance.
        let _ = tokio::time::timeout_at(self.until, discard).await;
    }
}
