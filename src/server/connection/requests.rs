//! The requests of one connection, as far as its timeouts depend on them.

use std::time::Duration;

use http::Version;
use tokio::time::Instant;

use super::stream_executor::RequestStream;
use super::unread_body::UnreadBody;

/// The rate at which a client must read a response that takes longer than the send timeout.
const MIN_BYTES_PER_SECOND: f64 = 16.0 * 1024.0;

#[derive(Debug)]
pub(super) struct Requests {
    /// The HTTP version of the first request; `None` before its head has been read.
    version: Option<Version>,
    /// Number of requests whose heads have been read, and whose responses have not been sent.
    in_flight: usize,
    /// The ready responses, oldest first.
    responses: Vec<UnsentResponse>,
    /// When the client had last read a response, or a part of an event stream.
    last_progress: Option<Instant>,
    /// When the last request ended.
    idle_since: Instant,
    /// When the first byte of the next request was received.
    head_begun: Option<Instant>,
    is_upgraded: bool,
    next_number: u64,
}

/// A response that is ready, or a part of an event stream.
#[derive(Debug)]
struct UnsentResponse {
    /// The request's number.
    number: u64,
    /// When it became ready, or later by what the client has read since.
    since: Instant,
    ready: Instant,
    /// `None` for an event stream.
    body: Option<UnreadBody>,
    /// `None` in HTTP/1.
    stream: Option<RequestStream>,
    is_abandoned: bool,
}

impl Requests {
    pub(super) fn new() -> Self {
        Self {
            version: None,
            in_flight: 0,
            responses: Vec::new(),
            last_progress: None,
            idle_since: Instant::now(),
            head_begun: None,
            is_upgraded: false,
            next_number: 0,
        }
    }

    /// Records a request whose head has been read, and returns its number.
    pub(super) fn begin(&mut self, version: Version) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        self.in_flight += 1;
        self.version.get_or_insert(version);
        self.head_begun = None;
        number
    }

    /// Records a response that is ready to be sent, with its body unless it is an event stream.
    pub(super) fn response_ready(
        &mut self,
        number: u64,
        body: Option<UnreadBody>,
        stream: Option<RequestStream>,
    ) {
        let ready = Instant::now();
        self.responses.push(UnsentResponse {
            number,
            since: ready,
            ready,
            body,
            stream,
            is_abandoned: false,
        });
    }

    /// Gives responses the time for what the client has read of them at [`MIN_BYTES_PER_SECOND`]. Returns whether there is such
    /// a response. Not done with each part that is read, since most responses are sent at once.
    pub(super) fn credit_progress(&mut self) -> bool {
        let mut is_any = false;
        for response in &mut self.responses {
            let Some((bytes, progress)) = response.body.as_ref().and_then(UnreadBody::progress) else {
                continue;
            };
            let earned = Duration::from_secs_f64(bytes as f64 / MIN_BYTES_PER_SECOND);
            let since = (response.ready + earned).min(progress);
            if since > response.since {
                response.since = since;
                is_any = true;
            }
            self.last_progress = self.last_progress.max(Some(progress));
        }
        self.responses.sort_by_key(|response| response.since);
        is_any
    }

    /// Resets the streams of responses that have been ready since `limit` or longer. `false` if there are none, or the client
    /// has read nothing of any response since then: its connection is then of no use.
    pub(super) fn reset_overdue(&mut self, limit: Instant) -> bool {
        if self.last_progress.is_none_or(|progress| progress <= limit) {
            return false;
        }
        let mut is_any = false;
        self.responses.retain(|response| match &response.stream {
            Some(stream) if response.since <= limit => {
                stream.reset();
                is_any = true;
                false
            }
            _ => true,
        });
        is_any
    }

    /// Abandons the responses that have been ready since `limit` or longer.
    pub(super) fn abandon_unread(&mut self, limit: Instant) {
        for response in self.responses.iter_mut().filter(|response| response.since <= limit) {
            if let Some(body) = &response.body {
                body.abandon();
                response.is_abandoned = true;
            }
        }
    }

    /// When the response that has been ready for longest became ready, event streams and abandoned ones not counted.
    pub(super) fn oldest_unread(&self) -> Option<Instant> {
        let is_unread = |response: &&UnsentResponse| response.body.is_some() && !response.is_abandoned;
        self.responses.iter().find(is_unread).map(|response| response.since)
    }

    pub(super) fn record_progress(&mut self, number: u64) {
        let response = self.responses.iter().position(|response| response.number == number);
        let stream = response.and_then(|index| self.responses.remove(index).stream);
        self.last_progress = Some(Instant::now());
        self.response_ready(number, None, stream);
    }

    pub(super) fn end(&mut self, number: u64) {
        self.in_flight -= 1;
        let before = self.responses.len();
        self.responses.retain(|response| response.number != number);
        if self.responses.len() < before && !self.responses.is_empty() {
            self.last_progress = Some(Instant::now());
        }
        if self.in_flight == 0 {
            self.idle_since = Instant::now();
        }
    }

    pub(super) fn bytes_received(&mut self) {
        if self.in_flight == 0 && self.head_begun.is_none() {
            self.head_begun = Some(Instant::now());
        }
    }

    pub(super) fn finish(&mut self) {
        self.is_upgraded = true;
    }

    pub(super) fn is_http1(&self) -> bool {
        self.version.is_some_and(|version| version < Version::HTTP_2)
    }

    /// Whether bytes that are received belong to a request head. Of HTTP/2 that is known for the first request only; the heads
    /// of later ones are bounded by hyper for each connection.
    pub(super) fn is_reading_http1_head(&self) -> bool {
        self.in_flight == 0
            && self.version.is_none_or(|version| version < Version::HTTP_2)
            && !self.is_upgraded
    }

    pub(super) fn is_in_flight(&self) -> bool {
        self.in_flight > 0
    }

    /// Whether all requests in flight have responses that are ready.
    pub(super) fn are_all_responses_ready(&self) -> bool {
        self.in_flight <= self.responses.len()
    }

    pub(super) fn has_unread_responses(&self) -> bool {
        self.responses.iter().any(|response| response.body.is_some())
    }

    pub(super) fn has_streaming_response(&self) -> bool {
        self.responses.iter().any(|response| response.body.is_none())
    }

    /// When the response that has been ready for longest became ready.
    pub(super) fn oldest_response(&self) -> Option<Instant> {
        self.responses.first().map(|response| response.since)
    }

    pub(super) fn newest_response(&self) -> Option<Instant> {
        self.responses.last().map(|response| response.since)
    }

    pub(super) fn version(&self) -> Option<Version> {
        self.version
    }

    pub(super) fn idle_since(&self) -> Instant {
        self.idle_since
    }

    pub(super) fn head_begun(&self) -> Option<Instant> {
        self.head_begun
    }

    /// Whether closing the connection loses nothing that the client waits for: it has sent no request, or sends one too slowly,
    /// or does not read its only response.
    pub(super) fn can_be_cut(&self) -> bool {
        match self.in_flight {
            0 => self.version.is_none_or(|version| version < Version::HTTP_2 && self.head_begun.is_some()),
            requests => requests == 1 && self.responses.len() == 1,
        }
    }
}
