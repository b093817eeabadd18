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

/// Each document breaks one rule, in the way that the message names.
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
    invalid(&[("{dog{id}} query B {dog{id}}", "An operation without a name must be the only one.")]);
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
    ]);
    let one = "A subscription must select exactly one field.";
    let condition = "Neither `@skip` nor `@include` can stand at the root of a subscription.";
    invalid(&[
        ("subscription {added{id} other}", one),
        ("subscription {added{id} x: added{id}}", one),
        (
            "subscription {...F} fragment F on Subscription {added{id} ...G} fragment G on Subscription {other}",
            one,
        ),
        ("subscription {__typename}", "A subscription's field cannot be an introspection field."),
        ("subscription {added @skip(if: false) {id}}", condition),
        ("subscription ($x: Boolean!) {... @include(if: $x) {added{id}}}", condition),
    ]);
}

#[test]
fn fields_exist() {
    valid(&[
        "{pet{id name __typename} being{id} catOrDog{__typename ...on Dog{volume}}}",
        "{__schema{types{name fields(includeDeprecated:true){name}}} __type(name:\"Dog\"){kind} __typename}",
    ]);
    invalid(&[
        ("{nod}", "`Query` has no field `nod`."),
        ("{pet{volume}}", "`Pet` has no field `volume`."),
        ("{catOrDog{id}}", "`CatOrDog` has no field `id`."),
        ("{dog{__schema{description}}}", "`Dog` has no field `__schema`."),
        ("mutation {__schema{description}}", "`Mutation` has no field `__schema`."),
        ("{__type{name}}", "The field `__type` needs the argument `name` of type `String!`."),
    ]);
}

#[test]
fn leaves_and_only_leaves_have_no_selections() {
    valid(&["{dog{id}}"]);
    invalid(&[
        ("{dog}", "`dog` of type `Dog` needs a selection of fields."),
        ("{pets}", "`pets` of type `[Pet!]!` needs a selection of fields."),
        ("{dog{id{x}}}", "`id` of type `ID!` has no fields to select."),
    ]);
}

#[test]
fn arguments_are_known_given_once_and_given_where_required() {
    valid(&["{find(id:1){id}}", "{find(id:\"1\" exact:true){id} pets{id}}"]);
    invalid(&[
        ("{find(id:1 x:2){id}}", "The field `find` has no argument `x`."),
        ("{find(id:1 id:1){id}}", "The argument `id` is given twice."),
        ("{find{id}}", "The field `find` needs the argument `id` of type `ID!`."),
        ("{find(id:null){id}}", "`id` cannot be null: it is of type `ID!`."),
        ("{find(id:1 exact:null){id}}", "`exact` cannot be null: it is of type `Boolean!`."),
        ("{dog{id @skip}}", "The directive `@skip` needs the argument `if` of type `Boolean!`."),
        ("{dog{id @skip(if:true unless:true)}}", "The directive `@skip` has no argument `unless`."),
    ]);
}

#[test]
fn fragments_are_named_once_on_a_composite_type_and_used() {
    valid(&[
        "{dog{...F}} fragment F on Dog {id}",
        "{catOrDog{...F}} fragment F on CatOrDog {__typename}",
        "{dog{... on Being {id} ... {id}}}",
    ]);
    invalid(&[
        ("{dog{...F}} fragment F on Dog {id} fragment F on Cat {id}", "Two fragments are named `F`."),
        ("{dog{...F}} fragment F on Hog {id}", "There is no type `Hog`."),
        ("{dog{...on Hog {id}}}", "There is no type `Hog`."),
        ("{dog{...F}} fragment F on Colour {id}", "`Colour` has no fields, so no fragment can be on it."),
        ("{dog{...on PetInput {id}}}", "`PetInput` has no fields, so no fragment can be on it."),
        ("{dog{id}} fragment F on Dog {id}", "The fragment `F` is used by no operation."),
    ]);
    assert_eq!(check("{dog{id}} fragment F on Dog {id ...G} fragment G on Dog {id}").unwrap_err().len(), 2);
}

