//! SDL to a [`TypeSystem`].

use std::collections::{HashMap, HashSet};

use async_graphql::{
    Name, Pos, Positioned,
    parser::{
        self, parse_schema,
        types::{
            BaseType, ConstDirective, DirectiveDefinition as ParsedDirective, FieldDefinition as ParsedField,
            InputValueDefinition, SchemaDefinition, Type, TypeDefinition as ParsedType,
            TypeKind as ParsedKind, TypeSystemDefinition,
        },
    },
};
use indexmap::IndexMap;

use super::{
    Base, Composite, DirectiveDefinition, EnumType, FieldDefinition, InputObject, InputValue, Scalar,
    TypeDefinition, TypeId, TypeKind, TypeRef, TypeSystem,
    introspection::{BUILT_IN, QUERY_ROOT},
    repeatable::repeatable_directives,
};
use crate::{
    error::Errors,
    input_rules::InputRules,
    literal::{Literals, VariableUsages},
    path::InputPath,
};

/// The reason why a schema is not supported.
#[derive(Debug, thiserror::Error)]
pub enum TypeSystemError {
    /// The text is not valid SDL.
    #[error("the schema is not SDL")]
    Syntax(#[from] parser::Error),
    /// The schema has no query type.
    #[error("the schema has no query type")]
    NoQueryRoot,
    /// A type that is not defined, or that is of the wrong kind for its position.
    #[error("{place} names `{name}`, which is not a type that is allowed there")]
    UnknownType {
        /// The position in the schema.
        place: String,
        /// The name of the type.
        name: String,
    },
    /// A feature of SDL that this crate does not support.
    #[error("{0} is not supported")]
    Unsupported(String),
    /// A default value that cannot be coerced to its type.
    #[error("the default of `{place}` does not fit its type: {reason}")]
    Default {
        /// The argument or input field.
        place: String,
        /// The error, as a sentence.
        reason: String,
    },
    /// A rule in [`InputRules`] for a scalar or an enum value that the schema does not define.
    #[error("there is an input rule for `{0}`, which the schema does not define")]
    UnusedRule(String),
}

type Result<T, E = TypeSystemError> = std::result::Result<T, E>;

impl TypeSystem {
    /// Reads the SDL of a schema.
    ///
    /// # Errors
    ///
    /// When `sdl` is not a complete schema; when a default value does not fit its type; or when `rules` name something that
    /// the schema does not define. Rules of type system validation that no document depends on are not checked.
    pub fn new(sdl: &str, rules: InputRules) -> Result<Self, TypeSystemError> {
        let mut builder = Builder::default();
        builder.read(sdl)?;
        builder.read(BUILT_IN)?;
        builder.build(rules)
    }
}

/// Definitions as they were written.
#[derive(Default)]
struct Builder {
    roots: Option<SchemaDefinition>,
    root_extensions: Vec<SchemaDefinition>,
    parsed: Vec<ParsedType>,
    type_extensions: Vec<ParsedType>,
    by_name: HashMap<Name, TypeId>,
    directives: IndexMap<Name, ParsedDirective>,
    /// The names of the repeatable directives.
    repeatable: HashSet<String>,
}

impl Builder {
    fn read(&mut self, sdl: &str) -> Result<()> {
        let document = parse_schema(sdl)?;
        let repeatable = repeatable_directives(sdl)
            .map_err(|error| TypeSystemError::Unsupported(format!("the SDL ({})", error.message)))?;
        for definition in document.definitions {
            match definition {
                TypeSystemDefinition::Schema(schema) if schema.node.extend => {
                    self.root_extensions.push(schema.node);
                }
                TypeSystemDefinition::Schema(schema) => self.roots = Some(schema.node),
                TypeSystemDefinition::Type(ty) if ty.node.extend => self.type_extensions.push(ty.node),
                TypeSystemDefinition::Type(ty) => {
                    let (ty, id) = (ty.node, TypeId(self.parsed.len()));
                    if self.by_name.insert(ty.name.node.clone(), id).is_some() {
                        let what = format!("more than one definition of `{}`", ty.name);
                        return Err(TypeSystemError::Unsupported(what));
                    }
                    self.parsed.push(ty);
                }
                // The specification's definition of a built-in directive replaces that of the
                // schema, and is read later.
                TypeSystemDefinition::Directive(directive) => {
                    let name = directive.node.name.node.as_str();
                    if repeatable.contains(name) {
                        self.repeatable.insert(name.to_owned());
                    } else {
                        self.repeatable.remove(name);
                    }
                    self.directives.insert(directive.node.name.node.clone(), directive.node);
                }
            }
        }
        Ok(())
    }

