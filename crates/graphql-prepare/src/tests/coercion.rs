use async_graphql::PathSegment;
use proptest::prelude::*;
use serde_json::{Value as JsonValue, json};

use super::fixture::Fixture;
use crate::RequestErrorKind;

fn messages(variables: JsonValue) -> Vec<String> {
    let source = "query ($n: [[Int!]], $i: [ID!], $f: Float, $on: Date, $c: Choice, $t: String, $b: Boolean) \
                  {arguments(nested:$n ids:$i float:$f on:$on choice:$c after:$t) x:arguments(flag:$b)}";
    match Fixture::shared().request(source, variables) {
        Ok(_) => Vec::new(),
        Err(errors) => {
            assert!(errors.iter().all(|error| error.kind == RequestErrorKind::Variable));
            errors.into_iter().map(|error| error.message).collect()
        }
    }
}

fn patch_messages(patch: JsonValue) -> Vec<String> {
    match Fixture::shared().request("mutation ($p: Patch!) {patch(patch:$p)}", json!({"p": patch})) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.into_iter().map(|error| error.message).collect(),
    }
}

#[test]
fn an_error_names_the_way_and_the_expectation_but_not_the_value() {
    let int = "expected an `Int`, a whole number from -2147483648 to 2147483647";
    let id = "expected an `ID`, a string or a whole number of at most 64 bits";
    let one = "Variable `$c`: exactly one field is required, and it must not be null.";
    for (variables, message) in [
        (json!({"n": "secret"}), format!("Variable `$n`: {int}, but found a string.")),
        (
            json!({"n": [[1, 2147483648_u32]]}),
            "Variable `$n[0][1]`: 2147483648 is outside the `Int` range -2147483648 to 2147483647."
                .to_owned(),
        ),
        (
            json!({"n": [[1.5]]}),
            format!("Variable `$n[0][0]`: {int}, but found a number with a fraction or outside that range."),
        ),
        (json!({"n": [[null]]}), "Variable `$n[0][0]`: null is not allowed: the type is `Int!`.".to_owned()),
        (json!({"i": 1.5}), format!("Variable `$i`: {id}, but found another number.")),
        (json!({"i": [true]}), format!("Variable `$i[0]`: {id}, but found a Boolean.")),
        (json!({"f": "1.0"}), "Variable `$f`: expected a `Float`, a number, but found a string.".to_owned()),
        (json!({"t": 1}), "Variable `$t`: expected a `String`, but found a number.".to_owned()),
        (json!({"b": "true"}), "Variable `$b`: expected a `Boolean`, but found a string.".to_owned()),
        (json!({"b": []}), "Variable `$b`: expected a `Boolean`, but found a list.".to_owned()),
        (json!({"on": "secret"}), "Variable `$on`: expected a date.".to_owned()),
        (json!({"on": {"a": ["b", 1.5, null]}}), "Variable `$on`: expected a date.".to_owned()),
        (json!({"c": "secret"}), "Variable `$c`: expected a `Choice` object, but found a string.".to_owned()),
        (json!({"c": {}}), one.to_owned()),
        (json!({"c": {"number": 1, "text": ""}}), one.to_owned()),
        (json!({"c": {"text": null}}), one.to_owned()),
    ] {
        assert_eq!(messages(variables), [message]);
    }
    for (patch, message) in [
        (json!(1), "Variable `$p`: expected a `Patch` object, but found a number."),
        (json!(null), "Variable `$p`: null is not allowed: the type is `Patch!`."),
        (json!({"naem": "secret"}), "Variable `$p`: `Patch` has no field `naem`."),
        (json!({"a secret": 1}), "Variable `$p`: `Patch` has no field of this name."),
        (json!({"size": null}), "Variable `$p.size`: null is not allowed: the type is `Int!`."),
        (
            json!({"inner": {"tags": ["a", null]}}),
            "Variable `$p.inner.tags[1]`: null is not allowed: the type is `String!`.",
        ),
        (json!({"colour": "secret"}), "Variable `$p.colour`: `secret` is not a member of `Colour`."),
        (
            json!({"colour": 1}),
            "Variable `$p.colour`: expected a member of `Colour` as a string, but found a number.",
        ),
        (
            json!({"inner": {"colour": "LATER"}}),
            "Variable `$p.inner.colour`: `LATER` is not allowed as input. It is read only.",
        ),
    ] {
        assert_eq!(patch_messages(patch), [message]);
    }
}

