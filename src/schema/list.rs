//! Pages of Graph's collections, converted to pages of a caller's list. Graph may cut a page short,
//! return an empty page with a link, return more rows than requested, repeat a row, or silently
//! ignore or refuse the filter or the order (Microsoft Graph: "Paging"). The caller receives the
//! requested page nevertheless, or an error.

mod list_request;
mod page_builder;
mod sort_key;

use std::sync::Arc;

use async_graphql::Context;
use futures_util::future::BoxFuture;
use tracing::warn;

pub(super) use self::list_request::FALLBACK_PAGE_SIZE;
use self::list_request::ListRequest;
use self::page_builder::{ListArguments, PageBuilder};
use super::bounded::Bounded;
use super::connection::{Connection, PageInfo};
use super::context::{RequestContext, request_context, schema_context};
use super::cursor::{Binding, CursorKey, Position};
use super::error::FieldError;
use super::filter::Condition;
use super::selection::Selected;
use crate::graph::models::{Entity, Received};
use crate::graph::odata::{Filter, ListOptions, OrderBy, Select};
use crate::graph::{Collection, NextLink};
use crate::telemetry::metrics::{self, Deviation};

/// Maximum value of `first`.
const MAX_PAGE_SIZE: usize = 1000;
/// Maximum number of Graph's pages that are read for one page.
const MAX_GRAPH_PAGES: usize = 10;

/// The arguments of a list.
pub(super) struct Arguments<'a> {
    pub(super) first: Option<i32>,
    pub(super) after: Option<&'a str>,
    pub(super) filter: Condition,
    pub(super) order_by: Option<OrderBy>,
}

/// The selection of a connection.
pub(super) struct ConnectionSelection {
    /// The properties of its nodes.
    pub(super) select: Select,
    /// Whether `totalCount` is selected.
    pub(super) count: bool,
}

impl<'a> Arguments<'a> {
    /// The arguments of a list without filter and order.
    pub(super) fn page(first: Option<i32>, after: Option<&'a str>) -> Self {
        Self { first, after, filter: Condition::Always, order_by: None }
    }
}

impl ConnectionSelection {
    /// The selection of the connection field that is being resolved. Its nodes have the type
    /// `name`.
    pub(super) fn of(ctx: &Context<'_>, name: &str, properties: impl Fn(Selected<'_>) -> Select) -> Self {
        let (connection, edge) = (format!("{name}Connection"), format!("{name}Edge"));
        let list = Selected::of(ctx, &connection);
        let edges = list.within("edges", &edge).flat_map(|edge| edge.within("node", name));
        let mut select: Select = list.within("nodes", name).chain(edges).flat_map(&properties).collect();
        select.insert("id");
        Self { select, count: list.has("totalCount") }
    }
}

/// Reads as many of Graph's pages as the caller's page needs. `node` converts a row to a node.
///
/// Boxed: each field of an object has room for the object's largest resolver.
pub(super) fn connection<'a, E: Entity, T: Send + 'a>(
    ctx: &'a Context<'_>,
    arguments: Arguments<'a>,
    selection: ConnectionSelection,
    collection: &'a Collection<E>,
    node: impl Fn(E) -> Result<T, FieldError> + Send + Sync + 'a,
) -> BoxFuture<'a, Result<Bounded<Connection<T>>, FieldError>> {
    Box::pin(read_connection(ctx, arguments, selection, collection, node))
}

