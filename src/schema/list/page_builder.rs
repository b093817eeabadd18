//! Builds one page of a caller's list from the pages that Graph returns.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::Arc;

use async_graphql::Context;
use tracing::warn;

use super::sort_key::SortKey;
use crate::graph::models::Entity;
use crate::graph::odata::{Direction, Filter, OrderBy, PropertyValue, Verdict};
use crate::graph::{ResponseInfo, canonical_key};
use crate::schema::connection::{Connection, Cursor, Edge, PageInfo};
use crate::schema::context::RequestContext;
use crate::schema::cursor::{Binding, Position};
use crate::schema::cycle_detector::CycleDetector;
use crate::schema::error::FieldError;
use crate::telemetry::metrics::{self, Deviation};

/// The arguments of the list that a page belongs to.
pub(super) struct ListArguments<'a> {
    pub(super) binding: Arc<Binding>,
    pub(super) filter: Option<&'a Filter>,
    pub(super) order_by: Option<OrderBy>,
    /// The size of the caller's page.
    pub(super) first: usize,
}

/// Builds a caller's page from Graph's pages.
pub(super) struct PageBuilder<'a, E> {
    list: ListArguments<'a>,
    /// Maximum number of rows to collect.
    max_rows: usize,
    /// Whether Graph was not sent the filter.
    is_plain: bool,
    /// Whether rows that do not meet the filter are expected.
    pub(super) is_filtered_here: bool,
    pub(super) rows: Vec<(E, Position)>,
    /// Canonical keys of the rows so far, since a page may begin with rows of the one before.
    seen: HashSet<String>,
    /// The row after which the page starts, until it has been found.
    resume_point: Option<ResumePoint>,
    /// The links that led to the present page, before the cursor and since.
    cycle_detector: CycleDetector,
    visited: HashSet<Arc<str>>,
    /// Whether a link led to a page that was read before.
    is_cyclic: bool,
    /// Whether a link could not be followed.
    pub(super) is_broken: bool,
    /// The number of rows that could not be read.
    pub(super) unreadable: usize,
    /// The number of rows that certainly do not match the filter.
    filtered_out: u64,
    /// Whether rows of earlier pages did.
    filtered_before: bool,
    /// Whether a row was left over.
    has_more: bool,
    /// Where the list continues after the pages that were read; `None` at its end.
    end: Option<Position>,
}

/// The row of a cursor and its expected position.
struct ResumePoint {
    key: String,
    /// The number of rows up to this row, by the cursor's count. `None` after that many rows: the
    /// row was deleted, or was moved to the next page by rows that were added before it.
    index: Option<usize>,
}

impl<'a, E: Entity> PageBuilder<'a, E> {
    /// Begins a page, which starts after the position `resumed`. `is_plain` if Graph is not sent the filter.
    pub(super) fn new(list: ListArguments<'a>, resumed: Option<Position>, is_plain: bool) -> Self {
        let first = list.first;
        let mut builder = Self {
            list,
            max_rows: first,
            is_plain,
            is_filtered_here: is_plain,
            rows: Vec::with_capacity(first),
            seen: HashSet::new(),
            resume_point: None,
            cycle_detector: resumed.as_ref().map_or_else(CycleDetector::default, |position| position.trail),
            visited: resumed.as_ref().and_then(|position| position.page.clone()).into_iter().collect(),
            is_cyclic: false,
            is_broken: false,
            unreadable: 0,
            filtered_out: 0,
            filtered_before: resumed.as_ref().is_some_and(|position| position.ignored_filter),
            has_more: false,
            end: None,
        };
        builder.seek(resumed);
        builder
    }

    /// Whether the row of the cursor is not on the pages so far.
    pub(super) fn misses_cursor(&self) -> bool {
        self.resume_point.is_some()
    }

    /// Begins with all rows of the list, of which [`Self::sort`] keeps a page.
    pub(super) fn of_all(list: ListArguments<'a>, is_plain: bool) -> Self {
        Self { max_rows: usize::MAX, ..Self::new(list, None, is_plain) }
    }

