//! `DeviceStatusCount`: the number of device statuses for each compliance status.

use async_graphql::{Context, Object};
use futures_util::future;
use tracing::warn;

use super::ComplianceStatus;
use crate::graph::models;
use crate::graph::odata::{Comparison, Filter, Literal};
use crate::graph::{self, Key};
use crate::schema::context::{request_context, session};
use crate::schema::error::{ErrorCode, FieldError};
use crate::telemetry::metrics::{self, Deviation};

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
    /// response then has an error.
    async fn count(&self, ctx: &Context<'_>) -> Option<Result<i32, FieldError>> {
        Some(match &self.count {
            Ok(count) => i32::try_from(*count).map_err(|_| FieldError::unreadable_value(ctx)),
            Err(error) => Err(error.clone().into()),
        })
    }
}

/// Counts the device statuses of a configuration for each compliance status: eight counts and the
/// total, read together. If all are equal, Graph ignored the filters, and the result is an error.
pub(crate) async fn load(
    ctx: &Context<'_>,
    configuration: &Key,
) -> Result<Vec<DeviceStatusCount>, FieldError> {
    let statuses = session(ctx)?.ios_lob_app_provisioning_configurations().device_statuses(configuration);
    let at = |status| Filter::Compare("status", Comparison::Eq, Literal::Status(status));
    let filters = models::ComplianceStatus::MEMBERS.map(at);
    let counts = future::join_all(filters.iter().map(|filter| statuses.count(Some(filter))));
    let (all, counts) = future::join(statuses.count(None), counts).await;

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
