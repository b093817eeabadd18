//! A valid document and its operations: what can be kept between requests.

use std::{fmt, sync::OnceLock};

use async_graphql::{
    Name, Positioned, Variables,
    parser::types::{OperationDefinition, OperationType, SelectionSet, VariableDefinition},
};

use crate::{
    coerce::Variable,
    error::{Quoted, RequestError},
    parser::Fragments,
};

/// A document that has been parsed and validated, with what preparation can know without variables' values. It is
/// only of use to the [`Preparer`](super::Preparer) that made it.
pub struct Document {
    pub(crate) fragments: Fragments,
    pub(crate) operations: Vec<Operation>,
    /// How many tokens it was made from.
    pub(crate) tokens: usize,
    /// The fields of one of its operations, collected for the first request whose variables had no say in them: front
    /// ends send documents of one operation. Not kept where it is larger than the document, which fragments can make it.
    pub(crate) collected: OnceLock<(usize, Positioned<SelectionSet>)>,
}

/// Most bytes that one token of a document takes: a field without arguments is one, and no other takes more.
const PER_TOKEN: usize = 256;

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
    /// Variables that change the operation when they are left out: an argument's default stands in for them.
    pub(crate) replaced_by_defaults: Vec<Name>,
    /// The operation without its selections. Variables come coerced, and so without defaults.
    pub(crate) shell: Positioned<OperationDefinition>,
}

impl Operation {
    /// Whether variables have a say in which fields and arguments there are.
    pub(crate) fn depends_on(&self, variables: &Variables) -> bool {
        self.is_conditional || self.replaced_by_defaults.iter().any(|name| !variables.contains_key(name))
    }
}

/// The operation that a request asks for.
#[derive(Clone, Copy)]
pub struct SelectedOperation<'d> {
    pub(crate) document: &'d Document,
    pub(crate) operation: &'d Operation,
    /// Which of the document's it is.
    pub(crate) index: usize,
}

impl Document {
    /// The most memory that it takes as long as it is kept, its text left out, in bytes: its own and that of the fields
    /// that are collected from it.
    pub fn most_memory(&self) -> usize {
        self.tokens.saturating_mul(2 * PER_TOKEN)
    }

    /// The operation that a request means: `GetOperation` of the specification's section 6.1.
    ///
    /// # Errors
    ///
    /// `BadRequest` when no operation has the name, or none is given and there are several.
    pub fn operation(&self, name: Option<&str>) -> Result<SelectedOperation<'_>, RequestError> {
        let (index, operation) = match (name, self.operations.as_slice()) {
            (None, [operation]) => (0, operation),
            (None, _) => {
                let message =
                    "The document holds several operations, and `operationName` says which one to execute.";
                return Err(RequestError::bad_request(message));
            }
            (Some(name), operations) => operations
                .iter()
                .enumerate()
                .find(|(_, operation)| operation.name.as_ref().is_some_and(|own| own == name))
                .ok_or_else(|| RequestError::bad_request(unknown_operation(name)))?,
        };
        Ok(SelectedOperation { document: self, operation, index })
    }
}

fn unknown_operation(name: &str) -> String {
    if super::path::is_name(name) {
        format!("The document holds no operation {}.", Quoted(name))
    } else {
        "The document holds no operation of the name in `operationName`.".to_owned()
    }
}

impl fmt::Debug for SelectedOperation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SelectedOperation").field("name", &self.name()).finish_non_exhaustive()
    }
}

impl<'d> SelectedOperation<'d> {
    /// Whether it reads, writes or subscribes: known before its variables are looked at.
    pub fn operation_type(&self) -> OperationType {
        self.operation.shell.node.ty
    }

    /// Its name, if it has one.
    pub fn name(&self) -> Option<&'d str> {
        self.operation.name.as_deref()
    }
}

/// An operation definition without selections, directives and defaults.
pub(crate) fn shell(definition: &Positioned<OperationDefinition>) -> Positioned<OperationDefinition> {
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
