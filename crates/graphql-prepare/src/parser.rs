//! Tokens to a document: the specification's section 2, "Language", for executable documents.
//!
//! The result consists of async-graphql's types, because its executor runs the operations. Its
//! parser is not used: it panics on `\uD83D`, keeps only the last of two input fields with one
//! name, parses `[01]` as two numbers, does not unescape `\"""`, and rejects white space inside a
//! type.

use async_graphql::{
    Name, Number, Pos, Positioned,
    parser::types::{
        BaseType, Directive, Field, FragmentDefinition, FragmentSpread, InlineFragment, OperationDefinition,
        OperationType, Selection, SelectionSet, Type, TypeCondition, VariableDefinition,
    },
};
use async_graphql_value::Value;
use indexmap::{IndexMap, map::Entry};

use crate::{
    error::RequestError,
    lexer::{Lexer, Token, TokenKind},
    limits::Limits,
    string_value::{block_string_value, string_value},
    token_limiter::TokenLimiter,
};

/// A document as it was written. Names are not resolved and may collide.
#[derive(Debug, Default)]
pub(crate) struct ParsedDocument {
    pub(crate) operations: Vec<ParsedOperation>,
    pub(crate) fragments: Fragments,
    /// Names given to a second fragment, which is not kept.
    pub(crate) repeated_fragments: Vec<Positioned<Name>>,
    /// Input fields named twice in one object, which keeps the second.
    pub(crate) repeated_input_fields: Vec<Positioned<Name>>,
    /// How many tokens it was made from.
    pub(crate) tokens: usize,
}

/// A document's fragments by name, in order.
pub(crate) type Fragments = IndexMap<Name, ParsedFragment>;

#[derive(Debug)]
pub(crate) struct ParsedOperation {
    pub(crate) name: Option<Positioned<Name>>,
    pub(crate) definition: Positioned<OperationDefinition>,
}

#[derive(Debug)]
pub(crate) struct ParsedFragment {
    /// The position of its name.
    pub(crate) pos: Pos,
    pub(crate) definition: Positioned<FragmentDefinition>,
}

/// Reads an executable document.
///
/// # Errors
///
/// `Syntax` when the text is not a GraphQL document, `TooLarge` when it exceeds a limit on tokens.
pub(crate) fn parse(source: &str, limits: &Limits) -> Result<ParsedDocument, RequestError> {
    let mut parser = Parser::new(source, limits)?;
    parser.document()?;
    Ok(ParsedDocument { tokens: parser.limiter.tokens(), ..parser.document })
}

type Parsed<T> = Result<T, RequestError>;

struct Parser<'a> {
    lexer: Lexer<'a>,
    limiter: TokenLimiter,
    token: Token<'a>,
    document: ParsedDocument,
}

impl<'a> Parser<'a> {
    fn new(source: &'a str, limits: &Limits) -> Parsed<Self> {
        let mut parser = Self {
            lexer: Lexer::new(source),
            limiter: TokenLimiter::new(limits),
            token: Token { kind: TokenKind::End, pos: Pos::default() },
            document: ParsedDocument::default(),
        };
        parser.advance()?;
        Ok(parser)
    }

    fn document(&mut self) -> Parsed<()> {
        loop {
            let is_described = self.description()?;
            let pos = self.token.pos;
            match self.token.kind {
                TokenKind::Punctuator('{') if is_described => {
                    let message = "A description is not allowed before the shorthand form of a query. Write `query` before the `{`.";
                    return Err(RequestError::parse(pos, message));
                }
                TokenKind::Punctuator('{') => {
                    let selection_set = self.selection_set()?;
                    self.add_operation(
                        pos,
                        None,
                        OperationType::Query,
                        Vec::new(),
                        Vec::new(),
                        selection_set,
                    );
                }
                TokenKind::Name("query") => self.operation(OperationType::Query)?,
                TokenKind::Name("mutation") => self.operation(OperationType::Mutation)?,
                TokenKind::Name("subscription") => self.operation(OperationType::Subscription)?,
                TokenKind::Name("fragment") => self.fragment_definition()?,
                TokenKind::End if !is_described && !self.document.operations.is_empty() => return Ok(()),
                TokenKind::End if !is_described && !self.document.fragments.is_empty() => {
                    return Err(RequestError::parse(pos, "The document has no operation."));
                }
                _ => return Err(self.unexpected("an operation or a fragment")),
            }
        }
    }

