//! Whether a call that failed is sent again, and when. A call that is not idempotent is sent again only if Graph certainly
//! did nothing.

use std::time::Duration;

use http::StatusCode;

use super::error::Error;
use crate::telemetry::metrics::{self, RetryReason};
use crate::telemetry::request;

/// First wait without a `Retry-After`; each further one is twice as long. Jitter adds up to as much again.
const MIN_BACKOFF: Duration = Duration::from_secs(1);
/// Maximum wait without a `Retry-After` and without jitter.
const MAX_BACKOFF: Duration = Duration::from_secs(16);
/// From the second retry on, a `Retry-After` is at least the backoff divided by this, because
/// repeated `Retry-After: 0` would cause a busy loop.
const MIN_BACKOFF_DIVISOR: u32 = 20;

/// Whether sending a call twice does the same as sending it once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Idempotency {
    /// A read, or a write by key.
    Idempotent,
    /// A create or an action.
    NonIdempotent,
}

/// The retries of one call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Retries {
    idempotency: Idempotency,
    count: u32,
}

/// The delay before a retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Delay {
    pub(super) wait: Duration,
    /// Whether Graph requested the wait. Only other retries use the retry budget.
    pub(super) from_retry_after: bool,
    /// Why the call is sent again.
    pub(super) reason: Reason,
}

impl Delay {
    /// The delay of two calls that are sent again together.
    pub(super) fn and(self, other: Self) -> Self {
        let (wait, from_retry_after) =
            (self.wait.max(other.wait), self.from_retry_after && other.from_retry_after);
        Self { wait, from_retry_after, reason: self.reason }
    }
}

impl Retries {
    pub(super) fn new(idempotency: Idempotency) -> Self {
        Self { idempotency, count: 0 }
    }

    /// How often the call was to be sent again so far.
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// The delay before the call that failed with `error` is sent again; `None` if it must not be.
    pub(super) fn after(&mut self, error: &Error) -> Option<Delay> {
        let reason = Reason::of(error, self.idempotency)?;
        let backoff = backoff(self.count);
        let delay = match error.retry_after() {
            Some(wait) if self.count == 0 => Delay { wait, from_retry_after: true, reason },
            Some(wait) => {
                Delay { wait: wait.max(backoff / MIN_BACKOFF_DIVISOR), from_retry_after: true, reason }
            }
            None => Delay { wait: backoff, from_retry_after: false, reason },
        };
        self.count += 1;
        Some(delay)
    }

