//! How lists of device statuses can be filtered and ordered.

use async_graphql::{Enum, InputObject, MaybeUndefined};

use super::order::{Direction, OrderDirection};
use crate::graph::odata::OrderBy;
use crate::schema::error::FieldError;
use crate::schema::filter::{
    Combinators, ComplianceStatusFilter, DateTimeOffsetFilter, FilterInput, IntFilter, StringFilter, Terms,
};

/// Which device statuses to list. All that is given must hold.
#[derive(Debug, InputObject)]
pub(crate) struct DeviceStatusFilter {
    /// All of these; an empty list is true of everything.
    and: MaybeUndefined<Vec<DeviceStatusFilter>>,
    /// Any of these; an empty list is true of nothing.
    or: MaybeUndefined<Vec<DeviceStatusFilter>>,
    /// Not this.
    not: MaybeUndefined<Box<DeviceStatusFilter>>,
    /// Compliance of the device.
    status: MaybeUndefined<ComplianceStatusFilter>,
    /// Platform code.
    platform: MaybeUndefined<IntFilter>,
    /// Name of the device.
    device_display_name: MaybeUndefined<StringFilter>,
    /// Name of the user.
    user_name: MaybeUndefined<StringFilter>,
    /// Model of the device.
    device_model: MaybeUndefined<StringFilter>,
    /// Principal name of the user.
    user_principal_name: MaybeUndefined<StringFilter>,
    /// When the device last reported.
    last_reported_date_time: MaybeUndefined<DateTimeOffsetFilter>,
    /// When the grace period ends.
    compliance_grace_period_expiration_date_time: MaybeUndefined<DateTimeOffsetFilter>,
}

impl FilterInput for DeviceStatusFilter {
    fn combinators(&self) -> Combinators<'_, Self> {
        Combinators { and: &self.and, or: &self.or, not: &self.not }
    }

    fn comparisons(&self, terms: &mut Terms) -> Result<(), FieldError> {
        terms.property("status", &self.status)?;
        terms.property("platform", &self.platform)?;
        terms.property("deviceDisplayName", &self.device_display_name)?;
        terms.property("userName", &self.user_name)?;
        terms.property("deviceModel", &self.device_model)?;
        terms.property("userPrincipalName", &self.user_principal_name)?;
        terms.property("lastReportedDateTime", &self.last_reported_date_time)?;
        terms.property(
            "complianceGracePeriodExpirationDateTime",
            &self.compliance_grace_period_expiration_date_time,
        )
    }
}

/// How to order device statuses.
#[derive(Debug, InputObject)]
pub(crate) struct DeviceStatusOrder {
    /// By what.
    field: DeviceStatusOrderField,
    /// Which way.
    #[graphql(default)]
    direction: OrderDirection,
}

/// What device statuses can be ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
enum DeviceStatusOrderField {
    /// Compliance of the device.
    Status,
    /// Platform code.
    Platform,
    /// Name of the device.
    DeviceDisplayName,
    /// Name of the user.
    UserName,
    /// Model of the device.
    DeviceModel,
    /// Principal name of the user.
    UserPrincipalName,
    /// When the device last reported.
    LastReportedDateTime,
    /// When the grace period ends.
    ComplianceGracePeriodExpirationDateTime,
}

impl From<DeviceStatusOrder> for OrderBy {
    fn from(order: DeviceStatusOrder) -> Self {
        use DeviceStatusOrderField as Field;
        let property = match order.field {
            Field::Status => "status",
            Field::Platform => "platform",
            Field::DeviceDisplayName => "deviceDisplayName",
            Field::UserName => "userName",
            Field::DeviceModel => "deviceModel",
            Field::UserPrincipalName => "userPrincipalName",
            Field::LastReportedDateTime => "lastReportedDateTime",
            Field::ComplianceGracePeriodExpirationDateTime => "complianceGracePeriodExpirationDateTime",
        };
        Self { property, direction: Direction::from(order.direction) }
    }
}
