//! The token of a WebSocket, which is kept for as long as that is open.

use std::sync::Arc;

use http::HeaderValue;

use crate::graph::Authorization;
use crate::memory::{BudgetExceeded, MemoryBudget, Reservation};

/// Most bytes of an `Authorization` that is kept, its scheme included.
pub(super) const MAX_TOKEN: usize = 16 * 1024;
/// Bytes of each that are not counted: those of most tokens.
const UNCOUNTED: usize = 4 * 1024;

/// An `Authorization` is longer than [`MAX_TOKEN`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLong;

/// A token as it comes.
#[derive(Debug)]
pub(super) struct Token {
    authorization: Authorization,
    bytes: usize,
}

impl Token {
    /// Takes the token out of an `Authorization`; `None` where that is no bearer token.
    ///
    /// # Errors
    ///
    /// [`TooLong`], whether it is a token or not.
    pub(super) fn parse(authorization: &[u8]) -> Result<Option<Self>, TooLong> {
        if authorization.len() > MAX_TOKEN {
            return Err(TooLong);
        }
        // A copy: a header shares the memory of the whole head that it came in.
        let header = HeaderValue::from_bytes(authorization).ok();
        let parsed = header.and_then(|header| Authorization::parse(&header).ok());
        Ok(parsed.map(|parsed| Self { authorization: parsed, bytes: authorization.len() }))
    }
}

/// The token that a WebSocket keeps, and the memory that it takes.
pub(super) struct Kept {
    authorization: Option<Authorization>,
    held: Reservation,
}

impl Kept {
    /// Keeps none yet; what others take is counted in `memory`.
    pub(super) fn new(memory: &Arc<MemoryBudget>) -> Self {
        Self { authorization: None, held: memory.reservation() }
    }

    /// Keeps another token in place of the one before.
    ///
    /// # Errors
    ///
    /// [`BudgetExceeded`]; then none is kept.
    pub(super) fn replace(&mut self, token: Token) -> Result<(), BudgetExceeded> {
        self.authorization = None;
        self.held.release();
        self.held.reserve(token.bytes.saturating_sub(UNCOUNTED))?;
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

    fn token(bytes: usize) -> Result<Option<Token>, TooLong> {
        Token::parse(format!("Bearer {}", "x".repeat(bytes - "Bearer ".len())).as_bytes())
    }

    #[test]
    fn a_token_has_a_greatest_length() {
        assert_eq!(token(MAX_TOKEN).unwrap().unwrap().bytes, MAX_TOKEN);
        assert_eq!(token(MAX_TOKEN + 1).err(), Some(TooLong));
        assert_eq!(Token::parse(&vec![b'\n'; MAX_TOKEN + 1]).err(), Some(TooLong));
        assert!(Token::parse(b"Basic eA==").unwrap().is_none());
        assert!(Token::parse(b"Bearer a\nb").unwrap().is_none());
    }

    #[test]
    fn what_is_kept_is_counted_until_it_is_replaced_or_dropped() {
        let memory = MemoryBudget::new(MAX_TOKEN);
        let mut kept = Kept::new(&memory);
        kept.replace(token(UNCOUNTED).unwrap().unwrap()).unwrap();
        assert!(memory.is_empty());
        for _ in 0..3 {
            kept.replace(token(MAX_TOKEN).unwrap().unwrap()).unwrap();
        }
        assert!(!memory.is_empty() && kept.authorization().is_some());
        let mut other = Kept::new(&memory);
        assert_eq!(other.replace(token(MAX_TOKEN).unwrap().unwrap()), Err(BudgetExceeded));
        assert!(other.authorization().is_none());
        drop(kept);
        assert!(memory.is_empty());
        other.replace(token(MAX_TOKEN).unwrap().unwrap()).unwrap();
    }
}
