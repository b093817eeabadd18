use async_graphql::parser::{
    parse_query,
    types::{DocumentOperations, ExecutableDocument},
};
use proptest::prelude::*;

use super::*;
use crate::error::RequestErrorKind;

fn parsed(source: &str) -> ParsedDocument {
    parse(source, &Limits::default()).unwrap_or_else(|error| panic!("{source}: {error:?}"))
}

#[track_caller]
fn refused(source: &str) -> RequestError {
    let error = parse(source, &Limits::default()).expect_err(source);
    assert_eq!(error.kind, RequestErrorKind::Syntax);
    error
}

/// The document in async-graphql's form, for comparison.
fn executable(document: ParsedDocument) -> ExecutableDocument {
    let mut operations = document.operations;
    let anonymous = operations[0].name.is_none();
    ExecutableDocument {
        operations: if anonymous {
            DocumentOperations::Single(operations.remove(0).definition)
        } else {
            DocumentOperations::Multiple(
                operations
                    .into_iter()
                    .map(|operation| (operation.name.unwrap().node, operation.definition))
                    .collect(),
            )
        },
        fragments: document
            .fragments
            .into_iter()
            .map(|(name, fragment)| (name, fragment.definition))
            .collect(),
    }
}

fn argument(source: &str) -> Value {
    let document = parsed(&format!("{{f(x:{source})}}"));
    let Selection::Field(field) = &document.operations[0].definition.node.selection_set.node.items[0].node
    else {
        panic!("a field was written");
    };
    field.node.arguments[0].1.node.clone()
}

#[test]
fn every_construct_is_read_as_the_library_reads_it() {
    let source = r#"
        query Q($a: [Int!]! = [1, 2], $b: In = {x: "é", y: null}, $c: ID) @d(x: 1) {
            alias: field(a: $a, b: {x: $c, y: [true, false, ENUM]}, c: 1.5e3, d: -7) @include(if: $c) { id }
            ...F @skip(if: true)
            ... on T @e { id }
            ... @e { id }
            ... { id }
        }
        mutation M { add }
        subscription { tick } # Anonymous, yet not alone.
        fragment F on T @d { id ...G }
        fragment G on T { id }
    "#
    .replace("subscription {", "subscription S {");
    assert_eq!(
        format!("{:?}", executable(parsed(&source)).operations.iter().map(|(name, _)| name).max()),
        format!("{:?}", parse_query(&source).unwrap().operations.iter().map(|(name, _)| name).max())
    );
    assert_eq!(
        serde_json::to_value(executable(parsed(&source))).ok(),
        serde_json::to_value(parse_query(&source).unwrap()).ok()
    );
}

#[test]
fn white_space_is_free_inside_a_type() {
    let document = parsed("query($x: [ Int ! ] #c\n !) {f}");
    let definition = &document.operations[0].definition.node.variable_definitions[0].node;
    assert_eq!(definition.var_type.node.to_string(), "[Int!]!");
}

#[test]
fn a_default_value_comes_before_directives() {
    let document = parsed("query($x: Int = 1 @d) {f}");
    assert!(document.operations[0].definition.node.variable_definitions[0].node.default_value.is_some());
    refused("query($x: Int @d = 1) {f}");
}

#[test]
fn names_may_be_keywords_where_the_grammar_allows_it() {
    parsed(
        "query query($on: on) {on(true: true) type fragment: mutation ...query} fragment query on on {on}",
    );
    refused("{...on}");
    refused("{f} fragment on on T {f}");
    refused("querya{f}b");
    parsed("{...onT}");
}

#[test]
fn what_the_grammar_leaves_out_is_refused() {
    for wrong in [
        "",
        "# nothing",
        "{}",
        "{f{}}",
        "{f()}",
        "query(){f}",
        "query($x){f}",
        "query($x:Int=$y){f}",
        "query($x:Int=[$y]){f}",
        "query($x:[Int){f}",
        "query($x:Int @d(a:$y)){f}",
        "{f(x:)}",
        "{f(:1)}",
        "{f(x 1)}",
        "{f(x:[1)}",
        "{f(x:{a 1})}",
        "{f(x:[01])}",
        "{f}}",
        "{f",
        "{f @}",
        "{f:}",
        "{...}",
        "{..F}",
        "f{a}",
        "type T {f:Int}",
        "extend type T {f:Int}",
        "fragment F on T {f}",
        "fragment F {f} {f}",
        "fragment F on {f} {f}",
        "{f(x:\"\\uD83D\")}",
        "{f(x:1e999)}",
    ] {
        refused(wrong);
    }
}

#[test]
fn an_error_says_where_and_what_but_no_value() {
    let error = refused("{\n  f(x:\"secret\" \"hidden\")}");
    assert_eq!(error.message, "Expected an argument's name, but found a string.");
    assert_eq!(error.locations, [Pos { line: 2, column: 16 }]);
}

#[test]
fn numbers_keep_what_they_are() {
    assert_eq!(argument("-0"), Value::Number(0.into()));
    assert_eq!(argument("2147483648"), Value::Number(2_147_483_648_i64.into()));
    assert_eq!(argument("18446744073709551615"), Value::Number(u64::MAX.into()));
    assert!(matches!(argument("18446744073709551616"), Value::Number(number) if number.is_f64()));
    assert!(matches!(argument("1.0"), Value::Number(number) if number.is_f64()));
}

