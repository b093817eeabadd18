//! How lists of device statuses can be filtered and ordered.

use async_graphql::{Enum, InputObject, MaybeUndefined};

use super::order::{Direction, OrderDirection};
use crate::graph::odata::OrderBy;
use crate::schema::error::FieldError;
use crate::schema::filter::{
    Combinators, ComplianceStatusFilter, DateTimeOffsetFilter, FilterInput, IntFilter, StringFilter, Terms,
};

/// Conditions that a device status must meet. All conditions that are set must hold.
///
/// A filter has at most 100 comparisons and 8 levels. Null is not allowed, except in `eq` and `ne`.
#[derive(Debug, InputObject)]
pub(crate) struct DeviceStatusFilter {
    /// All of these filters must match. An empty list matches every object.
    and: MaybeUndefined<Vec<DeviceStatusFilter>>,
    /// At least one of these filters must match. An empty list matches no object.
    or: MaybeUndefined<Vec<DeviceStatusFilter>>,
    /// This filter must not match.
    not: MaybeUndefined<Box<DeviceStatusFilter>>,
    /// Compares the compliance of the device.
    status: MaybeUndefined<ComplianceStatusFilter>,
    /// Compares the platform code.
    platform: MaybeUndefined<IntFilter>,
    /// Compares the name of the device.
    device_display_name: MaybeUndefined<StringFilter>,
    /// Compares the name of the user.
    user_name: MaybeUndefined<StringFilter>,
    /// Compares the model of the device.
    device_model: MaybeUndefined<StringFilter>,
    /// Compares the user principal name (UPN) of the user.
    user_principal_name: MaybeUndefined<StringFilter>,
    /// Compares the time of the last report from the device.
    last_reported_date_time: MaybeUndefined<DateTimeOffsetFilter>,
    /// Compares the end of the grace period.
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

/// The order of a list of device statuses. Graph may ignore it, as Intune sometimes does.
#[derive(Debug, InputObject)]
pub(crate) struct DeviceStatusOrder {
    /// The property to order by.
    field: DeviceStatusOrderField,
    /// The direction of the order.
    #[graphql(default)]
    direction: OrderDirection,
}

/// The properties that device statuses can be ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
enum DeviceStatusOrderField {
    /// The compliance of the device.
    Status,
    /// The platform code.
    Platform,
    /// The name of the device.
    DeviceDisplayName,
    /// The name of the user.
    UserName,
    /// The model of the device.
    DeviceModel,
    /// The user principal name (UPN) of the user.
    UserPrincipalName,
    /// The time of the last report from the device.
    LastReportedDateTime,
    /// The end of the grace period.
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
