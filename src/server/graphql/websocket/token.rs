//! The token of a WebSocket, stored until the WebSocket is closed.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::HeaderValue;
use tokio::time::Instant;

use crate::graph::Authorization;
use crate::memory::{BudgetExceeded, MemoryBudget, Reservation};

/// Maximum size of an `Authorization` value that is stored, including its scheme, in bytes.
pub(super) const MAX_TOKEN: usize = 16 * 1024;
/// Time between a token's expiry and the closing of its WebSocket. Clocks differ, and the token may have been renewed late.
const EXPIRY_GRACE: Duration = Duration::from_secs(5);
/// Bytes of each token that are not counted; most tokens are shorter.
const UNCOUNTED_BYTES: usize = 4 * 1024;

/// An `Authorization` is longer than [`MAX_TOKEN`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TokenTooLong;

/// When a WebSocket with this token is closed: after the expiry that the token names, which is not verified. `None` if it names
/// none, or one that has passed: the clock may be wrong, and Microsoft Graph decides.
pub(super) fn closing_time(authorization: &Authorization) -> Option<Instant> {
    let rest = authorization.expiry_hint()?.duration_since(SystemTime::now()).ok()?;
    Instant::now().checked_add(rest.checked_add(EXPIRY_GRACE)?)
}

/// A token that was received.
#[derive(Debug)]
pub(super) struct Token {
    authorization: Authorization,
    bytes: usize,
}

impl Token {
    /// Parses an `Authorization` value; `None` if it is not a bearer token.
    ///
    /// # Errors
    ///
    /// [`TokenTooLong`], whether it is a bearer token or not.
    pub(super) fn parse(authorization: &[u8]) -> Result<Option<Self>, TokenTooLong> {
        if authorization.len() > MAX_TOKEN {
            return Err(TokenTooLong);
        }
        // Copied, because a header value shares the memory of the whole request head.
        let header = HeaderValue::from_bytes(authorization).ok();
        let parsed = header.and_then(|header| Authorization::parse(&header).ok());
        Ok(parsed.map(|parsed| Self { authorization: parsed, bytes: authorization.len() }))
    }
}

/// The token of a WebSocket, and its memory.
pub(super) struct StoredToken {
    authorization: Option<Authorization>,
    reservation: Reservation,
}

impl StoredToken {
    /// Stores no token yet. Tokens are counted in `memory`.
    pub(super) fn new(memory: &Arc<MemoryBudget>) -> Self {
        Self { authorization: None, reservation: memory.reservation() }
    }

    /// Replaces the token.
    ///
    /// # Errors
    ///
    /// [`BudgetExceeded`]; then no token is stored.
    pub(super) fn replace(&mut self, token: Token) -> Result<(), BudgetExceeded> {
        self.authorization = None;
        self.reservation.release();
        self.reservation.reserve(token.bytes.saturating_sub(UNCOUNTED_BYTES))?;
        self.authorization = Some(token.authorization);
        Ok(())
    }

    pub(super) fn authorization(&self) -> Option<&Authorization> {
        self.authorization.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(bytes: usize) -> Result<Option<Token>, TokenTooLong> {
        Token::parse(format!("Bearer {}", "x".repeat(bytes - "Bearer ".len())).as_bytes())
    }

    #[test]
    fn a_token_has_a_maximum_size() {
        assert_eq!(token(MAX_TOKEN).unwrap().unwrap().bytes, MAX_TOKEN);
        assert_eq!(token(MAX_TOKEN + 1).err(), Some(TokenTooLong));
        assert_eq!(Token::parse(&vec![b'\n'; MAX_TOKEN + 1]).err(), Some(TokenTooLong));
        assert!(Token::parse(b"Basic eA==").unwrap().is_none());
        assert!(Token::parse(b"Bearer a\nb").unwrap().is_none());
    }

    #[test]
    fn a_stored_token_is_counted_until_it_is_replaced_or_dropped() {
        let memory = MemoryBudget::new(MAX_TOKEN);
        let mut stored = StoredToken::new(&memory);
        stored.replace(token(UNCOUNTED_BYTES).unwrap().unwrap()).unwrap();
        assert!(memory.is_empty());
        for _ in 0..3 {
            stored.replace(token(MAX_TOKEN).unwrap().unwrap()).unwrap();
        }
        assert!(!memory.is_empty() && stored.authorization().is_some());
        let mut other = StoredToken::new(&memory);
        assert_eq!(other.replace(token(MAX_TOKEN).unwrap().unwrap()), Err(BudgetExceeded));
        assert!(other.authorization().is_none());
        drop(stored);
        assert!(memory.is_empty());
        other.replace(token(MAX_TOKEN).unwrap().unwrap()).unwrap();
    }
}
