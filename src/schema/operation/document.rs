//! A valid document and its operations: what can be kept between requests.

use async_graphql::{
    Name, Positioned,
    parser::types::{OperationDefinition, OperationType, SelectionSet, VariableDefinition},
};

use super::{
    coerce::Variable,
    error::{Quoted, RequestError},
    parser::Fragments,
    type_system::TypeId,
};

/// A document that has been parsed and validated, with what preparation can know without variables' values. It is
/// only of use to the [`Preparer`](super::Preparer) that made it.
#[derive(Debug)]
pub struct Document {
    pub(super) fragments: Fragments,
    pub(super) operations: Vec<Operation>,
}

/// One operation of a [`Document`].
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) name: Option<Name>,
    pub(super) root: TypeId,
    pub(super) variables: Vec<Variable>,
    pub(super) selection_set: Positioned<SelectionSet>,
    /// The operation as the library is to execute it, where it is the same for all requests.
    pub(super) collected: Option<Positioned<SelectionSet>>,
    /// Variables without which `collected` does not hold.
    pub(super) replaced_by_defaults: Vec<Name>,
    /// The operation without its selections. Variables come coerced, and so without defaults.
    pub(super) shell: Positioned<OperationDefinition>,
}

/// The operation that a request asks for.
#[derive(Debug, Clone, Copy)]
pub struct SelectedOperation<'d> {
    pub(super) document: &'d Document,
    pub(super) operation: &'d Operation,
}

impl Document {
    /// The operation that a request means: `GetOperation` of the specification's section 6.1.
    ///
    /// # Errors
    ///
    /// `BadRequest` when no operation has the name, or none is given and there are several.
    pub fn operation(&self, name: Option<&str>) -> Result<SelectedOperation<'_>, RequestError> {
        let operation = match (name, self.operations.as_slice()) {
            (None, [operation]) => operation,
            (None, _) => {
                let message =
                    "The document holds several operations, and `operationName` says which one to execute.";
                return Err(RequestError::bad_request(message));
            }
            (Some(name), operations) => operations
                .iter()
                .find(|operation| operation.name.as_ref().is_some_and(|own| own == name))
                .ok_or_else(|| RequestError::bad_request(unknown_operation(name)))?,
        };
        Ok(SelectedOperation { document: self, operation })
    }
}

fn unknown_operation(name: &str) -> String {
    if super::path::is_name(name) {
        format!("The document holds no operation {}.", Quoted(name))
    } else {
        "The document holds no operation of the name in `operationName`.".to_owned()
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
pub(super) fn shell(definition: &Positioned<OperationDefinition>) -> Positioned<OperationDefinition> {
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
