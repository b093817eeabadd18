use super::*;

#[test]
fn operation_names_are_unique() {
    valid(&[
        "query A {dog{id}} query B {dog{id}}",
        "query A {dog{id}} mutation B {add(input:{name:\"\"}){id}}",
    ]);
    invalid(&[(
        "query A {dog{id}} mutation A {add(input:{name:\"\"}){id}}",
        "Two operations are named `A`.",
    )]);
}

#[test]
fn an_anonymous_operation_is_alone() {
    valid(&["{dog{id}}", "{dog{...F}} fragment F on Dog {id}"]);
    let errors = check("{dog{id}} query B {dog{id}} {cat{id}}").unwrap_err();
    assert_eq!(errors.len(), 2);
    invalid(&[(
        "{dog{id}} query B {dog{id}}",
        "An operation without a name must be the only operation of the document.",
    )]);
}

#[test]
fn the_schema_has_the_kind_of_operation() {
    let types = TypeSystem::new("type Query {a:Int}", InputRules::default()).unwrap();
    let preparer = Preparer::new(types, Costs::default(), Limits::work_bounds_only());
    assert!(preparer.document("{a}").is_ok());
    for (source, message) in [
        ("mutation {a}", "The schema has no mutations."),
        ("subscription {a}", "The schema has no subscriptions."),
    ] {
        assert_eq!(preparer.document(source).unwrap_err()[0].message, message);
    }
}

#[test]
fn a_subscription_has_one_root_field() {
    valid(&[
        "subscription {added{id}}",
        "subscription {added{id} added{volume} ...F} fragment F on Subscription {... {added{age}}}",
        "subscription {x: added{id @skip(if: true) volume}}",
        "subscription {added @cached {id}}",
    ]);
    let one = "A subscription must select exactly one field.";
    let condition = "`@skip` and `@include` are not allowed at the root of a subscription.";
    invalid(&[
        ("subscription {added{id} other}", one),
        ("subscription {added{id} x: added{id}}", one),
        (
            "subscription {...F} fragment F on Subscription {added{id} ...G} fragment G on Subscription {other}",
            one,
        ),
        ("subscription {__typename}", "A subscription cannot select an introspection field at its root."),
        ("subscription {added @skip(if: false) {id}}", condition),
        ("subscription ($x: Boolean!) {... @include(if: $x) {added{id}}}", condition),
    ]);
}
