//! Cursors: encrypted positions in lists. They are encrypted because a skip token can contain
//! device names and determines a request with the caller's token. A cursor is bound to its list,
//! and cannot be changed or guessed.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::{Deserialize, Serialize};

use super::cycle_detector::CycleDetector;
use super::error::FieldError;

/// Maximum length of a cursor in bytes: room for a link's query of 8 KiB and a key of 1 KiB, with
/// every character escaped.
const MAX_CURSOR_LENGTH: usize = 32 * 1024;
const VERSION: u8 = 1;

/// The key that cursors are sealed with.
pub struct CursorKey {
    key: LessSafeKey,
    random: SystemRandom,
}

/// The error of a cursor key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CursorKeyError {
    /// Not 32 bytes.
    #[error("must be 32 bytes")]
    Length,
    /// The system's random number generator failed.
    #[error("the system provides no random numbers")]
    NoRandom,
}

/// A position in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    /// The query of the link to the row's page; none for the first page.
    pub(super) page: Option<Arc<str>>,
    /// The key of the row. The list continues after it, even if it has moved.
    pub(super) after: String,
    /// The number of rows from the start of the page to this row, used if the row no longer exists.
    /// 0 if it is the last row of the previous page.
    pub(super) index: usize,
    /// Whether rows that miss the filter were withheld up to here: the list's count is then not known.
    pub(super) ignored_filter: bool,
    /// Whether the link of the page has no filter, because Graph refused it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_plain: bool,
    /// Whether the gateway sorted the list, because Graph refused to. Its order is another one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_sorted_here: bool,
    /// The links that led to the page.
    #[serde(default, skip_serializing_if = "CycleDetector::is_start")]
    pub(super) trail: CycleDetector,
}

/// The list, filter and order that a cursor is bound to. It is invalid for any other.
#[derive(Debug, Clone)]
pub(super) struct Binding(String);

impl Binding {
    /// `list` is the list's path, `arguments` the text of its filter and order.
    pub(super) fn new(list: &str, arguments: &str) -> Self {
        Self(format!("{list}\n{arguments}"))
    }
}

impl CursorKey {
    /// A key of 32 bytes, which all replicas of a gateway share.
    ///
    /// # Errors
    ///
    /// If `bytes` does not have 32 bytes.
    pub fn new(bytes: &[u8]) -> Result<Self, CursorKeyError> {
        let key = UnboundKey::new(&AES_256_GCM, bytes).map_err(|_| CursorKeyError::Length)?;
        Ok(Self { key: LessSafeKey::new(key), random: SystemRandom::new() })
    }

    /// A random key: cursors are valid until the process ends.
    ///
    /// # Errors
    ///
    /// If the system's random number generator fails.
    pub fn random() -> Result<Self, CursorKeyError> {
        let mut bytes = [0; 32];
        SystemRandom::new().fill(&mut bytes).map_err(|_| CursorKeyError::NoRandom)?;
        Self::new(&bytes)
    }

    /// The cursor of a position.
    pub(super) fn seal(&self, position: &Position, binding: &Binding) -> Result<String, FieldError> {
        let failed = || FieldError::internal("a cursor could not be sealed");
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce).map_err(|_| failed())?;
        let mut sealed = serde_json::to_vec(position).map_err(|_| failed())?;
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad(binding), &mut sealed)
            .map_err(|_| failed())?;
        let mut bytes = Vec::with_capacity(1 + NONCE_LEN + sealed.len());
        bytes.push(VERSION);
        bytes.extend_from_slice(&nonce);
        bytes.append(&mut sealed);
        let cursor = URL_SAFE_NO_PAD.encode(bytes);
        if cursor.len() > MAX_CURSOR_LENGTH {
            return Err(FieldError::internal("a cursor is too long to be opened again"));
        }
        Ok(cursor)
    }

    /// The position of a cursor of this list.
    pub(super) fn open(&self, cursor: &str, binding: &Binding) -> Result<Position, FieldError> {
        let open = || {
            if cursor.len() > MAX_CURSOR_LENGTH {
                return None;
            }
            let mut bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
            let (head, sealed) = bytes.split_at_mut_checked(1 + NONCE_LEN)?;
            if head[0] != VERSION {
                return None;
            }
            let nonce = Nonce::try_assume_unique_for_key(&head[1..]).ok()?;
            let opened = self.key.open_in_place(nonce, aad(binding), sealed).ok()?;
            serde_json::from_slice(opened).ok()
        };
        open().ok_or_else(Self::refusal)
    }

    /// The error of a cursor that is invalid for a list.
    pub(super) fn refusal() -> FieldError {
        FieldError::bad_user_input(
            "`after` is not a cursor of this list with this filter and order, or the gateway's cursor key has changed. Use \
             the cursor of an edge unchanged, or leave `after` out.",
        )
    }

    /// The error of a cursor of a list that Graph has since refused to filter or sort (`verb`): its position in the list that
    /// the gateway would read instead is unknown.
    pub(super) fn discontinued(verb: &str) -> FieldError {
        FieldError::bad_user_input(format!(
            "The list cannot continue at `after`, because Microsoft Graph refuses to {verb} it now. Read the list again from \
             its start, without `after`."
        ))
    }
}

