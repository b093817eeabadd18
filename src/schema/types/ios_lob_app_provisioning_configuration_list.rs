//! How lists of configurations can be filtered and ordered.

use async_graphql::{Enum, InputObject, MaybeUndefined};

use super::DateTimeOffset;
use super::order::{Direction, OrderDirection};
use crate::graph::odata::OrderBy;
use crate::schema::error::FieldError;
use crate::schema::filter::{Combinators, DateTimeOffsetFilter, FilterInput, IntFilter, StringFilter, Terms};

/// Conditions that a configuration must meet. All conditions that are set must hold.
///
/// A filter has at most 100 comparisons and 8 levels. Null is not allowed, except in `eq` and `ne`.
#[derive(Debug, InputObject)]
pub(crate) struct IosLobAppProvisioningConfigurationFilter {
    /// All of these filters must match. An empty list matches every object.
    and: MaybeUndefined<Vec<IosLobAppProvisioningConfigurationFilter>>,
    /// At least one of these filters must match. An empty list matches no object.
    or: MaybeUndefined<Vec<IosLobAppProvisioningConfigurationFilter>>,
    /// This filter must not match.
    not: MaybeUndefined<Box<IosLobAppProvisioningConfigurationFilter>>,
    /// Compares the name that administrators see.
    display_name: MaybeUndefined<StringFilter>,
    /// Compares the description.
    description: MaybeUndefined<StringFilter>,
    /// Compares the version of the profile.
    version: MaybeUndefined<IntFilter>,
    /// Compares the file name of the payload.
    payload_file_name: MaybeUndefined<StringFilter>,
    /// Compares the time when the profile expires.
    expiration_date_time: MaybeUndefined<DateTimeOffsetFilter>,
    /// The profile expires before this time: by `expirationDateTime`, or where that is null, by the
    /// profile in the payload. The gateway compares the latter and reads the payloads for it; a page
    /// may have fewer than `first` objects although there are more pages. A configuration without a
    /// known expiry matches.
    expires_before: MaybeUndefined<DateTimeOffset>,
    /// Compares the time when the profile was created.
    created_date_time: MaybeUndefined<DateTimeOffsetFilter>,
    /// Compares the time when the profile was last changed.
    last_modified_date_time: MaybeUndefined<DateTimeOffsetFilter>,
}

impl FilterInput for IosLobAppProvisioningConfigurationFilter {
    fn combinators(&self) -> Combinators<'_, Self> {
        Combinators { and: &self.and, or: &self.or, not: &self.not }
    }

    fn comparisons(&self, terms: &mut Terms) -> Result<(), FieldError> {
        terms.property("displayName", &self.display_name)?;
        terms.property("description", &self.description)?;
        terms.property("version", &self.version)?;
        terms.property("payloadFileName", &self.payload_file_name)?;
        terms.property("expirationDateTime", &self.expiration_date_time)?;
        terms.expires_before(&self.expires_before)?;
        terms.property("createdDateTime", &self.created_date_time)?;
        terms.property("lastModifiedDateTime", &self.last_modified_date_time)
    }
}

/// The order of a list of configurations. Graph may ignore it, as Intune sometimes does.
#[derive(Debug, InputObject)]
pub(crate) struct IosLobAppProvisioningConfigurationOrder {
    /// The property to order by.
    field: IosLobAppProvisioningConfigurationOrderField,
    /// The direction of the order.
    #[graphql(default)]
    direction: OrderDirection,
}

/// The properties that configurations can be ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
enum IosLobAppProvisioningConfigurationOrderField {
    /// The name that administrators see.
    DisplayName,
    /// The file name of the payload.
    PayloadFileName,
    /// The version of the profile.
    Version,
    /// The time when the profile expires.
    ExpirationDateTime,
    /// The time when the profile was created.
    CreatedDateTime,
    /// The time when the profile was last changed.
    LastModifiedDateTime,
}

impl From<IosLobAppProvisioningConfigurationOrder> for OrderBy {
    fn from(order: IosLobAppProvisioningConfigurationOrder) -> Self {
        use IosLobAppProvisioningConfigurationOrderField as Field;
        let property = match order.field {
            Field::DisplayName => "displayName",
            Field::PayloadFileName => "payloadFileName",
            Field::Version => "version",
            Field::ExpirationDateTime => "expirationDateTime",
            Field::CreatedDateTime => "createdDateTime",
            Field::LastModifiedDateTime => "lastModifiedDateTime",
        };
        Self { property, direction: Direction::from(order.direction) }
    }
}
