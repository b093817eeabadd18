use super::*;

#[test]
fn variables_are_declared_once_with_an_input_type_and_used() {
    valid(&[
        "query Q($x:Int $y:[String!]) {pets(first:$x names:$y){id}} mutation M($z:PetInput!) {add(input:$z){id}}",
        "query ($x:ID!) {...F} fragment F on Query {find(id:$x){id}}",
    ]);
    invalid(&[
        ("query ($x:Int $x:Int) {pets(first:$x){id}}", "The variable `x` is declared twice."),
        (
            "query ($x:Dog) {pets(first:$x){id}}",
            "The type `Dog` of the variable `x` is an output type: variables need an input type.",
        ),
        (
            "query ($x:[Unknown]) {pets(first:$x){id}}",
            "The type `Unknown` of the variable `x` does not exist.",
        ),
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
            "The variable `x` of type `String!` cannot be used where `Int` is expected.",
        ),
        (
            "query ($x:ID) {find(id:$x){id}}",
            "The variable `x` of type `ID` cannot be used where `ID!` is expected.",
        ),
        (
            "query ($x:ID = null) {find(id:$x){id}}",
            "The variable `x` of type `ID` cannot be used where `ID!` is expected.",
        ),
        (
            "query ($x:String!) {pets(names:$x){id}}",
            "The variable `x` of type `String!` cannot be used where `[String!]` is expected.",
        ),
        (
            "query ($x:String) {pets(names:[$x]){id}}",
            "The variable `x` of type `String` cannot be used where `String!` is expected.",
        ),
        (
            "query ($x:[String]) {pets(names:$x){id}}",
            "The variable `x` of type `[String]` cannot be used where `[String!]` is expected.",
        ),
        (
            "query ($x:Int) {price(of:$x)}",
            "The variable `x` of type `Int` cannot be used where `Float` is expected.",
        ),
        (
            "query ($x:Int) {price(choice:{a:$x})}",
            "The variable `x` of type `Int` cannot be used where `Int` is expected.",
        ),
        (
            "query ($x:Boolean) {dog{id @skip(if:$x)}}",
            "The variable `x` of type `Boolean` cannot be used where `Boolean!` is expected.",
        ),
        (
            "query ($x:String) {dog{id @skip(if:$x)}}",
            "The variable `x` of type `String` cannot be used where `Boolean!` is expected.",
        ),
    ]);
}
