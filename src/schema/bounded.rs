//! Objects and interfaces as resolvers return them: each charges its size to the response's budget.
//! Every resolver that returns an object wraps it in one of these types, except for the root types.

use std::borrow::Cow;
use std::ops::Deref;
use std::time::Duration;

use async_graphql::parser::types::{Field, OperationType, Selection, SelectionSet};
use async_graphql::registry::Registry;
use async_graphql::resolver_utils::{ContainerType, Fields, resolve_container};
use async_graphql::{
    Context, ContextBase, ContextSelectionSet, InterfaceType, Name, ObjectType, OutputType, Pos, Positioned,
    ServerError, ServerResult, Value,
};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Either, ready};
use indexmap::IndexMap;

use super::context::budget;
use super::error::FieldError;
use super::response_budget::{Exceeded, Priority, ResponseBudget, TemporaryReservation, json_length};

/// Estimated bytes of a field beyond its name and text: its place in memory, and a number or an enum as its value.
const FIELD: usize = 96;
/// Bytes of a type's name; none is longer.
const TYPE_NAME: usize = 48;
/// Estimated bytes of an object beyond its fields.
const OBJECT: usize = 96;
/// Estimated bytes of a field while its resolver waits.
const PENDING_FIELD: usize = 3 * 1024;
/// Bytes of an error's message that are delivered if there is no room for all of it.
const SHORT_MESSAGE: usize = 256;

/// Whether an object is left out if there is no room for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivery {
    /// It is.
    BestEffort,
    /// The object reports a write. It is delivered with all of its non-null fields.
    Guaranteed,
}

/// An object, counted in the response's budget.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounded<T> {
    value: T,
    delivery: Delivery,
}

/// An object behind an interface, counted in the response's budget. The types of its variants are
/// [`Bounded`].
#[derive(Debug, Clone, Copy)]
pub(super) struct BoundedInterface<T>(pub(super) T);

impl<T> Bounded<T> {
    /// An object that may be left out.
    pub(super) fn new(value: T) -> Self {
        Self { value, delivery: Delivery::BestEffort }
    }

    /// An object that reports a write.
    pub(super) fn guaranteed(value: T) -> Self {
        Self { value, delivery: Delivery::Guaranteed }
    }

    /// An object with the delivery of its parent object.
    pub(super) fn with_delivery(value: T, delivery: Delivery) -> Self {
        Self { value, delivery }
    }
}

/// The fields of an interface are those of the object.
impl<T> Deref for Bounded<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: ObjectType> OutputType for Bounded<T> {
    fn type_name() -> Cow<'static, str> {
        T::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        T::create_type_info(registry)
    }

    async fn resolve(&self, ctx: &ContextSelectionSet<'_>, field: &Positioned<Field>) -> ServerResult<Value> {
        let Some(budget) = budget(ctx) else { return resolve_container(ctx, &self.value).await };
        let fields = SelectedFields::of(&ctx.item.node, None);
        charge_object(ctx, budget, field, fields, self.delivery)?;
        if !fields.are_plain || budget.spent().is_some() {
            return resolve_container(ctx, self).await;
        }
        let values = resolve_plain_fields(ctx, &self.value).await?;
        charge_fields::<T>(ctx, budget, values, self.delivery)
    }
}

/// Resolves the fields of an object of which each is selected once and none has fields of its own. None of them waits, so that one
/// future is enough, where [`resolve_container`] allocates one for each field: objects of this kind are most of a large page.
fn resolve_plain_fields<'a, T: ObjectType>(
    ctx: &'a ContextSelectionSet<'_>,
    object: &'a T,
) -> BoxFuture<'a, ServerResult<IndexMap<Name, Value>>> {
    Box::pin(async move {
        let fields = &ctx.item.node.items;
        let mut values = IndexMap::with_capacity(fields.len());
        for selection in fields {
            let Selection::Field(field) = &selection.node else { continue };
            let name = &field.node.name.node;
            let value = if name == "__typename" {
                Value::String(object.introspection_type_name().into_owned())
            } else {
                object.resolve_field(&ctx.with_field(field)).await?.unwrap_or_default()
            };
            values.insert(name.clone(), value);
        }
        Ok(values)
    })
}

impl<T: ObjectType> ContainerType for Bounded<T> {
    fn resolve_field(&self, ctx: &Context<'_>) -> impl Future<Output = ServerResult<Option<Value>>> + Send {
        resolve_field(&self.value, ctx, self.delivery)
    }
}

impl<T: ObjectType> ObjectType for Bounded<T> {}

impl<T: InterfaceType> OutputType for BoundedInterface<T> {
    fn type_name() -> Cow<'static, str> {
        T::type_name()
    }

    fn introspection_type_name(&self) -> Cow<'static, str> {
        self.0.introspection_type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        T::create_type_info(registry)
    }

    async fn resolve(&self, ctx: &ContextSelectionSet<'_>, field: &Positioned<Field>) -> ServerResult<Value> {
        if let Some(budget) = budget(ctx) {
            let fields = SelectedFields::of(&ctx.item.node, Some(&self.introspection_type_name()));
            charge_object(ctx, budget, field, fields, Delivery::BestEffort)?;
        }
        resolve_container(ctx, self).await
    }
}

