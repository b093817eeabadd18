//! Prepares GraphQL operations for [async-graphql](async_graphql) to execute.
//!
//! async-graphql departs from the specification in ways that repeat or lose writes: it resolves a field once for each
//! selection of its response key, and it resolves fields before it has coerced all variables. This crate validates, coerces and
//! merges first, so that async-graphql only executes:
//!
//! 1. [`Preparer::document`] parses and validates a document. The result depends only on the text and can be cached.
//! 2. [`Document::operation`] selects the operation. Its type is then known, so that a mutation can still be rejected.
//! 3. [`Preparer::prepare`] coerces the variables and collects the fields.
//!
//! The work and the memory of each step are bounded by [`Limits`]. A [`TypeSystem`] is built from SDL, so the crate works with
//! any schema.
//!
//! Execute the result with a schema that is built with
//! [`ValidationMode::Fast`](async_graphql::ValidationMode::Fast) and without a recursion limit, as
//! below. Both were checked already.
//!
//! ```
//! use async_graphql::{EmptySubscription, Object, Schema, ValidationMode};
//! use graphql_prepare::{Costs, InputRules, Limits, Preparer, TypeSystem};
//! use serde_json::json;
//!
//! struct Query;
//!
//! #[Object]
//! impl Query {
//!     async fn version(&self) -> i32 {
//!         1
//!     }
//! }
//!
//! struct Mutation;
//!
//! #[Object]
//! impl Mutation {
//!     async fn add(&self, tags: Vec<String>) -> usize {
//!         tags.len()
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let schema = Schema::build(Query, Mutation, EmptySubscription)
//!     .validation_mode(ValidationMode::Fast)
//!     .limit_recursive_depth(usize::MAX)
//!     .finish();
//! let types = TypeSystem::new(&schema.sdl(), InputRules::default())?;
//! let preparer = Preparer::new(types, Costs::default(), Limits::default());
//!
//! // The two selections of `add` are one field, and execute once.
//! let document = preparer
//!     .document("mutation ($tags: [String!]!) { add(tags: $tags) ... { add(tags: $tags) } }")
//!     .expect("the document is valid");
//! let operation = document.operation(None).expect("the document has one operation");
//!
//! let variables = json!({"tags": ["a", "b"]}).as_object().cloned();
//! let prepared = preparer.prepare(operation, variables).expect("the variables are valid");
//! let response = schema.execute(prepared.into_request()).await;
//! assert_eq!(response.data.into_json()?, json!({"add": 2}));
//!
//! // An invalid variable is an error before anything executes.
//! let variables = json!({"tags": ["a", 1]}).as_object().cloned();
//! let errors = preparer.prepare(operation, variables).unwrap_err();
//! assert!(errors[0].message.starts_with("Variable `$tags[1]`: expected a `String`"));
//! # Ok(())
//! # }
//! ```

// Variables stay in the prepared operation instead of being replaced by literals: async-graphql copies an argument each time
// it reads it, and a coerced variable is cheaper to copy than a literal, which it also converts.

mod analysis;
mod coerce;
mod collect;
mod costs;
mod definitions;
mod document;
mod error;
mod expansion;
mod input_rules;
mod introspection;
mod lexer;
mod limits;
mod literal;
mod parser;
mod path;
#[cfg(any(test, feature = "properties"))]
pub mod properties;
mod shared;
mod string_value;
mod suggestions;
mod token_limiter;
mod type_system;
mod validation;

#[cfg(test)]
mod tests;

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use async_graphql::{
    Name, Positioned, Request, Variables,
    parser::types::{ExecutableDocument, OperationDefinition, OperationType, Selection, SelectionSet},
};

use self::{coerce::coerce_variables, collect::Collector, document::Operation, error::pluralize};
pub use self::{
    costs::{Cost, Costs, ObjectCount},
    definitions::{Definition, definitions},
    document::{Document, SelectedOperation},
    error::{RequestError, RequestErrorKind},
    input_rules::{InputRules, ScalarRule},
    limits::Limits,
    shared::{SharedRoot, unwrap_shared_response},
    type_system::{TypeSystem, TypeSystemError},
};

/// The `variables` of a request, in JSON.
pub type JsonVariables = serde_json::Map<String, serde_json::Value>;

/// Validates documents and prepares operations for one schema.
#[derive(Debug)]
pub struct Preparer {
    types: TypeSystem,
    costs: Costs,
    limits: Limits,
}

/// An operation that is ready to execute: valid, with coerced variables, and with each response key
/// once.
#[derive(Clone)]
pub struct PreparedOperation {
    /// The operation without its fields and without default values.
    signature: Positioned<OperationDefinition>,
    /// The collected fields, without named fragments. Of the directives, they keep those other than
    /// `@skip` and `@include`, for async-graphql's custom directives. Shared with the document if they
    /// do not depend on variables.
    selection_set: Arc<Positioned<SelectionSet>>,
    /// The coerced variables. A variable that is missing here was omitted, which differs from null.
    pub variables: Variables,
    /// Query, mutation or subscription.
    pub operation_type: OperationType,
    /// The operation's name in the document.
    pub operation_name: Option<Name>,
    /// Estimated size, in bytes, of the parts of the response that cannot be left out: the results of mutations, and
    /// introspection. Reserve this much before executing when responses share a memory budget.
    pub reserved_bytes: usize,
}

