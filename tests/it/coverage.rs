//! Each field, argument, input and enum value of the schema is used by some test. The GraphQL documents in the tests' source are
//! parsed and compared with the schema.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use async_graphql::parser::types::{
    BaseType, ExecutableDocument, OperationType, Selection, SelectionSet, Type, TypeKind,
    TypeSystemDefinition,
};
use async_graphql::parser::{parse_query, parse_schema};

/// What no test uses. It stays empty.
const EXCEPTIONS: &[&str] = &[];

/// The types of the schema, as far as they matter here.
#[derive(Default)]
struct Schema {
    /// Of object types and interfaces: the fields, with the name of their type and of their arguments.
    fields: BTreeMap<String, BTreeMap<String, (String, Vec<String>)>>,
    /// Names of the fields of input objects and of the values of enums, by type.
    words: BTreeMap<String, Vec<String>>,
}

impl Schema {
    fn read() -> Self {
        let mut schema = Self::default();
        for definition in parse_schema(intune_graphql::schema::sdl()).unwrap().definitions {
            let TypeSystemDefinition::Type(definition) = definition else { continue };
            let name = definition.node.name.node.to_string();
            let fields = match definition.node.kind {
                TypeKind::Object(object) => object.fields,
                TypeKind::Interface(interface) => interface.fields,
                TypeKind::InputObject(input) => {
                    let fields = input.fields.iter().map(|field| field.node.name.node.to_string());
                    schema.words.insert(name, fields.collect());
                    continue;
                }
                // Its values occur in the extensions of errors, some of them only in later
                // versions.
                TypeKind::Enum(_) if name == "ErrorCode" => continue,
                TypeKind::Enum(values) => {
                    let values = values.values.iter().map(|value| value.node.value.node.to_string());
                    schema.words.insert(name, values.collect());
                    continue;
                }
                TypeKind::Scalar | TypeKind::Union(_) => continue,
            };
            let field = |field: async_graphql::Positioned<async_graphql::parser::types::FieldDefinition>| {
                let field = field.node;
                let arguments = field.arguments.iter().map(|argument| argument.node.name.node.to_string());
                (field.name.node.to_string(), (named(&field.ty.node), arguments.collect()))
            };
            schema.fields.insert(name, fields.into_iter().map(field).collect());
        }
        schema
    }

    /// Marks the fields of `parent` that a selection set uses.
    fn mark(&self, parent: &str, set: &SelectionSet, used: &mut BTreeSet<String>) {
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) => {
                    let name = field.node.name.node.as_str();
                    // Not `__typename`, and not fields of tests that expect a rejection.
                    let Some((ty, _)) = self.fields.get(parent).and_then(|fields| fields.get(name)) else {
                        continue;
                    };
                    used.insert(format!("{parent}.{name}"));
                    for (argument, _) in &field.node.arguments {
                        used.insert(format!("{parent}.{name}({})", argument.node));
                    }
                    self.mark(ty, &field.node.selection_set.node, used);
                }
                Selection::InlineFragment(fragment) => {
                    let condition = fragment.node.type_condition.as_ref();
                    let parent = condition.map_or(parent, |condition| condition.node.on.node.as_str());
                    self.mark(parent, &fragment.node.selection_set.node, used);
                }
                // Marked at its definition.
                Selection::FragmentSpread(_) => {}
            }
        }
    }

    fn mark_document(&self, document: &ExecutableDocument, used: &mut BTreeSet<String>) {
        for (_, operation) in document.operations.iter() {
            let root = match operation.node.ty {
                OperationType::Query => "Query",
                OperationType::Mutation => "Mutation",
                OperationType::Subscription => "Subscription",
            };
            self.mark(root, &operation.node.selection_set.node, used);
        }
        for fragment in document.fragments.values() {
            let on = fragment.node.type_condition.node.on.node.as_str();
            self.mark(on, &fragment.node.selection_set.node, used);
        }
    }
}

fn named(ty: &Type) -> String {
    match &ty.base {
        BaseType::Named(name) => name.to_string(),
        BaseType::List(inner) => named(inner),
    }
}

/// The texts of all tests but this one.
fn sources(folder: &Path, into: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && !path.ends_with("coverage.rs")
        {
            into.push(std::fs::read_to_string(path).unwrap());
        }
    }
}

/// The string literals of a Rust source.
fn literals(source: &str) -> Vec<String> {
    let mut literals = Vec::new();
    let letters: Vec<char> = source.chars().collect();
    let mut at = 0;
    while at < letters.len() {
        match letters[at..] {
            ['/', '/', ..] => at += letters[at..].iter().take_while(|letter| **letter != '\n').count(),
            ['r', '"' | '#', ..] if at == 0 || !letters[at - 1].is_alphanumeric() => {
                let hashes = letters[at + 1..].iter().take_while(|letter| **letter == '#').count();
                if letters.get(at + 1 + hashes) != Some(&'"') {
                    at += 1;
                    continue;
                }
                let rest: String = letters[at + 2 + hashes..].iter().collect();
                let (literal, _) = rest.split_once(&format!("\"{}", "#".repeat(hashes))).unwrap();
                at += 3 + 2 * hashes + literal.chars().count();
                literals.push(literal.to_owned());
            }
            // A character, not a lifetime.
            ['\'', '\\', _, '\'', ..] => at += 4,
            ['\'', _, '\'', ..] => at += 3,
            ['"', ..] => {
                at += 1;
                let mut literal = String::new();
                while letters[at] != '"' {
                    if letters[at] == '\\' {
                        at += 1;
                        match letters[at] {
                            'n' | '\n' => literal.push(' '),
                            other => literal.push(other),
                        }
                    } else {
                        literal.push(letters[at]);
                    }
                    at += 1;
                }
                at += 1;
                literals.push(literal);
            }
            _ => at += 1,
        }
    }
    literals
}

#[test]
fn every_part_of_the_schema_is_used_by_a_test() {
    let schema = Schema::read();
    let mut texts = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it"), &mut texts);

    let mut used = BTreeSet::new();
    let mut documents = 0;
    for literal in texts.iter().flat_map(|text| literals(text)) {
        // Fragments may be kept apart from the operations that they are added to.
        let document = parse_query(&literal).or_else(|_| parse_query(format!("{{ __typename }} {literal}")));
        if let Ok(document) = document {
            documents += 1;
            schema.mark_document(&document, &mut used);
        }
    }
    assert!(documents > 100, "the documents of the tests are found: {documents}");
    // Inputs and enum values occur in variables too, which are not documents.
    let words: BTreeSet<&str> =
        texts.iter().flat_map(|text| text.split(|c: char| !c.is_alphanumeric() && c != '_')).collect();

    let mut missing = Vec::new();
    for (name, fields) in &schema.fields {
        for (field, (_, arguments)) in fields {
            let argument = arguments.iter().map(|argument| format!("{name}.{field}({argument})"));
            missing.extend(
                std::iter::once(format!("{name}.{field}")).chain(argument).filter(|it| !used.contains(it)),
            );
        }
    }
    for (name, inputs) in &schema.words {
        let absent = inputs.iter().filter(|word| !words.contains(word.as_str()));
        missing.extend(absent.map(|word| format!("{name}.{word}")));
    }
    assert_eq!(missing, EXCEPTIONS);
}

#[test]
fn string_literals_are_found_in_rust_code() {
    let source = r##"let a = "{ a \"b\" }"; // "no"
        let b = '"'; let c = r#"raw "x""#; let d: &'static str = "d\n";"##;
    assert_eq!(literals(source), ["{ a \"b\" }", "raw \"x\"", "d "]);
}
