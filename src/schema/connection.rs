//! Relay connections, all of one shape. What fills them is [`list`](super::list)'s business.

use std::borrow::Cow;
use std::sync::Arc;

use async_graphql::{Context, Object, ObjectType, SimpleObject, TypeName};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::bounded::{Bounded, Delivery};
use super::context::schema_context;
use super::cursor::{Binding, Position};
use super::error::FieldError;
use crate::graph::Key;

/// A type that stands in lists.
pub(super) trait Listed: ObjectType {
    /// What the names of its edge and connection start with.
    const NAME: &'static str;
}

/// A page of a list.
pub(super) struct Connection<T> {
    pub(super) edges: Vec<Edge<T>>,
    pub(super) page_info: PageInfo,
    pub(super) total_count: Option<Result<i32, FieldError>>,
}

/// An object in a list.
pub(super) struct Edge<T> {
    pub(super) cursor: Cursor,
    pub(super) node: T,
}

/// A cursor that is sealed when it is asked for.
#[derive(Debug, Clone)]
pub(super) enum Cursor {
    /// Of a row: the list goes on after it.
    Of(Position, Arc<Binding>),
    /// Of an object that a mutation created: where Graph would list it is not known, so it leads nowhere.
    Created(Key),
}

impl Cursor {
    fn seal(&self, ctx: &Context<'_>) -> Result<String, FieldError> {
        match self {
            Self::Of(position, binding) => schema_context(ctx)?.cursor_key.seal(position, binding),
            Self::Created(key) => Ok(format!("created.{}", URL_SAFE_NO_PAD.encode(key.as_str()))),
        }
    }
}

impl<T: Listed> TypeName for Connection<T> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Connection", T::NAME).into()
    }
}

impl<T: Listed> TypeName for Edge<T> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Edge", T::NAME).into()
    }
}

/// A page of a list. Pages go forward only.
#[Object(name_type)]
#[expect(clippy::disallowed_types, reason = "the macro names it")]
impl<T: Listed> Connection<T> {
    /// The objects of the page, each with its cursor.
    async fn edges(&self) -> Vec<Bounded<&Edge<T>>> {
        self.edges.iter().map(Bounded::new).collect()
    }

    /// The objects of the page.
    async fn nodes(&self) -> Vec<Bounded<&T>> {
        self.edges.iter().map(|edge| Bounded::new(&edge.node)).collect()
    }

    /// Where the page stands in its list.
    async fn page_info(&self) -> Bounded<&PageInfo> {
        Bounded::new(&self.page_info)
    }

    /// How many objects the list has, as Graph counts them; asked of Graph only when selected. Null where Graph does not
    /// say, or ignored the filter.
    async fn total_count(&self) -> Option<Result<i32, FieldError>> {
        self.total_count.clone()
    }
}

/// An object in a list.
#[Object(name_type)]
#[expect(clippy::disallowed_types, reason = "the macro names it")]
impl<T: Listed> Edge<T> {
    /// Where the object stands in its list, to be given as `after`. The cursor of an edge that a mutation returned
    /// cannot be given.
    async fn cursor(&self, ctx: &Context<'_>) -> Result<String, FieldError> {
        self.cursor.seal(ctx)
    }

    /// The object.
    async fn node(&self) -> Bounded<&T> {
        let delivery = match self.cursor {
            Cursor::Of(..) => Delivery::BestEffort,
            Cursor::Created(_) => Delivery::Guaranteed,
        };
        Bounded::with_delivery(&self.node, delivery)
    }
}

/// Where a page stands in its list.
#[derive(Debug, SimpleObject)]
#[graphql(complex)]
pub(super) struct PageInfo {
    /// Whether there is more after this page.
    pub(super) has_next_page: bool,
    /// Whether there is more before this page: true when `after` was given.
    pub(super) has_previous_page: bool,
    #[graphql(skip)]
    pub(super) start: Option<Cursor>,
    #[graphql(skip)]
    pub(super) end: Option<Cursor>,
}

/// Where a page stands in its list.
#[async_graphql::ComplexObject]
#[expect(clippy::disallowed_types, reason = "the macro names it")]
impl PageInfo {
    /// The first edge's cursor.
    async fn start_cursor(&self, ctx: &Context<'_>) -> Option<Result<String, FieldError>> {
        self.start.as_ref().map(|cursor| cursor.seal(ctx))
    }

    /// What to give as `after` for the next page.
    async fn end_cursor(&self, ctx: &Context<'_>) -> Option<Result<String, FieldError>> {
        self.end.as_ref().map(|cursor| cursor.seal(ctx))
    }
}
