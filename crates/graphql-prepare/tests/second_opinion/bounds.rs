//! Bounds of the input for apollo-compiler, which limits only the recursion and the tokens of its
//! parser.

/// Maximum length of a document, in bytes.
pub(crate) const MAX_BYTES: usize = 4096;

/// Maximum nesting of brackets.
pub(crate) const MAX_NESTING: usize = 48;

/// Whether a document is within the bounds. Brackets in strings and comments count too, which only makes it stricter.
pub(crate) fn admits(document: &str) -> bool {
    let mut open = 0_usize;
    document.len() <= MAX_BYTES
        && document.bytes().all(|byte| {
            match byte {
                b'(' | b'[' | b'{' => open += 1,
                b')' | b']' | b'}' => open = open.saturating_sub(1),
                _ => {}
            }
            open <= MAX_NESTING
        })
}
