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
