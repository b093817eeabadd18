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

/// A type with connections.
pub(super) trait Listed: ObjectType {
    /// Prefix of the names of its edge and connection.
    const NAME: &'static str;
}

/// One page of a list. Lists page forward only: for the next page, pass `pageInfo.endCursor` as
/// `after`.
pub(super) struct Connection<T> {
    pub(super) edges: Vec<Edge<T>>,
    pub(super) page_info: PageInfo,
    pub(super) total_count: Option<Result<i32, FieldError>>,
}

/// An object of a list, with its cursor.
pub(super) struct Edge<T> {
    pub(super) cursor: Cursor,
    pub(super) node: T,
}

/// A cursor that is encrypted when it is selected.
#[derive(Debug, Clone)]
pub(super) enum Cursor {
    /// A row's cursor: the list continues after the row.
    Of(Position, Arc<Binding>),
    /// The cursor of an object that a mutation created. Its position in lists is not known, so it
    /// cannot be used as `after`.
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

/// One page of a list. Lists page forward only: for the next page, pass `pageInfo.endCursor` as
/// `after`.
#[Object(name_type)]
#[expect(clippy::disallowed_types, reason = "the macro names it")]
impl<T: Listed> Connection<T> {
    /// The objects of the page, each with its cursor.
    async fn edges(&self) -> Vec<Bounded<&Edge<T>>> {
        self.edges.iter().map(Bounded::new).collect()
    }

    /// The objects of the page, without cursors.
    async fn nodes(&self) -> Vec<Bounded<&T>> {
        self.edges.iter().map(|edge| Bounded::new(&edge.node)).collect()
    }

    /// Whether there are more pages, and the cursors of this one.
    async fn page_info(&self) -> Bounded<&PageInfo> {
        Bounded::new(&self.page_info)
    }

    /// The number of objects in the whole list, as Graph counts them. It is requested from Graph
    /// only if it is selected.
    ///
    /// Null if Graph did not return it, or ignored the filter. If the service refuses to count, the
    /// gateway reads the list to count it; null, with an error, if the list is too long.
    async fn total_count(&self) -> Option<Result<i32, FieldError>> {
        self.total_count.clone()
    }
}

/// An object of a list, with its cursor.
#[Object(name_type)]
#[expect(clippy::disallowed_types, reason = "the macro names it")]
impl<T: Listed> Edge<T> {
    /// The position of the object in its list. Pass it as `after` to continue the same list, with
    /// the same filter and order, after this object.
    ///
    /// The cursor of an edge that a mutation returned is not a position, and is rejected as
    /// `after`.
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

/// The position of a page in its list.
#[derive(Debug, SimpleObject)]
#[graphql(complex)]
pub(super) struct PageInfo {
    /// Whether there are more objects after this page.
    pub(super) has_next_page: bool,
    /// Whether the page was requested with `after`.
    pub(super) has_previous_page: bool,
    #[graphql(skip)]
    pub(super) start: Option<Cursor>,
    #[graphql(skip)]
    pub(super) end: Option<Cursor>,
}

/// The position of a page in its list.
#[async_graphql::ComplexObject]
#[expect(clippy::disallowed_types, reason = "the macro names it")]
impl PageInfo {
    /// The cursor of the first object. Null if the page is empty.
    async fn start_cursor(&self, ctx: &Context<'_>) -> Option<Result<String, FieldError>> {
        self.start.as_ref().map(|cursor| cursor.seal(ctx))
    }

    /// The cursor to pass as `after` for the next page. Null if the page is empty and there is no
    /// next page.
    async fn end_cursor(&self, ctx: &Context<'_>) -> Option<Result<String, FieldError>> {
        self.end.as_ref().map(|cursor| cursor.seal(ctx))
    }
}
