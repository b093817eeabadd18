//! Pages of Graph's collections as pages of a caller's list. Graph may cut a page short, answer an empty one with a
//! link, give more than was asked for, repeat a row, or ignore the filter or the order without a word (Microsoft Graph:
//! "Paging"; "Field behaviour"); the caller gets what was asked for all the same, or is told.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::Arc;

use async_graphql::Context;
use tracing::warn;

use super::connection::{Connection, Cursor, Edge, PageInfo};
use super::cursor::{Binding, Position};
use super::error::FieldError;
use super::filter::Condition;
use super::request::{RequestData, request, services};
use super::selection::Selected;
use crate::graph::models::Entity;
use crate::graph::odata::{Direction, Filter, ListOptions, OrderBy, PropertyValue, Select, Verdict};
use crate::graph::{Collection, NextPage, Page};
use crate::telemetry::metrics;

/// Most objects of a page.
const LARGEST_PAGE: usize = 1000;
/// Most pages of Graph's that are read to fill one page.
const MOST_PAGES: usize = 10;

/// What a caller asks of a list.
pub(super) struct Arguments<'a> {
    pub(super) first: Option<i32>,
    pub(super) after: Option<&'a str>,
    pub(super) filter: Condition,
    pub(super) order_by: Option<OrderBy>,
}

/// What is selected of a list.
pub(super) struct Wanted {
    /// Of its nodes.
    pub(super) select: Select,
    /// Whether `totalCount` is.
    pub(super) count: bool,
}

impl<'a> Arguments<'a> {
    /// Of a list that is neither filtered nor ordered.
    pub(super) fn page(first: Option<i32>, after: Option<&'a str>) -> Self {
        Self { first, after, filter: Condition::Always, order_by: None }
    }
}

impl Wanted {
    /// What the connection field that is being resolved selects of the nodes, whose type is `name`.
    pub(super) fn of(ctx: &Context<'_>, name: &str, properties: impl Fn(Selected<'_>) -> Select) -> Self {
        let (connection, edge) = (format!("{name}Connection"), format!("{name}Edge"));
        let list = Selected::of(ctx, &connection);
        let edges = list.within("edges", &edge).flat_map(|edge| edge.within("node", name));
        let mut select: Select = list.within("nodes", name).chain(edges).flat_map(&properties).collect();
        select.insert("id");
        Self { select, count: list.has("totalCount") }
    }
}

/// Reads as many of Graph's pages as fill the caller's. `node` makes a node of a row.
pub(super) async fn connection<E: Entity, T>(
    ctx: &Context<'_>,
    arguments: Arguments<'_>,
    wanted: Wanted,
    collection: &Collection<'_, E>,
    node: impl Fn(E) -> Result<T, FieldError>,
) -> Result<Connection<T>, FieldError> {
    let first = first(ctx, arguments.first)?;
    let filter = match arguments.filter {
        Condition::Always => None,
        Condition::Never => return Ok(empty(arguments.after.is_some())),
        Condition::Where(filter) => Some(filter),
    };
    let binding = Arc::new(binding(collection.path(), filter.as_ref(), arguments.order_by));
    let resumed = match arguments.after {
        Some(cursor) => Some(services(ctx)?.cursor_key.open(cursor, &binding)?),
        None => None,
    };

    let mut select = wanted.select;
    if let Some(filter) = &filter {
        filter.properties(&mut select);
    }
    select.extend(arguments.order_by.map(|order| order.property));

    let mut filling = Filling {
        binding,
        filter: filter.as_ref(),
        order_by: arguments.order_by,
        first,
        rows: Vec::with_capacity(first.min(LARGEST_PAGE)),
        seen: HashSet::new(),
        withheld: 0,
        has_next: false,
        end: None,
    };
    // A page that was left in the middle is asked for again, large enough to hold what comes after.
    let top = resumed.as_ref().map_or(0, |position| if position.page.is_none() { position.index } else { 0 });
    let options = ListOptions {
        filter: filter.clone(),
        order_by: arguments.order_by,
        top: Some((first + top).min(LARGEST_PAGE)),
        count: wanted.count,
    };
    let mut query = match resumed.as_ref().and_then(|position| position.page.as_ref()) {
        Some(page) if wanted.count => format!("{page}&$count=true"),
        Some(page) => page.clone(),
        None => options.to_query(),
    };
    let mut address = resumed.as_ref().and_then(|position| position.page.clone());
    let mut after = resumed;
    let mut total = None;
    for page_number in 0..MOST_PAGES {
        let page = collection.list(query, &select).await?;
        if page_number == 0 {
            total = page.count;
        }
        let next = page.next.clone();
        filling.take(page, address.as_deref(), after.take().as_ref());
        match next {
            Some(next) if filling.rows.len() < first => {
                // Where the pages that may be read are spent, the list goes on at the next.
                filling.has_next = page_number + 1 == MOST_PAGES;
                query = next.as_str().to_owned();
                address = Some(query.clone());
            }
            _ => break,
        }
    }
    filling.report(request(ctx)?, collection.path());
    let total_count =
        if filling.withheld > 0 { None } else { total.and_then(|count| i32::try_from(count).ok()) };
    filling.connection(arguments.after.is_some(), total_count, node)
}

