//! `DeviceStatusCount`: the number of device statuses for each compliance status.

use std::collections::HashSet;

use async_graphql::{Context, Object};
use futures_util::future;
use tracing::warn;

use super::ComplianceStatus;
use crate::graph::models::{self, Entity as _};
use crate::graph::odata::{Comparison, Filter, ListOptions, Literal, PropertyValue, Select};
use crate::graph::{self, DeviceStatuses, Key, NextLink, Page, canonical_key};
use crate::schema::context::{request_context, schema_context, session};
use crate::schema::error::{ErrorCode, FieldError};
use crate::schema::list::{self, FALLBACK_PAGE_SIZE};
use crate::telemetry::metrics::{self, Deviation, RefusedOption};

/// The number of device statuses that have one compliance status.
pub(crate) struct DeviceStatusCount {
    status: models::ComplianceStatus,
    count: Result<i64, graph::Error>,
}

/// The number of device statuses that have one compliance status.
#[Object]
#[expect(clippy::disallowed_types, reason = "the macro names it")]
impl DeviceStatusCount {
    /// The compliance status that is counted.
    async fn status(&self) -> ComplianceStatus {
        self.status.into()
    }

    /// The number of device statuses, as Graph counts them. Null if Graph could not count them; the
    /// response then has an error. If Graph refuses such counts, the gateway reads the list to
    /// count it.
    async fn count(&self, ctx: &Context<'_>) -> Option<Result<i32, FieldError>> {
        Some(match &self.count {
            Ok(count) => i32::try_from(*count).map_err(|_| FieldError::unreadable_value(ctx)),
            Err(error) => Err(error.clone().into()),
        })
    }
}

/// Counts the device statuses of a configuration for each compliance status: eight counts and the
/// total, read together. If all are equal, Graph ignored the filters, and the result is an error. If Graph refuses the
/// filters, the list is read to count it.
pub(crate) async fn load(
    ctx: &Context<'_>,
    configuration: &Key,
) -> Result<Vec<DeviceStatusCount>, FieldError> {
    let statuses = session(ctx)?.ios_lob_app_provisioning_configurations().device_statuses(configuration);
    let max_pages = schema_context(ctx)?.max_fallback_pages;
    if max_pages > 0 && statuses.refuses_filtered_counts() {
        let first = statuses.list(first_page(), &select()).await?;
        return tally(ctx, &statuses, first, None).await;
    }
    let at = |status| Filter::Compare("status", Comparison::Eq, Literal::Status(status));
    let filters = models::ComplianceStatus::MEMBERS.map(at);
    let counts = future::join_all(filters.iter().map(|filter| statuses.count(Some(filter))));
    let (all, counts) = future::join(statuses.count(None), counts).await;

    let is_refused = counts.iter().all(|count| count.as_ref().is_err_and(graph::Error::may_refuse_options));
    if max_pages > 0
        && is_refused
        && let Some(first) = Box::pin(statuses.page_without_counts(first_page(), &select())).await
    {
        return tally(ctx, &statuses, first, all.ok()).await;
    }

    let mut read = counts.iter().flatten();
    if let Some(first) = read.next().filter(|first| **first > 0)
        && let Some(second) = read.next()
        && std::iter::once(second).chain(read).all(|count| count == first)
    {
        // Either each status has the same count, or each count is the total. The total decides.
        if all? == *first {
            metrics::deviation(Deviation::CountFilterIgnored);
            if request_context(ctx)?.first_ignored_filter() {
                warn!(list = statuses.path(), "Graph ignored a filter of the counts; they are not returned");
            }
            return Err(FieldError::new(
                ErrorCode::UpstreamError,
                "Microsoft Graph ignored the filters of the counts, so the counts are unknown.",
            ));
        }
    }
    let count = |(status, count)| DeviceStatusCount { status, count };
    Ok(models::ComplianceStatus::MEMBERS.into_iter().zip(counts).map(count).collect())
}

fn first_page() -> String {
    ListOptions { top: Some(FALLBACK_PAGE_SIZE), ..ListOptions::default() }.to_query()
}

fn select() -> Select {
    Select::from(["id", "status"])
}

/// Counts the rows of the list by their status. `total` is Graph's count of the list, if it is known.
async fn tally(
    ctx: &Context<'_>,
    statuses: &DeviceStatuses,
    first: Page<models::DeviceStatus>,
    total: Option<i64>,
) -> Result<Vec<DeviceStatusCount>, FieldError> {
    metrics::option_refused(RefusedOption::Count);
    let max_pages = schema_context(ctx)?.max_fallback_pages;
    let mut counts = models::ComplianceStatus::MEMBERS.map(|status| (status, 0_i64));
    let (mut seen, mut unreadable) = (HashSet::new(), 0);
    let (mut page, mut pages) = (first, 1);
    loop {
        unreadable += page.unreadable;
        for row in page.entities {
            if seen.insert(canonical_key(row.key()).into_owned())
                && let PropertyValue::Status(status) = row.property("status")
                && let Some((_, count)) = counts.iter_mut().find(|(member, _)| *member == status)
            {
                *count += 1;
            }
        }
        match page.next {
            NextLink::End => break,
            NextLink::Unusable => return Err(FieldError::list_without_end(page.info)),
            NextLink::Page(next) if pages < max_pages => {
                page = statuses.list(next.as_str().to_owned(), &select()).await?;
                pages += 1;
            }
            NextLink::Page(_) => {
                let size = FALLBACK_PAGE_SIZE;
                return Err(FieldError::beyond_fallback("deviceStatusCounts", "count", max_pages, size));
            }
        }
    }
    if let Some(total) = total {
        list::report_short_list(request_context(ctx)?, statuses.path(), total, seen.len() + unreadable);
    }
    if unreadable > 0 {
        FieldError::unreadable_rows(ctx, unreadable, page.info).add_to_response(ctx);
    }
    let count = |(status, count)| DeviceStatusCount { status, count: Ok(count) };
    Ok(counts.into_iter().map(count).collect())
}
