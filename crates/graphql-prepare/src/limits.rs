//! How much a document may ask for.

/// The limits that preparation keeps. Each is a count; passing one is a
/// [`TooLarge`](super::RequestErrorKind::TooLarge) request error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the document's text. Default: 32 KiB.
    pub document: usize,
    /// Tokens of the text. Default: 2000.
    pub tokens: usize,
    /// How deep brackets of any kind may nest in the text, and selection sets in the operation after its fragments
    /// are expanded. It also bounds the stack that parsing, validation and collecting use. Default: 64.
    pub nesting: usize,
    /// Directives in the text. Default: 20.
    pub directives: usize,
    /// How many selections an operation may come to once its fragments are expanded; one inside a fragment counts
    /// each time the fragment is spread. Default: 2000.
    pub expanded_selections: usize,
    /// How deep fields may nest once fragments are expanded, introspection left out. Default: 12.
    pub depth: usize,
    /// Aliases once fragments are expanded. Default: 30.
    pub aliases: usize,
    /// Bytes of a response key: it comes with each object of a list, which a short document can have many of. Default: 256.
    pub response_key: usize,
    /// Fields of a query itself. Default: 20.
    pub root_fields: usize,
    /// Fields of a mutation itself. Default: 10.
    pub root_mutations: usize,
    /// What the operation may cost, by the costs that its fields were given. Default: 2000.
    pub cost: usize,
    /// Values that introspection may give: objects, and scalars or nulls of them. Default: 50 000, ten times what tools ask
    /// for to know the whole schema.
    pub introspection: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            document: 32 * 1024,
            tokens: 2000,
            nesting: 64,
            directives: 20,
            expanded_selections: 2000,
            depth: 12,
            aliases: 30,
            response_key: 256,
            root_fields: 20,
            root_mutations: 10,
            cost: 2000,
            introspection: 50_000,
        }
    }
}

#[cfg(test)]
impl Limits {
    /// None but those that bound the work, for what is tried at their edge.
    pub(crate) fn of_work_only() -> Self {
        let none = usize::MAX;
        Self {
            document: none,
            tokens: none,
            directives: none,
            depth: none,
            aliases: none,
            response_key: none,
            root_fields: none,
            root_mutations: none,
            ..Self::default()
        }
    }
}
