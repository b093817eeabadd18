use serde_json::{Value as JsonValue, json};

use super::*;

fn message(document: &str, variables: JsonValue) -> String {
    let rules = InputRules::default().scalar("Date", |_| Ok(()));
    let types = TypeSystem::new(SDL, rules).unwrap().with_suggestions(true).without_schema_names();
    let preparer = Preparer::new(types, Costs::default(), Limits::work_bounds_only());
    let errors = match preparer.document(document) {
        Err(errors) => errors,
        Ok(document) => {
            let JsonValue::Object(variables) = variables else { panic!("variables are an object") };
            preparer.prepare(document.operation(None).unwrap(), Some(variables)).map(drop).unwrap_err()
        }
    };
    assert_eq!(errors.len(), 1, "{document}: {errors:?}");
    errors[0].message.clone()
}

#[test]
fn a_message_has_no_name_that_the_document_does_not_have() {
    for (document, expected) in [
        ("{nod}", "There is no field `nod` here."),
        ("{pet}", "`pet` needs a selection of fields."),
        ("{dog{id{x}}}", "`id` has no fields to select."),
        ("{dog{...on Rock{id}}}", "The fragment on `Rock` cannot apply here."),
        ("{find{id}}", "The field `find` lacks a required argument."),
        ("{pet{id @tag}}", "The directive `@tag` lacks a required argument."),
        ("{find(id:null){id}}", "`id` must not be null."),
        ("{price(colour:RDE)}", "`colour`: `RDE` is not a member."),
        ("{price(colour:1)}", "`colour`: expected an enum member, but found a whole number."),
        ("query($x: Int) {price(on:[$x])}", "`on`: a variable is not allowed inside this value."),
        ("mutation {add(input:1){id}}", "`input`: expected an object, but found a whole number."),
        ("mutation {add(input:{}){id}}", "`input` lacks a required field."),
        ("mutation {add(input:{name:\"a\" wight:1}){id}}", "`input`: the object has no field `wight`."),
        ("query($x: Int) {price(colour:$x)}", "The variable `x` of type `Int` cannot be used here."),
        (
            "query($x: ID) {find(id:$x){id}}",
            "The variable `x` of type `ID` cannot be used where `ID!` is expected.",
        ),
    ] {
        assert_eq!(message(document, json!({})), expected, "{document}");
    }
}

#[test]
fn a_message_has_no_name_that_the_variables_do_not_have() {
    let add = "mutation($input: PetInput!) {add(input:$input){id}}";
    for (input, expected) in [
        (json!({}), "Variable `$input`: a required field is missing."),
        (json!({"name": null}), "Variable `$input.name`: null is not allowed."),
        (json!({"name": "a", "wight": 1}), "Variable `$input`: the object has no field `wight`."),
        (
            json!({"name": "a", "parent": 1}),
            "Variable `$input.parent`: expected an object, but found a number.",
        ),
        (json!({"name": "a", "parent": {}}), "Variable `$input.parent`: a required field is missing."),
        (json!({"name": "a", "colour": "RDE"}), "Variable `$input.colour`: `RDE` is not a member."),
        (
            json!({"name": "a", "colour": 1}),
            "Variable `$input.colour`: expected an enum member as a string, but found a number.",
        ),
    ] {
        assert_eq!(message(add, json!({"input": input})), expected);
    }
    assert_eq!(message(add, json!({})), "Variable `$input`: a value of type `PetInput!` is required.");
}