#[test]
fn spreads_have_a_target_that_can_apply() {
    valid(&[
        "{dog{...F}} fragment F on Pet {id}",
        "{pet{...F}} fragment F on CatOrDog {...on Dog {volume}}",
        "{being{...on Pet {name} ...on Rock {id}}}",
    ]);
    let never = "No `Dog` can be a `Cat`, so the fragment never applies.";
    invalid(&[
        ("{dog{...F}}", "There is no fragment `F`."),
        ("{dog{...on Cat {id}}}", never),
        ("{dog{...F}} fragment F on Cat {id}", never),
        ("{pet{...on Rock {id}}}", "No `Pet` can be a `Rock`, so the fragment never applies."),
        ("{catOrDog{...on Rock {id}}}", "No `CatOrDog` can be a `Rock`, so the fragment never applies."),
    ]);
}

#[test]
fn fragments_form_no_cycles() {
    valid(&["{dog{...F ...G}} fragment F on Dog {mate{...G}} fragment G on Dog {id}"]);
    invalid(&[
        ("{dog{...F}} fragment F on Dog {...F}", "The fragment `F` spreads itself."),
        ("{dog{...F}} fragment F on Dog {id ...on Dog{mate{...F}}}", "The fragment `F` spreads itself."),
        (
            "{dog{...G}} fragment G on Dog {...A} fragment A on Dog {...B} fragment B on Dog {...A}",
            "The fragment `A` spreads itself.",
        ),
        ("{dog{id}} fragment F on Dog {...F}", "The fragment `F` spreads itself."),
    ]);
}

#[test]
fn literals_are_of_the_right_type() {
    valid(&[
        "{pets(first:-0){id}}",
        "{pets(first:null names:null){id}}",
        "{pets(names:\"one\"){id}}",
        "{pets(names:[]){id}}",
        "{find(id:\"é\" nested:[[1],null,[2]]){id}}",
        "{find(id:1 nested:1){id}}",
        "{price(of:1)}",
        "{price(of:1.5e3 on:\"2024-01-01\" colour:RED choice:{a:1})}",
        "{pets(filter:{and:[{name:\"a\"},{}]}){id}}",
        "{pets(filter:{and:{name:null}}){id}}",
    ]);
    let int = "expected an `Int`, a whole number from -2147483648 to 2147483647";
    let one_of = "`choice` needs exactly one field, and one that is not null.";
    invalid(&[
        ("{pets(first:\"secret\"){id}}", &format!("`first`: {int}, and a string came.")),
        ("{pets(first:2147483648){id}}", &format!("`first`: {int}, and a whole number came.")),
        (
            "{pets(first:1.0){id}}",
            &format!("`first`: {int}, and a number with a fraction or of more than 64 bits came."),
        ),
        ("{pets(names:[\"a\" 1]){id}}", "`names[1]`: expected a `String`, and a whole number came."),
        ("{pets(names:[null]){id}}", "`names[0]` cannot be null: it is of type `String!`."),
        (
            "{find(id:1.5){id}}",
            "`id`: expected an `ID`, a string or a whole number of at most 64 bits, and a number with a fraction or of more than 64 bits came.",
        ),
        (
            "{find(id:RED){id}}",
            "`id`: expected an `ID`, a string or a whole number of at most 64 bits, and a bare name came.",
        ),
        ("{find(id:1 exact:1){id}}", "`exact`: expected a `Boolean`, and a whole number came."),
        ("{find(id:1 nested:[[null]]){id}}", "`nested[0][0]` cannot be null: it is of type `Int!`."),
        ("{price(of:\"1\")}", "`of`: expected a `Float`, a number, and a string came."),
        ("{price(on:\"secret\")}", "`on`: expected a date."),
        ("{price(on:{a:1})}", "`on`: expected a date."),
        ("{price(colour:BLUE)}", "`colour`: that is no member of `Colour`."),
        ("{price(colour:\"RED\")}", "`colour`: expected a member of `Colour`, and a string came."),
        ("{price(colour:LATER)}", "`colour`: `LATER` cannot be given. It is read only."),
        ("{price(choice:{})}", one_of),
        ("{price(choice:{a:1 b:\"\"})}", one_of),
        ("{price(choice:{a:null})}", one_of),
        (
            "mutation {add(input:{name:\"\" colour:LATER}){id}}",
            "`input.colour`: `LATER` cannot be given. It is read only.",
        ),
        ("mutation {add(input:{name:\"\" wight:1}){id}}", "`input`: `PetInput` has no field `wight`."),
        ("mutation {add(input:{name:\"\" name:\"\"}){id}}", "The input field `name` is given twice."),
        ("mutation {add(input:{}){id}}", "`input.name` of type `String!` is required."),
        (
            "mutation {add(input:{name:\"\" size:null}){id}}",
            "`input.size` cannot be null: it is of type `Int!`.",
        ),
        (
            "mutation {add(input:{name:\"\" parent:{name:1}}){id}}",
            "`input.parent.name`: expected a `String`, and a whole number came.",
        ),
        ("mutation {add(input:\"secret\"){id}}", "`input`: expected a `PetInput` object, and a string came."),
        ("query ($x: String) {price(on:{a:$x})}", "`on`: no variable can stand inside a `Date`."),
    ]);
}

