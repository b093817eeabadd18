//! Execution of collected fields that several requests share.
//!
//! async-graphql owns the document that it executes, and walks all of it several times before it resolves the first field.
//! With [`SharedRoot`] it is given a document of one field, whose resolver is the operation.

use std::{borrow::Cow, sync::Arc};

use async_graphql::{
    Context, ContextSelectionSet, Name, ObjectType, OutputType, Positioned, Request, Response, ServerResult,
    Value,
    parser::types::{
        DocumentOperations, ExecutableDocument, Field, OperationDefinition, OperationType, Selection,
        SelectionSet,
    },
    registry::Registry,
    resolver_utils::{ContainerType, resolve_container, resolve_container_serial},
};

use crate::PreparedOperation;

/// The field that stands for all fields of an operation. No schema has it: names start with no digit.
const OPERATION: &str = "0";

/// A query or mutation root that also executes the requests of [`PreparedOperation::into_shared_request`].
#[derive(Debug, Clone, Copy, Default)]
pub struct SharedRoot<T>(pub T);

/// The collected fields of the operation that a request executes.
struct SharedFields(Arc<Positioned<SelectionSet>>);

impl PreparedOperation {
    /// The request to execute with a schema whose query and mutation roots are [`SharedRoot`]s. The collected fields are not
    /// copied. Pass the response to [`unwrap_shared_response`]. Operations that introspect, and subscriptions, are copied as by
    /// [`PreparedOperation::into_request`], and their responses may be passed there as well.
    pub fn into_shared_request(self) -> Request {
        if self.operation_type == OperationType::Subscription || self.introspects() {
            return self.into_request();
        }
        let pos = self.selection_set.pos;
        let field = Field {
            alias: None,
            name: Positioned::new(Name::new(OPERATION), pos),
            arguments: Vec::new(),
            directives: Vec::new(),
            selection_set: Positioned::new(SelectionSet::default(), pos),
        };
        let field = Positioned::new(Selection::Field(Positioned::new(field, pos)), pos);
        let selection_set = Positioned::new(SelectionSet { items: vec![field] }, pos);
        let mut request = Request::new("").variables(self.variables).data(SharedFields(self.selection_set));
        request.set_parsed_query(document(self.signature, selection_set));
        request
    }
}

/// A document of one operation.
pub(crate) fn document(
    signature: Positioned<OperationDefinition>,
    selection_set: Positioned<SelectionSet>,
) -> ExecutableDocument {
    let pos = signature.pos;
    let definition = OperationDefinition { selection_set, ..signature.node };
    ExecutableDocument {
        operations: DocumentOperations::Single(Positioned::new(definition, pos)),
        fragments: Default::default(),
    }
}

/// Puts the results of a shared request's fields where clients expect them.
pub fn unwrap_shared_response(response: &mut Response) {
    if let Value::Object(fields) = &mut response.data
        && let Some(data) = fields.swap_remove(OPERATION)
    {
        response.data = data;
    }
}

impl<T: ObjectType> ContainerType for SharedRoot<T> {
    async fn resolve_field(&self, ctx: &Context<'_>) -> ServerResult<Option<Value>> {
        if ctx.item.node.name.node != OPERATION {
            return self.0.resolve_field(ctx).await;
        }
        let Some(SharedFields(fields)) = ctx.data_opt() else { return Ok(None) };
        let mut root = ctx.with_selection_set(fields);
        // Paths of errors begin below the root.
        root.path_node = None;
        let object = match ctx.query_env.operation.node.ty {
            OperationType::Mutation => resolve_container_serial(&root, &self.0).await,
            OperationType::Query | OperationType::Subscription => resolve_container(&root, &self.0).await,
        };
        object.map(Some)
    }
}

impl<T: ObjectType> OutputType for SharedRoot<T> {
    fn type_name() -> Cow<'static, str> {
        T::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        T::create_type_info(registry)
    }

    async fn resolve(&self, ctx: &ContextSelectionSet<'_>, _: &Positioned<Field>) -> ServerResult<Value> {
        resolve_container(ctx, self).await
    }
}

impl<T: ObjectType> ObjectType for SharedRoot<T> {}