    /// Orders the rows, and keeps the page after the position `resumed`. Returns whether its row was found.
    pub(super) fn sort(&mut self, order: OrderBy, resumed: Option<&Position>) -> bool {
        self.rows.sort_by_cached_key(|(entity, _)| SortKey::new(entity, order));
        if order.direction == Direction::Descending {
            self.rows.reverse();
        }
        let place = resumed.map(|Position { after, .. }| {
            self.rows.iter().position(|(_, position)| position.after == *after)
        });
        let start = match (place, resumed) {
            (Some(Some(place)), _) => place + 1,
            // A row that was deleted is not before its successors.
            (_, Some(Position { index, .. })) => index.saturating_sub(1).min(self.rows.len()),
            (_, None) => 0,
        };
        self.rows.drain(..start);
        self.has_more = self.rows.len() > self.list.first;
        self.rows.truncate(self.list.first);
        for (index, (_, position)) in self.rows.iter_mut().enumerate() {
            position.page = None;
            position.is_sorted_here = true;
            position.index = start + index + 1;
            position.trail = CycleDetector::default();
        }
        place != Some(None)
    }

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
            // The rows that were collected as its successors are before it.
            self.rows.clear();
            self.has_more = false;
            return place + 1;
        }
        match index {
            // The row was not found, or is not expected here because it is the last row of the
            // previous page.
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

    /// The link to the next page, with the links so far; `None` if there is none, or if it leads to
    /// a page that was read.
    pub(super) fn follow(&mut self, next: Option<Arc<str>>) -> Option<(Arc<str>, CycleDetector)> {
        let next = next?;
        let trail = self.cycle_detector.follow(&next).filter(|_| self.visited.insert(Arc::clone(&next)));
        self.is_cyclic |= trail.is_none();
        Some((next, trail?))
    }

    /// Adds the rows of a page, up to `first`. `address` is the query of the page, `next` the query
    /// of its next link.
    pub(super) fn add_page(
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
                .list
                .filter
                .map_or(Verdict::Meets, |filter| filter.verdict(&|name: &str| entity.property(name)));
            let misses = verdict == Verdict::Misses;
            self.filtered_out += u64::from(misses && !self.is_filtered_here);
            if self.rows.len() == self.max_rows {
                self.has_more |= !misses;
                continue;
            }
            self.seen.insert(key.clone());
            last = Some(key.clone());
            if !misses {
                // After the last row of a page, the cursor refers to the next page, so that this
                // one is not read again.
                let (page, index, trail) = match next {
                    Some((next, trail)) if index + 1 == count => (Some(next), 0, *trail),
                    _ => (address, index + 1, self.cycle_detector),
                };
                let is_plain = self.is_plain;
                let page = page.cloned();
                let position = Position {
                    page,
                    after: key,
                    index,
                    ignored_filter: false,
                    is_plain,
                    is_sorted_here: false,
                    trail,
                };
                self.rows.push((entity, position));
            }
        }
        self.end = next.map(|(next, trail)| {
            let (after, index) = match &self.resume_point {
                Some(ResumePoint { key, index: Some(index) }) => (key.clone(), *index),
                _ => (last.or_else(|| self.end.take().map(|end| end.after)).unwrap_or_default(), 0),
            };
            let page = Some(Arc::clone(next));
            let is_plain = self.is_plain;
            Position {
                page,
                after,
                index,
                ignored_filter: false,
                is_plain,
                is_sorted_here: false,
                trail: *trail,
            }
        });
        if let Some((_, trail)) = next {
            self.cycle_detector = *trail;
        }
    }

    /// Whether Graph ignored the filter, as far as the list has been read.
    pub(super) fn ignored_filter(&self) -> bool {
        self.filtered_out > 0 || self.filtered_before
    }

    /// Whether the list goes on where its pages cannot be followed.
    pub(super) fn is_cut(&self) -> bool {
        self.is_broken || self.is_cyclic
    }

    /// Whether another page is needed.
    pub(super) fn needs_more(&self) -> bool {
        self.rows.len() < self.max_rows || self.resume_point.is_some()
    }

    /// Counts and logs options that Graph ignored, and logs errors of its list.
    pub(super) fn report(&self, request: &RequestContext, list: &str) {
        if self.unreadable > 0 {
            metrics::deviation(Deviation::UnreadableRow);
            warn!(list, rows = self.unreadable, "rows of a list could not be read and are left out");
        }
        if self.is_cyclic {
            metrics::deviation(Deviation::RepeatedLink);
            warn!(list, "a next link leads back to an earlier page; the list ends");
        }
        if self.is_broken {
            metrics::deviation(Deviation::UnusableLink);
            warn!(list, "a next link is invalid or has another origin; the list ends");
        }
        if self.filtered_out > 0 {
            metrics::filter_ignored(self.filtered_out);
            if request.first_ignored_filter() {
                warn!(
                    list,
                    rows = self.filtered_out,
                    "Graph ignored a filter; rows that do not match are withheld"
                );
            }
        }
        if self
            .list
            .order_by
            .is_some_and(|order| !is_ordered(self.rows.iter().map(|(entity, _)| entity), order))
        {
            metrics::deviation(Deviation::OrderIgnored);
            if request.first_ignored_order() {
                warn!(list, "Graph ignored an order; rows are returned in its order");
            }
        }
    }

    /// Adds errors for rows that are missing from the list.
    pub(super) fn add_errors(&self, ctx: &Context<'_>, info: &ResponseInfo) {
        if self.unreadable > 0 {
            FieldError::unreadable_rows(ctx, self.unreadable, info.clone()).add_to_response(ctx);
        }
        // If rows are left over, the list does not end here.
        if self.is_cyclic && !self.has_more {
            FieldError::repeated_link(ctx, info.clone()).add_to_response(ctx);
        }
        if self.is_broken && !self.has_more {
            FieldError::unusable_link(ctx, info.clone()).add_to_response(ctx);
        }
    }

    /// The page as a connection. `node` converts a row to a node.
    pub(super) fn connection<T>(
        self,
        has_previous_page: bool,
        total_count: Option<Result<i32, FieldError>>,
        node: impl Fn(E) -> Result<T, FieldError>,
    ) -> Result<Connection<T>, FieldError> {
        let ignored_filter = self.ignored_filter();
        let binding = Arc::clone(&self.list.binding);
        let sealed = |position| Cursor::Of(Position { ignored_filter, ..position }, Arc::clone(&binding));
        let cursor = |position: &Position| sealed(position.clone());
        let last = self.rows.last().map(|(_, position)| position);
        let end = if self.rows.len() == self.list.first { last } else { self.end.as_ref().or(last) };
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

/// Whether the rows may be in this order. Text is sorted by the service's collation, so it is
/// certainly out of order only if it is so with and without case.
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
            // The service decides the positions of nulls and enum members.
            _ => true,
        }
    })
}
