//! A valid document and its operations: the part of preparation that can be cached between requests.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use async_graphql::{
    Name, Positioned, Variables,
    parser::types::{OperationDefinition, OperationType, SelectionSet, VariableDefinition},
};

use crate::{
    coerce::Variable,
    error::{RequestError, TruncatedName, truncate},
    parser::Fragments,
};

/// A parsed and validated document. It does not depend on variable values, and can be cached and shared between requests.
/// Pass its operations only to the [`Preparer`](super::Preparer) that returned it.
pub struct Document {
    pub(crate) fragments: Fragments,
    pub(crate) operations: Vec<Operation>,
    /// The number of tokens of its text.
    pub(crate) tokens: usize,
    /// The collected fields of one operation (its index is the first member), kept when they do not depend on variables. One
    /// is enough: clients send documents with one operation. Not kept when fragments make it larger than the document.
    pub(crate) collected: OnceLock<(usize, Arc<Positioned<SelectionSet>>)>,
}

/// Upper bound of the memory that one token of a document uses. A field without arguments is one token, and no other
/// token uses more.
const MAX_BYTES_PER_TOKEN: usize = 256;

/// Maximum number of operation names in a message.
const MAX_LISTED_NAMES: usize = 5;

/// Without its contents: literals may hold what no log should.
impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document").field("operations", &self.operations.len()).finish_non_exhaustive()
    }
}

/// One operation of a [`Document`].
pub(crate) struct Operation {
    pub(crate) name: Option<Name>,
    pub(crate) variables: Vec<Variable>,
    pub(crate) selection_set: Positioned<SelectionSet>,
    /// Some `@skip` or `@include` depends on a variable.
    pub(crate) is_conditional: bool,
    /// Variables that change the operation when they are left out, because the default of an argument replaces them.
    pub(crate) replaced_by_defaults: Vec<Name>,
    /// The operation without its selections. Variables are coerced before execution, so their defaults are left out.
    pub(crate) signature: Positioned<OperationDefinition>,
}

impl Operation {
    /// Whether the collected fields and arguments depend on the values of variables.
    pub(crate) fn depends_on(&self, variables: &Variables) -> bool {
        self.is_conditional || self.replaced_by_defaults.iter().any(|name| !variables.contains_key(name))
    }
}

/// An operation of a [`Document`], selected for execution.
#[derive(Clone, Copy)]
pub struct SelectedOperation<'d> {
    pub(crate) document: &'d Document,
    pub(crate) operation: &'d Operation,
    /// Index in the document.
    pub(crate) index: usize,
}

impl Document {
    /// Upper bound of the memory that the document uses while it is cached, in bytes, without its text. Includes the
    /// collected fields that it keeps.
    pub fn max_memory(&self) -> usize {
        self.tokens.saturating_mul(2 * MAX_BYTES_PER_TOKEN)
    }

    /// Selects the operation to execute: `GetOperation` of the specification's section 6.1.
    ///
    /// # Errors
    ///
    /// `Operation` when no operation has the name, or when the name is `None` and there are several operations.
    pub fn operation(&self, name: Option<&str>) -> Result<SelectedOperation<'_>, RequestError> {
        let (index, operation) = match (name, self.operations.as_slice()) {
            (None, [operation]) => (0, operation),
            (None, _) => {
                let (count, names) = (self.operations.len(), self.operation_names());
                let message = format!("The document has {count} operations ({names}): set `operationName`.");
                return Err(RequestError::bad_request(message));
            }
            (Some(name), operations) => operations
                .iter()
                .enumerate()
                .find(|(_, operation)| operation.name.as_ref().is_some_and(|own| own == name))
                .ok_or_else(|| RequestError::bad_request(self.unknown_operation(name)))?,
        };
        Ok(SelectedOperation { document: self, operation, index })
    }

    fn unknown_operation(&self, name: &str) -> String {
        let name = if super::path::is_name(name) {
            TruncatedName(name).to_string()
        } else {
            "of the name in `operationName`".to_owned()
        };
        match self.operation_names() {
            names if names.is_empty() => format!("The document has no operation {name}."),
            names => format!("The document has no operation {name}. Operations: {names}."),
        }
    }

    /// The names of the operations. Many or long names are cut.
    fn operation_names(&self) -> String {
        let names = || self.operations.iter().filter_map(|operation| operation.name.as_deref());
        let mut listed: Vec<_> = names().take(MAX_LISTED_NAMES).map(truncate).collect();
        if names().nth(MAX_LISTED_NAMES).is_some() {
            listed.push("…");
        }
        listed.join(", ")
    }
}

impl fmt::Debug for SelectedOperation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SelectedOperation").field("name", &self.name()).finish_non_exhaustive()
    }
}

impl<'d> SelectedOperation<'d> {
    /// Query, mutation or subscription: known before the variables are coerced.
    pub fn operation_type(&self) -> OperationType {
        self.operation.signature.node.ty
    }

    /// The name, or `None` for an anonymous operation.
    pub fn name(&self) -> Option<&'d str> {
        self.operation.name.as_deref()
    }
}

/// An operation definition without selections, directives and defaults.
pub(crate) fn signature(definition: &Positioned<OperationDefinition>) -> Positioned<OperationDefinition> {
    let bare = |variable: &Positioned<VariableDefinition>| {
        variable.position_node(VariableDefinition {
            name: variable.node.name.clone(),
            var_type: variable.node.var_type.clone(),
            directives: Vec::new(),
            default_value: None,
        })
    };
    definition.position_node(OperationDefinition {
        ty: definition.node.ty,
        variable_definitions: definition.node.variable_definitions.iter().map(bare).collect(),
        directives: Vec::new(),
        selection_set: Positioned::default(),
    })
}
