//! The limits of documents and operations.

/// The limits of a document and its operations. Exceeding one is a
/// [`TooLarge`](super::RequestErrorKind::TooLarge) request error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Length of the document, in bytes. Default: 32 KiB.
    pub document: usize,
    /// Tokens of the document. Default: 2000.
    pub tokens: usize,
    /// Nesting of brackets of any kind in the document, and of selection sets after fragments are expanded. It bounds the
    /// stack that parsing, validation and collection use. Default: 64.
    pub nesting: usize,
    /// Directives in the document. Default: 20.
    pub directives: usize,
    /// Selections of an operation after fragments are expanded. A selection in a fragment counts once for each spread of
    /// the fragment. Default: 2000.
    pub expanded_selections: usize,
    /// Nesting of fields after fragments are expanded, without introspection. Default: 12.
    pub depth: usize,
    /// Aliases after fragments are expanded. Default: 30.
    pub aliases: usize,
    /// Length of an alias, in bytes. A response repeats it for each object of a list. Default: 256.
    pub response_key: usize,
    /// Root fields of a query or subscription. Default: 20.
    pub root_fields: usize,
    /// Root fields of a mutation. Default: 10.
    pub root_mutations: usize,
    /// Cost of an operation, in upstream calls, by its [`Costs`](crate::Costs). Default: 2000.
    pub cost: usize,
    /// Values that introspection returns: objects, scalars and nulls. Default: 50 000, about ten times the number that tools
    /// request to read a whole schema.
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
    /// Only the limits that bound the work, for tests at their edge.
    pub(crate) fn work_bounds_only() -> Self {
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
