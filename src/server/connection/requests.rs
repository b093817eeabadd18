//! The requests of one connection, as far as its timeouts depend on them.

use http::Version;
use tokio::time::Instant;

use super::unread_body::UnreadBody;

#[derive(Debug)]
pub(super) struct Requests {
    /// The HTTP version of the first request; `None` before its head has been read.
    version: Option<Version>,
    /// Number of requests whose heads have been read, and whose responses have not been sent.
    in_flight: usize,
    /// The ready responses, oldest first.
    responses: Vec<UnsentResponse>,
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
    since: Instant,
    /// `None` for an event stream.
    body: Option<UnreadBody>,
    is_abandoned: bool,
}

impl Requests {
    pub(super) fn new() -> Self {
        Self {
            version: None,
            in_flight: 0,
            responses: Vec::new(),
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
    pub(super) fn response_ready(&mut self, number: u64, body: Option<UnreadBody>) {
        self.responses.push(UnsentResponse { number, since: Instant::now(), body, is_abandoned: false });
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
        self.responses.retain(|response| response.number != number);
        self.response_ready(number, None);
    }

    pub(super) fn end(&mut self, number: u64) {
        self.in_flight -= 1;
        self.responses.retain(|response| response.number != number);
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