    /// Skips a description, and returns whether there was one. It does not affect execution
    /// (September 2025 specification, "Descriptions").
    fn description(&mut self) -> Parsed<bool> {
        match self.token.kind {
            TokenKind::String(raw) => {
                let pos = self.token.pos;
                string_value(raw).map_err(|message| RequestError::parse(pos, message))?;
            }
            TokenKind::BlockString(_) => {}
            _ => return Ok(false),
        }
        self.advance()?;
        Ok(true)
    }

    fn operation(&mut self, ty: OperationType) -> Parsed<()> {
        let pos = self.advance()?.pos;
        let name = match self.token.kind {
            TokenKind::Name(_) => Some(self.name("a name")?),
            _ => None,
        };
        let variable_definitions = self.optional_list('(', ')', "a variable", Self::variable_definition)?;
        let directives = self.directives(Self::value)?;
        let selection_set = self.selection_set()?;
        self.add_operation(pos, name, ty, variable_definitions, directives, selection_set);
        Ok(())
    }

    fn add_operation(
        &mut self,
        pos: Pos,
        name: Option<Positioned<Name>>,
        ty: OperationType,
        variable_definitions: Vec<Positioned<VariableDefinition>>,
        directives: Vec<Positioned<Directive>>,
        selection_set: Positioned<SelectionSet>,
    ) {
        let definition = OperationDefinition { ty, variable_definitions, directives, selection_set };
        self.document.operations.push(ParsedOperation { name, definition: Positioned::new(definition, pos) });
    }

    fn variable_definition(&mut self) -> Parsed<Positioned<VariableDefinition>> {
        self.description()?;
        let pos = self.expect('$')?;
        let name = self.name("a variable's name")?;
        self.expect(':')?;
        let var_type = self.type_reference()?;
        let default_value = if self.skip('=')? {
            let value = self.constant()?;
            let pos = value.pos;
            // `constant` lets no variable through.
            value.node.into_const().map(|value| Positioned::new(value, pos))
        } else {
            None
        };
        let directives = self.directives(Self::constant)?;
        Ok(Positioned::new(VariableDefinition { name, var_type, directives, default_value }, pos))
    }

    fn type_reference(&mut self) -> Parsed<Positioned<Type>> {
        let pos = self.token.pos;
        let base = if self.skip('[')? {
            let item = self.type_reference()?;
            self.expect(']')?;
            BaseType::List(Box::new(item.node))
        } else {
            BaseType::Named(self.name("a type")?.node)
        };
        let nullable = !self.skip('!')?;
        Ok(Positioned::new(Type { base, nullable }, pos))
    }

    fn selection_set(&mut self) -> Parsed<Positioned<SelectionSet>> {
        let pos = self.token.pos;
        let items = self.list('{', '}', "a field or a fragment", Self::selection)?;
        Ok(Positioned::new(SelectionSet { items }, pos))
    }

    fn optional_selection_set(&mut self) -> Parsed<Positioned<SelectionSet>> {
        if self.at('{') { self.selection_set() } else { Ok(Positioned::default()) }
    }

    fn selection(&mut self) -> Parsed<Positioned<Selection>> {
        let pos = self.token.pos;
        if self.token.kind != TokenKind::Spread {
            let field = self.field()?;
            return Ok(Positioned::new(Selection::Field(Positioned::new(field, pos)), pos));
        }
        self.advance()?;
        let selection = match self.token.kind {
            TokenKind::Name(name) if name != "on" => {
                let fragment_name = self.name("a fragment's name")?;
                let directives = self.directives(Self::value)?;
                Selection::FragmentSpread(Positioned::new(FragmentSpread { fragment_name, directives }, pos))
            }
            _ => {
                let type_condition = match self.token.kind {
                    TokenKind::Name(_) => Some(self.type_condition()?),
                    _ => None,
                };
                let directives = self.directives(Self::value)?;
                let selection_set = self.selection_set()?;
                let fragment = InlineFragment { type_condition, directives, selection_set };
                Selection::InlineFragment(Positioned::new(fragment, pos))
            }
        };
        Ok(Positioned::new(selection, pos))
    }

