use async_graphql::{Value as ConstValue, parser::types::OperationType};

use super::*;
use crate::InputRules;

#[track_caller]
fn refused(sdl: &str) -> String {
    TypeSystem::new(sdl, InputRules::default()).expect_err(sdl).to_string()
}

#[test]
fn a_schema_is_read_with_what_every_schema_has() {
    let types = TypeSystem::new(
        r#"
        schema { query: Root  mutation: Change }
        "What is read."
        type Root { node(id: ID!): Node  __own: Int }
        type Change { add(input: In! = {list: [1], colour: RED}): Thing }
        type Subscription { notARoot: Int }
        interface Node { id: ID! }
        type Thing implements Node { id: ID! }
        type Other { id: ID! }
        union Any = Thing | Other
        enum Colour { RED GREEN }
        scalar Date @specifiedBy(url: "https://example.com")
        input In { list: [Int!]!  colour: Colour = GREEN  on: Date }
        input One @oneOf { a: Int  b: Int }
        directive @skip(if: Boolean!) on FIELD | FRAGMENT_SPREAD | INLINE_FRAGMENT
        directive @tag(name: String!) on OBJECT
        "#,
        InputRules::default(),
    )
    .unwrap();
    let id = |name| types.type_named(name).unwrap();
    assert_eq!(types.root(OperationType::Query), Some(id("Root")));
    assert_eq!(types.root(OperationType::Mutation), Some(id("Change")));
    assert_eq!(types.root(OperationType::Subscription), None);
    assert_eq!(types.composite(id("Node")).unwrap().possible_types, [id("Thing")]);
    assert_eq!(types.composite(id("Any")).unwrap().possible_types, [id("Thing"), id("Other")]);
    assert!(types.field(id("Root"), "__schema").is_some());
    assert!(types.field(id("Change"), "__schema").is_none());
    assert!(types.field(id("Any"), "__typename").is_some());
    assert!(types.type_named("__Type").is_some());
    assert!(types.type_named("Query").is_none());
    assert!(types.directive("include").is_some());
    let TypeKind::InputObject(one) = &types.get(id("One")).kind else { panic!("an input object") };
    assert!(one.one_of);
    let add = &types.field(id("Change"), "add").unwrap().arguments["input"];
    assert_eq!(types.display(&add.ty).to_string(), "In!");
    assert!(!add.is_required());
    assert!(matches!(&add.default, Some(ConstValue::Object(fields)) if fields.len() == 2));
}

#[test]
fn without_a_schema_definition_the_roots_have_their_usual_names() {
    let types = TypeSystem::new("type Query {a:Int} type Mutation {a:Int}", InputRules::default()).unwrap();
    assert_eq!(types.root(OperationType::Mutation), types.type_named("Mutation"));
    assert_eq!(types.root(OperationType::Subscription), None);
}

#[test]
fn a_schema_that_does_not_hold_together_is_refused() {
    assert_eq!(refused("type Query {"), "the schema is not SDL");
    assert_eq!(refused("type Root {a:Int}"), "the schema has no query type");
    assert_eq!(refused("input Query {a:Int}"), "the schema has no query type");
    assert_eq!(
        refused("schema {query:Root} type Query {a:Int}"),
        "the schema names `Root`, which is not a type that is allowed there"
    );
    assert_eq!(
        refused("type Query {a(b:[In!]):Int}"),
        "Query.a.b names `In`, which is not a type that is allowed there"
    );
    assert_eq!(
        refused("type Query {a:Int} union U = Query | V"),
        "U names `V`, which is not a type that is allowed there"
    );
    assert_eq!(
        refused("type Query {a:Int} type Query {b:Int}"),
        "more than one definition of `Query` is not supported"
    );
    assert_eq!(
        refused("type Query {a:Int} extend type Other {b:Int}"),
        "an extension names `Other`, which is not a type that is allowed there"
    );
    assert_eq!(
        refused("type Query {a:Int} extend union Query = Query"),
        "an extension names `Query`, which is not a type that is allowed there"
    );
    assert_eq!(
        refused("type Query {a(b: Int = \"\"):Int}"),
        "the default of `Query.a.b` does not fit its type: `b`: expected an `Int`, a whole number from -2147483648 to \
         2147483647, but found a string."
    );
}

#[test]
fn extensions_add_to_types_and_to_the_schema() {
    let types = TypeSystem::new(
        r#"
        extend schema { mutation: Change }
        extend type Query implements Node { id: ID! b: Int }
        type Query { a: Int }
        type Change { a(in: In! = {list: [1], colour: BLUE}): Int }
        interface Node { id: ID! }
        extend interface Node { b: Int }
        union Any = Query
        extend union Any = Change
        enum Colour { RED }
        extend enum Colour { BLUE }
        input In { list: [Int!] }
        extend input In @oneOf { colour: Colour }
        scalar Date
        extend scalar Date @specifiedBy(url: "https://example.com")
        "#,
        InputRules::default(),
    );
    // The default breaks `@oneOf`, and only an extension makes the type one.
    assert!(types.unwrap_err().to_string().contains("needs exactly one field"));
    let types = TypeSystem::new(
        r#"
        type Query { a(in: In! = {list: [1], colour: BLUE}): Int }
        type Change { a: Int }
        extend schema { mutation: Change }
        interface Node { id: ID! }
        extend type Query implements Node { id: ID! }
        extend interface Node { b: Int }
        union Any = Query
        extend union Any = Change
        enum Colour { RED }
        extend enum Colour { BLUE }
        input In { list: [Int!] }
        extend input In { colour: Colour }
        "#,
        InputRules::default(),
    )
    .unwrap();
    let id = |name| types.type_named(name).unwrap();
    assert_eq!(types.root(OperationType::Query), Some(id("Query")));
    assert_eq!(types.root(OperationType::Mutation), Some(id("Change")));
    assert_eq!(types.composite(id("Node")).unwrap().possible_types, [id("Query")]);
    assert_eq!(types.composite(id("Any")).unwrap().possible_types, [id("Query"), id("Change")]);
    assert!(types.field(id("Query"), "id").is_some() && types.field(id("Node"), "b").is_some());
}

#[test]
fn a_rule_for_what_is_not_there_is_refused() {
    let sdl = "type Query {a:Date} scalar Date enum E {A}";
    let new = |rules| TypeSystem::new(sdl, rules).map(|_| ()).map_err(|error| error.to_string());
    assert_eq!(
        new(InputRules::default().scalar("Date", |_| Ok(())).reject_enum_value("E", "A", "Never.")),
        Ok(())
    );
    assert_eq!(
        new(InputRules::default().scalar("Time", |_| Ok(()))),
        Err("there is an input rule for `Time`, which the schema does not define".to_owned())
    );
    assert_eq!(
        new(InputRules::default().reject_enum_value("E", "B", "Never.")),
        Err("there is an input rule for `E.B`, which the schema does not define".to_owned())
    );
}
