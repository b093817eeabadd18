//! The parser of `$filter`: `or` binds weakest, then `and`, then `not`.

use super::lexer::{Token, tokenize};
use super::{Comparison, Filter, Function, Literal};
use crate::error::{GraphError, Result as GraphResult, no_property};
use crate::instant::Instant;
use crate::model::{Property, PropertyType, StructuredType, Version};

/// Maximum nesting depth; each level uses a few stack frames.
const MAX_DEPTH: usize = 64;

struct Parser {
    tokens: Vec<Token>,
    next: usize,
    depth: usize,
    kind: &'static StructuredType,
    version: Version,
}

type ParseResult<T> = Result<T, String>;

impl Filter {
    /// Reads a `$filter` against a type.
    pub(crate) fn parse(text: &str, kind: &'static StructuredType, version: Version) -> GraphResult<Self> {
        Parser::new(text, kind, version)
            .and_then(Parser::filter)
            .map_err(|detail| GraphError::bad_request(format!("Invalid filter clause: {detail}")))
    }
}

impl Parser {
    fn new(text: &str, kind: &'static StructuredType, version: Version) -> ParseResult<Self> {
        Ok(Self { tokens: tokenize(text)?, next: 0, depth: 0, kind, version })
    }

    /// The whole filter.
    fn filter(mut self) -> ParseResult<Filter> {
        let filter = self.or()?;
        match self.take() {
            None => Ok(filter),
            Some(token) => Err(unexpected(&token)),
        }
    }

    fn or(&mut self) -> ParseResult<Filter> {
        let mut conditions = vec![self.and()?];
        while self.take_bare("or") {
            conditions.push(self.and()?);
        }
        Ok(single(conditions, Filter::Any))
    }

    fn and(&mut self) -> ParseResult<Filter> {
        let mut conditions = vec![self.not()?];
        while self.take_bare("and") {
            conditions.push(self.not()?);
        }
        Ok(single(conditions, Filter::All))
    }

