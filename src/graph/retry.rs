//! Whether a call that failed is sent again, and when. What may be repeated depends on what it does: a create that Graph
//! may have done is never sent again.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use http::StatusCode;

use super::error::Error;
use crate::telemetry::metrics;

/// First wait where Graph names none; each further one is twice as long. Chance adds up to as much again.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
/// Longest wait where Graph names none, chance left out.
const LONGEST_BACKOFF: Duration = Duration::from_secs(16);
/// A Retry-After shorter than this part of the back-off is stretched to it from the second repetition on, so that
/// `Retry-After: 0` again and again is no order to ask as fast as the machine can.
const LEAST_PART: u32 = 20;

/// What sending a call a second time may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeating {
    /// The same as once: a read, or a write by key.
    DoesTheSame,
    /// Something more: a create or an action. It is sent again only where the first surely did nothing.
    DoesMore,
}

/// A call's repetitions so far.
#[derive(Debug, Clone, Copy)]
pub(super) struct Retries {
    repeating: Repeating,
    so_far: u32,
}

/// How long to wait before a call is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Delay {
    pub(super) wait: Duration,
    /// Whether Graph named the wait: the retry budget is for the others.
    pub(super) is_graphs: bool,
    /// Why the call is sent again.
    pub(super) reason: Reason,
}

impl Delay {
    /// The wait of two calls that are sent again together.
    pub(super) fn and(self, other: Self) -> Self {
        let (wait, is_graphs) = (self.wait.max(other.wait), self.is_graphs && other.is_graphs);
        Self { wait, is_graphs, reason: self.reason }
    }
}

impl Retries {
    pub(super) fn new(repeating: Repeating) -> Self {
        Self { repeating, so_far: 0 }
    }

    /// The wait before the call that met `error` is sent again; `None` where it is not.
    pub(super) fn after(&mut self, error: &Error) -> Option<Delay> {
        let reason = Reason::of(error, self.repeating)?;
        let backoff = backoff(self.so_far);
        let delay = match error.retry_after() {
            Some(wait) if self.so_far == 0 => Delay { wait, is_graphs: true, reason },
            Some(wait) => Delay { wait: wait.max(backoff / LEAST_PART), is_graphs: true, reason },
            None => Delay { wait: backoff, is_graphs: false, reason },
        };
        self.so_far += 1;
        Some(delay)
    }

    /// The wait before a create is sent again of which is known by now that the first did nothing.
    pub(super) fn resend(&mut self) -> Delay {
        let wait = backoff(self.so_far);
        self.so_far += 1;
        Delay { wait, is_graphs: false, reason: Reason::Lost }
    }
}

/// Why a call may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    Throttled,
    Unavailable,
    NotConnected,
    Refused,
    Lost,
}

impl Reason {
    fn of(error: &Error, repeating: Repeating) -> Option<Self> {
        match error {
            Error::Throttled { .. } => return Some(Self::Throttled),
            Error::Connect(_) | Error::Withdrawn => return Some(Self::NotConnected),
            Error::Unprocessed(_) => return Some(Self::Refused),
            Error::Api(api) if api.is_throttled() => return Some(Self::Throttled),
            Error::Api(api) if api.is_unavailable_until_later() => return Some(Self::Unavailable),
            _ => {}
        }
        match (repeating, error) {
            (Repeating::DoesMore, _) => None,
            (Repeating::DoesTheSame, Error::Transport(_) | Error::Timeout) => Some(Self::Lost),
            (Repeating::DoesTheSame, Error::Api(api)) => match api.status {
                StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE => Some(Self::Unavailable),
                StatusCode::GATEWAY_TIMEOUT | StatusCode::REQUEST_TIMEOUT => Some(Self::Lost),
                _ => None,
            },
            (Repeating::DoesTheSame, _) => None,
        }
    }

