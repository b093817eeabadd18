//! How much a document may ask for.

/// The limits that preparation keeps. Each is a count; passing one is a
/// [`TooLarge`](super::RequestErrorCode::TooLarge) request error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How deep brackets of any kind may nest in the text, and selection sets in the operation after its fragments
    /// are expanded. It also bounds the stack that parsing, validation and collecting use. Default: 64.
    pub nesting: usize,
    /// How many selections an operation may come to once its fragments are expanded; one inside a fragment counts
    /// each time the fragment is spread. Default: 2000.
    pub expanded_selections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { nesting: 64, expanded_selections: 2000 }
    }
}