#[test]
fn an_error_carries_the_variables_path_and_place() {
    let source = "mutation (\n $p: Patch!) {patch(patch:$p)}";
    let variables = json!({"p": {"inner": {"tags": ["a", 1]}}});
    let errors = Fixture::shared().request(source, variables).unwrap_err();
    let field = |name: &str| PathSegment::Field(name.to_owned());
    let path = vec![field("p"), field("inner"), field("tags"), PathSegment::Index(1)];
    assert_eq!(errors[0].variable, Some(path));
    assert_eq!(errors[0].locations, [async_graphql::Pos { line: 2, column: 2 }]);
}

#[test]
fn all_bad_values_are_told_up_to_ten() {
    assert_eq!(messages(json!({"f": "", "t": 1, "b": 1})).len(), 3);
    assert_eq!(patch_messages(json!({"size": "", "weight": "", "inner": {"size": ""}})).len(), 3);
    assert_eq!(patch_messages(json!({"tags": vec![1; 5000]})).len(), 10);
}

#[test]
fn what_is_required_has_to_come() {
    let fixture = Fixture::shared();
    let errors =
        fixture.request("query ($t: String!, $f: Float! = 1) {arguments(after:$t float:$f)}", json!({}));
    let errors = errors.unwrap_err();
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].message, "Variable `$t`: a value of type `String!` is required.");
}

fn any_json() -> impl Strategy<Value = JsonValue> {
    let leaf = prop_oneof![
        Just(JsonValue::Null),
        any::<bool>().prop_map(JsonValue::from),
        any::<i64>().prop_map(JsonValue::from),
        any::<u64>().prop_map(JsonValue::from),
        any::<f64>().prop_map(JsonValue::from),
        (-9_i32..9).prop_map(JsonValue::from),
        prop::sample::select(vec!["RED", "LATER", "2024-01-01", "", "é"]).prop_map(JsonValue::from),
        any::<String>().prop_map(JsonValue::from),
    ];
    let key = prop::sample::select(vec![
        "name", "size", "weight", "tags", "colour", "on", "inner", "number", "text", "x",
    ]);
    leaf.prop_recursive(4, 24, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(JsonValue::from),
            prop::collection::vec((key.clone(), inner), 0..6).prop_map(|fields| {
                JsonValue::Object(fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
            }),
        ]
    })
}

/// Values that are mostly right.
fn patch() -> impl Strategy<Value = JsonValue> {
    let leaf = Just(json!({}));
    leaf.prop_recursive(3, 12, 2, |inner| {
        let field = prop_oneof![
            prop_oneof![Just(json!(null)), any::<String>().prop_map(JsonValue::from)]
                .prop_map(|v| ("name", v)),
            prop_oneof![any::<i32>().prop_map(JsonValue::from), Just(json!(3.0))].prop_map(|v| ("size", v)),
            prop_oneof![Just(json!(null)), any::<i32>().prop_map(JsonValue::from)]
                .prop_map(|v| ("weight", v)),
            prop_oneof![Just(json!("one")), Just(json!([])), Just(json!(["a", "b"]))]
                .prop_map(|v| ("tags", v)),
            prop_oneof![Just(json!("RED")), Just(json!(null))].prop_map(|v| ("colour", v)),
            Just(("on", json!("2024-01-01"))),
            inner.prop_map(|v| ("inner", v)),
        ];
        prop::collection::vec(field, 0..6).prop_map(|fields| {
            JsonValue::Object(fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
        })
    })
}

proptest! {
    #[test]
    fn any_json_is_coerced_or_refused_and_what_is_coerced_the_library_takes(
        p in any_json(), n in any_json(), c in any_json()
    ) {
        let fixture = Fixture::shared();
        let source = "query ($n: [[Int!]], $c: Choice) {arguments(nested:$n choice:$c)}";
        if let Ok(execution) = fixture.request(source, json!({"n": n, "c": c})) {
            prop_assert_eq!(execution.errors, Vec::<String>::new());
        }
        if let Ok(execution) = fixture.request("mutation ($p: Patch!) {patch(patch:$p)}", json!({"p": p})) {
            prop_assert_eq!(execution.errors, Vec::<String>::new());
        }
    }

    #[test]
    fn a_good_value_is_coerced_and_executes(p in patch()) {
        let execution = Fixture::shared().request("mutation ($p: Patch!) {patch(patch:$p)}", json!({"p": p})).unwrap();
        prop_assert_eq!(execution.errors, Vec::<String>::new());
        prop_assert_eq!(execution.calls, ["patch"]);
    }
}
