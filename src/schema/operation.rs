//! The step between a request and its execution: parsing, validating, and making of the operation what the library
//! executes as the specification says.
//!
//! The library departs from the specification in ways that double or lose writes: it runs a field again each time that
//! it is selected, and runs fields before it knows whether the variables are good. So it only executes here, what a
//! [`Preparer`] has prepared:
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

mod coerce;
mod collect;
mod document;
mod error;
mod expansion;
mod guard;
mod input_rules;
mod lexer;
mod limits;
mod literal;
mod parser;
mod path;
mod string_value;
mod type_system;
mod validation;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use async_graphql::{
    Positioned, Request, Variables,
    parser::types::{
        DocumentOperations, ExecutableDocument, OperationDefinition, OperationType, Selection, SelectionSet,
    },
};

use self::{
    coerce::coerce_variables, collect::Collector, document::Operation, parser::ParsedOperation,
    validation::OperationFacts,
};
pub use self::{
    document::{Document, SelectedOperation},
    error::{RequestError, RequestErrorCode},
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
    limits: Limits,
}

/// An operation that can be executed: valid, its variables coerced, each response key once.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The one operation, without fragments, directives or defaults.
    pub document: ExecutableDocument,
    /// Its variables' values; one that was left out and is not in here has no value, which is not null.
    pub variables: Variables,
    /// Whether it reads, writes or subscribes.
    pub operation_type: OperationType,
}

impl Preparer {
    /// Prepares for the schema that `types` describes.
    pub fn new(types: TypeSystem, limits: Limits) -> Self {
        Self { types, limits }
    }

    /// Parses and validates a document, and collects the fields of those operations in which no variable decides
    /// which they are.
    ///
    /// # Errors
    ///
    /// One `ParseFailed`, up to ten `ValidationFailed`, or a `TooLarge`.
    pub fn document(&self, source: &str) -> Result<Document, Vec<RequestError>> {
        let parsed = parser::parse(source, &self.limits).map_err(|error| vec![error])?;
        let facts = validation::validate(&self.types, &parsed, self.limits)?;
        let fragments = parsed.fragments;
        let operations = parsed
            .operations
            .into_iter()
            .zip(facts)
            .map(|(operation, facts)| self.operation(operation, facts, &fragments))
            .collect::<Result<_, _>>()
            .map_err(|error| vec![error])?;
        Ok(Document { fragments, operations })
    }

    fn operation(
        &self,
        parsed: ParsedOperation,
        facts: OperationFacts,
        fragments: &parser::Fragments,
    ) -> Result<Operation, RequestError> {
        let shell = document::shell(&parsed.definition);
        let Some(root) = self.types.root(shell.node.ty) else {
            unreachable!("validation has looked up the root");
        };
        let selection_set = parsed.definition.node.selection_set;
        let collected = if facts.is_conditional {
            None
        } else {
            let collector = Collector { types: &self.types, fragments, variables: None, limits: self.limits };
            Some(collector.collect(root, &selection_set)?)
        };
        Ok(Operation {
            name: parsed.name.map(|name| name.node),
            root,
            variables: facts.variables,
            selection_set,
            collected,
            replaced_by_defaults: facts.replaced_by_defaults,
            shell,
        })
    }

    /// Makes a request's operation ready to execute.
    ///
    /// # Errors
    ///
    /// Up to ten `BadUserInput`, one for each value that does not fit; `TooLarge` where the variables let more
    /// selections in than the limits do.
    pub fn prepare(
        &self,
        selected: SelectedOperation<'_>,
        variables: Option<JsonVariables>,
    ) -> Result<Prepared, Vec<RequestError>> {
        let SelectedOperation { document, operation } = selected;
        let variables = coerce_variables(&self.types, &operation.variables, variables.unwrap_or_default())?;
        let holds = operation.replaced_by_defaults.iter().all(|name| variables.contains_key(name));
        let selection_set = match &operation.collected {
            Some(collected) if holds => collected.clone(),
            _ => self.collect(document, operation, &variables).map_err(|error| vec![error])?,
        };
        let definition = OperationDefinition { selection_set, ..operation.shell.node.clone() };
        let definition = Positioned::new(definition, operation.shell.pos);
        Ok(Prepared {
            document: ExecutableDocument {
                operations: DocumentOperations::Single(definition),
                fragments: HashMap::new(),
            },
            variables,
            operation_type: selected.operation_type(),
        })
    }

    fn collect(
        &self,
        document: &Document,
        operation: &Operation,
        variables: &Variables,
    ) -> Result<Positioned<SelectionSet>, RequestError> {
        let collector = Collector {
            types: &self.types,
            fragments: &document.fragments,
            variables: Some(variables),
            limits: self.limits,
        };
        collector.collect(operation.root, &operation.selection_set)
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
