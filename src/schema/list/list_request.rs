//! The requests of a list, without the query options that Graph refuses. The gateway then filters,
//! sorts and counts the rows itself, in a limited number of pages.

use std::collections::HashSet;
use std::sync::Arc;

use crate::graph::models::Entity;
use crate::graph::odata::{Filter, ListOptions, OptionSet, Select, Verdict};
use crate::graph::{self, Collection, NextLink, Page, canonical_key};
use crate::schema::cursor::{CursorKey, Position};
use crate::schema::error::FieldError;
use crate::telemetry::metrics::{self, RefusedOption};

/// Page size of reads that replace a refused option: the maximum of Intune.
pub(crate) const FALLBACK_PAGE_SIZE: usize = 1000;

/// Page size of reads with the payloads of configurations, which are large.
const PAYLOAD_PAGE_SIZE: usize = 100;

/// A list as the caller requested it, and what Graph refuses of it.
pub(super) struct ListRequest<'a, E> {
    collection: &'a Collection<E>,
    select: Select,
    options: ListOptions,
    /// The link of the cursor, which has its own filter and order.
    link: Option<Arc<str>>,
    refused: OptionSet,
    /// How the rows up to the cursor were read; `None` at the start of the list.
    resumed: Option<ReadMode>,
    /// Maximum number of pages that are read because of refused options. 0: such reads fail.
    max_pages: usize,
}

/// How the rows before a cursor were read.
#[derive(Clone, Copy)]
struct ReadMode {
    is_plain: bool,
    is_sorted_here: bool,
}

/// Counts the rows of a list that its filter does not certainly exclude.
pub(super) struct RowCounter<'a> {
    filter: Option<&'a Filter>,
    keys: HashSet<String>,
}

impl<'a, E: Entity> ListRequest<'a, E> {
    /// The list after the position `resumed`.
    pub(super) fn new(
        collection: &'a Collection<E>,
        options: ListOptions,
        select: Select,
        resumed: Option<&Position>,
        max_pages: usize,
    ) -> Self {
        let known = if max_pages == 0 { OptionSet::NONE } else { collection.refused_options(&options) };
        let link = resumed.and_then(|position| position.page.clone());
        let resumed = resumed.map(|position| ReadMode {
            is_plain: position.is_plain && options.filter.is_some(),
            is_sorted_here: position.is_sorted_here,
        });
        let refused = match resumed {
            None => known,
            // The link has its own filter and order.
            Some(mode) if link.is_some() => {
                OptionSet { filter: mode.is_plain, order_by: false, count: known.count }
            }
            // The position is one among rows that Graph did not filter or sort, so it is not to do so now.
            Some(mode) => {
                known.union(OptionSet { filter: mode.is_plain, order_by: mode.is_sorted_here, count: false })
            }
        };
        Self { collection, select, options, link, refused, resumed, max_pages }
    }

    /// An error if the list cannot continue at its cursor, because Graph sorted the rows before and refuses to now, or the
    /// other way around and the gateway may not sort.
    fn check_order(&self) -> Result<(), FieldError> {
        match self.resumed {
            Some(mode) if self.refused.order_by && (!mode.is_sorted_here || self.max_pages == 0) => {
                Err(CursorKey::discontinued("sort"))
            }
            _ => Ok(()),
        }
    }

    /// Whether Graph filtered the rows before the cursor and refuses to now. The rows after the cursor are then known only if
    /// its row is found.
    pub(super) fn must_find_cursor(&self) -> bool {
        self.resumed.is_some_and(|mode| !mode.is_plain && self.refused.filter)
    }

    /// The refused options that the list was read without.
    pub(super) fn refused(&self) -> OptionSet {
        self.refused
    }

    /// The options that are sent, other than those of the link.
    fn sent(&self) -> ListOptions {
        if self.link.is_some() {
            let count = self.options.count && !self.is_filtered_here();
            return ListOptions { count, ..ListOptions::default() }.without(self.refused);
        }
        let mut sent = self.evaluated();
        if self.is_filtered_here() || self.refused.order_by {
            sent.top = Some(self.page_size());
        }
        sent
    }

    /// The options that Graph evaluates, sent or in the link.
    fn evaluated(&self) -> ListOptions {
        let mut evaluated = self.options.without(self.refused);
        evaluated.count &= !self.is_filtered_here();
        evaluated
    }

    /// The size of pages of which the gateway may withhold most rows.
    pub(super) fn page_size(&self) -> usize {
        let needs_payload = self.options.filter.as_ref().is_some_and(Filter::is_wider_when_sent);
        if needs_payload { PAYLOAD_PAGE_SIZE } else { FALLBACK_PAGE_SIZE }
    }

