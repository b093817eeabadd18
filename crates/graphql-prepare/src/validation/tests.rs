mod bounds;
mod fragments;
mod hidden_names;
mod literals;
mod operations;
mod selections;
mod variables;

use super::*;
use crate::{Costs, Document, InputRules, PreparedOperation, Preparer, RequestErrorKind};

const SDL: &str = r#"
type Query {
  pet: Pet
  dog: Dog
  cat: Cat
  being: Being
  catOrDog: CatOrDog
  pets(first: Int = 10, names: [String!], filter: Filter): [Pet!]!
  find(id: ID!, exact: Boolean! = false, nested: [[Int!]]): Pet
  price(of: Float, on: Date, colour: Colour, choice: Choice): Int
}
type Mutation { add(input: PetInput!): Dog }
type Subscription { added(kind: String): Dog other: Int }
interface Pet implements Being { name(upper: Boolean): String! id: ID! friend: Pet }
interface Being { id: ID! }
type Dog implements Pet & Being { name(upper: Boolean): String! id: ID! friend: Pet volume: Int age: Int! mate: Dog kids: [Dog!] }
type Cat implements Pet & Being { name(upper: Boolean): String! id: ID! friend: Pet volume: String age: Int mate: Cat kids: [Cat] }
type Rock implements Being { id: ID! }
union CatOrDog = Cat | Dog
input PetInput { name: String! age: Int = 3 size: Int! = 1 tags: [String!] parent: PetInput born: Date colour: Colour }
input Filter { and: [Filter!] name: String }
input Choice @oneOf { a: Int b: String }
enum Colour { RED GREEN LATER }
scalar Date
directive @cached(seconds: Int! = 60) on QUERY | FIELD
directive @tag(name: String!) repeatable on FIELD | FRAGMENT_DEFINITION | VARIABLE_DEFINITION
"#;

fn preparer() -> Preparer {
    let rules = InputRules::default()
        .scalar("Date", |value| match value {
            async_graphql::Value::String(date) if date.contains('-') => Ok(()),
            _ => Err("expected a date".to_owned()),
        })
        .reject_enum_value("Colour", "LATER", "It is read only.");
    Preparer::new(TypeSystem::new(SDL, rules).unwrap(), Costs::default(), Limits::work_bounds_only())
}

fn check(source: &str) -> Result<Document, Vec<RequestError>> {
    preparer().document(source)
}

#[track_caller]
fn valid(sources: &[&str]) {
    for source in sources {
        if let Err(errors) = check(source) {
            panic!("{source}\n{errors:#?}");
        }
    }
}

/// Each document breaks one rule, which the message names.
#[track_caller]
fn invalid(documents: &[(&str, &str)]) {
    for (source, message) in documents {
        let errors = check(source).expect_err(source);
        assert_eq!(errors[0].message, *message, "{source}");
        assert_eq!(errors[0].kind, RequestErrorKind::Validation);
        assert!(!errors[0].locations.is_empty());
        assert_eq!(errors.len(), 1, "{source}\n{errors:#?}");
    }
}
