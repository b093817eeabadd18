//! Filters: typed input to OData expressions. There is no way to a raw OData string.

use async_graphql::{InputObject, InputType, MaybeUndefined};

use super::error::FieldError;
use super::types::{ComplianceStatus, DateTimeOffset};
use crate::graph::odata::{Comparison, Filter, Function, ListOptions, Literal};

/// Maximum nesting of `and`, `or` and `not`.
const MAX_DEPTH: usize = 8;
/// Maximum number of comparisons in one filter. Each becomes part of a URL, which servers limit to
/// about 8 kB.
const MAX_COMPARISONS: usize = 100;
/// Maximum length of `$filter` in bytes, as encoded in a URL. Graph's links repeat it with a skip
/// token, and links longer than 8 kB are not followed.
const MAX_FILTER_LENGTH: usize = 5 * 1024;

/// A filter after constant conditions are folded.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Condition {
    /// True of everything: no filter is sent.
    Always,
    /// Matches nothing: no request is sent.
    Never,
    /// Sent to Graph.
    Where(Filter),
}

/// A filter's input object: its own comparisons and the three combinators.
pub(super) trait FilterInput: InputType {
    /// `and`, `or` and `not`.
    fn combinators(&self) -> Combinators<'_, Self>
    where
        Self: Sized;
    /// The comparisons of its properties.
    fn comparisons(&self, terms: &mut Terms) -> Result<(), FieldError>;
}

/// The members that combine filters.
pub(super) struct Combinators<'a, F> {
    pub(super) and: &'a MaybeUndefined<Vec<F>>,
    pub(super) or: &'a MaybeUndefined<Vec<F>>,
    pub(super) not: &'a MaybeUndefined<Box<F>>,
}

/// The condition of a filter argument.
///
/// # Errors
///
/// `BAD_USER_INPUT` for a null that is not allowed, and for filters that are too deep or too long.
pub(super) fn condition<F: FilterInput>(filter: Option<&F>) -> Result<Condition, FieldError> {
    let Some(filter) = filter else { return Ok(Condition::Always) };
    let mut count = 0;
    let condition = fold(filter, 1, &mut count)?;
    if let Condition::Where(filter) = &condition {
        let options = ListOptions { filter: Some(filter.clone()), ..ListOptions::default() };
        if options.to_query().len() > MAX_FILTER_LENGTH {
            return Err(FieldError::bad_user_input(format!(
                "`filter` is longer than {MAX_FILTER_LENGTH} bytes in the URL that Microsoft Graph is sent."
            )));
        }
    }
    Ok(condition)
}

fn fold<F: FilterInput>(filter: &F, depth: usize, count: &mut usize) -> Result<Condition, FieldError> {
    if depth > MAX_DEPTH {
        return Err(FieldError::bad_user_input(format!("`filter` is nested deeper than {MAX_DEPTH}.")));
    }
    let mut terms = Terms(Vec::new());
    filter.comparisons(&mut terms)?;
    *count += terms.0.iter().map(terms_of).sum::<usize>();
    if *count > MAX_COMPARISONS {
        return Err(FieldError::bad_user_input(format!(
            "`filter` has more than {MAX_COMPARISONS} comparisons."
        )));
    }
    let mut all = terms.0;
    let Combinators { and, or, not } = filter.combinators();
    if let Some(parts) = given(and, "and")? {
        for part in parts {
            all.push(fold(part, depth + 1, count)?);
        }
    }
    if let Some(parts) = given(or, "or")? {
        let parts = parts.iter().map(|part| fold(part, depth + 1, count)).collect::<Result<_, _>>()?;
        all.push(any(parts));
    }
    if let Some(part) = given(not, "not")? {
        all.push(match fold(&**part, depth + 1, count)? {
            Condition::Always => Condition::Never,
            Condition::Never => Condition::Always,
            Condition::Where(filter) => Condition::Where(Filter::Not(Box::new(filter))),
        });
    }
    Ok(every(all))
}

fn terms_of(condition: &Condition) -> usize {
    match condition {
        Condition::Where(Filter::Or(parts)) => parts.len(),
        Condition::Where(_) => 1,
        Condition::Always | Condition::Never => 0,
    }
}

fn every(parts: Vec<Condition>) -> Condition {
    let mut filters = Vec::new();
    for part in parts {
        match part {
            Condition::Always => {}
            Condition::Never => return Condition::Never,
            Condition::Where(filter) => filters.push(filter),
        }
    }
    match filters.len() {
        0 => Condition::Always,
        1 => filters.pop().map_or(Condition::Always, Condition::Where),
        _ => Condition::Where(Filter::And(filters)),
    }
}