    /// Whether rows that do not meet the filter are expected, because Graph evaluates at most a part of it.
    pub(super) fn is_filtered_here(&self) -> bool {
        self.refused.filter || self.options.filter.as_ref().is_some_and(Filter::is_wider_when_sent)
    }

    fn query(&self) -> String {
        let sent = self.sent();
        match &self.link {
            Some(link) if sent.count => format!("{link}&$count=true"),
            Some(link) => link.to_string(),
            None => sent.to_query(),
        }
    }

    /// Reads the first page. If Graph refuses options, it is read again without them.
    ///
    /// # Errors
    ///
    /// Also if a list cannot continue at its cursor because of an option that is refused.
    pub(super) async fn first_page(&mut self) -> Result<Page<E>, FieldError> {
        self.check_order()?;
        // Each round leaves out more options.
        let page = loop {
            let error = match self.page(self.query()).await {
                Ok(page) => break page,
                Err(error) if self.max_pages > 0 => error,
                Err(error) => return Err(error.into()),
            };
            let evaluated = self.evaluated();
            // Boxed, since it is seldom needed and larger than a read.
            let found = Box::pin(self.collection.find_refused_options(&evaluated, &error)).await;
            if found.is_empty() {
                return Err(error.into());
            }
            self.refused = self.refused.union(found);
            self.check_order()?;
            if found.filter && self.link.is_some() {
                // The place of the link among all rows is unknown.
                return Err(CursorKey::discontinued("filter"));
            }
        };
        let OptionSet { filter, order_by, count } = self.refused;
        for (is_refused, option) in [
            (filter, RefusedOption::Filter),
            (order_by, RefusedOption::OrderBy),
            (count, RefusedOption::Count),
        ] {
            if is_refused {
                metrics::option_refused(option);
            }
        }
        Ok(page)
    }

    /// Reads a page.
    pub(super) async fn page(&self, query: String) -> Result<Page<E>, graph::Error> {
        self.collection.list(query, &self.select).await
    }

    /// Whether the caller wants a count that Graph refuses.
    pub(super) fn is_counted_here(&self) -> bool {
        self.options.count && (self.refused.count || self.is_filtered_here())
    }

    /// A counter of the list's rows.
    pub(super) fn counter(&self) -> RowCounter<'_> {
        let filter = self.options.filter.as_ref().filter(|_| self.is_filtered_here());
        RowCounter { filter, keys: HashSet::new() }
    }

    /// Counts the list by reading it. `start` has counted its first `pages`, which `next` follows.
    pub(super) async fn count(
        &self,
        start: Option<RowCounter<'_>>,
        next: Option<Arc<str>>,
        pages: usize,
    ) -> Result<i32, FieldError> {
        let (mut counter, mut query, pages) = match (start, next) {
            (Some(counter), None) => return Ok(counter.total()),
            // Its pages are as large as possible.
            (Some(counter), Some(next)) if self.is_filtered_here() => (counter, next.to_string(), pages),
            _ => {
                let filter = self.options.filter.clone().filter(|_| !self.refused.filter);
                let options = ListOptions { filter, top: Some(self.page_size()), ..ListOptions::default() };
                (self.counter(), options.to_query(), 0)
            }
        };
        let mut select = Select::from(["id"]);
        if let Some(filter) = counter.filter {
            filter.properties(&mut select);
        }
        for _ in pages..self.max_pages {
            let page = self.collection.list(query, &select).await?;
            counter.add(&page.entities);
            match page.next {
                NextLink::End => return Ok(counter.total()),
                NextLink::Page(next) => query = next.as_str().to_owned(),
                NextLink::Unusable => return Err(FieldError::list_without_end(page.info)),
            }
        }
        Err(FieldError::beyond_fallback("totalCount", "count", self.max_pages, self.page_size()))
    }
}

impl RowCounter<'_> {
    /// Counts the rows of a page that no earlier page had.
    pub(super) fn add<E: Entity>(&mut self, rows: &[E]) {
        let is_counted = |row: &&E| {
            let misses =
                |filter: &Filter| filter.verdict(&|name: &str| row.property(name)) == Verdict::Misses;
            !self.filter.is_some_and(misses)
        };
        self.keys.extend(rows.iter().filter(is_counted).map(|row| canonical_key(row.key()).into_owned()));
    }

    fn total(&self) -> i32 {
        i32::try_from(self.keys.len()).unwrap_or(i32::MAX)
    }
}
