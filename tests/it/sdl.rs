//! The printed schema and the result of introspection.

use serde_json::{Value, json};

use crate::harness::Gateway;

/// `schema.graphql` is the output of `intune-graphql schema`. Update it with `just schema`.
#[test]
fn the_checked_in_schema_equals_the_served_one() {
    let checked_in = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/schema.graphql")).unwrap();
    assert_eq!(checked_in.trim_end(), intune_graphql::schema::sdl().trim_end());
}

/// The tools of front ends show these descriptions, those of directives and their arguments included.
#[tokio::test]
async fn everything_in_the_schema_has_a_description() {
    const INTROSPECTION: &str = "{ __schema {
        types {
          kind name description specifiedByURL
          fields(includeDeprecated: true) { name description args(includeDeprecated: true) { name description } }
          inputFields(includeDeprecated: true) { name description }
          enumValues(includeDeprecated: true) { name description }
        }
        directives { name description args { name description } }
    } }";
    let gateway = Gateway::start().await;
    let reply = gateway.graphql(INTROSPECTION, json!({})).await;
    let schema = &reply.data()["__schema"];

    let mut without = Vec::new();
    let mut seen = 0;
    let types = schema["types"].as_array().unwrap().iter().map(|it| (it, ""));
    let directives = schema["directives"].as_array().unwrap().iter().map(|it| (it, "@"));
    for (item, prefix) in types.chain(directives) {
        let name = format!("{prefix}{}", item["name"].as_str().unwrap());
        // The types of introspection itself are the library's.
        if name.starts_with("__") {
            continue;
        }
        // GraphQL's own scalars are described in its specification; the library has no words for one of them.
        if ["Boolean", "Float", "ID", "Int", "String"].contains(&name.as_str()) {
            continue;
        }
        walk(item, &name, &mut without, &mut seen);
        if item["kind"] == "SCALAR" {
            let url = item["specifiedByURL"].as_str();
            assert!(url.is_some_and(|url| url.starts_with("https://")), "{name} says where it is specified");
        }
    }
    assert!(seen > 300, "introspection was walked: {seen}");
    assert!(without.is_empty(), "without a description that is a sentence: {without:#?}");
}

/// Whether each paragraph starts with a capital letter or a name in backticks, and ends with a period.
fn is_text(description: &str) -> bool {
    description.split("\n\n").all(|paragraph| {
        paragraph.starts_with(|start: char| start.is_uppercase() || start == '`') && paragraph.ends_with('.')
    })
}

fn walk(item: &Value, name: &str, without: &mut Vec<String>, seen: &mut usize) {
    *seen += 1;
    // The directives are described by the library.
    let is_described: fn(&str) -> bool =
        if name.starts_with('@') { |text| !text.is_empty() } else { is_text };
    if !item["description"].as_str().is_some_and(is_described) {
        without.push(name.to_owned());
    }
    for members in ["fields", "args", "inputFields", "enumValues"] {
        for member in item[members].as_array().into_iter().flatten() {
            walk(member, &format!("{name}.{}", member["name"].as_str().unwrap()), without, seen);
        }
    }
}