fn any(parts: Vec<Condition>) -> Condition {
    let mut filters = Vec::new();
    for part in parts {
        match part {
            Condition::Always => return Condition::Always,
            Condition::Never => {}
            Condition::Where(filter) => filters.push(filter),
        }
    }
    match filters.len() {
        0 => Condition::Never,
        1 => filters.pop().map_or(Condition::Never, Condition::Where),
        _ => Condition::Where(Filter::Or(filters)),
    }
}

/// A member that may be left out and must not be null.
fn given<'a, T>(value: &'a MaybeUndefined<T>, name: &str) -> Result<Option<&'a T>, FieldError> {
    match value {
        MaybeUndefined::Undefined => Ok(None),
        MaybeUndefined::Value(value) => Ok(Some(value)),
        MaybeUndefined::Null => Err(FieldError::bad_user_input(format!(
            "`filter`: `{name}` must not be null. Leave it out. To test a property for null, use its `eq` or `ne`."
        ))),
    }
}

/// The comparisons of one filter object, all of which must hold.
pub(super) struct Terms(Vec<Condition>);

impl Terms {
    fn compare(&mut self, property: &'static str, comparison: Comparison, literal: Literal) {
        self.0.push(Condition::Where(Filter::Compare(property, comparison, literal)));
    }

    /// `eq` and `ne`, where null tests for null.
    fn equality<T>(
        &mut self,
        property: &'static str,
        eq: &MaybeUndefined<T>,
        ne: &MaybeUndefined<T>,
        literal: impl Fn(&T) -> Literal,
    ) {
        for (value, comparison) in [(eq, Comparison::Eq), (ne, Comparison::Ne)] {
            match value {
                MaybeUndefined::Undefined => {}
                MaybeUndefined::Null => self.compare(property, comparison, Literal::Null),
                MaybeUndefined::Value(value) => self.compare(property, comparison, literal(value)),
            }
        }
    }

    /// `in`, as a row of comparisons, since Graph promises no `in` for these types.
    fn one_of<T>(
        &mut self,
        property: &'static str,
        values: &MaybeUndefined<Vec<T>>,
        literal: impl Fn(&T) -> Literal,
    ) -> Result<(), FieldError> {
        if let Some(values) = given(values, "in")? {
            let equal = |value| Condition::Where(Filter::Compare(property, Comparison::Eq, literal(value)));
            self.0.push(any(values.iter().map(equal).collect()));
        }
        Ok(())
    }

    fn ordered<T>(
        &mut self,
        property: &'static str,
        bounds: [(&MaybeUndefined<T>, Comparison, &str); 4],
        literal: impl Fn(&T) -> Literal,
    ) -> Result<(), FieldError> {
        for (value, comparison, name) in bounds {
            if let Some(value) = given(value, name)? {
                self.compare(property, comparison, literal(value));
            }
        }
        Ok(())
    }

    /// `expiresBefore` of configurations: by `expirationDateTime`, or by the profile where that is null.
    pub(super) fn expires_before(&mut self, date: &MaybeUndefined<DateTimeOffset>) -> Result<(), FieldError> {
        const EXPIRATION: &str = "expirationDateTime";
        let Some(DateTimeOffset(date)) = given(date, "expiresBefore")? else { return Ok(()) };
        let null = |comparison| Filter::Compare(EXPIRATION, comparison, Literal::Null);
        let before = Filter::Compare(EXPIRATION, Comparison::Lt, Literal::Date(date.clone()));
        let by_property = Filter::And(vec![null(Comparison::Ne), before]);
        let by_profile = Filter::And(vec![null(Comparison::Eq), Filter::ProfileExpiresBefore(date.clone())]);
        self.0.push(Condition::Where(Filter::Or(vec![by_property, by_profile])));
        Ok(())
    }

    /// The comparisons of a property, if there are any.
    pub(super) fn property<P: PropertyFilter>(
        &mut self,
        property: &'static str,
        filter: &MaybeUndefined<P>,
    ) -> Result<(), FieldError> {
        given(filter, property)?.map_or(Ok(()), |filter| filter.terms(property, self))
    }
}