    fn field(&mut self) -> Parsed<Field> {
        let first = self.name("a field")?;
        let (alias, name) =
            if self.skip(':')? { (Some(first), self.name("a field's name")?) } else { (None, first) };
        let arguments = self.arguments(Self::value)?;
        let directives = self.directives(Self::value)?;
        let selection_set = self.optional_selection_set()?;
        Ok(Field { alias, name, arguments, directives, selection_set })
    }

    fn fragment_definition(&mut self) -> Parsed<()> {
        let pos = self.advance()?.pos;
        if self.token.kind == TokenKind::Name("on") {
            return Err(self.unexpected("a fragment's name"));
        }
        let name = self.name("a fragment's name")?;
        let type_condition = self.type_condition()?;
        let directives = self.directives(Self::value)?;
        let selection_set = self.selection_set()?;
        let definition = FragmentDefinition { type_condition, directives, selection_set };
        match self.document.fragments.entry(name.node.clone()) {
            Entry::Occupied(_) => self.document.repeated_fragments.push(name),
            Entry::Vacant(entry) => {
                let definition = Positioned::new(definition, pos);
                entry.insert(ParsedFragment { pos: name.pos, definition });
            }
        }
        Ok(())
    }

    fn type_condition(&mut self) -> Parsed<Positioned<TypeCondition>> {
        let pos = self.token.pos;
        if self.token.kind != TokenKind::Name("on") {
            return Err(self.unexpected("`on` and a type"));
        }
        self.advance()?;
        Ok(Positioned::new(TypeCondition { on: self.name("a type")? }, pos))
    }

    fn directives(
        &mut self,
        value: fn(&mut Self) -> Parsed<Positioned<Value>>,
    ) -> Parsed<Vec<Positioned<Directive>>> {
        let mut directives = Vec::new();
        while self.at('@') {
            let pos = self.advance()?.pos;
            let name = self.name("a directive's name")?;
            let arguments = self.arguments(value)?;
            directives.push(Positioned::new(Directive { name, arguments }, pos));
        }
        Ok(directives)
    }

    fn arguments(
        &mut self,
        value: fn(&mut Self) -> Parsed<Positioned<Value>>,
    ) -> Parsed<Vec<(Positioned<Name>, Positioned<Value>)>> {
        self.optional_list('(', ')', "an argument", |parser| {
            let name = parser.name("an argument's name")?;
            parser.expect(':')?;
            Ok((name, value(parser)?))
        })
    }

    /// A value that may contain variables.
    fn value(&mut self) -> Parsed<Positioned<Value>> {
        if self.at('$') {
            let pos = self.advance()?.pos;
            return Ok(Positioned::new(Value::Variable(self.name("a variable's name")?.node), pos));
        }
        self.literal(Self::value)
    }

    /// A value that must not contain variables.
    fn constant(&mut self) -> Parsed<Positioned<Value>> {
        self.literal(Self::constant)
    }

