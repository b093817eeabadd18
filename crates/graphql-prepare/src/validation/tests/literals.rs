use super::*;

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
    let one_of = "`choice` needs exactly one field, and it must not be null.";
    invalid(&[
        ("{pets(first:\"secret\"){id}}", &format!("`first`: {int}, but found a string.")),
        (
            "{pets(first:2147483648){id}}",
            "`first`: 2147483648 is outside the `Int` range -2147483648 to 2147483647.",
        ),
        (
            "{pets(first:1.0){id}}",
            &format!("`first`: {int}, but found a number with a fraction or of more than 64 bits."),
        ),
        ("{pets(names:[\"a\" 1]){id}}", "`names[1]`: expected a `String`, but found a whole number."),
        ("{pets(names:[null]){id}}", "`names[0]` must not be null: its type is `String!`."),
        (
            "{find(id:1.5){id}}",
            "`id`: expected an `ID`, a string or a whole number of at most 64 bits, but found a number with a fraction or of more than 64 bits.",
        ),
        (
            "{find(id:RED){id}}",
            "`id`: expected an `ID`, a string or a whole number of at most 64 bits, but found an enum value.",
        ),
        ("{find(id:1 exact:1){id}}", "`exact`: expected a `Boolean`, but found a whole number."),
        ("{find(id:1 nested:[[null]]){id}}", "`nested[0][0]` must not be null: its type is `Int!`."),
        ("{price(of:\"1\")}", "`of`: expected a `Float`, a number, but found a string."),
        ("{price(on:\"secret\")}", "`on`: expected a date."),
        ("{price(on:{a:1})}", "`on`: expected a date."),
        ("{price(colour:BLUE)}", "`colour`: `BLUE` is not a member of `Colour`."),
        (
            "{price(colour:\"RED\")}",
            "`colour`: expected a member of `Colour`, but found a string: write it without quotes.",
        ),
        ("{price(colour:LATER)}", "`colour`: `LATER` is not allowed as input. It is read only."),
        ("{price(choice:{})}", one_of),
        ("{price(choice:{a:1 b:\"\"})}", one_of),
        ("{price(choice:{a:null})}", one_of),
        (
            "mutation {add(input:{name:\"\" colour:LATER}){id}}",
            "`input.colour`: `LATER` is not allowed as input. It is read only.",
        ),
        ("mutation {add(input:{name:\"\" wight:1}){id}}", "`input`: `PetInput` has no field `wight`."),
        ("mutation {add(input:{name:\"\" name:\"\"}){id}}", "The input field `name` is given twice."),
        ("mutation {add(input:{}){id}}", "`input.name` of type `String!` is required."),
        (
            "mutation {add(input:{name:\"\" size:null}){id}}",
            "`input.size` must not be null: its type is `Int!`.",
        ),
        (
            "mutation {add(input:{name:\"\" parent:{name:1}}){id}}",
            "`input.parent.name`: expected a `String`, but found a whole number.",
        ),
        (
            "mutation {add(input:\"secret\"){id}}",
            "`input`: expected a `PetInput` object, but found a string.",
        ),
        ("query ($x: String) {price(on:{a:$x})}", "`on`: a variable is not allowed inside a `Date`."),
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