/// The comparisons of a property's type.
pub(super) trait PropertyFilter {
    fn terms(&self, property: &'static str, terms: &mut Terms) -> Result<(), FieldError>;
}

/// Comparisons of a text. All comparisons that are set must hold. Graph decides whether case
/// matters; in most of Intune it does not.
#[derive(Debug, InputObject)]
pub(super) struct StringFilter {
    /// Equal to this value. Null matches objects without a value.
    eq: MaybeUndefined<String>,
    /// Not equal to this value. Null matches objects with a value.
    ne: MaybeUndefined<String>,
    /// Equal to one of these values. An empty list matches no object.
    r#in: MaybeUndefined<Vec<String>>,
    /// Starts with this text.
    starts_with: MaybeUndefined<String>,
    /// Contains this text.
    contains: MaybeUndefined<String>,
}

impl PropertyFilter for StringFilter {
    fn terms(&self, property: &'static str, terms: &mut Terms) -> Result<(), FieldError> {
        let literal = |text: &String| Literal::String(text.clone());
        terms.equality(property, &self.eq, &self.ne, literal);
        terms.one_of(property, &self.r#in, literal)?;
        for (text, function, name) in [
            (&self.starts_with, Function::StartsWith, "startsWith"),
            (&self.contains, Function::Contains, "contains"),
        ] {
            if let Some(text) = given(text, name)? {
                terms.0.push(Condition::Where(Filter::Call(function, property, text.clone())));
            }
        }
        Ok(())
    }
}

/// Comparisons of a number. All comparisons that are set must hold.
#[derive(Debug, InputObject)]
pub(super) struct IntFilter {
    /// Equal to this value. Null matches objects without a value.
    eq: MaybeUndefined<i32>,
    /// Not equal to this value. Null matches objects with a value.
    ne: MaybeUndefined<i32>,
    /// Equal to one of these values. An empty list matches no object.
    r#in: MaybeUndefined<Vec<i32>>,
    /// Less than this number.
    lt: MaybeUndefined<i32>,
    /// Less than or equal to this number.
    le: MaybeUndefined<i32>,
    /// Greater than this number.
    gt: MaybeUndefined<i32>,
    /// Greater than or equal to this number.
    ge: MaybeUndefined<i32>,
}

impl PropertyFilter for IntFilter {
    fn terms(&self, property: &'static str, terms: &mut Terms) -> Result<(), FieldError> {
        let literal = |number: &i32| Literal::Int(*number);
        terms.equality(property, &self.eq, &self.ne, literal);
        terms.one_of(property, &self.r#in, literal)?;
        terms.ordered(property, bounds(&self.lt, &self.le, &self.gt, &self.ge), literal)
    }
}

/// Comparisons of a date and time. All comparisons that are set must hold. Instants are compared,
/// so offsets may differ.
#[derive(Debug, InputObject)]
pub(super) struct DateTimeOffsetFilter {
    /// At this instant. Null matches objects without a value.
    eq: MaybeUndefined<DateTimeOffset>,
    /// Before this instant.
    lt: MaybeUndefined<DateTimeOffset>,
    /// Before or at this instant.
    le: MaybeUndefined<DateTimeOffset>,
    /// After this instant.
    gt: MaybeUndefined<DateTimeOffset>,
    /// After or at this instant.
    ge: MaybeUndefined<DateTimeOffset>,
}

impl PropertyFilter for DateTimeOffsetFilter {
    fn terms(&self, property: &'static str, terms: &mut Terms) -> Result<(), FieldError> {
        let literal = |date: &DateTimeOffset| Literal::Date(date.0.clone());
        terms.equality(property, &self.eq, &MaybeUndefined::Undefined, literal);
        terms.ordered(property, bounds(&self.lt, &self.le, &self.gt, &self.ge), literal)
    }
}

/// Comparisons of a compliance status. All comparisons that are set must hold.
#[derive(Debug, InputObject)]
pub(super) struct ComplianceStatusFilter {
    /// Equal to this value. Null matches objects without a value.
    eq: MaybeUndefined<ComplianceStatus>,
    /// Not equal to this value. Null matches objects with a value.
    ne: MaybeUndefined<ComplianceStatus>,
    /// Equal to one of these values. An empty list matches no object.
    r#in: MaybeUndefined<Vec<ComplianceStatus>>,
}

impl PropertyFilter for ComplianceStatusFilter {
    fn terms(&self, property: &'static str, terms: &mut Terms) -> Result<(), FieldError> {
        let literal = |status: &ComplianceStatus| Literal::Status((*status).into());
        terms.equality(property, &self.eq, &self.ne, literal);
        terms.one_of(property, &self.r#in, literal)
    }
}

fn bounds<'a, T>(
    lt: &'a MaybeUndefined<T>,
    le: &'a MaybeUndefined<T>,
    gt: &'a MaybeUndefined<T>,
    ge: &'a MaybeUndefined<T>,
) -> [(&'a MaybeUndefined<T>, Comparison, &'static str); 4] {
    [
        (lt, Comparison::Lt, "lt"),
        (le, Comparison::Le, "le"),
        (gt, Comparison::Gt, "gt"),
        (ge, Comparison::Ge, "ge"),
    ]
}