    fn build(mut self, mut rules: InputRules) -> Result<TypeSystem> {
        self.extend()?;
        let query = self.root("Query", |roots| roots.query.as_ref())?.ok_or(TypeSystemError::NoQueryRoot)?;
        let mutation = self.root("Mutation", |roots| roots.mutation.as_ref())?;
        let subscription = self.root("Subscription", |roots| roots.subscription.as_ref())?;
        self.add_meta_fields(query)?;

        let mut types = Vec::with_capacity(self.parsed.len());
        for index in 0..self.parsed.len() {
            types.push(TypeDefinition {
                name: self.parsed[index].name.node.clone(),
                kind: self.kind(TypeId(index), &mut rules)?,
            });
        }
        if let Some(name) = unused_rule(rules) {
            return Err(TypeSystemError::UnusedRule(name));
        }

        let directives = self
            .directives
            .iter()
            .map(|(name, directive)| Ok((name.clone(), self.directive(directive)?)))
            .collect::<Result<_>>()?;
        let string = Base::Named(self.type_named("__typename", "String")?);
        let typename =
            FieldDefinition { ty: TypeRef { base: string, nullable: false }, arguments: IndexMap::new() };
        let system = TypeSystem {
            types,
            by_name: self.by_name,
            directives,
            query,
            mutation,
            subscription,
            typename,
            suggests: false,
            hides_names: false,
        };
        system.check_defaults()?;
        Ok(system)
    }

    /// Applies the extensions (3.3.2 and 3.4.3), wherever in the SDL they are.
    fn extend(&mut self) -> Result<()> {
        for extension in std::mem::take(&mut self.root_extensions) {
            // Without a schema definition, the schema has the roots of the usual names, and the extension adds to them.
            let default = |name: &str| {
                let name = self.by_name.get_key_value(name).map(|(name, _)| name.clone());
                name.map(|name| Positioned::new(name, Pos::default()))
            };
            let roots = self.roots.get_or_insert_with(|| SchemaDefinition {
                extend: false,
                directives: Vec::new(),
                query: default("Query"),
                mutation: default("Mutation"),
                subscription: default("Subscription"),
            });
            roots.query = extension.query.or(roots.query.take());
            roots.mutation = extension.mutation.or(roots.mutation.take());
            roots.subscription = extension.subscription.or(roots.subscription.take());
        }
        for extension in std::mem::take(&mut self.type_extensions) {
            let name = &extension.name.node;
            let id = self.type_named("an extension", name)?;
            let ty = &mut self.parsed[id.0];
            ty.directives.extend(extension.directives);
            match (&mut ty.kind, extension.kind) {
                (ParsedKind::Scalar, ParsedKind::Scalar) => {}
                (ParsedKind::Object(ty), ParsedKind::Object(extension)) => {
                    ty.implements.extend(extension.implements);
                    ty.fields.extend(extension.fields);
                }
                (ParsedKind::Interface(ty), ParsedKind::Interface(extension)) => {
                    ty.implements.extend(extension.implements);
                    ty.fields.extend(extension.fields);
                }
                (ParsedKind::Union(ty), ParsedKind::Union(extension)) => ty.members.extend(extension.members),
                (ParsedKind::Enum(ty), ParsedKind::Enum(extension)) => ty.values.extend(extension.values),
                (ParsedKind::InputObject(ty), ParsedKind::InputObject(extension)) => {
                    ty.fields.extend(extension.fields);
                }
                _ => return Err(unknown_type("an extension", name)),
            }
        }
        Ok(())
    }

