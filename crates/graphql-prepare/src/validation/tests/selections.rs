use super::*;

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
        ("{find(id:null){id}}", "`id` must not be null: its type is `ID!`."),
        ("{find(id:1 exact:null){id}}", "`exact` must not be null: its type is `Boolean!`."),
        ("{dog{id @skip}}", "The directive `@skip` needs the argument `if` of type `Boolean!`."),
        ("{dog{id @skip(if:true unless:true)}}", "The directive `@skip` has no argument `unless`."),
    ]);
}

#[test]
fn directives_are_defined_and_stand_once_where_they_may() {
    valid(&[
        "query ($x:Int! @tag(name:\"x\")) @cached {dog{...F id @cached(seconds:$x)}} fragment F on Dog @tag(name:\"f\") {id}",
        "{dog{id @tag(name:\"a\") @tag(name:\"b\")}}",
        "query ($x:Boolean!) {dog @skip(if:true) @include(if:$x) {...@skip(if:false){id} ...F@include(if:$x)}} fragment F on Dog {id}",
    ]);
    invalid(&[
        ("{dog{id @defer}}", "There is no directive `defer`."),
        ("query @skip(if:true) {dog{id}}", "`@skip` is not allowed here."),
        ("query ($x:Int @skip(if:true)) {pets(first:$x){id}}", "`@skip` is not allowed here."),
        ("{dog{...F}} fragment F on Dog @include(if:true) {id}", "`@include` is not allowed here."),
        ("{dog{id @deprecated}}", "`@deprecated` is not allowed here."),
        ("{dog{id @oneOf}}", "`@oneOf` is not allowed here."),
        ("{dog{id @skip(if:true) @skip(if:true)}}", "`@skip` is used here twice."),
        ("{dog{id @cached @cached}}", "`@cached` is used here twice."),
        ("{dog{id @tag}}", "The directive `@tag` needs the argument `name` of type `String!`."),
        ("mutation @cached {add(input:{name:\"\"}){id}}", "`@cached` is not allowed here."),
        ("{dog{... @tag(name:\"a\") {id}}}", "`@tag` is not allowed here."),
        ("{dog{id @cached(seconds:null)}}", "`seconds` must not be null: its type is `Int!`."),
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
