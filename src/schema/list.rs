//! Pages of Graph's collections as pages of a caller's list. Graph may cut a page short, answer an empty one with a
//! link, give more than was asked for, repeat a row, or ignore the filter or the order without a word (Microsoft Graph:
//! "Paging"; "Field behaviour"); the caller gets what was asked for all the same, or is told.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::Arc;

use async_graphql::Context;
use tracing::warn;

use super::bounded::Bounded;
use super::connection::{Connection, Cursor, Edge, PageInfo};
use super::context::{RequestContext, request_context, schema_context};
use super::cursor::{Binding, CursorKey, Position};
use super::cycle_detector::CycleDetector;
use super::error::FieldError;
use super::filter::Condition;
use super::selection::Selected;
use crate::graph::models::{Entity, Received};
use crate::graph::odata::{Direction, Filter, ListOptions, OrderBy, PropertyValue, Select, Verdict};
use crate::graph::{Collection, NextLink, ResponseInfo, canonical_key};
use crate::telemetry::metrics;

/// Largest `first`.
const MAX_PAGE_SIZE: usize = 1000;
/// Most pages of Graph's that are read for one page.
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
    /// The selection of the connection field that is being resolved, whose nodes have the type `name`.
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
pub(super) async fn connection<E: Entity, T>(
    ctx: &Context<'_>,
    arguments: Arguments<'_>,
    selection: ConnectionSelection,
    collection: &Collection<E>,
    node: impl Fn(E) -> Result<T, FieldError>,
) -> Result<Bounded<Connection<T>>, FieldError> {
    let first = first(ctx, arguments.first)?;
    let filter = match arguments.filter {
        Condition::Always => None,
        Condition::Never if arguments.after.is_some() => return Err(CursorKey::refusal()),
        Condition::Never => return Ok(Bounded::new(empty())),
        Condition::Where(filter) => Some(filter),
    };
    let binding = Arc::new(binding(collection.path(), filter.as_ref(), arguments.order_by));
    let resumed = match arguments.after {
        Some(cursor) => Some(schema_context(ctx)?.cursor_key.open(cursor, &binding)?),
        None => None,
    };

    let mut select = selection.select;
    if let Some(filter) = &filter {
        filter.properties(&mut select);
    }
    select.extend(arguments.order_by.map(|order| order.property));

    // A first page that was left in the middle is asked for again, large enough to hold what comes after.
    let left =
        resumed.as_ref().filter(|position| position.page.is_none()).map_or(0, |position| position.index);
    let options = ListOptions {
        filter: filter.clone(),
        order_by: arguments.order_by,
        top: Some((first + left).min(MAX_PAGE_SIZE)),
        count: selection.count,
    };
    let mut address = resumed.as_ref().and_then(|position| position.page.clone());
    let mut query = match &address {
        Some(page) if selection.count => format!("{page}&$count=true"),
        Some(page) => page.to_string(),
        None => options.to_query(),
    };
    let mut builder = PageBuilder {
        binding,
        filter: filter.as_ref(),
        order_by: arguments.order_by,
        first,
        rows: Vec::with_capacity(first),
        seen: HashSet::new(),
        resume_point: None,
        cycle_detector: resumed.as_ref().map_or_else(CycleDetector::default, |position| position.trail),
        visited: address.iter().cloned().collect(),
        is_cyclic: false,
        is_broken: false,
        unreadable: 0,
        filtered_out: 0,
        filtered_before: resumed.as_ref().is_some_and(|position| position.ignored_filter),
        has_more: false,
        end: None,
    };
    builder.seek(resumed);
    let mut total = Received::Absent;
    let mut last_response = None;
    for page_number in 0..MAX_GRAPH_PAGES {
        let page = collection.list(query, &select).await?;
        if page_number == 0 {
            total = page.count;
        }
        builder.unreadable += page.unreadable;
        let is_end = page.entities.is_empty() && !matches!(page.next, NextLink::Page(_));
        if is_end && page.unreadable > 0 && builder.rows.is_empty() {
            // Nothing came that could be shown: it is no page of this list.
            return Err(FieldError::unreadable_rows(ctx, builder.unreadable, page.info));
        }
        last_response = Some(page.info);
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
        builder.add_page(page.entities, address.as_ref(), follow.as_ref());
        match next {
            Some(next) if builder.needs_more() => {
                query = next.to_string();
                address = Some(next);
            }
            _ => break,
        }
    }
    builder.report(request_context(ctx)?, collection.path());
    if let Some(info) = last_response {
        builder.add_errors(ctx, &info);
    }
    let total_count = match total {
        _ if builder.ignored_filter() => None,
        Received::Absent | Received::Null => None,
        Received::Value(count) if let Ok(count) = i32::try_from(count) => Some(Ok(count)),
        // Graph may count unasked.
        Received::Value(_) | Received::Malformed => {
            selection.count.then(|| Err(FieldError::unreadable_value(ctx)))
        }
    };
    builder.connection(arguments.after.is_some(), total_count, node).map(Bounded::new)
}

