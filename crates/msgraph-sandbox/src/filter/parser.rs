//! From the words of a `$filter` to a condition: `or` binds weakest, then `and`, then `not`.

use super::lexer::{Word, words};
use super::{Comparison, Filter, Function, Literal};
use crate::error::{GraphError, Result as GraphResult, no_property};
use crate::instant::Instant;
use crate::model::{Kind, Property, StructuredType, Version};

/// Deepest nesting that is read; each level takes a few stack frames.
const MAX_DEPTH: usize = 64;

struct Parser {
    words: Vec<Word>,
    next: usize,
    depth: usize,
    kind: &'static StructuredType,
    version: Version,
}

type Parsed<T> = Result<T, String>;

impl Filter {
    /// Reads a `$filter` against a type.
    pub(crate) fn parse(text: &str, kind: &'static StructuredType, version: Version) -> GraphResult<Self> {
        Parser::new(text, kind, version)
            .and_then(Parser::filter)
            .map_err(|detail| GraphError::bad_request(format!("Invalid filter clause: {detail}")))
    }
}

impl Parser {
    fn new(text: &str, kind: &'static StructuredType, version: Version) -> Parsed<Self> {
        Ok(Self { words: words(text)?, next: 0, depth: 0, kind, version })
    }

    /// The whole filter.
    fn filter(mut self) -> Parsed<Filter> {
        let filter = self.or()?;
        match self.take() {
            None => Ok(filter),
            Some(word) => Err(unexpected(&word)),
        }
    }

    fn or(&mut self) -> Parsed<Filter> {
        let mut conditions = vec![self.and()?];
        while self.take_bare("or") {
            conditions.push(self.and()?);
        }
        Ok(single(conditions, Filter::Any))
    }

    fn and(&mut self) -> Parsed<Filter> {
        let mut conditions = vec![self.not()?];
        while self.take_bare("and") {
            conditions.push(self.not()?);
        }
        Ok(single(conditions, Filter::All))
    }

    fn not(&mut self) -> Parsed<Filter> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err("The node count limit has been exceeded.".to_owned());
        }
        let filter = if self.take_bare("not") {
            Filter::Not(Box::new(self.not()?))
        } else if self.peek() == Some(&Word::Open) {
            self.next += 1;
            let inner = self.or()?;
            self.expect(&Word::Close)?;
            inner
        } else {
            self.condition()?
        };
        self.depth -= 1;
        Ok(filter)
    }

    /// A function call, or a comparison with the property on either side.
    fn condition(&mut self) -> Parsed<Filter> {
        let word = self.take().ok_or_else(end)?;
        if let Word::Bare(name) = &word {
            if self.peek() == Some(&Word::Open) {
                return self.call(name);
            }
            if let Some((index, property)) = self.kind.property(name, self.version) {
                return self.right_side(index, property);
            }
            // A literal starts with a digit or a sign; `null` is one, too.
            if name.starts_with(|first: char| first.is_alphabetic()) && name != "null" {
                return Err(no_property(name, self.kind));
            }
        }
        let comparison = self.comparison()?;
        let (index, property) = self.property()?;
        Ok(Filter::Compare(index, comparison.flipped(), literal(&word, property)?))
    }

    fn right_side(&mut self, index: usize, property: &'static Property) -> Parsed<Filter> {
        if self.take_bare("in") {
            self.expect(&Word::Open)?;
            let mut literals = vec![self.literal(property)?];
            while self.peek() == Some(&Word::Comma) {
                self.next += 1;
                literals.push(self.literal(property)?);
            }
            self.expect(&Word::Close)?;
            return Ok(Filter::In(index, literals));
        }
        let comparison = self.comparison()?;
        Ok(Filter::Compare(index, comparison, self.literal(property)?))
    }

    fn call(&mut self, name: &str) -> Parsed<Filter> {
        let function = match name {
            "startswith" => Function::StartsWith,
            "endswith" => Function::EndsWith,
            "contains" => Function::Contains,
            _ => return Err(format!("An unknown function with name '{name}' was found.")),
        };
        self.expect(&Word::Open)?;
        let (index, property) = self.property()?;
        if !matches!(property.kind, Kind::String) {
            return Err(format!(
                "No function signature for '{name}' matches the type of '{}'.",
                property.name
            ));
        }
        self.expect(&Word::Comma)?;
        let text = match self.take() {
            Some(Word::Quoted(text)) => text.to_lowercase(),
            Some(word) => return Err(unexpected(&word)),
            None => return Err(end()),
        };
        self.expect(&Word::Close)?;
        let call = Filter::Call(function, index, text);
        if !self.take_bare("eq") {
            return Ok(call);
        }
        match self.take() {
            Some(Word::Bare(word)) if word == "true" => Ok(call),
            Some(Word::Bare(word)) if word == "false" => Ok(Filter::Not(Box::new(call))),
            Some(word) => Err(unexpected(&word)),
            None => Err(end()),
        }
    }

    fn property(&mut self) -> Parsed<(usize, &'static Property)> {
        match self.take() {
            Some(Word::Bare(name)) => {
                self.kind.property(&name, self.version).ok_or_else(|| no_property(&name, self.kind))
            }
            Some(word) => Err(unexpected(&word)),
            None => Err(end()),
        }
    }

    fn comparison(&mut self) -> Parsed<Comparison> {
        let word = self.take().ok_or_else(end)?;
        let Word::Bare(operator) = &word else {
            return Err(unexpected(&word));
        };
        match operator.as_str() {
            "eq" => Ok(Comparison::Eq),
            "ne" => Ok(Comparison::Ne),
            "gt" => Ok(Comparison::Gt),
            "ge" => Ok(Comparison::Ge),
            "lt" => Ok(Comparison::Lt),
            "le" => Ok(Comparison::Le),
            _ => Err(unexpected(&word)),
        }
    }

    fn literal(&mut self, property: &'static Property) -> Parsed<Literal> {
        let word = self.take().ok_or_else(end)?;
        literal(&word, property)
    }

    fn peek(&self) -> Option<&Word> {
        self.words.get(self.next)
    }

    fn take(&mut self) -> Option<Word> {
        let word = self.words.get(self.next).cloned();
        self.next += 1;
        word
    }

    fn take_bare(&mut self, expected: &str) -> bool {
        let found = matches!(self.peek(), Some(Word::Bare(word)) if word == expected);
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, expected: &Word) -> Parsed<()> {
        match self.take() {
            Some(word) if word == *expected => Ok(()),
            Some(word) => Err(unexpected(&word)),
            None => Err(end()),
        }
    }
}