    /// A root type: the one in the schema definition, or the one with the default name when there is no schema definition.
    fn root(
        &self,
        default_name: &str,
        named: impl Fn(&SchemaDefinition) -> Option<&Positioned<Name>>,
    ) -> Result<Option<TypeId>> {
        match &self.roots {
            None => Ok(self.by_name.get(default_name).copied()),
            Some(roots) => named(roots).map(|name| self.type_named("the schema", &name.node)).transpose(),
        }
    }

    /// Adds `__schema` and `__type` to the query root.
    fn add_meta_fields(&mut self, query: TypeId) -> Result<()> {
        let ParsedKind::Object(root) = &mut self.parsed[query.0].kind else {
            return Err(TypeSystemError::NoQueryRoot);
        };
        for definition in parse_schema(QUERY_ROOT)?.definitions {
            if let TypeSystemDefinition::Type(Positioned {
                node: ParsedType { kind: ParsedKind::Object(meta), .. },
                ..
            }) = definition
            {
                root.fields.extend(meta.fields);
            }
        }
        Ok(())
    }

    fn kind(&self, id: TypeId, rules: &mut InputRules) -> Result<TypeKind> {
        let ty = &self.parsed[id.0];
        let name = ty.name.node.as_str();
        Ok(match &ty.kind {
            ParsedKind::Scalar => TypeKind::Scalar(match name {
                "Int" => Scalar::Int,
                "Float" => Scalar::Float,
                "String" => Scalar::String,
                "Boolean" => Scalar::Boolean,
                "ID" => Scalar::Id,
                _ => Scalar::Custom(rules.scalars.remove(name)),
            }),
            ParsedKind::Enum(members) => TypeKind::Enum(EnumType {
                members: members
                    .values
                    .iter()
                    .map(|member| {
                        let member = member.node.value.node.clone();
                        let rejection_reason =
                            rules.rejected_enum_values.remove(&(name.to_owned(), member.to_string()));
                        (member, rejection_reason)
                    })
                    .collect(),
            }),
            ParsedKind::InputObject(object) => TypeKind::InputObject(InputObject {
                fields: self.input_values(name, &object.fields)?,
                one_of: has_directive(&ty.directives, "oneOf"),
            }),
            ParsedKind::Object(object) => {
                let interfaces = self.named(name, &object.implements)?;
                self.composite(name, &object.fields, interfaces, false, vec![id])?
            }
            ParsedKind::Interface(interface) => {
                let interfaces = self.named(name, &interface.implements)?;
                self.composite(name, &interface.fields, interfaces, true, self.implementations(name))?
            }
            ParsedKind::Union(union) => {
                self.composite(name, &[], Vec::new(), true, self.named(name, &union.members)?)?
            }
        })
    }

    fn composite(
        &self,
        name: &str,
        fields: &[Positioned<ParsedField>],
        interfaces: Vec<TypeId>,
        is_abstract: bool,
        possible_types: Vec<TypeId>,
    ) -> Result<TypeKind> {
        let fields = fields
            .iter()
            .map(|field| {
                let field = &field.node;
                let place = format!("{name}.{}", field.name);
                let ty = self.type_ref(&place, &field.ty.node)?;
                let arguments = self.input_values(&place, &field.arguments)?;
                Ok((field.name.node.clone(), FieldDefinition { ty, arguments }))
            })
            .collect::<Result<_>>()?;
        Ok(TypeKind::Composite(Composite { is_abstract, fields, interfaces, possible_types }))
    }