#[test]
fn literals_are_checked_wherever_they_stand() {
    for source in [
        "query A {dog{id}} query B {find(id:1.5){id}}",
        "{dog{id @skip(if:1)}}",
        "{dog @include(if:false) {name(upper:1)}}",
        "{dog{...F}} fragment F on Dog {name(upper:1)}",
        "query ($x: PetInput = {name: 1}) {dog{id}}",
        "query ($x: Int = \"\") {pets(first:$x){id}}",
        "query ($x: Colour = LATER) {price(colour:$x)}",
        "query ($x: Int! = null) {pets(first:$x){id}}",
    ] {
        assert!(check(source).is_err(), "{source}");
    }
}

#[test]
fn directives_are_defined_and_stand_once_where_they_may() {
    valid(&[
        "query ($x:Boolean!) {dog @skip(if:true) @include(if:$x) {...@skip(if:false){id} ...F@include(if:$x)}} fragment F on Dog {id}",
    ]);
    invalid(&[
        ("{dog{id @defer}}", "There is no directive `defer`."),
        ("query @skip(if:true) {dog{id}}", "`@skip` cannot stand here."),
        ("query ($x:Int @skip(if:true)) {pets(first:$x){id}}", "`@skip` cannot stand here."),
        ("{dog{...F}} fragment F on Dog @include(if:true) {id}", "`@include` cannot stand here."),
        ("{dog{id @deprecated}}", "`@deprecated` cannot stand here."),
        ("{dog{id @oneOf}}", "`@oneOf` cannot stand here."),
        ("{dog{id @skip(if:true) @skip(if:true)}}", "`@skip` stands here twice."),
    ]);
}

#[test]
fn variables_are_declared_once_with_an_input_type_and_used() {
    valid(&[
        "query Q($x:Int $y:[String!]) {pets(first:$x names:$y){id}} mutation M($z:PetInput!) {add(input:$z){id}}",
        "query ($x:ID!) {...F} fragment F on Query {find(id:$x){id}}",
    ]);
    invalid(&[
        ("query ($x:Int $x:Int) {pets(first:$x){id}}", "The variable `x` is declared twice."),
        ("query ($x:Dog) {pets(first:$x){id}}", "The variable `x` is of a type that no input can have."),
        ("query ($x:[Unknown]) {pets(first:$x){id}}", "The variable `x` is of a type that does not exist."),
        ("query ($x:Int) {dog{id}}", "The variable `x` is never used."),
        ("{pets(first:$x){id}}", "The variable `x` is not declared."),
        ("{pets(filter:{name:$x}){id}}", "The variable `x` is not declared."),
        (
            "query A($x:Int){...F} query B{...F} fragment F on Query {pets(first:$x){id}}",
            "The variable `x` is not declared.",
        ),
        (
            "query A($x:Int){...F} query B($x:Int){dog{id}} fragment F on Query {pets(first:$x){id}}",
            "The variable `x` is never used.",
        ),
    ]);
}