fn first(ctx: &Context<'_>, first: Option<i32>) -> Result<usize, FieldError> {
    let Some(first) = first else { return Ok(services(ctx)?.default_page_size) };
    usize::try_from(first)
        .ok()
        .filter(|first| (1..=LARGEST_PAGE).contains(first))
        .ok_or_else(|| FieldError::bad_user_input("first must be from 1 to 1000."))
}

/// Filter and order as text: a cursor of one is none of another.
fn binding(path: &str, filter: Option<&Filter>, order_by: Option<OrderBy>) -> Binding {
    let options = ListOptions { filter: filter.cloned(), order_by, top: None, count: false };
    Binding::new(path, &options.to_query())
}

fn empty<T>(has_previous_page: bool) -> Connection<T> {
    let page_info = PageInfo { has_next_page: false, has_previous_page, start: None, end: None };
    Connection { edges: Vec::new(), page_info, total_count: Some(0) }
}

/// A caller's page while it fills.
struct Filling<'a, E> {
    binding: Arc<Binding>,
    filter: Option<&'a Filter>,
    order_by: Option<OrderBy>,
    first: usize,
    rows: Vec<(E, Position)>,
    /// Keys of the rows so far, since a page may begin with rows of the one before.
    seen: HashSet<String>,
    /// How many rows surely miss the filter.
    withheld: u64,
    has_next: bool,
    /// Where the list goes on.
    end: Option<Position>,
}

impl<E: Entity> Filling<'_, E> {
    /// Takes the rows of a page that come after a position, as many as there is room for. `address` is the query of the
    /// link that gave the page.
    fn take(&mut self, page: Page<E>, address: Option<&str>, after: Option<&Position>) {
        let start = after.map_or(0, |position| {
            let place = page.entities.iter().position(|entity| entity.key() == position.after);
            // Where the row is not there any more, the rows before it tell where it stood.
            place.map_or(position.index.saturating_sub(1).min(page.entities.len()), |place| place + 1)
        });
        if let Some(position) = after {
            self.seen.insert(position.after.clone());
        }
        let count = page.entities.len();
        for (index, entity) in page.entities.into_iter().enumerate().skip(start) {
            if self.rows.len() == self.first {
                self.has_next = true;
                return;
            }
            if !self.seen.insert(entity.key().to_owned()) {
                continue;
            }
            let position = position(&entity, index, count, address, page.next.as_ref());
            self.end = Some(position.clone());
            let verdict = self
                .filter
                .map_or(Verdict::Meets, |filter| filter.verdict(&|name: &str| entity.property(name)));
            if verdict == Verdict::Misses {
                self.withheld += 1;
            } else {
                self.rows.push((entity, position));
            }
        }
        if let Some(next) = page.next {
            self.has_next = true;
            let after = self.end.as_ref().map_or_else(String::new, |position| position.after.clone());
            self.end = Some(Position { page: Some(next.as_str().to_owned()), after, index: 0 });
        } else {
            self.has_next = false;
        }
    }

    /// Counts and logs what Graph ignored.
    fn report(&self, request: &RequestData, list: &str) {
        if self.withheld > 0 {
            metrics::filter_ignored(self.withheld);
            if request.first_ignored_filter() {
                warn!(list, rows = self.withheld, "Graph ignored a filter; rows that miss it are withheld");
            }
        }
        if self.order_by.is_some_and(|order| !is_ordered(self.rows.iter().map(|(entity, _)| entity), order)) {
            metrics::order_ignored();
            if request.first_ignored_order() {
                warn!(list, "Graph ignored an order; the rows stand as it gave them");
            }
        }
    }

    fn connection<T>(
        self,
        has_previous_page: bool,
        total_count: Option<i32>,
        node: impl Fn(E) -> Result<T, FieldError>,
    ) -> Result<Connection<T>, FieldError> {
        let cursor = |position: &Position| Cursor::Of(position.clone(), Arc::clone(&self.binding));
        let page_info = PageInfo {
            has_next_page: self.has_next,
            has_previous_page,
            start: self.rows.first().map(|(_, position)| cursor(position)),
            end: if self.rows.len() == self.first || !self.has_next {
                self.rows.last().map(|(_, position)| cursor(position))
            } else {
                self.end.as_ref().map(cursor)
            },
        };
        let edge = |(entity, position): (E, Position)| {
            Ok(Edge { cursor: Cursor::Of(position, Arc::clone(&self.binding)), node: node(entity)? })
        };
        let edges = self.rows.into_iter().map(edge).collect::<Result<_, FieldError>>()?;
        Ok(Connection { edges, page_info, total_count })
    }
}

/// After the last row of a page, the list goes on at the next one, which saves reading this one again.
fn position<E: Entity>(
    entity: &E,
    index: usize,
    count: usize,
    address: Option<&str>,
    next: Option<&NextPage>,
) -> Position {
    let after = entity.key().to_owned();
    match next {
        Some(next) if index + 1 == count => {
            Position { page: Some(next.as_str().to_owned()), after, index: 0 }
        }
        _ => Position { page: address.map(str::to_owned), after, index: index + 1 },
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