    fn not(&mut self) -> ParseResult<Filter> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err("The node count limit has been exceeded.".to_owned());
        }
        let filter = if self.take_bare("not") {
            Filter::Not(Box::new(self.not()?))
        } else if self.peek() == Some(&Token::Open) {
            self.next += 1;
            let inner = self.or()?;
            self.expect(&Token::Close)?;
            inner
        } else {
            self.condition()?
        };
        self.depth -= 1;
        Ok(filter)
    }

    /// A function call, or a comparison with the property on either side.
    fn condition(&mut self) -> ParseResult<Filter> {
        let token = self.take().ok_or_else(end)?;
        if let Token::Bare(name) = &token {
            if self.peek() == Some(&Token::Open) {
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
        Ok(Filter::Compare(index, comparison.flipped(), literal(&token, property)?))
    }

    fn right_side(&mut self, index: usize, property: &'static Property) -> ParseResult<Filter> {
        if self.take_bare("in") {
            self.expect(&Token::Open)?;
            let mut literals = vec![self.literal(property)?];
            while self.peek() == Some(&Token::Comma) {
                self.next += 1;
                literals.push(self.literal(property)?);
            }
            self.expect(&Token::Close)?;
            return Ok(Filter::In(index, literals));
        }
        let comparison = self.comparison()?;
        Ok(Filter::Compare(index, comparison, self.literal(property)?))
    }

    fn call(&mut self, name: &str) -> ParseResult<Filter> {
        let function = match name {
            "startswith" => Function::StartsWith,
            "endswith" => Function::EndsWith,
            "contains" => Function::Contains,
            _ => return Err(format!("An unknown function with name '{name}' was found.")),
        };
        self.expect(&Token::Open)?;
        let (index, property) = self.property()?;
        if !matches!(property.kind, PropertyType::String) {
            return Err(format!(
                "No function signature for '{name}' matches the type of '{}'.",
                property.name
            ));
        }
        self.expect(&Token::Comma)?;
        let text = match self.take() {
            Some(Token::Quoted(text)) => text.to_lowercase(),
            Some(token) => return Err(unexpected(&token)),
            None => return Err(end()),
        };
        self.expect(&Token::Close)?;
        let call = Filter::Call(function, index, text);
        if !self.take_bare("eq") {
            return Ok(call);
        }
        match self.take() {
            Some(Token::Bare(token)) if token == "true" => Ok(call),
            Some(Token::Bare(token)) if token == "false" => Ok(Filter::Not(Box::new(call))),
            Some(token) => Err(unexpected(&token)),
            None => Err(end()),
        }
    }

    fn property(&mut self) -> ParseResult<(usize, &'static Property)> {
        match self.take() {
            Some(Token::Bare(name)) => {
                self.kind.property(&name, self.version).ok_or_else(|| no_property(&name, self.kind))
            }
            Some(token) => Err(unexpected(&token)),
            None => Err(end()),
        }
    }

    fn comparison(&mut self) -> ParseResult<Comparison> {
        let token = self.take().ok_or_else(end)?;
        let Token::Bare(operator) = &token else {
            return Err(unexpected(&token));
        };
        match operator.as_str() {
            "eq" => Ok(Comparison::Eq),
            "ne" => Ok(Comparison::Ne),
            "gt" => Ok(Comparison::Gt),
            "ge" => Ok(Comparison::Ge),
            "lt" => Ok(Comparison::Lt),
            "le" => Ok(Comparison::Le),
            _ => Err(unexpected(&token)),
        }
    }

    fn literal(&mut self, property: &'static Property) -> ParseResult<Literal> {
        let token = self.take().ok_or_else(end)?;
        literal(&token, property)
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next)
    }

    fn take(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.next).cloned();
        self.next += 1;
        token
    }

    fn take_bare(&mut self, expected: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Bare(token)) if token == expected);
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, expected: &Token) -> ParseResult<()> {
        match self.take() {
            Some(token) if token == *expected => Ok(()),
            Some(token) => Err(unexpected(&token)),
            None => Err(end()),
        }
    }
}

/// A single condition unchanged, several ones combined by their operator.
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
fn literal(token: &Token, property: &'static Property) -> ParseResult<Literal> {
    let read = match (property.kind, token) {
        (_, Token::Bare(text)) if text == "null" => Some(Literal::Null),
        (PropertyType::String, Token::Quoted(text)) => Some(Literal::String(text.to_lowercase())),
        (PropertyType::Int32, Token::Bare(text)) => text.parse().ok().map(Literal::Int32),
        (PropertyType::DateTimeOffset, Token::Bare(text)) => Instant::parse(text).map(Literal::Date),
        (PropertyType::Enum(kind), Token::Quoted(text)) => member(kind.members, text),
        (PropertyType::Enum(kind), Token::Qualified(name, text)) => (name.strip_prefix("microsoft.graph.")
            == Some(kind.name))
        .then(|| member(kind.members, text))
        .flatten(),
        _ => None,
    };
    read.ok_or_else(|| {
        format!(
            "The literal {} is not compatible with the type of '{}'.",
            display_token(token),
            property.name
        )
    })
}

fn member(members: &[&str], text: &str) -> Option<Literal> {
    members.iter().position(|member| *member == text).map(Literal::Member)
}

fn unexpected(token: &Token) -> String {
    format!("Syntax error at {}.", display_token(token))
}

fn end() -> String {
    "Expression expected at the end of the filter.".to_owned()
}

fn display_token(token: &Token) -> String {
    match token {
        Token::Open => "'('".to_owned(),
        Token::Close => "')'".to_owned(),
        Token::Comma => "','".to_owned(),
        Token::Quoted(text) => format!("'{text}'"),
        Token::Qualified(name, text) => format!("{name}'{text}'"),
        Token::Bare(text) => format!("'{text}'"),
    }
}