    /// The delay before a create is sent again that certainly did nothing.
    pub(super) fn resend(&mut self) -> Delay {
        let wait = backoff(self.count);
        self.count += 1;
        Delay { wait, from_retry_after: false, reason: Reason::Lost }
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
    fn of(error: &Error, idempotency: Idempotency) -> Option<Self> {
        match error {
            Error::Throttled { .. } => return Some(Self::Throttled),
            Error::Connect(_) | Error::Withdrawn => return Some(Self::NotConnected),
            Error::Unprocessed(_) => return Some(Self::Refused),
            Error::Api(api) if api.is_throttled() => return Some(Self::Throttled),
            Error::Api(api) if api.is_unavailable_until_later() => return Some(Self::Unavailable),
            _ => {}
        }
        match (idempotency, error) {
            (Idempotency::NonIdempotent, _) => None,
            (Idempotency::Idempotent, Error::Transport(_) | Error::Timeout) => Some(Self::Lost),
            (Idempotency::Idempotent, Error::Api(api)) => match api.status {
                StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE => Some(Self::Unavailable),
                StatusCode::GATEWAY_TIMEOUT | StatusCode::REQUEST_TIMEOUT => Some(Self::Lost),
                _ => None,
            },
            (Idempotency::Idempotent, _) => None,
        }
    }

    /// Counts a retry by the result of the failed attempt. A request that did not reach a
    /// connection was not sent.
    pub(super) fn count<T>(self, result: &Result<T, Error>) {
        if !matches!(result, Err(error) if error.is_before_sending()) {
            metrics::graph_retry(match self {
                Self::Throttled => RetryReason::Throttled,
                Self::Unavailable => RetryReason::Unavailable,
                Self::NotConnected => RetryReason::NotConnected,
                Self::Refused => RetryReason::Refused,
                Self::Lost => RetryReason::Lost,
            });
            if let Some(request) = request::current() {
                request.calls().add_retry();
            }
        }
    }
}

/// The wait before a retry without a `Retry-After`; the first retry has number 0.
fn backoff(retry: u32) -> Duration {
    let wait = MIN_BACKOFF.saturating_mul(2_u32.saturating_pow(retry)).min(MAX_BACKOFF);
    wait + wait.mul_f32(fastrand::f32())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::StatusCode;

    use super::{Idempotency, MAX_BACKOFF, Retries, backoff};
    use crate::graph::error::{ApiError, Error, ErrorBody};

    fn info(status: u16, retry_after: Option<f64>) -> Error {
        Error::Api(Box::new(ApiError {
            status: StatusCode::from_u16(status).unwrap(),
            code: None,
            message: None,
            request_id: None,
            client_request_id: uuid::Uuid::nil(),
            retry_after: retry_after.map(Duration::from_secs_f64),
            www_authenticate: None,
            approval: None,
            request_line: String::new(),
            body: ErrorBody::Empty,
        }))
    }

    #[test]
    fn a_call_that_is_not_idempotent_is_repeated_only_if_graph_did_nothing() {
        for (error, non_idempotent, idempotent) in [
            (info(429, None), true, true),
            (info(429, Some(3.0)), true, true),
            (info(503, Some(3.0)), true, true),
            (info(503, None), false, true),
            (info(502, None), false, true),
            (info(504, None), false, true),
            (info(504, Some(1.0)), false, true),
            (info(408, None), false, true),
            (info(500, Some(1.0)), false, false),
            (info(501, None), false, false),
            (info(409, None), false, false),
            (info(302, Some(1.0)), false, false),
            (Error::Timeout, false, true),
            (Error::DeadlinePassed, false, false),
            (Error::Throttled { retry_after: Duration::from_secs(1) }, true, true),
            (Error::BreakerOpen { retry_after: Duration::from_secs(1) }, false, false),
        ] {
            assert_eq!(
                Retries::new(Idempotency::NonIdempotent).after(&error).is_some(),
                non_idempotent,
                "{error}"
            );
            assert_eq!(Retries::new(Idempotency::Idempotent).after(&error).is_some(), idempotent, "{error}");
        }
    }

    #[test]
    fn a_retry_after_is_obeyed() {
        for seconds in [0.0, 0.249, 1.0, 120.0] {
            let delay = Retries::new(Idempotency::NonIdempotent).after(&info(429, Some(seconds))).unwrap();
            assert_eq!((delay.wait.as_secs_f64(), delay.from_retry_after), (seconds, true));
        }
    }

    #[test]
    fn a_repeated_retry_after_of_zero_backs_off() {
        let mut retries = Retries::new(Idempotency::NonIdempotent);
        let waits: Vec<_> =
            (0..6).map(|_| retries.after(&info(429, Some(0.0))).unwrap().wait.as_millis()).collect();
        assert_eq!(waits[0], 0);
        assert!(waits[1..].iter().all(|wait| *wait >= 100), "{waits:?}");
    }

    #[test]
    fn without_a_retry_after_the_waits_double_with_jitter() {
        let mut retries = Retries::new(Idempotency::NonIdempotent);
        for least in [1, 2, 4, 8, 16, 16, 16] {
            let delay = retries.after(&info(429, None)).unwrap();
            let least = Duration::from_secs(least);
            assert!(!delay.from_retry_after && (least..=least * 2).contains(&delay.wait), "{delay:?}");
        }
        let first = || Retries::new(Idempotency::NonIdempotent).after(&info(429, None)).unwrap().wait;
        assert_ne!((first(), first()), (first(), first()), "jitter");
    }

    #[test]
    fn a_backoff_is_bounded_whatever_the_number_of_retries() {
        for retry in [4, 5, 31, 32, u32::MAX] {
            assert!((MAX_BACKOFF..=MAX_BACKOFF * 2).contains(&backoff(retry)), "{retry}");
        }
    }
}