fn first(ctx: &Context<'_>, first: Option<i32>) -> Result<usize, FieldError> {
    let Some(first) = first else { return Ok(schema_context(ctx)?.default_page_size) };
    usize::try_from(first)
        .ok()
        .filter(|first| (1..=MAX_PAGE_SIZE).contains(first))
        .ok_or_else(|| FieldError::bad_user_input("first must be from 1 to 1000."))
}

/// The binding of cursors: they are valid only for this filter and order.
fn binding(path: &str, filter: Option<&Filter>, order_by: Option<OrderBy>) -> Binding {
    let options = ListOptions { filter: filter.cloned(), order_by, top: None, count: false };
    Binding::new(path, &options.to_query())
}

fn empty<T>() -> Connection<T> {
    let page_info = PageInfo { has_next_page: false, has_previous_page: false, start: None, end: None };
    Connection { edges: Vec::new(), page_info, total_count: Some(Ok(0)) }
}

/// Builds a caller's page from Graph's pages.
struct PageBuilder<'a, E> {
    binding: Arc<Binding>,
    filter: Option<&'a Filter>,
    order_by: Option<OrderBy>,
    first: usize,
    rows: Vec<(E, Position)>,
    /// Canonical keys of the rows so far, since a page may begin with rows of the one before.
    seen: HashSet<String>,
    /// The row after which the page starts, until it has been found.
    resume_point: Option<ResumePoint>,
    /// The links that led to the present page, before the cursor and since.
    cycle_detector: CycleDetector,
    visited: HashSet<Arc<str>>,
    /// Whether a link led to a page that had been read.
    is_cyclic: bool,
    /// Whether a link could not be followed.
    is_broken: bool,
    /// How many rows could not be read.
    unreadable: usize,
    /// How many rows certainly miss the filter.
    filtered_out: u64,
    /// Whether rows of earlier pages did.
    filtered_before: bool,
    /// Whether a row was left over.
    has_more: bool,
    /// Where the list continues after the pages that were read; `None` at its end.
    end: Option<Position>,
}

/// The row of a cursor, and where it is expected.
struct ResumePoint {
    key: String,
    /// How many rows come before it and with it by the cursor's count; `None` where that many have been passed: it was
    /// deleted, or moved by rows that were added before it, and then it is on the next page.
    index: Option<usize>,
}

