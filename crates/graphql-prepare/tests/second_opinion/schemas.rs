//! The schemas of the comparison, each read by both judges.

use std::sync::LazyLock;

use apollo_compiler::{Schema, validation::Valid};
use graphql_prepare::{Costs, InputRules, Limits, Preparer, TypeSystem};

use super::bounds;

/// A schema as both judges read it.
pub(crate) struct SchemaPair {
    pub(crate) name: &'static str,
    pub(crate) preparer: Preparer,
    pub(crate) apollo: Valid<Schema>,
}

/// The schema of this repository, and small ones for features that it does not use.
pub(crate) static SCHEMAS: LazyLock<Vec<SchemaPair>> =
    LazyLock::new(|| SDLS.iter().map(|(name, sdl)| SchemaPair::new(name, sdl)).collect());

const SDLS: [(&str, &str); 5] = [
    ("repository", include_str!("../../../../schema.graphql")),
    ("pets", PETS),
    ("inputs", INPUTS),
    ("graph", GRAPH),
    ("tiny", TINY),
];

/// Interfaces that implement interfaces, unions, fields of the same name and of different types.
const PETS: &str = r#"
type Query {
  pet(id: ID): Pet
  pets(first: Int = 10, after: String, tags: [String!]): [Pet!]!
  dog: Dog
  cat: Cat!
  being: Being
  catOrDog: CatOrDog
  anything: [Anything]
}
type Mutation { rename(id: ID!, name: String!): Pet  feed(pets: [ID!]!, grams: Float = 1.5): [Pet] }
type Subscription { renamed(id: ID): Pet  born(kind: Kind = DOG): Being }
interface Being { id: ID! }
interface Pet implements Being { id: ID! name(upper: Boolean = false): String! friend: Pet friends(first: Int): [Pet!] }
type Dog implements Pet & Being { id: ID! name(upper: Boolean = false): String! friend: Pet friends(first: Int): [Pet!] volume: Int age: Int! mate: Dog kids: [Dog!] kind: Kind }
type Cat implements Pet & Being { id: ID! name(upper: Boolean = false): String! friend: Pet friends(first: Int): [Pet!] volume: String age: Int mate: Cat kids: [Cat] kind: Kind! }
type Rock implements Being { id: ID! weight(unit: Unit! = KG): Float matrix: [[Int!]!] }
union CatOrDog = Cat | Dog
union Anything = Dog | Rock | Query
enum Kind { DOG CAT ROCK }
enum Unit { KG LB }
"#;

/// Input objects, lists of lists, defaults, `@oneOf`, custom scalars, custom directives and extensions.
const INPUTS: &str = r#"
directive @oneOf on INPUT_OBJECT
directive @tag(name: String!) repeatable on FIELD | FRAGMENT_SPREAD | INLINE_FRAGMENT | FRAGMENT_DEFINITION | VARIABLE_DEFINITION
directive @cached(seconds: Int! = 60) on QUERY | MUTATION | FIELD
directive @label(text: String! = "none") on OBJECT | FIELD_DEFINITION | ARGUMENT_DEFINITION
schema { query: Root mutation: Change }
type Root @label {
  search(filter: Filter, matrix: [[Int!]!], cube: [[[Float]]], ids: [ID!] = ["a"], on: Date): [Found!]!
  count(where: Filter! = {flag: true}, limit: Int! = 5): Int
  choose(by: Choice!, other: Choice, all: [Choice!]): Found
  scalars(int: Int, float: Float, string: String, boolean: Boolean, id: ID, colour: Colour, date: Date, any: Any): String
  required(int: Int!, float: Float!, string: String!, boolean: Boolean!, id: ID!, colour: Colour!, date: Date!): String
}
type Change { add(tags: [String!]! @label, item: Item): Found set(items: [Item!]!, matrix: [[Int!]!]! = [[1]]): Int }
type Found { id: ID! colour(as: Colour = RED): Colour when: Date }
input Filter { and: [Filter!] or: [Filter!] not: Filter flag: Boolean = true colour: Colour text: String on: Date range: Range }
input Range { from: Int! = 0 to: Int! step: Float }
input Item { name: String! size: Int! = 1 tags: [String!] matrix: [[Int]] parent: Item choice: Choice colours: [Colour!] = [RED] }
input Choice @oneOf { id: ID name: String range: Range many: [Int!] }
enum Colour { RED GREEN BLUE }
scalar Date
scalar Any
extend type Found { kind: Colour @deprecated }
extend enum Colour { BLACK }
extend input Range { unit: String }
"#;

/// One recursive type and long ways around.
const GRAPH: &str = r#"
type Query { node(id: ID!): Node  nodes(ids: [ID!]!): [Node]!  me: User }
interface Node { id: ID! }
interface Named implements Node { id: ID! name: String }
interface Owned { owner(of: Owned_Kind): User }
type User implements Node & Named { id: ID! name: String posts(first: Int, order: Order = {by: NAME}): Posts! }
type Post implements Node & Owned { id: ID! owner(of: Owned_Kind): User title: String! likes: [[User!]] }
type Posts { edges: [Edge!] totalCount: Int }
type Edge { node: Post cursor: String! }
enum Owned_Kind { A B }
enum By { NAME DATE }
input Order { by: By! descending: Boolean = false }
type Subscription implements Node { id: ID! posted(by: [ID!]): Post tick: Int! }
"#;

/// Nothing but a query.
const TINY: &str = "type Query { a: Int  b(c: Int): Query  d: String! }";

impl SchemaPair {
    fn new(name: &'static str, sdl: &str) -> Self {
        let types = TypeSystem::new(sdl, InputRules::default()).expect("the schema is supported");
        // Limits that do not depend on the work are not compared.
        let limits = Limits {
            document: bounds::MAX_BYTES,
            tokens: usize::MAX,
            nesting: bounds::MAX_NESTING,
            directives: usize::MAX,
            expanded_selections: 2000,
            depth: usize::MAX,
            aliases: usize::MAX,
            response_key: usize::MAX,
            root_fields: usize::MAX,
            root_mutations: usize::MAX,
            cost: usize::MAX,
            introspection: usize::MAX,
        };
        let apollo = Schema::parse_and_validate(with_one_of(sdl), name)
            .unwrap_or_else(|error| panic!("{name}: {}", error.errors));
        Self { name, preparer: Preparer::new(types, Costs::default(), limits), apollo }
    }

    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        SCHEMAS.iter().find(|schema| schema.name == name)
    }
}

/// apollo-compiler does not know `@oneOf`, and needs its definition.
fn with_one_of(sdl: &str) -> String {
    let definition = "directive @oneOf on INPUT_OBJECT";
    if sdl.contains(definition) { sdl.to_owned() } else { format!("{definition}\n{sdl}") }
}
