//! Random selections, collected and executed, compared with a reference that follows the algorithms
//! of the specification literally.

use std::{collections::HashMap, fmt::Write};

use async_graphql::{
    Positioned,
    parser::{
        parse_query,
        types::{Directive, DocumentOperations, ExecutableDocument, Field, Selection, SelectionSet},
    },
};
use async_graphql_value::Value;
use indexmap::{IndexMap, IndexSet};
use proptest::prelude::*;
use serde_json::{Map, Value as JsonValue, json};

use super::fixture::Fixture;
use crate::RequestErrorKind;

/// A selection to write. A named fragment is not written inline.
#[derive(Debug, Clone)]
enum Written {
    Field { name: &'static str, alias: &'static str, directive: &'static str, below: Vec<Written> },
    Fragment { on: Option<&'static str>, named: bool, directive: &'static str, below: Vec<Written> },
}

const ALIASES: [&str; 3] = ["", "x", "y"];
const DIRECTIVES: [&str; 7] =
    ["", "", "", "@skip(if:true)", "@include(if:true)", "@skip(if:$yes)", "@include(if:$no) @skip(if:false)"];

/// The fields of a type, with their types.
fn fields_of(ty: &str) -> &'static [(&'static str, Option<&'static str>)] {
    match ty {
        "Query" => &[
            ("a", Some("A")),
            ("b", Some("B")),
            ("node", Some("Node")),
            ("nodes", Some("Node")),
            ("either", Some("Either")),
            ("__typename", None),
        ],
        "A" => &[
            ("id", None),
            ("peer", Some("Node")),
            ("echo", None),
            ("onlyA", None),
            ("either", Some("Either")),
            ("__typename", None),
        ],
        "B" => &[
            ("id", None),
            ("peer", Some("Node")),
            ("echo", None),
            ("onlyB", None),
            ("nodes", Some("Node")),
            ("__typename", None),
        ],
        "Node" => &[("id", None), ("peer", Some("Node")), ("echo", None), ("__typename", None)],
        _ => &[("__typename", None)],
    }
}

fn conditions_in(ty: &str) -> &'static [Option<&'static str>] {
    match ty {
        "Query" => &[None, Some("Query")],
        "A" => &[None, Some("A"), Some("Node"), Some("Either")],
        "B" => &[None, Some("B"), Some("Node"), Some("Either")],
        _ => &[None, Some("A"), Some("B"), Some("Node"), Some("Either")],
    }
}

fn selection_set(ty: &'static str, depth: u32) -> BoxedStrategy<Vec<Written>> {
    let directive = || prop::sample::select(&DIRECTIVES[..]);
    let fields: Vec<_> =
        fields_of(ty).iter().filter(|(_, below)| depth > 0 || below.is_none()).copied().collect();
    let leaf = Just(vec![Written::Field { name: "__typename", alias: "", directive: "", below: vec![] }]);
    let field = (prop::sample::select(fields), prop::sample::select(&ALIASES[..]), directive())
        .prop_flat_map(move |((name, below), alias, directive)| {
            let below = match below {
                Some(ty) => selection_set(ty, depth - 1),
                None => Just(vec![]).boxed(),
            };
            below.prop_map(move |below| Written::Field { name, alias, directive, below })
        });
    if depth == 0 {
        return prop_oneof![prop::collection::vec(field, 1..4), leaf].boxed();
    }
    let fragment = (prop::sample::select(conditions_in(ty)), any::<bool>(), directive()).prop_flat_map(
        move |(on, named, directive)| {
            selection_set(on.unwrap_or(ty), depth - 1).prop_map(move |below| Written::Fragment {
                on,
                named,
                directive,
                below,
            })
        },
    );
    let selection = prop_oneof![3 => field, 2 => fragment];
    // Written twice, a selection has to be merged with itself, and a named fragment is spread twice.
    (prop::collection::vec(selection, 1..4), any::<bool>())
        .prop_map(|(mut selections, twice)| {
            if twice {
                selections.push(selections[0].clone());
            }
            selections
        })
        .boxed()
}