#[test]
fn variables_stand_only_where_their_type_fits() {
    valid(&[
        "query ($x:ID!) {find(id:$x){id}}",
        "query ($x:ID = 1) {find(id:$x){id}}",
        "query ($x:Boolean) {find(id:1 exact:$x){id}}",
        "query ($x:[String!]!) {pets(names:$x){id}}",
        "query ($x:String!) {pets(names:[$x]){id}}",
        "query ($x:[[Int!]!]) {find(id:1 nested:$x){id}}",
        "query ($x:Int) {price(of:1 choice:{b:\"\"}) pets(first:$x){id}}",
        "query ($x:Int!) {price(choice:{a:$x})}",
        "mutation ($x:Int) {add(input:{name:\"\" size:$x}){id}}",
    ]);
    invalid(&[
        (
            "query ($x:String!) {pets(first:$x){id}}",
            "The variable `x` of type `String!` cannot stand where `Int` is expected.",
        ),
        (
            "query ($x:ID) {find(id:$x){id}}",
            "The variable `x` of type `ID` cannot stand where `ID!` is expected.",
        ),
        (
            "query ($x:ID = null) {find(id:$x){id}}",
            "The variable `x` of type `ID` cannot stand where `ID!` is expected.",
        ),
        (
            "query ($x:String!) {pets(names:$x){id}}",
            "The variable `x` of type `String!` cannot stand where `[String!]` is expected.",
        ),
        (
            "query ($x:String) {pets(names:[$x]){id}}",
            "The variable `x` of type `String` cannot stand where `String!` is expected.",
        ),
        (
            "query ($x:[String]) {pets(names:$x){id}}",
            "The variable `x` of type `[String]` cannot stand where `[String!]` is expected.",
        ),
        (
            "query ($x:Int) {price(of:$x)}",
            "The variable `x` of type `Int` cannot stand where `Float` is expected.",
        ),
        (
            "query ($x:Int) {price(choice:{a:$x})}",
            "The variable `x` of type `Int` cannot stand where `Int` is expected.",
        ),
        (
            "query ($x:Boolean) {dog{id @skip(if:$x)}}",
            "The variable `x` of type `Boolean` cannot stand where `Boolean!` is expected.",
        ),
        (
            "query ($x:String) {dog{id @skip(if:$x)}}",
            "The variable `x` of type `String` cannot stand where `Boolean!` is expected.",
        ),
    ]);
}

#[test]
fn selections_of_one_response_key_are_one_field() {
    valid(&[
        "{dog{id id} dog{volume}}",
        "{dog{name(upper:true) name(upper:true)}}",
        "query ($x:Boolean) {dog{name(upper:$x) ...{name(upper:$x)}}}",
        "mutation {add(input:{name:\"\" age:1}){id} add(input:{age:1 name:\"\"}){age}}",
        // Different objects, the same shape.
        "{pet{...on Dog{name(upper:true)} ...on Cat{name(upper:false)}}}",
        "{pet{...on Dog{x:id} ...on Cat{x:id}}}",
        "{pet{...on Dog{mate{volume}} ...on Cat{mate{x:volume}}}}",
    ]);
    let differ = |key: &str| {
        format!("The selections of `{key}` differ in name or arguments; give one of them an alias.")
    };
    let types = |key: &str| {
        format!("The selections of `{key}` have answers of different types; give one of them an alias.")
    };
    invalid(&[
        ("{dog{name:id name}}", &types("name")),
        ("{dog{volume:age volume}}", &types("volume")),
        ("{dog{mate:friend{id} mate{id}}}", &differ("mate")),
        ("{dog{name(upper:true) name}}", &differ("name")),
        ("{dog{name(upper:true) name(upper:false)}}", &differ("name")),
        ("{dog{...F} dog{x:id}} fragment F on Dog {x:name}", &types("x")),
        ("{pet{name(upper:true) ...on Dog{name}}}", &differ("name")),
        ("{pet{...on Dog{name(upper:true)} ...on Pet{name}}}", &differ("name")),
        ("{pet{...on Dog{volume} ...on Cat{volume}}}", &types("volume")),
        ("{pet{...on Dog{age} ...on Cat{age}}}", &types("age")),
        ("{pet{...on Dog{kids{id}} ...on Cat{kids{id}}}}", &types("kids")),
        ("{pet{...on Dog{mate{x:volume}} ...on Cat{mate{x:volume}}}}", &types("x")),
        ("{dog{mate{mate{x:id}} mate{mate{x:name}}}}", &types("x")),
        ("{dog{mate{...F} mate{name:id}}} fragment F on Dog {name}", &types("name")),
        ("{a:dog{id} a:cat{id}}", &differ("a")),
        ("query A{dog{id}} query B{a:dog{id} a:cat{id}}", &differ("a")),
        ("{pet{friend{name} ...on Dog{friend{name(upper:true)}}}}", &differ("name")),
    ]);
}

