//! A cursor can be opened for its own list, and no other text can be opened.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::super::cursor::{Binding, CursorKey, Position};
use super::super::cycle_detector::CycleDetector;

static KEY: LazyLock<CursorKey> = LazyLock::new(|| CursorKey::new(&[7; 32]).expect("it has 32 bytes"));

/// Accepts a text, which is not a valid cursor. Its lines are a list, the list's arguments, a page,
/// and a row's key, from which a cursor is created.
pub fn cursor(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.splitn(4, '\n');
    let mut line = || lines.next().unwrap_or_default();
    let (list, arguments, page, after) = (line(), line(), line(), line());
    let binding = Binding::new(list, arguments);
    assert!(KEY.open(&text, &binding).is_err(), "somebody else's cursor opens: {text}");

    let position = Position {
        page: (!page.is_empty()).then(|| page.into()),
        after: after.to_owned(),
        index: data.len(),
        is_plain: false,
        is_sorted_here: data.len() % 3 == 1,
        ignored_filter: data.len() % 2 == 1,
        trail: CycleDetector::default().follow(page).unwrap_or_default(),
    };
    // Texts that are too long are never returned as cursors.
    let Ok(cursor) = KEY.seal(&position, &binding) else { return };
    assert!(cursor.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
    assert_eq!(KEY.open(&cursor, &binding).ok(), Some(position));
    for other in [Binding::new(list, &format!("{arguments}x")), Binding::new(&format!("{list}x"), arguments)]
    {
        assert!(KEY.open(&cursor, &other).is_err(), "a cursor of {binding:?} opens for {other:?}");
    }
    damaged(&cursor, &binding, data);
}

/// Any bit of the cursor, and its length, are as they were.
fn damaged(cursor: &str, binding: &Binding, data: &[u8]) {
    let refused =
        |cursor: &str| assert!(KEY.open(cursor, binding).is_err(), "a damaged cursor opens: {cursor}");
    let bytes = URL_SAFE_NO_PAD.decode(cursor).expect("it is base64");
    let at = data.iter().fold(0, |sum: usize, byte| sum.wrapping_mul(31).wrapping_add(usize::from(*byte)));
    let mut flipped = bytes.clone();
    flipped[at % bytes.len()] ^= 1 << (at % 8);
    refused(&URL_SAFE_NO_PAD.encode(flipped));
    refused(&URL_SAFE_NO_PAD.encode(&bytes[..at % bytes.len()]));
    refused(&cursor[..at % cursor.len()]);
    refused(&format!("{cursor}A"));
    refused(&format!("{cursor}="));
}
