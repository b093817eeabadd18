use async_graphql::parser::types::OperationType;
use serde_json::{Value as JsonValue, json};

use super::fixture::{Execution, Fixture};
use crate::{RequestError, RequestErrorKind};

#[track_caller]
fn execute(source: &str, variables: JsonValue) -> Execution {
    let execution = Fixture::shared().request(source, variables).unwrap();
    assert_eq!(execution.errors, Vec::<String>::new(), "{source}");
    execution
}

/// The data as text, so that the order of fields counts.
#[track_caller]
fn data(source: &str, variables: JsonValue) -> String {
    execute(source, variables).data.to_string()
}

#[track_caller]
fn refused(source: &str, variables: JsonValue) -> Vec<RequestError> {
    Fixture::shared().request(source, variables).unwrap_err()
}

#[test]
fn a_mutation_selected_twice_runs_once() {
    for source in [
        "mutation {add(x:1){a} add(x:1){b}}",
        "mutation {add(x:1){a} ...F} fragment F on Mutation {add(x:1){b}}",
        "mutation {...F ...F} fragment F on Mutation {add(x:1){a b}}",
        "mutation {... {add(x:1){a}} ... on Mutation {add(x:1){a ...G}}} fragment G on Added {b a}",
        "mutation {add(x:1){a a:a} add(x:1) @include(if:true) {b} add(x:1) @skip(if:true) {b}}",
    ] {
        let execution = execute(source, json!({}));
        assert_eq!(execution.calls, ["add(1)"], "{source}");
        assert_eq!(execution.data.to_string(), r#"{"add":{"a":1,"b":2}}"#, "{source}");
    }
}

#[test]
fn aliases_are_fields_of_their_own_and_run_in_order() {
    let execution = execute("mutation {b: add(x:2){a} a: add(x:1){a} b: add(x:2){b}}", json!({}));
    assert_eq!(execution.calls, ["add(2)", "add(1)"]);
    assert_eq!(execution.data.to_string(), r#"{"b":{"a":2,"b":3},"a":{"a":1}}"#);
}

#[test]
fn nothing_runs_when_a_variable_is_bad() {
    let source = "mutation ($j: Int!) {a: add(x:1){a} b: add(x:$j){b}}";
    assert_eq!(execute(source, json!({"j": 2})).calls.len(), 2);
    for bad in [json!({}), json!({"j": null}), json!({"j": "2"}), json!({"j": 2.5})] {
        let errors = refused(source, bad);
        assert_eq!(errors[0].kind, RequestErrorKind::Variable);
    }
    // The default makes the document valid; a null would fail as late as in the second field.
    let source = "mutation ($j: Int = 2) {a: add(x:1){a} b: add(x:$j){b}}";
    assert_eq!(execute(source, json!({})).calls, ["add(1)", "add(2)"]);
    assert_eq!(refused(source, json!({"j": null}))[0].kind, RequestErrorKind::Variable);
    // An error in a skipped field is an error.
    refused("mutation {a: add(x:1){a} b: add(x:\"\") @skip(if:true) {b}}", json!({}));
}

#[test]
fn absent_is_not_null() {
    let source = "mutation ($name: String, $tags: [String!], $patch: Patch) \
                  {patch(patch:{name:$name tags:$tags inner:$patch})}";
    let patch = |variables| execute(source, variables).data["patch"].as_str().unwrap().to_owned();
    assert!(patch(json!({})).starts_with("Patch { name: Undefined,"));
    assert!(patch(json!({})).contains("tags: Undefined"));
    assert!(patch(json!({"name": null, "tags": null})).starts_with("Patch { name: Null,"));
    assert!(patch(json!({"name": "n", "tags": "t"})).contains(r#"tags: Value(["t"])"#));
    assert!(patch(json!({"patch": {"name": null}})).contains("inner: Some(Patch { name: Null,"));
    assert!(patch(json!({"patch": {}})).contains("inner: Some(Patch { name: Undefined,"));
}

#[test]
fn defaults_of_input_fields_stand_in_for_what_is_absent() {
    let source = "mutation ($p: Patch! = {size: 1}) {patch(patch:$p)}";
    let patch = |variables| execute(source, variables).data["patch"].as_str().unwrap().to_owned();
    assert!(patch(json!({})).contains("size: 1, weight: Some(5)"));
    assert!(patch(json!({"p": {}})).contains("size: 7, weight: Some(5)"));
    assert!(patch(json!({"p": {"size": 2, "weight": null}})).contains("size: 2, weight: None"));
    let source = "mutation ($size: Int, $weight: Int) {patch(patch:{size:$size weight:$weight})}";
    let patch = |variables| execute(source, variables).data["patch"].as_str().unwrap().to_owned();
    assert!(patch(json!({})).contains("size: 7, weight: Some(5)"));
    assert!(patch(json!({"size": 1, "weight": null})).contains("size: 1, weight: None"));
    assert_eq!(refused(source, json!({"size": null}))[0].kind, RequestErrorKind::Variable);
}

#[test]
fn defaults_of_arguments_stand_in_for_what_is_absent() {
    let source = "query ($first: Int, $after: String, $flag: Boolean) \
                  {arguments(first:$first after:$after flag:$flag)}";
    let arguments = |variables| execute(source, variables).data["arguments"].as_str().unwrap().to_owned();
    assert!(arguments(json!({})).starts_with("Some(10) Undefined true"));
    assert!(arguments(json!({"first": null, "after": null})).starts_with("None Null true"));
    assert!(
        arguments(json!({"first": 1, "after": "x", "flag": false})).starts_with("Some(1) Value(\"x\") false")
    );
    assert_eq!(refused(source, json!({"flag": null}))[0].variable.as_ref().unwrap().len(), 1);
    // A variable's default has precedence over the argument's.
    let source = "query ($first: Int = 3) {arguments(first:$first)}";
    assert!(data(source, json!({})).contains("Some(3)"));
    assert!(data("{arguments}", json!({})).contains("Some(10) Undefined true None None None None None"));
}

#[test]
fn values_reach_resolvers_as_they_were_meant() {
    let source = "query ($n: [[Int!]], $i: [ID!], $f: Float, $on: Date, $c: Choice) \
                  {arguments(nested:$n ids:$i float:$f on:$on choice:$c)}";
    let variables = json!({
        "n": [[1], null, 2.0], "i": ["x", 7, 8.0, 9007199254740993_u64], "f": 1, "on": "2024-01-01",
        "c": {"number": -0.0}, "unknown": {"ignored": true},
    });
    assert_eq!(
        execute(source, variables).data["arguments"],
        "Some(10) Undefined true Some([Some([1]), None, Some([2])]) \
         Some([\"x\", \"7\", \"8\", \"9007199254740993\"]) Some(1.0) Some(Date(\"2024-01-01\")) Some(Number(0))"
    );
    let literal = r#"{arguments(nested:[[1] null 2] ids:["x" 7] float:1 on:"2024-01-01" choice:{text:"\uD83D\uDE00"})}"#;
    assert_eq!(
        execute(literal, json!({})).data["arguments"],
        "Some(10) Undefined true Some([Some([1]), None, Some([2])]) \
         Some([\"x\", \"7\"]) Some(1.0) Some(Date(\"2024-01-01\")) Some(Text(\"😀\"))"
    );
}

#[test]
fn a_variable_in_a_list_is_null_where_it_is_absent() {
    let source = "query ($n: [Int!], $i: Int!) {arguments(nested:[$n [$i]])}";
    assert!(data(source, json!({"i": 1})).contains("Some([None, Some([1])])"));
}

#[test]
fn enums_arrive_from_strings_and_from_literals() {
    let source = "mutation ($c: Colour) {a: patch(patch:{colour:$c}) b: patch(patch:{colour:GREEN})}";
    let data = execute(source, json!({"c": "RED"})).data;
    assert!(data["a"].as_str().unwrap().contains("colour: Some(Red)"));
    assert!(data["b"].as_str().unwrap().contains("colour: Some(Green)"));
    assert_eq!(
        refused(source, json!({"c": "LATER"}))[0].message,
        "Variable `$c`: `LATER` is not allowed as input. It is read only."
    );
}

#[test]
fn fields_come_in_the_order_of_their_first_selection() {
    assert_eq!(
        data("{b{onlyB} a{peer{id} id} b{id __typename} a{peer{__typename ...on B{onlyB}}}}", json!({})),
        r#"{"b":{"onlyB":true,"id":"b","__typename":"B"},"a":{"peer":{"id":"b","__typename":"B","onlyB":true},"id":"a"}}"#
    );
}

#[test]
fn an_interface_gives_each_object_each_key_once() {
    let source = "{nodes {...on A{onlyA id} id ...on B{onlyB echo(n:1)} echo(n:1) ...F ...on Node{__typename}}} \
                  fragment F on Either {...on A{onlyA} ...on B{id peer{...on A{onlyA} id}}}";
    let execution = execute(source, json!({}));
    assert_eq!(
        execution.data.to_string(),
        r#"{"nodes":[{"id":"b","onlyB":true,"echo":1,"peer":{"onlyA":1,"id":"a"},"__typename":"B"},"#
            .to_owned()
            + r#"{"onlyA":1,"id":"a","echo":1,"__typename":"A"}]}"#
    );
    let mut once = execution.calls.clone();
    once.sort();
    once.dedup();
    // `A.id` and `A.onlyA` are called for the node and for the peer.
    assert_eq!(execution.calls.len(), once.len() + 2, "{:?}", execution.calls);
}

#[test]
fn selections_that_differ_by_type_alone_stay_flat() {
    let prepared = Fixture::shared().prepare("{node{id ...on Node{echo} ...{id}}}", json!({})).unwrap();
    let text = format!("{:?}", prepared.to_document());
    assert!(!text.contains("InlineFragment"), "{text}");
}

#[test]
fn a_union_has_only_fragments_and_its_name() {
    let source = "{either{__typename ...on A{id either{__typename ...on Node{id}}} ...on B{onlyB}}}";
    assert_eq!(
        data(source, json!({})),
        r#"{"either":{"__typename":"A","id":"a","either":{"__typename":"B","id":"b"}}}"#
    );
}

#[test]
fn nested_lists_keep_their_shape() {
    assert_eq!(
        data("{b{nodes{id} nodes{...on B{onlyB}}}}", json!({})),
        r#"{"b":{"nodes":[[{"id":"a"},{"id":"b","onlyB":true}],[]]}}"#
    );
}

#[test]
fn what_is_skipped_is_not_there() {
    let source = "query ($s: Boolean!, $i: Boolean = false) \
                  {a{id @skip(if:$s) ...F @include(if:$i) ...on A @skip(if:$s){onlyA}}} fragment F on A{echo}";
    assert_eq!(data(source, json!({"s": false})), r#"{"a":{"id":"a","onlyA":1}}"#);
    assert_eq!(data(source, json!({"s": true, "i": true})), r#"{"a":{"echo":3}}"#);
    // A fragment that is skipped once and spread again.
    assert_eq!(data("{a{...F @skip(if:true) ...F}} fragment F on A{id}", json!({})), r#"{"a":{"id":"a"}}"#);
    assert_eq!(refused(source, json!({"s": true, "i": null}))[0].kind, RequestErrorKind::Variable);
}

#[test]
fn an_object_of_which_everything_is_skipped_is_empty() {
    let source =
        "query ($s: Boolean!) {a{id @skip(if:$s)} node{id @skip(if:$s)} nodes{...on A @skip(if:$s){id}}}";
    let execution = execute(source, json!({"s": true}));
    assert_eq!(execution.data.to_string(), r#"{"a":{},"node":{},"nodes":[{},{}]}"#);
    assert_eq!(data("{a @skip(if:true){id}}", json!({})), "{}");
    assert_eq!(data("mutation {add(x:1) @include(if:false) {a}}", json!({})), "{}");
    // One of two selections of a field is skipped; the selections below the other remain.
    assert_eq!(data("{a{id} a @skip(if:true){onlyA}}", json!({})), r#"{"a":{"id":"a"}}"#);
}

#[test]
fn an_argument_left_to_its_default_is_so_in_fragments_on_types() {
    let source = "query ($n: Int) {nodes{...on A{echo(n:$n)} ...on B{echo(n:$n) onlyB}}}";
    assert_eq!(data(source, json!({})), r#"{"nodes":[{"echo":3,"onlyB":true},{"echo":3}]}"#);
    assert_eq!(data(source, json!({"n": 4})), r#"{"nodes":[{"echo":4,"onlyB":true},{"echo":4}]}"#);
}

#[test]
fn introspection_is_answered_and_known_as_such() {
    let fixture = Fixture::shared();
    let source = "query ($d: Boolean! = true) {__schema{queryType{name}} t: __type(name:\"Colour\"){kind \
                  enumValues(includeDeprecated:$d){name}} a{id}}";
    let prepared = fixture.prepare(source, json!({})).unwrap();
    assert!(prepared.introspects());
    let execution = fixture.execute(prepared);
    assert_eq!(execution.errors, Vec::<String>::new());
    assert_eq!(execution.data["__schema"]["queryType"]["name"], "Query");
    assert_eq!(execution.data["t"]["enumValues"][0]["name"], "RED");
    assert!(!fixture.prepare("{a{__typename}}", json!({})).unwrap().introspects());
}

#[test]
fn the_library_knows_every_introspection_field_that_validation_lets_through() {
    let ty = "kind name description specifiedByURL isOneOf fields(includeDeprecated:true){name description isDeprecated \
              deprecationReason args(includeDeprecated:true){...I} type{name}} interfaces{name} possibleTypes{name} \
              enumValues(includeDeprecated:true){name description isDeprecated deprecationReason} \
              inputFields(includeDeprecated:true){...I} ofType{name}";
    let source = format!(
        "{{__schema{{description types{{{ty}}} queryType{{name}} mutationType{{name}} subscriptionType{{name}} \
         directives{{name description isRepeatable locations args(includeDeprecated:true){{...I}}}}}}}} \
         fragment I on __InputValue {{name description type{{name}} defaultValue isDeprecated deprecationReason}}"
    );
    let execution = execute(&source, json!({}));
    assert!(execution.data["__schema"]["types"].as_array().unwrap().len() > 10);
}

#[test]
fn a_subscription_gets_its_one_field() {
    let fixture = Fixture::shared();
    let source = "subscription ($count: Int) {...F ticks(count:$count){peer{id}}} \
                  fragment F on Updates {ticks(count:$count){id}}";
    let prepared = fixture.prepare(source, json!({})).unwrap();
    assert_eq!(prepared.operation_type, OperationType::Subscription);
    let events = fixture.subscribe(prepared);
    assert_eq!(events.len(), 2);
    assert_eq!(events[0].to_string(), r#"{"ticks":{"id":"a","peer":{"id":"b"}}}"#);
    assert_eq!(fixture.subscribe(fixture.prepare(source, json!({"count": 3})).unwrap()).len(), 3);
}

#[test]
fn a_document_serves_many_requests() {
    let fixture = Fixture::shared();
    let document =
        fixture.preparer.document("query ($n: Int) {a{echo(n:$n) ...F}} fragment F on A{id}").unwrap();
    for (variables, expected) in [(json!({}), 3), (json!({"n": 4}), 4), (json!({"n": 5}), 5), (json!({}), 3)]
    {
        let variables = variables.as_object().cloned();
        let prepared = fixture.preparer.prepare(document.operation(None).unwrap(), variables).unwrap();
        assert_eq!(fixture.execute(prepared).data, json!({"a": {"echo": expected, "id": "a"}}));
    }
}

#[test]
fn the_operation_is_the_one_that_is_named() {
    let fixture = Fixture::shared();
    let document = fixture.preparer.document("query A {a{id}} mutation B {add(x:1){a}}").unwrap();
    let selected = document.operation(Some("B")).unwrap();
    assert_eq!(selected.operation_type(), OperationType::Mutation);
    assert_eq!(selected.name(), Some("B"));
    assert_eq!(fixture.execute(fixture.preparer.prepare(selected, None).unwrap()).calls, ["add(1)"]);
    for (name, message) in [
        (None, "The document has 2 operations (A, B): set `operationName`."),
        (Some("C"), "The document has no operation `C`. Operations: A, B."),
        (Some("a secret"), "The document has no operation of the name in `operationName`. Operations: A, B."),
    ] {
        let error = document.operation(name).unwrap_err();
        assert_eq!((error.kind, error.message.as_str()), (RequestErrorKind::Operation, message));
    }
    let anonymous = fixture.preparer.document("{a{id}}").unwrap();
    assert!(anonymous.operation(None).is_ok());
    assert!(anonymous.operation(Some("A")).is_err());
    assert!(anonymous.operation(Some("")).is_err());
    assert!(fixture.preparer.document("query A {a{id}}").unwrap().operation(None).is_ok());
}

#[test]
fn an_operation_as_deep_as_the_limit_executes() {
    let nested =
        |depth: usize| format!("{{node{{{}id{}}}}}", "peer{".repeat(depth - 2), "}".repeat(depth - 2));
    let mut data = &execute(&nested(64), json!({})).data["node"];
    while let Some(peer) = data.get("peer") {
        data = peer;
    }
    assert_eq!(data["id"], "a");
    assert_eq!(refused(&nested(65), json!({}))[0].kind, RequestErrorKind::TooLarge);
}

#[test]
fn too_many_selections_are_refused_with_or_without_variables() {
    let mut source = String::from("query ($x: Boolean!) {a{...F0 @include(if:$x)}}");
    for index in 0..12 {
        source += &format!("fragment F{index} on Node{{x:peer{{...F{}}} y:peer{{...F{0}}}}}", index + 1);
    }
    source += "fragment F12 on Node{id}";
    let errors = refused(&source, json!({"x": true}));
    assert_eq!(errors[0].kind, RequestErrorKind::TooLarge);
    // A document is valid or invalid independent of the parts that a request skips.
    assert_eq!(refused(&source, json!({"x": false}))[0].kind, RequestErrorKind::TooLarge);
    let plain = source.replace("query ($x: Boolean!)", "").replace("@include(if:$x)", "");
    assert_eq!(refused(&plain, json!({}))[0].kind, RequestErrorKind::TooLarge);
}

#[test]
fn collected_fields_are_kept_for_one_operation_and_where_they_are_no_larger_than_the_document() {
    let preparer = &Fixture::shared().preparer;
    let kept_of = |source: &str, name: Option<&str>| {
        let document = preparer.document(source).unwrap();
        preparer.prepare(document.operation(name).unwrap(), None).unwrap();
        document.collected.get().map(|(index, _)| *index)
    };
    assert_eq!(kept_of("{a{id}}", None), Some(0));
    assert_eq!(kept_of("query A{a{id}} query B{a{id}}", Some("B")), Some(1));
    let document = preparer.document("query A{a{id}} query B{a{x:id}}").unwrap();
    for name in ["A", "B", "A"] {
        let prepared = preparer.prepare(document.operation(Some(name)).unwrap(), None).unwrap();
        let data = Fixture::shared().execute(prepared).data.to_string();
        assert_eq!(data, if name == "A" { r#"{"a":{"id":"a"}}"# } else { r#"{"a":{"x":"a"}}"# });
    }
    // Fragments that double: 150 tokens come to 250 fields.
    let mut doubling = "{a{...F0}}".to_owned();
    for index in 0..7 {
        doubling += &format!("fragment F{index} on Node{{x:peer{{...F{0}}} y:peer{{...F{0}}}}}", index + 1);
    }
    doubling += "fragment F7 on Node{id}";
    assert_eq!(kept_of(&doubling, None), None);
}