#[test]
fn at_most_ten_errors_are_told() {
    let source = format!("{{{}}}", "nod ".repeat(5000));
    assert_eq!(check(&source).unwrap_err().len(), 10);
    let source = format!("{{dog{{id {}}}}}", "@a".repeat(5000));
    assert_eq!(check(&source).unwrap_err().len(), 10);
    let source = format!("{{find(id:1 nested:[{}]){{id}}}}", "\"\" ".repeat(5000));
    assert_eq!(check(&source).unwrap_err().len(), 10);
}

#[test]
fn errors_say_where() {
    let errors = check("{\n  dog {\n    nod\n  }\n}").unwrap_err();
    assert_eq!(errors[0].locations, [async_graphql::Pos { line: 3, column: 5 }]);
}

fn prepare(source: &str) -> Result<PreparedOperation, Vec<RequestError>> {
    let preparer = preparer();
    let document = preparer.document(source)?;
    preparer.prepare(document.operation(None).unwrap(), None)
}

/// Fragments that each spread the next one twice, on two aliases: the expanded operation doubles with each.
fn doubling(count: usize, body: &str) -> String {
    let mut source = "{dog{...F0}}".to_owned();
    for index in 0..count {
        source +=
            &format!("fragment F{index} on Dog {{{}}}", body.replace('$', &format!("...F{}", index + 1)));
    }
    source + &format!("fragment F{count} on Dog {{id}}")
}

#[test]
fn fragments_that_double_are_refused_in_no_time() {
    let start = std::time::Instant::now();
    // Ten that double are a thousand selections and more, though each comes to `id` in the end.
    prepare(&doubling(9, "$ $")).unwrap();
    for body in [
        "$ $",
        "mate{$} mate{$}",
        "a:mate{$} b:mate{$}",
        "a:mate{$ x:mate{$}} b:mate{$}",
        "a:mate{$}b:mate{$}c:mate{$}d:mate{$}",
    ] {
        let errors = prepare(&doubling(22, body)).unwrap_err();
        assert_eq!(errors[0].kind, RequestErrorKind::TooLarge);
    }
    // Generous: it is a debug build, and seconds would be needed without a bound.
    assert!(start.elapsed().as_secs() < 5);
}

#[test]
fn what_many_operations_share_is_not_checked_for_each_at_length() {
    let start = std::time::Instant::now();
    let operations: String = (0..700).map(|index| format!("query q{index}($n:Boolean){{...F}}")).collect();
    let fragment = format!("fragment F on Query{{dog{{{}}}}}", "name(upper:$n)".repeat(1100));
    valid(&[&(operations + &fragment)]);
    assert!(start.elapsed().as_secs() < 5);
}

#[test]
fn comparing_fields_stops_where_each_way_down_differs() {
    let count = 12;
    let mut source = String::from("{dog{");
    for index in 0..count {
        source += &format!("z{index}:mate{{...F0_{index}}}");
    }
    source += "}}";
    for level in 0..20 {
        for index in 0..count {
            let (next, other) = (level + 1, (index + 1) % count);
            source += &format!(
                "fragment F{level}_{index} on Dog{{x:mate{{...F{next}_{index}}} y:mate{{...F{next}_{index} ...F{next}_{other}}}}}"
            );
        }
    }
    for index in 0..count {
        source += &format!("fragment F20_{index} on Dog{{id}}");
    }
    assert_eq!(check(&source).unwrap_err()[0].kind, RequestErrorKind::TooLarge);
}

#[test]
fn a_long_chain_of_fragments_needs_no_deep_stack() {
    prepare(&doubling(900, "$")).unwrap();
    let errors = check(&doubling(900, "mate{$}")).unwrap_err();
    assert_eq!(errors[0].kind, RequestErrorKind::TooLarge);
}