async fn read_connection<E: Entity, T>(
    ctx: &Context<'_>,
    arguments: Arguments<'_>,
    selection: ConnectionSelection,
    collection: &Collection<E>,
    node: impl Fn(E) -> Result<T, FieldError>,
) -> Result<Bounded<Connection<T>>, FieldError> {
    let first = first(ctx, arguments.first)?;
    // Some clients send an empty cursor for none.
    let after = arguments.after.filter(|cursor| !cursor.is_empty());
    let filter = match arguments.filter {
        Condition::Always => None,
        Condition::Never if after.is_some() => return Err(CursorKey::refusal()),
        Condition::Never => return Ok(Bounded::new(empty())),
        Condition::Where(filter) => Some(filter),
    };
    let binding = Arc::new(binding(collection.path(), filter.as_ref(), arguments.order_by));
    let resumed = match after {
        Some(cursor) => Some(schema_context(ctx)?.cursor_key.open(cursor, &binding)?),
        None => None,
    };

    let mut select = selection.select;
    if let Some(filter) = &filter {
        filter.properties(&mut select);
    }
    select.extend(arguments.order_by.map(|order| order.property));

    // A first page that was partly used is requested again, large enough for the remaining rows.
    let left =
        resumed.as_ref().filter(|position| position.page.is_none()).map_or(0, |position| position.index);
    let options = ListOptions {
        filter: filter.clone(),
        order_by: arguments.order_by,
        top: Some((first + left).min(MAX_PAGE_SIZE)),
        count: selection.count,
    };
    let max_fallback_pages = schema_context(ctx)?.max_fallback_pages;
    let mut request = ListRequest::new(collection, options, select, resumed.as_ref(), max_fallback_pages);
    let mut page = request.first_page().await?;
    let refused = request.refused();
    // Rows that are sorted here are all read first.
    let sorted_here = arguments.order_by.filter(|_| refused.order_by);
    let is_filtered_here = request.is_filtered_here();
    let max_pages = match is_filtered_here || refused.order_by {
        true => max_fallback_pages.max(1),
        false => MAX_GRAPH_PAGES,
    };
    let mut address = resumed.as_ref().and_then(|position| position.page.clone());
    let mut counter = (request.is_counted_here() && resumed.is_none()).then(|| request.counter());
    let list = ListArguments { binding, filter: filter.as_ref(), order_by: arguments.order_by, first };
    let mut builder = match sorted_here {
        Some(_) => PageBuilder::of_all(list, refused.filter),
        None if request.must_find_cursor() => {
            let anywhere = |position: &Position| Position { index: usize::MAX, ..position.clone() };
            PageBuilder::new(list, resumed.as_ref().map(anywhere), refused.filter)
        }
        None => PageBuilder::new(list, resumed.clone(), refused.filter),
    };
    builder.is_filtered_here = is_filtered_here;
    let total = std::mem::take(&mut page.count);
    let (mut pages, mut rows, mut memory) = (1, 0, Vec::new());
    let (last_response, next) = loop {
        builder.unreadable += page.unreadable;
        rows += page.entities.len() + page.unreadable;
        let is_end = page.entities.is_empty() && !matches!(page.next, NextLink::Page(_));
        if is_end && page.unreadable > 0 && builder.rows.is_empty() {
            // No row can be shown, so there is no page to return.
            return Err(FieldError::unreadable_rows(ctx, builder.unreadable, page.info));
        }
        let next = match page.next {
            NextLink::Page(next) => Some(next.as_str().into()),
            NextLink::End => None,
            NextLink::Unusable => {
                builder.is_broken = true;
                None
            }
        };
        let follow = builder.follow(next);
        let next = follow.clone().map(|(next, _)| next);
        if let Some(counter) = &mut counter {
            counter.add(&page.entities);
        }
        if sorted_here.is_some() {
            memory.push(page.memory);
        }
        builder.add_page(page.entities, address.as_ref(), follow.as_ref());
        match next {
            Some(next) if builder.needs_more() && pages < max_pages => {
                page = request.page(next.to_string()).await?;
                address = Some(next);
                pages += 1;
            }
            next => break (page.info, next),
        }
    };
    if sorted_here.is_some() && next.is_some() {
        return Err(FieldError::beyond_fallback("orderBy", "sort", max_fallback_pages, request.page_size()));
    }
    let all_rows = builder.rows.len();
    builder.add_errors(ctx, &last_response);
    let found_cursor = match sorted_here {
        Some(order) => builder.sort(order, resumed.as_ref()),
        None => !builder.misses_cursor(),
    };
    drop(memory);
    if request.must_find_cursor() && !found_cursor {
        return Err(CursorKey::discontinued("filter"));
    }
    let is_whole = resumed.is_none() && next.is_none() && !builder.is_cut();
    if let Received::Value(total) = total
        && is_whole
        && !builder.ignored_filter()
    {
        report_short_list(request_context(ctx)?, collection.path(), total, rows);
    }
    builder.report(request_context(ctx)?, collection.path());
    let total_count = match total {
        _ if builder.ignored_filter() => None,
        _ if request.is_counted_here() && builder.is_cut() => None,
        _ if request.is_counted_here() && sorted_here.is_some() => {
            Some(i32::try_from(all_rows).map_err(|_| FieldError::unreadable_value(ctx)))
        }
        _ if request.is_counted_here() => Some(request.count(counter, next, pages).await),
        // A count without the filter is another one.
        _ if is_filtered_here => None,
        Received::Absent | Received::Null => None,
        Received::Value(count) if let Ok(count) = i32::try_from(count) => Some(Ok(count)),
        // Graph may count unasked.
        Received::Value(_) | Received::Malformed => {
            selection.count.then(|| Err(FieldError::unreadable_value(ctx)))
        }
    };
    builder.connection(after.is_some(), total_count, node).map(Bounded::new)
}

/// Reports a list that ended before the number of rows that Graph counted.
pub(super) fn report_short_list(request: &RequestContext, list: &str, total: i64, rows: usize) {
    if usize::try_from(total).is_ok_and(|total| total > rows) {
        metrics::deviation(Deviation::ShortList);
        if request.first_short_list() {
            warn!(list, rows, total, "a list of Graph has fewer rows than its count");
        }
    }
}

fn first(ctx: &Context<'_>, first: Option<i32>) -> Result<usize, FieldError> {
    let Some(first) = first else { return Ok(schema_context(ctx)?.default_page_size) };
    usize::try_from(first)
        .ok()
        .filter(|first| (1..=MAX_PAGE_SIZE).contains(first))
        .ok_or_else(|| FieldError::bad_user_input("`first` must be from 1 to 1000."))
}

/// The binding of cursors: they are valid only for this filter and order.
fn binding(path: &str, filter: Option<&Filter>, order_by: Option<OrderBy>) -> Binding {
    let options = ListOptions { filter: filter.cloned(), order_by, top: None, count: false };
    match filter.filter(|filter| filter.is_wider_when_sent()) {
        None => Binding::new(path, &options.to_query()),
        Some(filter) => Binding::new(path, &format!("{}\n{filter}", options.to_query())),
    }
}

fn empty<T>() -> Connection<T> {
    let page_info = PageInfo { has_next_page: false, has_previous_page: false, start: None, end: None };
    Connection { edges: Vec::new(), page_info, total_count: Some(Ok(0)) }
}