fn write(selections: &[Written], source: &mut String, fragments: &mut IndexSet<String>) {
    source.push('{');
    for selection in selections {
        match selection {
            Written::Field { name, alias, directive, below } => {
                // The response key decides on name and argument, so that what meets can be merged.
                match (*alias, *name) {
                    ("", _) => write!(source, "{name} {directive}").unwrap(),
                    ("y", "echo") => write!(source, "y_echo:echo(n:$times) {directive}").unwrap(),
                    _ => write!(source, "{alias}_{name}:{name} {directive}").unwrap(),
                }
                if !below.is_empty() {
                    write(below, source, fragments);
                }
                source.push(' ');
            }
            Written::Fragment { on, named: true, directive, below } if on.is_some() => {
                let mut body = format!("on {} ", on.unwrap());
                write(below, &mut body, fragments);
                let (index, _) = fragments.insert_full(body);
                write!(source, "...F{index} {directive} ").unwrap();
            }
            Written::Fragment { on, directive, below, .. } => {
                let on = on.map(|on| format!("on {on}")).unwrap_or_default();
                write!(source, "...{on} {directive}").unwrap();
                write(below, source, fragments);
            }
        }
    }
    source.push('}');
}

fn document(selections: &[Written]) -> String {
    let (mut body, mut fragments) = (String::new(), IndexSet::new());
    write(selections, &mut body, &mut fragments);
    let mut source = String::new();
    for (index, fragment) in fragments.iter().enumerate() {
        writeln!(source, "fragment F{index} {fragment}").unwrap();
    }
    let used = ["$yes:Boolean!", "$no:Boolean!", "$times:Int"].into_iter().filter(|declaration| {
        let (name, _) = declaration.split_once(':').unwrap();
        body.contains(name) || source.contains(name)
    });
    let declared = used.collect::<Vec<_>>().join(" ");
    let variables = if declared.is_empty() { declared } else { format!("({declared})") };
    format!("query {variables} {body}\n{source}")
}

/// The contents of the schema.
enum Resolved {
    Leaf(JsonValue),
    Object(&'static str),
    List(Vec<Resolved>),
}

fn resolve(ty: &str, field: &Field, variables: &JsonValue) -> Resolved {
    use Resolved::{Leaf, List, Object};

    match (ty, field.name.node.as_str()) {
        (_, "__typename") => Leaf(json!(ty)),
        ("A", "id") => Leaf(json!("a")),
        ("B", "id") => Leaf(json!("b")),
        (_, "echo") => Leaf(match field.get_argument("n") {
            Some(_) => variables.get("times").cloned().unwrap_or(json!(3)),
            None => json!(3),
        }),
        ("A", "onlyA") => Leaf(json!(1)),
        ("B", "onlyB") => Leaf(json!(true)),
        ("Query", "a" | "node" | "either") | ("B", "peer") => Object("A"),
        ("Query", "b") | ("A", "peer" | "either") => Object("B"),
        ("Query", "nodes") => List(vec![Object("B"), Object("A")]),
        ("B", "nodes") => List(vec![List(vec![Object("A"), Object("B")]), List(vec![])]),
        other => panic!("{other:?}"),
    }
}

struct Reference<'d> {
    document: &'d ExecutableDocument,
    variables: &'d JsonValue,
    calls: usize,
}

