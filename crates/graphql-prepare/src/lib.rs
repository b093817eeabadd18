//! The step between a request and its execution: parsing, validating, and making of the operation what the library
//! executes as the specification says.
//!
//! The library departs from the specification in ways that double or lose writes: it runs a field again each time that
//! it is selected, and runs fields before it knows whether the variables are good. So here it only executes, and only
//! what a [`Preparer`] has prepared:
//!
//! 1. [`Preparer::document`] parses and validates. What comes out depends on nothing but the text, and can be kept.
//! 2. [`Document::operation`] selects the operation; its type is then known, and a mutation can still be refused.
//! 3. [`Preparer::prepare`] coerces the variables and collects the fields.
//!
//! The result goes to a schema built with [`ValidationMode::Fast`](async_graphql::ValidationMode::Fast) and
//! without a limit on depth (`limit_recursive_depth(usize::MAX)`): [`Limits`] bounds it already. Nothing here knows
//! a concrete schema: a [`TypeSystem`] is built from SDL.
//!
//! Variables stay in the prepared operation, rather than being written into it: the library copies an argument each
//! time that it reads it, and a coerced variable is cheaper to copy than a literal, which it also converts.

mod analysis;
mod coerce;
mod collect;
mod costs;
mod document;
mod error;
mod expansion;
mod guard;
mod input_rules;
mod introspection;
mod lexer;
mod limits;
mod literal;
mod parser;
mod path;
#[cfg(any(test, feature = "properties"))]
pub mod properties;
mod string_value;
mod type_system;
mod validation;

#[cfg(test)]
mod tests;

use std::{collections::HashMap, fmt, sync::OnceLock};

use async_graphql::{
    Positioned, Request, Variables,
    parser::types::{
        DocumentOperations, ExecutableDocument, OperationDefinition, OperationType, Selection, SelectionSet,
    },
};

use self::{coerce::coerce_variables, collect::Collector, document::Operation, error::counted};
pub use self::{
    costs::{Cost, Costs, Objects},
    document::{Document, SelectedOperation},
    error::{RequestError, RequestErrorKind},
    input_rules::{InputRules, ScalarRule},
    limits::Limits,
    type_system::{TypeSystem, TypeSystemError},
};

/// Values for an operation's variables, as a request carries them.
pub type JsonVariables = serde_json::Map<String, serde_json::Value>;

/// Prepares requests to one schema.
#[derive(Debug)]
pub struct Preparer {
    types: TypeSystem,
    costs: Costs,
    limits: Limits,
}

/// An operation that can be executed: valid, its variables coerced, each response key once.
#[derive(Clone)]
pub struct Prepared {
    /// The one operation, without fragments, directives or defaults.
    pub document: ExecutableDocument,
    /// Its variables' values; one that was left out and is not in here has no value, which is not null.
    pub variables: Variables,
    /// Whether it reads, writes or subscribes.
    pub operation_type: OperationType,
    /// Estimated bytes of what the response holds whatever else has room: the results of a mutation, and the schema.
    pub always_held: usize,
}

/// Without its contents: literals and variables may hold what no log should.
impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared").field("operation_type", &self.operation_type).finish_non_exhaustive()
    }
}

impl Preparer {
    /// Prepares for the schema that `types` describes, whose fields cost what `costs` says.
    pub fn new(types: TypeSystem, costs: Costs, limits: Limits) -> Self {
        Self { types, costs, limits }
    }