    /// The object types that implement an interface.
    fn implementations(&self, interface: &str) -> Vec<TypeId> {
        let implements = |ty: &ParsedType| match &ty.kind {
            ParsedKind::Object(object) => object.implements.iter().any(|name| name.node == interface),
            _ => false,
        };
        (0..self.parsed.len()).filter(|&index| implements(&self.parsed[index])).map(TypeId).collect()
    }

    fn input_values(
        &self,
        place: &str,
        definitions: &[Positioned<InputValueDefinition>],
    ) -> Result<IndexMap<Name, InputValue>> {
        definitions
            .iter()
            .map(|definition| {
                let definition = &definition.node;
                let ty = self.type_ref(&format!("{place}.{}", definition.name), &definition.ty.node)?;
                let default = definition.default_value.as_ref().map(|default| default.node.clone());
                Ok((definition.name.node.clone(), InputValue { ty, default }))
            })
            .collect()
    }

    fn directive(&self, directive: &ParsedDirective) -> Result<DirectiveDefinition> {
        let name = directive.name.node.as_str();
        Ok(DirectiveDefinition {
            arguments: self.input_values(name, &directive.arguments)?,
            locations: directive.locations.iter().map(|location| location.node).collect(),
            is_repeatable: self.repeatable.contains(name),
        })
    }

    fn type_ref(&self, place: &str, ty: &Type) -> Result<TypeRef> {
        let base = match &ty.base {
            BaseType::Named(name) => Base::Named(self.type_named(place, name)?),
            BaseType::List(item) => Base::List(Box::new(self.type_ref(place, item)?)),
        };
        Ok(TypeRef { base, nullable: ty.nullable })
    }

    fn named(&self, place: &str, names: &[Positioned<Name>]) -> Result<Vec<TypeId>> {
        names.iter().map(|name| self.type_named(place, &name.node)).collect()
    }

    fn type_named(&self, place: &str, name: &str) -> Result<TypeId> {
        self.by_name.get(name).copied().ok_or_else(|| unknown_type(place, name))
    }
}

impl TypeSystem {
    /// Defaults are literals and are applied unchanged.
    fn check_defaults(&self) -> Result<()> {
        let check = |place: &str, values: &IndexMap<Name, InputValue>| {
            for (name, value) in values {
                let Some(default) = &value.default else { continue };
                let literal = default.clone().into_value();
                let mut errors = Errors::default();
                let mut literals =
                    Literals { types: self, errors: &mut errors, usages: &mut VariableUsages::new() };
                literals.value(&value.ty, &literal, Pos::default(), &InputPath::root(name));
                let Err(errors) = errors.or_ok(()) else { continue };
                let reason = errors.into_iter().map(|error| error.message).next().unwrap_or_default();
                return Err(TypeSystemError::Default { place: format!("{place}.{name}"), reason });
            }
            Ok(())
        };
        for ty in &self.types {
            match &ty.kind {
                TypeKind::InputObject(object) => check(&ty.name, &object.fields)?,
                TypeKind::Composite(composite) => {
                    for (name, field) in &composite.fields {
                        check(&format!("{}.{name}", ty.name), &field.arguments)?;
                    }
                }
                TypeKind::Scalar(_) | TypeKind::Enum(_) => {}
            }
        }
        self.directives.iter().try_for_each(|(name, directive)| check(name, &directive.arguments))
    }
}

fn unused_rule(rules: InputRules) -> Option<String> {
    let scalars = rules.scalars.into_keys();
    let members = rules.rejected_enum_values.into_keys().map(|(name, member)| format!("{name}.{member}"));
    scalars.chain(members).next()
}

fn has_directive(directives: &[Positioned<ConstDirective>], name: &str) -> bool {
    directives.iter().any(|directive| directive.node.name.node == name)
}

fn unknown_type(place: &str, name: &str) -> TypeSystemError {
    TypeSystemError::UnknownType { place: place.to_owned(), name: name.to_owned() }
}