fn aad(binding: &Binding) -> Aad<&[u8]> {
    Aad::from(binding.0.as_bytes())
}

impl std::fmt::Debug for CursorKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CursorKey([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Binding, CursorKey, CycleDetector, Position};

    fn position() -> Position {
        Position {
            page: Some("$skiptoken=LastDeviceName%3d%27Z%27".into()),
            after: "a_b".to_owned(),
            index: 7,
            ignored_filter: false,
            is_plain: false,
            is_sorted_here: false,
            trail: CycleDetector::default(),
        }
    }

    #[test]
    fn a_cursor_opens_only_for_its_list_and_shows_nothing() {
        let key = CursorKey::random().unwrap();
        let here = Binding::new("/rows", "platform eq 1");
        let cursor = key.seal(&position(), &here).unwrap();
        assert_eq!(key.open(&cursor, &here).unwrap(), position());
        assert_ne!(cursor, key.seal(&position(), &here).unwrap(), "no two are alike");
        assert!(key.open(&cursor, &Binding::new("/rows", "platform eq 2")).is_err());
        assert!(key.open(&cursor, &Binding::new("/other", "platform eq 1")).is_err());
        assert!(CursorKey::random().unwrap().open(&cursor, &here).is_err());
    }

    #[test]
    fn a_cursor_without_the_later_members_opens() {
        let old = r#"{"page":null,"after":"a_b","index":7,"ignored_filter":false}"#;
        let opened: Position = serde_json::from_str(old).unwrap();
        assert_eq!(opened, Position { page: None, ..position() });
        assert_eq!(serde_json::to_string(&opened).unwrap(), old);
    }

    #[test]
    fn every_cursor_that_is_handed_out_opens() {
        let key = CursorKey::random().unwrap();
        let here = Binding::new("/rows", "");
        // The longest query and the longest key, of the characters that JSON makes the most of.
        let page = Some("\\".repeat(8 * 1024).into());
        let longest = Position { page, after: "\u{1}".repeat(1024), ..position() };
        let cursor = key.seal(&longest, &here).unwrap();
        assert_eq!(key.open(&cursor, &here).unwrap(), longest);
        let too_long = Position { after: "a".repeat(16 * 1024), ..longest };
        assert!(key.seal(&too_long, &here).is_err());
    }

    proptest! {
        #[test]
        fn nothing_else_opens(text in "[A-Za-z0-9_-]{0,80}|\\PC{0,20}", at in 0_usize..60, bit in 0_u8..6) {
            let key = CursorKey::new(&[7; 32]).unwrap();
            let here = Binding::new("/rows", "");
            prop_assert!(key.open(&text, &here).is_err());
            let mut cursor = key.seal(&position(), &here).unwrap().into_bytes();
            let at = at % cursor.len();
            let changed = cursor[at] ^ (1 << bit);
            prop_assume!(changed.is_ascii_graphic());
            cursor[at] = changed;
            prop_assert!(key.open(std::str::from_utf8(&cursor).unwrap(), &here).is_err());
            cursor.truncate(at);
            prop_assert!(key.open(std::str::from_utf8(&cursor).unwrap(), &here).is_err());
        }
    }
}