    /// Counts a call that was sent again, by what came of it: one that did not reach a connection was not sent.
    pub(super) fn count<T>(self, result: &Result<T, Error>) {
        if !matches!(result, Err(error) if error.is_before_sending()) {
            metrics::graph_retry(self.as_str());
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
            Self::NotConnected => "not_connected",
            Self::Refused => "refused",
            Self::Lost => "lost",
        }
    }
}

/// The wait before the repetition of this number, from 0, where Graph names none.
fn backoff(repetition: u32) -> Duration {
    let waits = ExponentialBuilder::new()
        .with_min_delay(FIRST_BACKOFF)
        .with_max_delay(LONGEST_BACKOFF)
        .without_max_times()
        .with_jitter()
        .build();
    waits.into_iter().nth(repetition.min(16) as usize).unwrap_or(LONGEST_BACKOFF)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::StatusCode;

    use super::{Repeating, Retries};
    use crate::graph::error::{ApiError, Error, ErrorBody};

    fn answered(status: u16, retry_after: Option<f64>) -> Error {
        Error::Api(Box::new(ApiError {
            status: StatusCode::from_u16(status).unwrap(),
            code: None,
            message: None,
            request_id: None,
            client_request_id: String::new(),
            retry_after: retry_after.map(Duration::from_secs_f64),
            www_authenticate: None,
            request_line: String::new(),
            body: ErrorBody::Empty,
        }))
    }

    /// The contract's "Writing" table, and the list of issue 4 for what does the same when repeated.
    #[test]
    fn what_is_repeated_depends_on_what_it_does() {
        for (error, does_more, does_the_same) in [
            (answered(429, None), true, true),
            (answered(429, Some(3.0)), true, true),
            (answered(503, Some(3.0)), true, true),
            (answered(503, None), false, true),
            (answered(502, None), false, true),
            (answered(504, None), false, true),
            (answered(504, Some(1.0)), false, true),
            (answered(408, None), false, true),
            (answered(500, Some(1.0)), false, false),
            (answered(501, None), false, false),
            (answered(409, None), false, false),
            (answered(302, Some(1.0)), false, false),
            (Error::Timeout, false, true),
            (Error::DeadlinePassed, false, false),
            (Error::Throttled { retry_after: Duration::from_secs(1) }, true, true),
            (Error::BreakerOpen { retry_after: Duration::from_secs(1) }, false, false),
        ] {
            assert_eq!(Retries::new(Repeating::DoesMore).after(&error).is_some(), does_more, "{error}");
            assert_eq!(
                Retries::new(Repeating::DoesTheSame).after(&error).is_some(),
                does_the_same,
                "{error}"
            );
        }
    }

    #[test]
    fn a_wait_that_graph_names_is_the_wait() {
        for seconds in [0.0, 0.249, 1.0, 120.0] {
            let delay = Retries::new(Repeating::DoesMore).after(&answered(429, Some(seconds))).unwrap();
            assert_eq!((delay.wait.as_secs_f64(), delay.is_graphs), (seconds, true));
        }
    }

    #[test]
    fn a_wait_of_zero_again_and_again_grows() {
        let mut retries = Retries::new(Repeating::DoesMore);
        let waits: Vec<_> =
            (0..6).map(|_| retries.after(&answered(429, Some(0.0))).unwrap().wait.as_millis()).collect();
        assert_eq!(waits[0], 0);
        assert!(waits[1..].iter().all(|wait| *wait >= 100), "{waits:?}");
    }

    #[test]
    fn where_graph_names_none_the_waits_double_and_chance_is_added() {
        let mut retries = Retries::new(Repeating::DoesMore);
        for least in [1, 2, 4, 8, 16, 16, 16] {
            let delay = retries.after(&answered(429, None)).unwrap();
            let least = Duration::from_secs(least);
            assert!(!delay.is_graphs && (least..=least * 2).contains(&delay.wait), "{delay:?}");
        }
        let first = || Retries::new(Repeating::DoesMore).after(&answered(429, None)).unwrap().wait;
        assert_ne!((first(), first()), (first(), first()), "chance");
    }
}