impl<T: InterfaceType> ContainerType for BoundedInterface<T> {
    fn resolve_field(&self, ctx: &Context<'_>) -> impl Future<Output = ServerResult<Option<Value>>> + Send {
        resolve_field(&self.0, ctx, Delivery::BestEffort)
    }

    fn collect_all_fields<'a>(
        &'a self,
        ctx: &ContextSelectionSet<'a>,
        fields: &mut Fields<'a>,
    ) -> ServerResult<()> {
        self.0.collect_all_fields(ctx, fields)
    }
}

/// The selection of an object.
#[derive(Debug, Clone, Copy)]
struct SelectedFields {
    /// Estimated bytes, texts and lists left out.
    bytes: usize,
    /// Whether each field is selected once and none waits: the result then takes no more memory
    /// than the object itself.
    are_plain: bool,
}

impl SelectedFields {
    /// For an object of this type, which determines the fragments that apply. Operations are
    /// collected before they execute, so only objects of interfaces have fragments.
    fn of(set: &SelectionSet, type_name: Option<&str>) -> Self {
        let mut fields = Self { bytes: 0, are_plain: true };
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) => {
                    let Field { alias, name, selection_set, .. } = &field.node;
                    let key = &alias.as_ref().unwrap_or(name).node;
                    let value = if name.node == "__typename" { TYPE_NAME } else { 0 };
                    fields.bytes += FIELD + key.len() + value;
                    fields.are_plain &= alias.is_none() && selection_set.node.items.is_empty();
                }
                Selection::InlineFragment(fragment) => {
                    let condition = fragment.node.type_condition.as_ref();
                    if condition.is_none_or(|condition| type_name == Some(condition.node.on.node.as_str())) {
                        fields.bytes += Self::of(&fragment.node.selection_set.node, type_name).bytes;
                    }
                    fields.are_plain = false;
                }
                Selection::FragmentSpread(_) => fields.are_plain = false,
            }
        }
        fields
    }
}

/// Charges an object and its fields, texts and lists left out, before anything of it is made.
fn charge_object(
    ctx: &ContextSelectionSet<'_>,
    budget: &ResponseBudget,
    field: &Positioned<Field>,
    fields: SelectedFields,
    delivery: Delivery,
) -> ServerResult<()> {
    let priority = match delivery {
        Delivery::BestEffort => Priority::Required,
        Delivery::Guaranteed => Priority::Guaranteed,
    };
    let charged = budget.charge(OBJECT + fields.bytes, priority);
    charged.map_err(|exceeded| server_error(ctx, exceeded, field.pos))
}

/// Charges the texts of an object that has been made, all at once: thousands of objects are, and to follow each of their fields
/// takes a sixth of the time of a large page.
fn charge_fields<T: ContainerType>(
    ctx: &ContextSelectionSet<'_>,
    budget: &ResponseBudget,
    mut values: IndexMap<Name, Value>,
    delivery: Delivery,
) -> ServerResult<Value> {
    budget.limit_errors(&ctx.query_env.errors);
    // Names of types are counted twice, which does not matter.
    if budget.charge(values.values().map(length).sum(), Priority::Nullable).is_ok() {
        return Ok(Value::Object(values));
    }
    for (selection, value) in ctx.item.node.items.iter().zip(values.values_mut()) {
        if let Selection::Field(field) = &selection.node
            && field.node.name.node != "__typename"
            && matches!(value, Value::String(_) | Value::List(_))
        {
            let charged = charge_value::<T>(&ctx.with_field(field), budget, std::mem::take(value), delivery)?;
            *value = charged.unwrap_or_default();
        }
    }
    Ok(Value::Object(values))
}

/// Resolves a field of `object` and charges its text or texts.
fn resolve_field<T: ContainerType>(
    object: &T,
    ctx: &Context<'_>,
    delivery: Delivery,
) -> impl Future<Output = ServerResult<Option<Value>>> + Send {
    let budget = budget(ctx);
    match budget.map_or(Ok(None), |budget| admit::<T>(ctx, budget, delivery)) {
        Ok(held) => Either::Left(object.resolve_field(ctx).map(move |value| {
            drop(held);
            match budget {
                Some(budget) => charge_field::<T>(ctx, budget, value, delivery),
                None => value,
            }
        })),
        Err(refusal) => Either::Right(ready(refusal)),
    }
}