    /// What a document may ask for.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Parses and validates a document.
    ///
    /// # Errors
    ///
    /// One `Syntax`, up to ten `Validation`, or a `TooLarge`.
    pub fn document(&self, source: &str) -> Result<Document, Vec<RequestError>> {
        if source.len() > self.limits.document {
            let bytes = counted(self.limits.document, "byte", "bytes");
            let message = format!("The document is longer than {bytes}.");
            let kind = RequestErrorKind::TooLarge;
            return Err(vec![RequestError { kind, message, locations: Vec::new(), variable: None }]);
        }
        let parsed = parser::parse(source, &self.limits).map_err(|error| vec![error])?;
        let facts = validation::validate(&self.types, &parsed, self.limits)?;
        let operations = parsed.operations.into_iter().zip(facts).map(|(operation, facts)| Operation {
            name: operation.name.map(|name| name.node),
            variables: facts.variables,
            is_conditional: facts.is_conditional,
            replaced_by_defaults: facts.replaced_by_defaults,
            shell: document::shell(&operation.definition),
            selection_set: operation.definition.node.selection_set,
        });
        Ok(Document {
            operations: operations.collect(),
            fragments: parsed.fragments,
            tokens: parsed.tokens,
            collected: OnceLock::new(),
        })
    }

    /// Checks a document ahead of the requests for it: each operation that takes no variables as a request would, the others
    /// but for what their values decide.
    ///
    /// # Errors
    ///
    /// As of [`Preparer::document`] and [`Preparer::prepare`].
    pub fn check(&self, source: &str) -> Result<(), Vec<RequestError>> {
        let document = self.document(source)?;
        let operations = document.operations.iter().enumerate();
        for (index, operation) in operations.filter(|(_, operation)| operation.variables.is_empty()) {
            self.prepare(SelectedOperation { document: &document, operation, index }, None)?;
        }
        Ok(())
    }

    /// Makes a request's operation ready to execute.
    ///
    /// # Errors
    ///
    /// Up to ten `Variable`, one for each value that does not fit; `TooLarge` where the fields, with fragments
    /// expanded, pass a limit.
    pub fn prepare(
        &self,
        selected: SelectedOperation<'_>,
        variables: Option<JsonVariables>,
    ) -> Result<Prepared, Vec<RequestError>> {
        let operation = selected.operation;
        let variables = coerce_variables(&self.types, &operation.variables, variables.unwrap_or_default())?;
        let selection_set = self.selection_set(selected, &variables).map_err(|error| vec![error])?;
        let ty = operation.shell.node.ty;
        let always_held =
            analysis::check(&self.types, &self.costs, &self.limits, ty, &selection_set, &variables)
                .map_err(|error| vec![error])?;
        let definition = OperationDefinition { selection_set, ..operation.shell.node.clone() };
        let definition = Positioned::new(definition, operation.shell.pos);
        Ok(Prepared {
            document: ExecutableDocument {
                operations: DocumentOperations::Single(definition),
                fragments: HashMap::new(),
            },
            variables,
            operation_type: selected.operation_type(),
            always_held,
        })
    }

    /// The operation's collected fields; a copy, if they are the same as for an earlier request.
    fn selection_set(
        &self,
        selected: SelectedOperation<'_>,
        variables: &Variables,
    ) -> Result<Positioned<SelectionSet>, RequestError> {
        let SelectedOperation { document, operation, index } = selected;
        let collector =
            Collector { types: &self.types, fragments: &document.fragments, variables, limits: self.limits };
        let collect = || collector.collect(operation.shell.node.ty, &operation.selection_set);
        if operation.depends_on(variables) {
            return collect();
        }
        match document.collected.get() {
            Some((of, collected)) if *of == index => Ok(collected.clone()),
            Some(_) => collect(),
            None => {
                let collected = collect()?;
                if collect::size(&collected.node) <= document.tokens {
                    // Where another request was faster, its copy is as good.
                    let _ = document.collected.set((index, collected.clone()));
                }
                Ok(collected)
            }
        }
    }
}

impl Prepared {
    /// Whether the operation asks about the schema, by `__schema` or `__type`.
    pub fn introspects(&self) -> bool {
        let asks = |selection: &Positioned<Selection>| {
            matches!(&selection.node, Selection::Field(field)
                if matches!(field.node.name.node.as_str(), "__schema" | "__type"))
        };
        self.document
            .operations
            .iter()
            .any(|(_, operation)| operation.node.selection_set.node.items.iter().any(asks))
    }

    /// The request to hand to the executing schema.
    pub fn into_request(self) -> Request {
        let mut request = Request::new("").variables(self.variables);
        request.set_parsed_query(self.document);
        request
    }
}