impl<E: Entity> PageBuilder<'_, E> {
    /// Starts after this position.
    fn seek(&mut self, position: Option<Position>) {
        let Some(Position { after, index, .. }) = position else { return };
        self.seen.insert(after.clone());
        self.resume_point = Some(ResumePoint { key: after, index: Some(index) });
    }

    /// The index of the first row of a page that follows the resume point.
    fn start(&mut self, entities: &[E]) -> usize {
        let Some(ResumePoint { key, index }) = self.resume_point.take() else { return 0 };
        if let Some(place) = entities.iter().position(|entity| canonical_key(entity.key()) == key) {
            // What was taken for its successors came before it.
            self.rows.clear();
            self.has_more = false;
            return place + 1;
        }
        match index {
            // It was given up, or was not expected here: the last row of the page before.
            None | Some(0) => 0,
            Some(index) if index <= entities.len() => {
                self.resume_point = Some(ResumePoint { key, index: None });
                index - 1
            }
            Some(index) => {
                self.resume_point = Some(ResumePoint { key, index: Some(index - entities.len()) });
                entities.len()
            }
        }
    }

    /// The link to the next page, with the links so far; `None` if there is none, or it leads to a page that was read.
    fn follow(&mut self, next: Option<Arc<str>>) -> Option<(Arc<str>, CycleDetector)> {
        let next = next?;
        let trail = self.cycle_detector.follow(&next).filter(|_| self.visited.insert(Arc::clone(&next)));
        self.is_cyclic |= trail.is_none();
        Some((next, trail?))
    }

    /// Adds the rows of a page, up to `first`. `address` is the query of the link that led to the page, `next` that of its
    /// own link.
    fn add_page(
        &mut self,
        entities: Vec<E>,
        address: Option<&Arc<str>>,
        next: Option<&(Arc<str>, CycleDetector)>,
    ) {
        let start = self.start(&entities);
        let count = entities.len();
        let mut last = None;
        for (index, entity) in entities.into_iter().enumerate().skip(start) {
            let key = canonical_key(entity.key()).into_owned();
            if self.seen.contains(&key) {
                continue;
            }
            let verdict = self
                .filter
                .map_or(Verdict::Meets, |filter| filter.verdict(&|name: &str| entity.property(name)));
            let misses = verdict == Verdict::Misses;
            self.filtered_out += u64::from(misses);
            if self.rows.len() == self.first {
                self.has_more |= !misses;
                continue;
            }
            self.seen.insert(key.clone());
            last = Some(key.clone());
            if !misses {
                // After the last row of a page, the list goes on at the next one, which saves reading this one again.
                let (page, index, trail) = match next {
                    Some((next, trail)) if index + 1 == count => (Some(next), 0, *trail),
                    _ => (address, index + 1, self.cycle_detector),
                };
                let position =
                    Position { page: page.cloned(), after: key, index, ignored_filter: false, trail };
                self.rows.push((entity, position));
            }
        }
        self.end = next.map(|(next, trail)| {
            let (after, index) = match &self.resume_point {
                Some(ResumePoint { key, index: Some(index) }) => (key.clone(), *index),
                _ => (last.or_else(|| self.end.take().map(|end| end.after)).unwrap_or_default(), 0),
            };
            Position { page: Some(Arc::clone(next)), after, index, ignored_filter: false, trail: *trail }
        });
        if let Some((_, trail)) = next {
            self.cycle_detector = *trail;
        }
    }

    /// Whether Graph ignored the filter, as far as the list has been read.
    fn ignored_filter(&self) -> bool {
        self.filtered_out > 0 || self.filtered_before
    }

    /// Whether another page is needed.
    fn needs_more(&self) -> bool {
        self.rows.len() < self.first || self.resume_point.is_some()
    }

    /// Counts and logs what Graph ignored, and logs what is wrong with its list.
    fn report(&self, request: &RequestContext, list: &str) {
        if self.unreadable > 0 {
            warn!(list, rows = self.unreadable, "rows of Graph's list cannot be read and are left out");
        }
        if self.is_cyclic {
            warn!(list, "a link of Graph's list leads back to a page that it has given already");
        }
        if self.is_broken {
            warn!(list, "a link of Graph's list is no text or leads elsewhere, and is not followed");
        }
        if self.filtered_out > 0 {
            metrics::filter_ignored(self.filtered_out);
            if request.first_ignored_filter() {
                warn!(
                    list,
                    rows = self.filtered_out,
                    "Graph ignored a filter; rows that miss it are withheld"
                );
            }
        }
        if self.order_by.is_some_and(|order| !is_ordered(self.rows.iter().map(|(entity, _)| entity), order)) {
            metrics::order_ignored();
            if request.first_ignored_order() {
                warn!(list, "Graph ignored an order; the rows stand as it gave them");
            }
        }
    }

    /// Adds errors about what is missing from the list.
    fn add_errors(&self, ctx: &Context<'_>, info: &ResponseInfo) {
        if self.unreadable > 0 {
            FieldError::unreadable_rows(ctx, self.unreadable, info.clone()).add_to_response(ctx);
        }
        // Where rows are left over, the list does not end here yet.
        if self.is_cyclic && !self.has_more {
            FieldError::repeated_link(ctx, info.clone()).add_to_response(ctx);
        }
        if self.is_broken && !self.has_more {
            FieldError::unusable_link(ctx, info.clone()).add_to_response(ctx);
        }
    }

    fn connection<T>(
        self,
        has_previous_page: bool,
        total_count: Option<Result<i32, FieldError>>,
        node: impl Fn(E) -> Result<T, FieldError>,
    ) -> Result<Connection<T>, FieldError> {
        let ignored_filter = self.ignored_filter();
        let binding = Arc::clone(&self.binding);
        let sealed = |position| Cursor::Of(Position { ignored_filter, ..position }, Arc::clone(&binding));
        let cursor = |position: &Position| sealed(position.clone());
        let last = self.rows.last().map(|(_, position)| position);
        let end = if self.rows.len() == self.first { last } else { self.end.as_ref().or(last) };
        let page_info = PageInfo {
            has_next_page: self.has_more || self.end.is_some(),
            has_previous_page,
            start: self.rows.first().map(|(_, position)| cursor(position)),
            end: end.map(cursor),
        };
        let edge =
            |(entity, position): (E, Position)| Ok(Edge { cursor: sealed(position), node: node(entity)? });
        let edges = self.rows.into_iter().map(edge).collect::<Result<_, FieldError>>()?;
        Ok(Connection { edges, page_info, total_count })
    }
}

/// Whether rows may stand in this order. Text is sorted by rules of the service's own, so it is only out of order where
/// it is both with and without regard to case.
fn is_ordered<'a, E: Entity + 'a>(rows: impl Iterator<Item = &'a E>, order: OrderBy) -> bool {
    let rows: Vec<PropertyValue<'_>> = rows.map(|row| row.property(order.property)).collect();
    rows.windows(2).all(|pair| {
        let wrong = match order.direction {
            Direction::Ascending => Ordering::Greater,
            Direction::Descending => Ordering::Less,
        };
        match (pair[0], pair[1]) {
            (PropertyValue::Int(a), PropertyValue::Int(b)) => a.cmp(&b) != wrong,
            (PropertyValue::Date(a), PropertyValue::Date(b)) => a.cmp(&b) != wrong,
            (PropertyValue::String(a), PropertyValue::String(b)) => {
                a.cmp(b) != wrong || a.to_lowercase().cmp(&b.to_lowercase()) != wrong
            }
            // Where nulls and enums stand is the service's to say.
            _ => true,
        }
    })
}
