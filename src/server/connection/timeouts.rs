//! When a connection is closed because its client is too slow.

use std::time::Duration;

use http::Version;
use tokio::time::Instant;

use super::requests::Requests;

/// The timeouts of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ConnectionTimeouts {
    /// Time limit for receiving a request head, from its first byte on; for the first request, from the accept on.
    pub(crate) header_timeout: Duration,
    /// Time after which a connection without a request is closed.
    pub(crate) idle_timeout: Duration,
    /// Time limit for sending a response; for an event stream, each part of it.
    pub(crate) send_timeout: Duration,
    /// Time after an HTTP/1 request within which a client that closes its sending side still waits for the response.
    pub(crate) half_close_window: Duration,
    /// Maximum time until a response is ready.
    pub(crate) max_request_time: Duration,
}

/// A connection that is shutting down.
#[derive(Debug, Clone, Copy)]
pub(super) struct Closing {
    pub(super) since: Instant,
    /// Whether the reason is that the client is too slow.
    pub(super) is_client_slow: bool,
}

impl ConnectionTimeouts {
    /// When the connection is closed if nothing changes; `None` while the client waits for the gateway.
    pub(super) fn close_deadline(&self, requests: &Requests) -> Option<Instant> {
        if let Some(oldest) = requests.oldest_response() {
            return Some(oldest + self.send_timeout);
        }
        if requests.is_in_flight() {
            return None;
        }
        Some(match (requests.version(), requests.head_begun()) {
            // Before the first request, a client has only the time for a head.
            (None, _) => requests.idle_since() + self.header_timeout,
            // The first bytes of HTTP/2 may be a ping's, so that a slow head counts as idle.
            (Some(version), Some(begun)) if version < Version::HTTP_2 => begun + self.header_timeout,
            (Some(_), _) => requests.idle_since() + self.idle_timeout,
        })
    }

    /// When a connection is closed that is shutting down. Once all its responses are ready, the client has `header_timeout` to
    /// read them; a slow client has that time from when they were ready, and never more than `send_timeout`. Requests that it
    /// still sends do not extend the total time.
    pub(super) fn drain_deadline(&self, requests: &Requests, closing: Closing) -> Instant {
        let Closing { since, is_client_slow } = closing;
        let last = since + self.max_request_time + self.send_timeout;
        if !requests.are_all_responses_ready() {
            return last;
        }
        let ready = requests.newest_response().unwrap_or(since);
        if is_client_slow {
            return last.min((ready + self.header_timeout.min(self.send_timeout)).max(since));
        }
        last.min(ready.max(since) + self.header_timeout)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::super::unread_body::UnreadBody;
    use super::*;

    const TIMEOUTS: ConnectionTimeouts = ConnectionTimeouts {
        header_timeout: Duration::from_secs(10),
        idle_timeout: Duration::from_secs(75),
        send_timeout: Duration::from_secs(60),
        half_close_window: Duration::ZERO,
        max_request_time: Duration::from_secs(31),
    };

    fn unread() -> UnreadBody {
        UnreadBody::new(axum::body::Body::from("response"))
    }

    fn seconds(requests: &Requests) -> Option<u64> {
        let now = Instant::now();
        TIMEOUTS.close_deadline(requests).map(|deadline| deadline.duration_since(now).as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_client_is_closed_and_a_waiting_one_is_not() {
        let second = || advance(Duration::from_secs(1));
        for version in [Version::HTTP_11, Version::HTTP_2] {
            let mut requests = Requests::new();
            second().await;
            requests.bytes_received();
            assert_eq!(seconds(&requests), Some(9), "the first head has its time from the accept on");
            let first = requests.begin(version);
            assert_eq!(seconds(&requests), None, "the gateway executes the request");
            requests.response_ready(first, Some(unread()), None);
            second().await;
            assert_eq!(seconds(&requests), Some(59));
            let second_request = requests.begin(version);
            requests.response_ready(second_request, None, None);
            requests.record_progress(second_request);
            assert_eq!(seconds(&requests), Some(59), "progress of one response extends no other's time");
            requests.end(first);
            assert_eq!(seconds(&requests), Some(60));
            requests.end(second_request);
            second().await;
            assert_eq!(seconds(&requests), Some(74));
            requests.bytes_received();
            let expected = if version == Version::HTTP_11 { 10 } else { 74 };
            assert_eq!(seconds(&requests), Some(expected), "{version:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_shuts_down_has_a_last_moment() {
        let since = Instant::now();
        let closing = Closing { since, is_client_slow: false };
        let remaining = |requests: &Requests| (TIMEOUTS.drain_deadline(requests, closing) - since).as_secs();
        let mut requests = Requests::new();
        assert_eq!(remaining(&requests), 10);
        let number = requests.begin(Version::HTTP_11);
        assert_eq!(remaining(&requests), 91, "while it executes");
        advance(Duration::from_secs(5)).await;
        requests.response_ready(number, Some(unread()), None);
        assert_eq!(remaining(&requests), 15);
        advance(Duration::from_secs(80)).await;
        requests.record_progress(number);
        assert_eq!(remaining(&requests), 91);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_client_has_no_further_time_for_responses_that_it_could_have_read() {
        let mut requests = Requests::new();
        for wait in [1, 54, 5] {
            let number = requests.begin(Version::HTTP_2);
            requests.response_ready(number, Some(unread()), None);
            advance(Duration::from_secs(wait)).await;
        }
        let since = Instant::now();
        assert_eq!(TIMEOUTS.close_deadline(&requests), Some(since));
        let remaining = |requests: &Requests| {
            (TIMEOUTS.drain_deadline(requests, Closing { since, is_client_slow: true }) - since).as_secs()
        };
        assert_eq!(remaining(&requests), 5, "the newest response has been ready for 5 s");
        requests.end(2);
        assert_eq!(remaining(&requests), 0);
        let executing = requests.begin(Version::HTTP_2);
        assert_eq!(remaining(&requests), 91);
        requests.response_ready(executing, Some(unread()), None);
        assert_eq!(remaining(&requests), 10);
    }
}