impl<'d> Reference<'d> {
    fn selection_set(&mut self, ty: &str, sets: &[&'d SelectionSet]) -> JsonValue {
        let mut groups: IndexMap<&str, Vec<&'d Field>> = IndexMap::new();
        let mut visited = IndexSet::new();
        for set in sets {
            self.collect(ty, set, &mut visited, &mut groups);
        }
        let mut map = Map::new();
        for (key, fields) in groups {
            if fields[0].name.node != "__typename" {
                self.calls += 1;
            }
            let value = resolve(ty, fields[0], self.variables);
            map.insert(key.to_owned(), self.complete(value, &fields));
        }
        JsonValue::Object(map)
    }

    fn complete(&mut self, value: Resolved, fields: &[&'d Field]) -> JsonValue {
        match value {
            Resolved::Leaf(value) => value,
            Resolved::List(items) => items.into_iter().map(|item| self.complete(item, fields)).collect(),
            Resolved::Object(ty) => {
                let sets: Vec<_> = fields.iter().map(|field| &field.selection_set.node).collect();
                self.selection_set(ty, &sets)
            }
        }
    }

    fn collect(
        &self,
        ty: &str,
        set: &'d SelectionSet,
        visited: &mut IndexSet<&'d str>,
        groups: &mut IndexMap<&'d str, Vec<&'d Field>>,
    ) {
        let applies = |on: &str| on == ty || matches!((on, ty), ("Node" | "Either", "A" | "B"));
        for selection in &set.items {
            if !self.includes(selection.node.directives()) {
                continue;
            }
            match &selection.node {
                Selection::Field(field) => {
                    groups.entry(&field.node.response_key().node).or_default().push(&field.node);
                }
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    let fragment = &self.document.fragments[name].node;
                    if visited.insert(name) && applies(&fragment.type_condition.node.on.node) {
                        self.collect(ty, &fragment.selection_set.node, visited, groups);
                    }
                }
                Selection::InlineFragment(fragment) => {
                    let on = fragment.node.type_condition.as_ref();
                    if on.is_none_or(|on| applies(&on.node.on.node)) {
                        self.collect(ty, &fragment.node.selection_set.node, visited, groups);
                    }
                }
            }
        }
    }

    fn includes(&self, directives: &[Positioned<Directive>]) -> bool {
        directives.iter().all(|directive| {
            let condition = match &directive.node.get_argument("if").unwrap().node {
                Value::Boolean(condition) => *condition,
                Value::Variable(name) => self.variables[name.as_str()] == true,
                other => panic!("{other}"),
            };
            condition == (directive.node.name.node == "include")
        })
    }
}

/// Each response key once, at every level and for every type.
fn check_keys(set: &SelectionSet) -> Result<(), TestCaseError> {
    let mut seen: HashMap<String, ()> = HashMap::new();
    for selection in &set.items {
        let (key, below) = match &selection.node {
            Selection::Field(field) => {
                prop_assert!(field.node.directives.is_empty());
                (field.node.response_key().node.to_string(), &field.node.selection_set.node)
            }
            Selection::InlineFragment(fragment) => {
                let on = fragment.node.type_condition.as_ref().unwrap();
                prop_assert!(fragment.node.directives.is_empty());
                (format!("on {}", on.node.on), &fragment.node.selection_set.node)
            }
            Selection::FragmentSpread(_) => return Err(TestCaseError::fail("a named fragment is left")),
        };
        prop_assert!(seen.insert(key, ()).is_none());
        check_keys(below)?;
    }
    let fragments = seen.keys().filter(|key| key.starts_with("on ")).count();
    prop_assert!(fragments == 0 || fragments == seen.len());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn collected_fields_execute_as_the_specification_says(
        selections in selection_set("Query", 4),
        yes in any::<bool>(),
        no in any::<bool>(),
        n in proptest::option::of(-9..9),
    ) {
        let source = document(&selections);
        let mut variables = json!({"yes": yes, "no": no});
        if let Some(n) = n {
            variables["times"] = json!(n);
        }
        let fixture = Fixture::shared();
        let prepared = match fixture.prepare(&source, variables.clone()) {
            Ok(prepared) => prepared,
            Err(errors) => {
                prop_assert_eq!(errors[0].kind, RequestErrorKind::TooLarge, "{}\n{:?}", source, errors);
                return Err(TestCaseError::reject("too large"));
            }
        };
        for (_, operation) in prepared.to_document().operations.iter() {
            check_keys(&operation.node.selection_set.node)?;
        }

        let parsed = parse_query(&source).unwrap();
        let DocumentOperations::Single(operation) = &parsed.operations else { panic!("one operation") };
        let mut reference = Reference { document: &parsed, variables: &variables, calls: 0 };
        let expected = reference.selection_set("Query", &[&operation.node.selection_set.node]);
        let execution = fixture.execute(prepared);
        prop_assert_eq!(execution.errors, Vec::<String>::new());
        prop_assert_eq!(execution.data.to_string(), expected.to_string(), "{}", source);
        prop_assert_eq!(execution.calls.len(), reference.calls);
    }
}