/// One condition by itself, several under their operator.
fn single(mut conditions: Vec<Filter>, operator: impl FnOnce(Vec<Filter>) -> Filter) -> Filter {
    match conditions.pop() {
        Some(only) if conditions.is_empty() => only,
        Some(last) => {
            conditions.push(last);
            operator(conditions)
        }
        None => operator(conditions),
    }
}

/// Reads a literal as a value of the property's type.
fn literal(word: &Word, property: &'static Property) -> Parsed<Literal> {
    let read = match (property.kind, word) {
        (_, Word::Bare(text)) if text == "null" => Some(Literal::Null),
        (Kind::String, Word::Quoted(text)) => Some(Literal::String(text.to_lowercase())),
        (Kind::Int32, Word::Bare(text)) => text.parse().ok().map(Literal::Int32),
        (Kind::DateTimeOffset, Word::Bare(text)) => Instant::parse(text).map(Literal::Date),
        (Kind::Enum(kind), Word::Quoted(text)) => member(kind.members, text),
        (Kind::Enum(kind), Word::Qualified(name, text)) => (name.strip_prefix("microsoft.graph.")
            == Some(kind.name))
        .then(|| member(kind.members, text))
        .flatten(),
        _ => None,
    };
    read.ok_or_else(|| {
        format!("The literal {} is not compatible with the type of '{}'.", spelled(word), property.name)
    })
}

fn member(members: &[&str], text: &str) -> Option<Literal> {
    members.iter().position(|member| *member == text).map(Literal::Member)
}

fn unexpected(word: &Word) -> String {
    format!("Syntax error at {}.", spelled(word))
}

fn end() -> String {
    "Expression expected at the end of the filter.".to_owned()
}

fn spelled(word: &Word) -> String {
    match word {
        Word::Open => "'('".to_owned(),
        Word::Close => "')'".to_owned(),
        Word::Comma => "','".to_owned(),
        Word::Quoted(text) => format!("'{text}'"),
        Word::Qualified(name, text) => format!("{name}'{text}'"),
        Word::Bare(text) => format!("'{text}'"),
    }
}
