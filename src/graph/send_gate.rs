//! The point of no return of a write: one atomic step decides whether it is sent, or reported as not sent.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Nothing has been sent, and may be.
const OPEN: u8 = 0;
/// The current attempt has reached a connection.
const SENT: u8 = 1;
/// Nothing was sent, and nothing will be.
const CLOSED_UNSENT: u8 = 2;
/// The current attempt had reached a connection, and no further one will.
const CLOSED_SENT: u8 = 3;

/// Decides between "sent" and "reported": whichever comes first excludes the other. Cheap to clone; clones are the same
/// gate.
///
/// One gate serves all attempts of a call. [`Self::reopen`] comes before each further one.
#[derive(Debug, Clone, Default)]
pub(super) struct SendGate(Arc<AtomicU8>);

impl SendGate {
    /// Whether the request may reach a connection now. From then on it counts as sent.
    pub(super) fn try_send(&self) -> bool {
        match self.0.compare_exchange(OPEN, SENT, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => true,
            Err(state) => state == SENT,
        }
    }

    /// Forbids a request that was not sent yet. Returns whether the current attempt was sent.
    pub(super) fn close(&self) -> bool {
        // Bit 1 marks both states as closed.
        self.0.fetch_or(CLOSED_UNSENT, Ordering::AcqRel) & SENT != 0
    }

    /// Allows a further attempt. False if the gate is closed.
    pub(super) fn reopen(&self) -> bool {
        match self.0.compare_exchange(SENT, OPEN, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => true,
            Err(state) => state == OPEN,
        }
    }

    /// Whether the current attempt may have reached a connection.
    pub(super) fn is_sent(&self) -> bool {
        matches!(self.0.load(Ordering::Acquire), SENT | CLOSED_SENT)
    }
}

/// The gates of a call's attempts, of which one is the current.
#[derive(Debug, Default)]
pub(super) struct AttemptGates(Mutex<Attempts>);

#[derive(Debug, Default)]
struct Attempts {
    current: SendGate,
    is_closed: bool,
}

impl AttemptGates {
    /// The gate of a further attempt; `None` if the caller has received its result.
    pub(super) fn next(&self) -> Option<SendGate> {
        let mut attempts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if attempts.is_closed {
            return None;
        }
        attempts.current = SendGate::default();
        Some(attempts.current.clone())
    }

    /// Forbids unsent requests and further attempts. Returns whether the current attempt was sent.
    pub(super) fn close(&self) -> bool {
        let mut attempts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        attempts.is_closed = true;
        attempts.current.close()
    }
}

#[cfg(test)]
mod tests {
    use super::{AttemptGates, SendGate};

    #[test]
    fn a_call_that_was_reported_makes_no_further_attempt() {
        let gates = AttemptGates::default();
        let first = gates.next().unwrap();
        assert!(first.try_send());
        let second = gates.next().unwrap();
        assert!(!gates.close(), "the second attempt was not sent");
        assert!(!second.try_send() && gates.next().is_none());
    }

    #[test]
    fn what_was_sent_cannot_be_reported_as_unsent_nor_the_reverse() {
        let gate = SendGate::default();
        assert!(gate.try_send() && gate.try_send() && gate.is_sent());
        assert!(gate.close() && gate.close(), "sent");
        assert!(!gate.try_send() && !gate.reopen(), "no further attempt");

        let gate = SendGate::default();
        assert!(!gate.close() && !gate.close(), "not sent");
        assert!(!gate.try_send() && !gate.is_sent() && !gate.reopen());
    }

    #[test]
    fn a_further_attempt_starts_unsent() {
        let gate = SendGate::default();
        assert!(gate.try_send() && gate.reopen() && !gate.is_sent());
        assert!(!gate.close(), "the second attempt was not sent");
    }

    #[test]
    fn of_a_race_one_side_wins() {
        for _ in 0..1000 {
            let gate = SendGate::default();
            let other = gate.clone();
            let sender = std::thread::spawn(move || other.try_send());
            let reported_sent = gate.close();
            assert_eq!(sender.join().unwrap(), reported_sent);
        }
    }
}
