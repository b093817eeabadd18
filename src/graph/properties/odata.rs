//! The text of a filter parses to the same filter, for any literals, and a query string to its
//! options.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use url::Url;

use super::super::models::{ComplianceStatus, DateTimeOffset};
use super::super::odata::{
    Comparison, Direction, Filter, Function, ListOptions, Literal, OrderBy, PropertyValue, Verdict,
};

/// Accepts a filter: one line for each comparison and operator, with operators after their
/// operands. See [`filter`].
pub fn odata(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let literal = Literal::String(text.to_string());
    let written = literal.to_string();
    let mut reader = Reader(&written);
    assert_eq!(reader.literal("name"), Some(literal));
    assert_eq!(reader.0, "", "one literal, and nothing after it");

    let Some(filter) = filter(&text) else { return };
    let written = filter.to_string();
    let mut reader = Reader(&written);
    assert_eq!(reader.any().as_ref(), Some(&filter), "{written}");
    assert_eq!(reader.0, "", "{written}");
    no_row_meets_it_and_its_opposite(&filter, &text);
    is_one_value_of_a_url(filter);
}

/// Parses the lines: `=`, `^` and `*` with a text (equal, starts with, contains), `#` with a
/// number, `@` with a date, `:` with a status, `~` (not null); `&`, `|` and `!`. The remaining
/// operands are joined at the end.
fn filter(text: &str) -> Option<Filter> {
    let mut parts: Vec<Filter> = Vec::new();
    // As many as the schema accepts.
    for line in text.lines().take(100) {
        let mut rest = line.chars();
        let operator = rest.next();
        let rest = rest.as_str();
        let compare = |property, comparison, literal| Some(Filter::Compare(property, comparison, literal));
        let part = match operator? {
            '=' => compare("name", Comparison::Eq, Literal::String(rest.to_owned())),
            '^' => Some(Filter::Call(Function::StartsWith, "name", rest.to_owned())),
            '*' => Some(Filter::Call(Function::Contains, "name", rest.to_owned())),
            '#' => {
                rest.parse().ok().and_then(|number| compare("count", Comparison::Ge, Literal::Int(number)))
            }
            '@' => DateTimeOffset::parse(rest)
                .ok()
                .and_then(|date| compare("date", Comparison::Lt, Literal::Date(date))),
            ':' => status(rest).and_then(|status| compare("status", Comparison::Ne, Literal::Status(status))),
            '~' => compare("name", Comparison::Ne, Literal::Null),
            '!' => parts.pop().map(|part| Filter::Not(Box::new(part))),
            operator @ ('&' | '|') if parts.len() > 1 => {
                let both = parts.split_off(parts.len() - 2);
                Some(if operator == '&' { Filter::And(both) } else { Filter::Or(both) })
            }
            _ => None,
        };
        parts.extend(part);
    }
    if parts.len() > 1 { Some(Filter::And(parts)) } else { parts.pop() }
}

fn status(name: &str) -> Option<ComplianceStatus> {
    ComplianceStatus::MEMBERS.into_iter().find(|status| status.name() == Some(name))
}

fn no_row_meets_it_and_its_opposite(filter: &Filter, text: &str) {
    let opposite = Filter::Not(Box::new(filter.clone()));
    let date = PropertyValue::Date(0);
    for name in [PropertyValue::Unknown, PropertyValue::Null, PropertyValue::String(text)] {
        let row = |property: &str| match property {
            "name" => name,
            "count" => PropertyValue::Int(7),
            "date" => date,
            _ => PropertyValue::Status(ComplianceStatus::Error),
        };
        match filter.verdict(&row) {
            Verdict::Meets => assert_eq!(opposite.verdict(&row), Verdict::Misses),
            Verdict::Misses => assert_eq!(opposite.verdict(&row), Verdict::Meets),
            Verdict::Open => assert_eq!(opposite.verdict(&row), Verdict::Open),
        }
    }
}