    fn literal(&mut self, inner: fn(&mut Self) -> Parsed<Positioned<Value>>) -> Parsed<Positioned<Value>> {
        let pos = self.token.pos;
        let value = match self.token.kind {
            TokenKind::Punctuator('[') => {
                self.advance()?;
                let mut items = Vec::new();
                while !self.skip(']')? {
                    items.push(inner(self)?.node);
                }
                return Ok(Positioned::new(Value::List(items), pos));
            }
            TokenKind::Punctuator('{') => {
                self.advance()?;
                return Ok(Positioned::new(Value::Object(self.object_fields(inner)?), pos));
            }
            TokenKind::Int(digits) => Value::Number(integer(digits, pos)?),
            TokenKind::Float(digits) => Value::Number(float(digits, pos)?),
            TokenKind::String(raw) => {
                Value::String(string_value(raw).map_err(|message| RequestError::parse(pos, message))?)
            }
            TokenKind::BlockString(raw) => Value::String(block_string_value(raw)),
            TokenKind::Name("true") => Value::Boolean(true),
            TokenKind::Name("false") => Value::Boolean(false),
            TokenKind::Name("null") => Value::Null,
            TokenKind::Name(member) => Value::Enum(Name::new(member)),
            TokenKind::Punctuator(_) | TokenKind::Spread | TokenKind::End => {
                return Err(self.unexpected("a value"));
            }
        };
        self.advance()?;
        Ok(Positioned::new(value, pos))
    }

    fn object_fields(
        &mut self,
        inner: fn(&mut Self) -> Parsed<Positioned<Value>>,
    ) -> Parsed<IndexMap<Name, Value>> {
        let mut fields = IndexMap::new();
        while !self.skip('}')? {
            let name = self.name("an input field's name")?;
            self.expect(':')?;
            let value = inner(self)?;
            if fields.insert(name.node.clone(), value.node).is_some() {
                self.document.repeated_input_fields.push(name);
            }
        }
        Ok(fields)
    }

    /// One or more items in brackets, if the opening one comes next.
    fn optional_list<T>(
        &mut self,
        open: char,
        close: char,
        expected: &str,
        item: impl FnMut(&mut Self) -> Parsed<T>,
    ) -> Parsed<Vec<T>> {
        if self.at(open) { self.list(open, close, expected, item) } else { Ok(Vec::new()) }
    }

    /// One or more items in brackets.
    fn list<T>(
        &mut self,
        open: char,
        close: char,
        expected: &str,
        mut item: impl FnMut(&mut Self) -> Parsed<T>,
    ) -> Parsed<Vec<T>> {
        self.expect(open)?;
        if self.at(close) {
            return Err(self.unexpected(expected));
        }
        let mut items = Vec::new();
        while !self.skip(close)? {
            items.push(item(self)?);
        }
        Ok(items)
    }

    fn name(&mut self, expected: &str) -> Parsed<Positioned<Name>> {
        let TokenKind::Name(name) = self.token.kind else {
            return Err(self.unexpected(expected));
        };
        let pos = self.advance()?.pos;
        Ok(Positioned::new(Name::new(name), pos))
    }

    fn expect(&mut self, punctuator: char) -> Parsed<Pos> {
        if !self.at(punctuator) {
            return Err(self.unexpected(&format!("`{punctuator}`")));
        }
        Ok(self.advance()?.pos)
    }

    fn skip(&mut self, punctuator: char) -> Parsed<bool> {
        let found = self.at(punctuator);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn at(&self, punctuator: char) -> bool {
        self.token.kind == TokenKind::Punctuator(punctuator)
    }

    /// Advances to the next token and returns the current one.
    fn advance(&mut self) -> Parsed<Token<'a>> {
        let next = self.lexer.next_token()?;
        self.limiter.count(&next)?;
        Ok(std::mem::replace(&mut self.token, next))
    }

    fn unexpected(&self, expected: &str) -> RequestError {
        RequestError::parse(
            self.token.pos,
            format!("Expected {expected}, but found {}.", self.token.kind.describe()),
        )
    }
}

/// An integer of any size. Beyond 64 bits it is the nearest float, which neither `Int` nor `ID`
/// accepts.
fn integer(digits: &str, pos: Pos) -> Parsed<Number> {
    if let Ok(number) = digits.parse::<i64>() {
        return Ok(number.into());
    }
    match digits.parse::<u64>() {
        Ok(number) => Ok(number.into()),
        Err(_) => float(digits, pos),
    }
}

fn float(digits: &str, pos: Pos) -> Parsed<Number> {
    digits
        .parse()
        .ok()
        .and_then(Number::from_f64)
        .ok_or_else(|| RequestError::parse(pos, "This number is too large for a 64-bit float."))
}

#[cfg(test)]
mod tests;