/// Leaves out the contents: literals and variables may hold secrets.
impl fmt::Debug for PreparedOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreparedOperation")
            .field("operation_type", &self.operation_type)
            .finish_non_exhaustive()
    }
}

impl Preparer {
    /// Creates a preparer for the schema `types`, with the costs of its fields and the limits to enforce.
    pub fn new(types: TypeSystem, costs: Costs, limits: Limits) -> Self {
        Self { types, costs, limits }
    }

    /// The limits that documents and operations must keep.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Parses and validates a document.
    ///
    /// # Errors
    ///
    /// One `Syntax`, up to ten `Validation`, or one `TooLarge`.
    pub fn document(&self, source: &str) -> Result<Document, Vec<RequestError>> {
        if source.len() > self.limits.document {
            let bytes = pluralize(self.limits.document, "byte", "bytes");
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
            signature: document::signature(&operation.definition),
            selection_set: operation.definition.node.selection_set,
        });
        Ok(Document {
            operations: operations.collect(),
            fragments: parsed.fragments,
            tokens: parsed.tokens,
            collected: OnceLock::new(),
        })
    }

    /// Checks a document before any request uses it, for instance a persisted one. Operations without variables are checked
    /// completely; for the others, the checks that depend on variable values are left to [`Preparer::prepare`].
    ///
    /// # Errors
    ///
    /// Those of [`Preparer::document`] and [`Preparer::prepare`].
    pub fn check(&self, source: &str) -> Result<(), Vec<RequestError>> {
        let document = self.document(source)?;
        let operations = document.operations.iter().enumerate();
        for (index, operation) in operations.filter(|(_, operation)| operation.variables.is_empty()) {
            self.prepare(SelectedOperation { document: &document, operation, index }, None)?;
        }
        Ok(())
    }

    /// Coerces the variables and collects the fields of an operation.
    ///
    /// # Errors
    ///
    /// Up to ten `Variable`, one for each invalid value; `TooLarge` when the fields, with fragments expanded, exceed a limit.
    pub fn prepare(
        &self,
        selected: SelectedOperation<'_>,
        variables: Option<JsonVariables>,
    ) -> Result<PreparedOperation, Vec<RequestError>> {
        let operation = selected.operation;
        let variables = coerce_variables(&self.types, &operation.variables, variables.unwrap_or_default())?;
        let selection_set = self.selection_set(selected, &variables).map_err(|error| vec![error])?;
        let ty = operation.signature.node.ty;
        let reserved_bytes =
            analysis::check(&self.types, &self.costs, &self.limits, ty, &selection_set, &variables)
                .map_err(|error| vec![error])?;
        Ok(PreparedOperation {
            signature: operation.signature.clone(),
            selection_set,
            variables,
            operation_type: selected.operation_type(),
            operation_name: operation.name.clone(),
            reserved_bytes,
        })
    }

    /// The collected fields of the operation, those of an earlier request if they are the same.
    fn selection_set(
        &self,
        selected: SelectedOperation<'_>,
        variables: &Variables,
    ) -> Result<Arc<Positioned<SelectionSet>>, RequestError> {
        let SelectedOperation { document, operation, index } = selected;
        let collector =
            Collector { types: &self.types, fragments: &document.fragments, variables, limits: self.limits };
        let collect =
            || collector.collect(operation.signature.node.ty, &operation.selection_set).map(Arc::new);
        if operation.depends_on(variables) {
            return collect();
        }
        match document.collected.get() {
            Some((of, collected)) if *of == index => Ok(Arc::clone(collected)),
            Some(_) => collect(),
            None => {
                let collected = collect()?;
                if collect::size(&collected.node) <= document.tokens {
                    // Another request may have stored the same fields first.
                    let _ = document.collected.set((index, Arc::clone(&collected)));
                }
                Ok(collected)
            }
        }
    }
}

impl PreparedOperation {
    /// Whether the operation selects `__schema` or `__type`.
    pub fn introspects(&self) -> bool {
        let asks = |selection: &Positioned<Selection>| {
            matches!(&selection.node, Selection::Field(field)
                if matches!(field.node.name.node.as_str(), "__schema" | "__type"))
        };
        self.selection_set.node.items.iter().any(asks)
    }

    /// A document of the operation alone.
    pub fn to_document(&self) -> ExecutableDocument {
        shared::document(self.signature.clone(), (*self.selection_set).clone())
    }

    /// The request to execute. See the [crate documentation](crate) for how to build the schema.
    pub fn into_request(self) -> Request {
        let document = self.to_document();
        let mut request = Request::new("").variables(self.variables);
        request.set_parsed_query(document);
        request
    }
}
