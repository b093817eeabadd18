//! Hexadecimal digits, as in keys and channels of the server.

use std::fmt::Write as _;

/// Two lower-case digits for each byte.
pub(super) fn encode(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
