//! How lists of configurations can be filtered and ordered.

use async_graphql::{Enum, InputObject, MaybeUndefined};

use super::order::{Direction, OrderDirection};
use crate::graph::odata::OrderBy;
use crate::schema::error::FieldError;
use crate::schema::filter::{Combinators, DateTimeOffsetFilter, FilterInput, IntFilter, StringFilter, Terms};

/// Which configurations to list. All that is given must hold.
#[derive(Debug, InputObject)]
pub(crate) struct IosLobAppProvisioningConfigurationFilter {
    /// All of these; an empty list is true of everything.
    and: MaybeUndefined<Vec<IosLobAppProvisioningConfigurationFilter>>,
    /// Any of these; an empty list is true of nothing.
    or: MaybeUndefined<Vec<IosLobAppProvisioningConfigurationFilter>>,
    /// Not this.
    not: MaybeUndefined<Box<IosLobAppProvisioningConfigurationFilter>>,
    /// Name shown to administrators.
    display_name: MaybeUndefined<StringFilter>,
    /// Free text.
    description: MaybeUndefined<StringFilter>,
    /// Counts edits, from 1.
    version: MaybeUndefined<IntFilter>,
    /// File name of the payload.
    payload_file_name: MaybeUndefined<StringFilter>,
    /// When the profile expires.
    expiration_date_time: MaybeUndefined<DateTimeOffsetFilter>,
    /// When the profile was created.
    created_date_time: MaybeUndefined<DateTimeOffsetFilter>,
    /// When the profile was last changed.
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
        terms.property("createdDateTime", &self.created_date_time)?;
        terms.property("lastModifiedDateTime", &self.last_modified_date_time)
    }
}

/// How to order configurations.
#[derive(Debug, InputObject)]
pub(crate) struct IosLobAppProvisioningConfigurationOrder {
    /// By what.
    field: IosLobAppProvisioningConfigurationOrderField,
    /// Which way.
    #[graphql(default)]
    direction: OrderDirection,
}

/// What configurations can be ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
enum IosLobAppProvisioningConfigurationOrderField {
    /// Name shown to administrators.
    DisplayName,
    /// File name of the payload.
    PayloadFileName,
    /// Counts edits, from 1.
    Version,
    /// When the profile expires.
    ExpirationDateTime,
    /// When the profile was created.
    CreatedDateTime,
    /// When the profile was last changed.
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
