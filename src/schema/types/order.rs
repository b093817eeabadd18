//! Direction of an order.

use async_graphql::Enum;

pub(super) use crate::graph::odata::Direction;

/// The direction of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enum)]
pub(crate) enum OrderDirection {
    /// Ascending: the smallest or earliest value first.
    #[default]
    Asc,
    /// Descending: the largest or latest value first.
    Desc,
}

impl From<OrderDirection> for Direction {
    fn from(direction: OrderDirection) -> Self {
        match direction {
            OrderDirection::Asc => Self::Ascending,
            OrderDirection::Desc => Self::Descending,
        }
    }
}