fn is_one_value_of_a_url(filter: Filter) {
    let written = filter.to_string();
    let order_by = OrderBy { property: "name", direction: Direction::Descending };
    let options = ListOptions { filter: Some(filter), order_by: Some(order_by), top: Some(5), count: true };
    let query = options.to_query();
    assert!(
        query.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~,:%&=$".contains(&byte)),
        "{query}"
    );
    let expected =
        [("$filter", written.as_str()), ("$orderby", "name desc"), ("$top", "5"), ("$count", "true")];

    let decoded = |text| percent_decode_str(text).decode_utf8().expect("UTF-8 was encoded");
    let pairs: Vec<(&str, Cow<'_, str>)> = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name, decoded(value)))
        .collect();
    assert!(pairs.iter().map(|(name, value)| (*name, &**value)).eq(expected), "{query}");
    // A URL library neither changes it nor parses it differently as a form.
    let url = Url::parse(&format!("https://graph.microsoft.com/beta/x?{query}")).expect("it is a URL");
    assert_eq!(url.query(), Some(query.as_str()));
    assert!(url.fragment().is_none());
    let form: Vec<_> = url.query_pairs().collect();
    assert!(form.iter().map(|(name, value)| (&**name, &**value)).eq(expected), "{query}");
}

/// Parses filters by OData's grammar (`boolCommonExpr` in its ABNF), as far as the gateway uses it.
struct Reader<'a>(&'a str);

impl<'a> Reader<'a> {
    fn any(&mut self) -> Option<Filter> {
        self.joined(" or ", Self::all, Filter::Or)
    }

    fn all(&mut self) -> Option<Filter> {
        self.joined(" and ", Self::part, Filter::And)
    }

    fn joined(
        &mut self,
        operator: &str,
        part: fn(&mut Self) -> Option<Filter>,
        join: fn(Vec<Filter>) -> Filter,
    ) -> Option<Filter> {
        let first = part(self)?;
        let mut parts = vec![first];
        while self.skip(operator) {
            parts.push(part(self)?);
        }
        if parts.len() > 1 { Some(join(parts)) } else { parts.pop() }
    }

    fn part(&mut self) -> Option<Filter> {
        if self.skip("not (") {
            let part = self.any()?;
            return self.skip(")").then(|| Filter::Not(Box::new(part)));
        }
        if self.skip("(") {
            let part = self.any()?;
            return self.skip(")").then_some(part);
        }
        for (name, function) in [("startswith(", Function::StartsWith), ("contains(", Function::Contains)] {
            if self.skip(name) {
                let property = self.property()?;
                let Some(Literal::String(text)) = self.skip(",").then(|| self.literal(property))? else {
                    return None;
                };
                return self.skip(")").then_some(Filter::Call(function, property, text));
            }
        }
        let property = self.property()?;
        let comparisons = [
            (" eq ", Comparison::Eq),
            (" ne ", Comparison::Ne),
            (" lt ", Comparison::Lt),
            (" ge ", Comparison::Ge),
        ];
        let (_, comparison) = comparisons.into_iter().find(|(operator, _)| self.skip(operator))?;
        Some(Filter::Compare(property, comparison, self.literal(property)?))
    }

    fn property(&mut self) -> Option<&'static str> {
        ["name", "count", "date", "status"].into_iter().find(|name| self.skip(name))
    }

    /// A quote within a string is doubled; any other literal ends before a space or a bracket.
    fn literal(&mut self, property: &str) -> Option<Literal> {
        if self.skip("'") {
            let mut text = String::new();
            loop {
                let (before, after) = self.0.split_once('\'')?;
                text.push_str(before);
                self.0 = after;
                if !self.skip("'") {
                    break;
                }
                text.push('\'');
            }
            return if property == "status" {
                status(&text).map(Literal::Status)
            } else {
                Some(Literal::String(text))
            };
        }
        let end = self.0.find([' ', ')']).unwrap_or(self.0.len());
        let (bare, rest) = self.0.split_at(end);
        self.0 = rest;
        match property {
            _ if bare == "null" => Some(Literal::Null),
            "count" => bare.parse().ok().map(Literal::Int),
            "date" => DateTimeOffset::parse(bare).ok().map(Literal::Date),
            _ => None,
        }
    }

    fn skip(&mut self, text: &str) -> bool {
        let rest: Option<&'a str> = self.0.strip_prefix(text);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }
}