#[test]
fn strings_keep_what_they_mean() {
    assert_eq!(argument(r#""\uD83D\uDE00 \u{1F600}""#), Value::String("😀 😀".to_owned()));
    assert_eq!(argument(r#""""\uD83D \""" ""\n""""#), Value::String(r#"\uD83D """ ""\n"#.to_owned()));
}

/// A document without the positions of its parts.
fn without_positions(source: &str) -> serde_json::Value {
    fn strip(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::Object(members) => {
                members.remove("pos");
                members.values_mut().for_each(strip);
            }
            serde_json::Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let mut document = serde_json::to_value(executable(parsed(source))).unwrap();
    strip(&mut document);
    document
}

#[test]
fn descriptions_are_skipped_where_the_grammar_has_them() {
    let described = r#"
        "An operation with \u{1F600} and \uD83D\uDE00" query Q("of a variable" $a: Int = 1 @d, """of
        another""" $b: [Int!]) { f(x: "argument") ...F }
        """
        A block string, with \""" in it
        """
        mutation M { add }
        "" subscription S { tick }
        "of a fragment" fragment F on T { id }
    "#;
    let bare = r#"
        query Q($a: Int = 1 @d, $b: [Int!]) { f(x: "argument") ...F }
        mutation M { add }
        subscription S { tick }
        fragment F on T { id }
    "#;
    assert_eq!(without_positions(described), without_positions(bare));
    assert_eq!(parsed("\"d\" query { f }").tokens, parsed("query { f }").tokens + 1, "they count as tokens");
    let error = refused("\"\"\"d\"\"\"\n{ f }");
    assert_eq!(error.locations, [Pos { line: 2, column: 1 }]);
    for wrong in [
        "\"d\"",
        "\"d\" \"e\" query { f }",
        "{ f } \"d\"",
        "query { f } \"d\" { g }",
        "query \"d\" Q { f }",
        "query Q \"d\" { f }",
        "query Q(\"d\") { f }",
        "query Q($a \"d\": Int) { f }",
        "query Q($a: Int \"d\") { f }",
        "{ \"d\" f }",
        "{ f(\"d\" a: 1) }",
        "\"d\" query Q { f } \"d\" f",
        "query Q { ... \"d\" on T { f } }",
        "fragment \"d\" F on T { f } { f }",
        "\"\\uD83D\" query { f }",
        "\"\\x\" query { f }",
        "query Q(\"\\u{110000}\" $a: Int) { f }",
    ] {
        refused(wrong);
    }
}

#[test]
fn input_fields_named_twice_are_remembered() {
    let document = parsed("query($x: In = {a:1 b:{a:2 a:3}}) {f(x:{a:1 a:$x}) @d(x:{b:1 b:1})}");
    let names: Vec<_> = document.repeated_input_fields.iter().map(|name| name.node.as_str()).collect();
    assert_eq!(names, ["a", "a", "b"]);
}

/// Text that async-graphql and the specification parse to the same document.
fn selections() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        Just("1".to_owned()),
        Just("-2.5e3".to_owned()),
        Just("$v".to_owned()),
        Just("E".to_owned()),
        Just("null".to_owned()),
        Just("\"a\\n\\u00e9\"".to_owned()),
        Just("[]".to_owned()),
        Just("{}".to_owned()),
    ]
    .prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..3).prop_map(|items| format!("[{}]", items.join(" , "))),
            (inner.clone(), inner).prop_map(|(a, b)| format!("{{a:{a} b: {b}}}")),
        ]
    });
    let arguments = prop_oneof![Just(String::new()), value.prop_map(|value| format!("(x: {value})"))];
    let field = ("[a-c]{1,2}( ?: ?[d-f])?", arguments, prop_oneof![Just(""), Just(" @d"), Just(" @d(x:1)")])
        .prop_map(|(name, arguments, directives)| format!("{name}{arguments}{directives}"));
    field.prop_recursive(4, 24, 4, |inner| {
        let set = prop::collection::vec(inner, 1..4).prop_map(|items| format!("{{ {} }}", items.join("\n,")));
        prop_oneof![
            ("[a-c]", set.clone()).prop_map(|(name, set)| format!("{name} {set}")),
            ("( on T|)", set).prop_map(|(condition, set)| format!("...{condition} {set}")),
            Just("...F @d".to_owned()),
        ]
    })
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(source in any::<String>()) {
        let _ = parse(&source, &Limits::default());
    }

    #[test]
    fn any_mix_of_tokens_is_read_or_refused(
        tokens in prop::collection::vec(
            prop::sample::select(vec![
                "{", "}", "(", ")", "[", "]", "$", "a", ":", "=", "!", "@", "...", "on", "query", "fragment", "1",
                "\"s\"", "\"\"\"b\"\"\"", "null", "-", "#", "\n", "mutation", "subscription",
            ]),
            0..40,
        )
    ) {
        let _ = parse(&tokens.join(" "), &Limits::default());
    }

    #[test]
    fn any_plain_document_is_read_as_the_library_reads_it(selection in selections()) {
        let source = format!("{{ {selection} }}\nfragment F on T {{ a }}");
        prop_assert_eq!(
            serde_json::to_value(executable(parsed(&source))).ok(),
            serde_json::to_value(parse_query(&source).unwrap()).ok()
        );
    }
}
