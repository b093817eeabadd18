//! The way from an argument or a variable down to one value inside it, such as `input.deviceStatuses[3].platform`.

use std::fmt;

use async_graphql::PathSegment;

use crate::error::TruncatedName;

/// One step of the way, linked to the steps before it, so that going down costs nothing until an error needs the
/// whole.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InputPath<'p> {
    before: Option<&'p InputPath<'p>>,
    step: Step<'p>,
}

#[derive(Debug, Clone, Copy)]
enum Step<'p> {
    Name(&'p str),
    Index(usize),
}

impl<'p> InputPath<'p> {
    /// The argument or variable of this name.
    pub(crate) fn root(name: &'p str) -> Self {
        Self { before: None, step: Step::Name(name) }
    }

    /// The input object's field of this name.
    pub(crate) fn field<'s>(&'s self, name: &'s str) -> InputPath<'s> {
        InputPath { before: Some(self), step: Step::Name(name) }
    }

    /// The list's item at this index.
    pub(crate) fn item(&self, index: usize) -> InputPath<'_> {
        InputPath { before: Some(self), step: Step::Index(index) }
    }

    /// The steps in order, in the form that responses use.
    pub(crate) fn segments(&self) -> Vec<PathSegment> {
        let mut segments = self.before.map(InputPath::segments).unwrap_or_default();
        segments.push(match self.step {
            Step::Name(name) => PathSegment::Field(name.to_owned()),
            Step::Index(index) => PathSegment::Index(index),
        });
        segments
    }

    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(before) = self.before {
            before.write(f)?;
        }
        match self.step {
            Step::Name(name) if self.before.is_some() => write!(f, ".{name}"),
            Step::Name(name) => f.write_str(name),
            Step::Index(index) => write!(f, "[{index}]"),
        }
    }
}

impl fmt::Display for InputPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f)
    }
}

/// Whether this is a name by the grammar (2.1.9, "Names"). Other keys may be values in the wrong
/// place, and are not repeated in messages.
pub(crate) fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first == '_' || first.is_ascii_alphabetic())
        && text.chars().all(|char| char == '_' || char.is_ascii_alphanumeric())
}

/// A key that the schema does not know, as a message may show it.
pub(crate) fn unknown_key(key: &str) -> String {
    if is_name(key) { format!("no field {}", TruncatedName(key)) } else { "no field of this name".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_like_an_expression() {
        let root = InputPath::root("input");
        let list = root.field("deviceStatuses");
        let item = list.item(3);
        assert_eq!(item.field("platform").to_string(), "input.deviceStatuses[3].platform");
        assert_eq!(
            item.segments(),
            [
                PathSegment::Field("input".to_owned()),
                PathSegment::Field("deviceStatuses".to_owned()),
                PathSegment::Index(3)
            ]
        );
    }

    #[test]
    fn only_a_name_is_repeated() {
        assert_eq!(unknown_key("platfrom"), "no field `platfrom`");
        assert_eq!(unknown_key("a b"), "no field of this name");
        assert_eq!(unknown_key(""), "no field of this name");
    }
}
