//! A request body: its size, its time and the memory of all bodies together are bounded.

use axum::body::{Body, HttpBody as _};
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, EXPECT};
use http::request::Parts;
use http::{StatusCode, Version};
use http_body_util::BodyExt as _;
use tokio::time::Instant;

use super::rejection::RequestRejection;
use crate::memory::{BudgetExceeded, Reservation};
use crate::server::settings::Settings;
use crate::telemetry::metrics::{self, Overloaded};

/// Maximum number of bytes of a rejected body that are read and discarded.
const MAX_DISCARDED: usize = 8 * 1024 * 1024;
/// Bytes of each body that do not count toward the memory of all bodies, so that short ones are always accepted.
const UNCOUNTED_BYTES: usize = 16 * 1024;

/// A body that has not been read, or not completely.
pub(super) struct RequestBody {
    body: Body,
    /// The value of `Content-Length`.
    content_length: Option<usize>,
    /// Whether the client reads no response before it has sent the whole body.
    must_drain: bool,
    max_bytes: usize,
    /// When the body must be complete.
    deadline: Instant,
    /// The memory of the received bytes.
    reservation: Reservation,
}

impl RequestBody {
    pub(super) fn new(parts: &Parts, body: Body, settings: &Settings, reservation: Reservation) -> Self {
        let content_length = parts.headers.get(CONTENT_LENGTH);
        Self {
            body,
            content_length: content_length.and_then(|length| length.to_str().ok()?.parse().ok()),
            must_drain: parts.version < Version::HTTP_2 && !parts.headers.contains_key(EXPECT),
            max_bytes: settings.max_request_body,
            deadline: Instant::now() + settings.body_timeout.min(settings.request_timeout),
            reservation,
        }
    }

    /// Reads the whole body.
    ///
    /// # Errors
    ///
    /// 413 if it is too large, 408 if it is not complete in time, 503 if all bodies together take too much memory, and 400 if
    /// it is incomplete.
    pub(super) async fn read(&mut self) -> Result<Bytes, RequestRejection> {
        if self.content_length.is_some_and(|length| length > self.max_bytes) {
            return Err(self.too_large());
        }
        // A slow upload would otherwise hold its connection, and delay a shutdown, without any limit.
        tokio::time::timeout_at(self.deadline, self.collect()).await.unwrap_or_else(|_elapsed| {
            let message = "The request body did not arrive in time.";
            Err(RequestRejection::http(StatusCode::REQUEST_TIMEOUT, message))
        })
    }

    async fn collect(&mut self) -> Result<Bytes, RequestRejection> {
        // Most bodies arrive in one frame, which need not be copied.
        let mut first = Bytes::new();
        let mut all = BytesMut::new();
        let mut length = 0;
        while let Some(frame) = self.body.frame().await {
            let frame = frame.map_err(|_| {
                RequestRejection::http(StatusCode::BAD_REQUEST, "The request body is incomplete.")
            })?;
            let Ok(data) = frame.into_data() else { continue };
            let before = length;
            length += data.len();
            if length > self.max_bytes {
                return Err(self.too_large());
            }
            let counted = length.saturating_sub(UNCOUNTED_BYTES) - before.saturating_sub(UNCOUNTED_BYTES);
            self.reservation.reserve(counted).map_err(|BudgetExceeded| {
                metrics::refused(Overloaded::Memory);
                RequestRejection::Overloaded(Overloaded::Memory)
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

    /// The memory of the body, for the request that was read from it.
    pub(super) fn take_reservation(&mut self) -> Reservation {
        self.reservation.take()
    }

    fn too_large(&self) -> RequestRejection {
        let message = format!("The request body is larger than {} bytes.", self.max_bytes);
        RequestRejection::too_large(StatusCode::PAYLOAD_TOO_LARGE, message)
    }

    /// Reads and discards the rest of a rejected body, up to [`MAX_DISCARDED`]. An HTTP/1 client that is still sending when the
    /// connection closes may lose the response.
    pub(super) async fn discard(&mut self) {
        self.reservation.release();
        if !self.must_drain {
            return;
        }
        let mut left = MAX_DISCARDED;
        let discard = async {
            while !self.body.is_end_stream()
                && let Some(Ok(frame)) = self.body.frame().await
            {
                let length = frame.data_ref().map_or(0, Bytes::len);
                let Some(rest) = left.checked_sub(length) else { return };
                left = rest;
            }
        };
        // After the deadline the response is sent anyway.
        let _ = tokio::time::timeout_at(self.deadline, discard).await;
    }
}