/// Admits a field for resolution. A field of an object may wait, with its memory.
fn admit<'a, T: ContainerType>(
    ctx: &Context<'_>,
    budget: &'a ResponseBudget,
    delivery: Delivery,
) -> Result<Option<TemporaryReservation<'a>>, ServerResult<Option<Value>>> {
    if delivery == Delivery::BestEffort
        && let Some(exceeded) = budget.spent()
        && is_nullable::<T>(ctx)
    {
        return Err(refuse::<T>(ctx, budget, exceeded));
    }
    if ctx.item.node.selection_set.node.items.is_empty() {
        return Ok(None);
    }
    match budget.reserve_temporary(PENDING_FIELD) {
        Ok(held) => Ok(Some(held)),
        // A non-null field waits for the fields within it, which are counted.
        Err(exceeded) if is_nullable::<T>(ctx) && !tells_outcome(ctx, delivery) => {
            Err(refuse::<T>(ctx, budget, exceeded))
        }
        Err(_) => Ok(None),
    }
}

/// Whether a nullable field reports a write.
fn tells_outcome(ctx: &Context<'_>, delivery: Delivery) -> bool {
    let name = ctx.item.node.name.node.as_str();
    delivery == Delivery::Guaranteed && matches!(name, "deviceStatusId" | "error")
}

/// Charges the value of a field.
fn charge_field<T: ContainerType>(
    ctx: &Context<'_>,
    budget: &ResponseBudget,
    value: ServerResult<Option<Value>>,
    delivery: Delivery,
) -> ServerResult<Option<Value>> {
    // Failed fields below have errors, and may have no value.
    if !matches!(value, Ok(Some(Value::String(_) | Value::Number(_) | Value::Enum(_) | Value::Boolean(_)))) {
        budget.limit_errors(&ctx.query_env.errors);
    }
    match value {
        Ok(Some(value @ (Value::String(_) | Value::List(_)))) => {
            charge_value::<T>(ctx, budget, value, delivery)
        }
        value => value,
    }
}

/// Bytes of a text or of the texts of a list. Their other memory was charged with the objects.
fn length(value: &Value) -> usize {
    match value {
        Value::String(text) => json_length(text),
        Value::List(items) => {
            let texts = items.iter().filter(|item| matches!(item, Value::String(_)));
            texts.map(|text| FIELD + length(text)).sum()
        }
        _ => 0,
    }
}

/// Charges a finished value, and leaves it out if there is no room for it.
fn charge_value<T: ContainerType>(
    ctx: &Context<'_>,
    budget: &ResponseBudget,
    value: Value,
    delivery: Delivery,
) -> ServerResult<Option<Value>> {
    let bytes = length(&value);
    let Err(exceeded) = budget.charge(bytes, Priority::Nullable) else { return Ok(Some(value)) };
    let is_nullable = is_nullable::<T>(ctx);
    let name = ctx.item.node.name.node.as_str();
    if delivery == Delivery::Guaranteed && (!is_nullable || tells_outcome(ctx, delivery)) {
        let value = if name == "message" { shortened(value) } else { value };
        // Never rejected.
        let _ = budget.charge(length(&value), Priority::Guaranteed);
        return Ok(Some(value));
    }
    if !is_nullable && budget.charge(bytes, Priority::Required).is_ok() {
        return Ok(Some(value));
    }
    budget.waste(bytes, exceeded);
    refuse::<T>(ctx, budget, exceeded)
}

/// Returns null for a field, or for the nearest nullable field above it, with an error that has the
/// reason.
fn refuse<T: ContainerType>(
    ctx: &Context<'_>,
    budget: &ResponseBudget,
    exceeded: Exceeded,
) -> ServerResult<Option<Value>> {
    if !is_nullable::<T>(ctx) {
        return Err(server_error(ctx, exceeded, ctx.item.pos));
    }
    if budget.has_room_for_error() {
        ctx.add_error(server_error(ctx, exceeded, ctx.item.pos));
        budget.limit_errors(&ctx.query_env.errors);
    }
    Ok(None)
}

/// The start of an error's message.
fn shortened(value: Value) -> Value {
    match value {
        Value::String(mut text) if text.len() > SHORT_MESSAGE => {
            text.truncate(text.floor_char_boundary(SHORT_MESSAGE));
            text.shrink_to_fit();
            text.push('…');
            Value::String(text)
        }
        value => value,
    }
}

/// Whether the field that is being resolved is nullable.
fn is_nullable<T: OutputType>(ctx: &Context<'_>) -> bool {
    let object = ctx.schema_env.registry.types.get(&*T::type_name());
    let field = object.and_then(|object| object.field_by_name(&ctx.item.node.name.node));
    field.is_none_or(|field| !field.ty.ends_with('!'))
}

fn server_error<I>(ctx: &ContextBase<'_, I>, exceeded: Exceeded, pos: Pos) -> ServerError {
    let error = match exceeded {
        Exceeded::Response(max) => FieldError::response_too_large(max),
        // A retry of a mutation would write again.
        Exceeded::Memory if ctx.query_env.operation.node.ty == OperationType::Mutation => {
            FieldError::no_memory()
        }
        Exceeded::Memory => FieldError::no_memory().retryable_after(Duration::from_secs(1)),
    };
    ctx.set_error_path(async_graphql::Error::from(error).into_server_error(pos))
}
