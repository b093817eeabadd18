//! OData query options: `$select`, `$filter`, `$orderby`, `$top` and `$count`, with every literal escaped.

mod collation;
mod filter;
mod literal;
mod option_set;
mod sent_filter;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

pub use self::filter::{Comparison, Filter, Function, PROFILE_EXPIRATION, Verdict};
pub use self::literal::{Literal, PropertyValue};
pub use self::option_set::OptionSet;

/// Characters that are not encoded in a query value: the unreserved ones, and those of OData
/// expressions that proxies do not misinterpret. Official SDKs do not encode quotes either, but
/// encoding them does no harm.
const VALUE: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b',').remove(b':');

/// Names of properties, in one order, each once.
pub type Select = BTreeSet<&'static str>;

/// Direction of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Smallest first.
    Ascending,
    /// Descending.
    Descending,
}

/// `$orderby` by one property.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OrderBy {
    /// The property's name.
    pub property: &'static str,
    /// The direction.
    pub direction: Direction,
}

/// The options of a read of a collection, `$select` apart.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ListOptions {
    /// `$filter`.
    pub filter: Option<Filter>,
    /// `$orderby`.
    pub order_by: Option<OrderBy>,
    /// `$top`: the requested page size.
    pub top: Option<usize>,
    /// `$count=true`.
    pub count: bool,
}

impl ListOptions {
    /// The options that change the result of the list.
    #[must_use]
    pub fn used(&self) -> OptionSet {
        OptionSet { filter: self.filter.is_some(), order_by: self.order_by.is_some(), count: self.count }
    }

    /// The options except for those of a set. Without its filter, a list is not counted either.
    #[must_use]
    pub fn without(&self, left_out: OptionSet) -> Self {
        Self {
            filter: self.filter.clone().filter(|_| !left_out.filter),
            order_by: self.order_by.filter(|_| !left_out.order_by),
            top: self.top,
            count: self.count && !left_out.count && !left_out.filter,
        }
    }

    /// The same options with harmless literals in the filter: a service that refuses them refuses the form of the filter,
    /// and not a value of the caller's.
    #[must_use]
    pub(super) fn neutral(&self) -> Self {
        Self { filter: self.filter.as_ref().map(Filter::neutral), ..self.clone() }
    }

    /// The options as a query string, without `?`.
    #[must_use]
    pub fn to_query(&self) -> String {
        let mut query = String::new();
        match &self.filter {
            Some(filter) if filter.is_wider_when_sent() => {
                if let Some(sent) = filter.sent() {
                    push(&mut query, "$filter", &sent.to_string());
                }
            }
            Some(filter) => push(&mut query, "$filter", &filter.to_string()),
            None => {}
        }
        if let Some(OrderBy { property, direction }) = self.order_by {
            let direction = match direction {
                Direction::Ascending => "asc",
                Direction::Descending => "desc",
            };
            push(&mut query, "$orderby", &format!("{property} {direction}"));
        }
        if let Some(top) = self.top {
            push(&mut query, "$top", &top.to_string());
        }
        if self.count {
            push(&mut query, "$count", "true");
        }
        query
    }
}

/// Adds an option to a query string, its value percent-encoded.
pub(super) fn push(query: &mut String, name: &str, value: &str) {
    if !query.is_empty() {
        query.push('&');
    }
    // Writing to a string does not fail.
    let _ = write!(query, "{name}={}", utf8_percent_encode(value, VALUE));
}

/// Adds `$select` to a query string. No properties means all properties, without `$select`.
pub(super) fn push_select(query: &mut String, select: &Select) {
    if !select.is_empty() {
        push(query, "$select", &select.iter().copied().collect::<Vec<_>>().join(","));
    }
}
