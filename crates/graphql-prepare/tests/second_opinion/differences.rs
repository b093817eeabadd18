//! The known differences between the two judges.
//!
//! A reason of the judge that rejects a request is looked at closely, so that an entry explains no more than its kind: the
//! predicates of the entries are in [`explanations`](super::explanations).

use super::{
    explanations as by,
    judges::{Case, Reason},
};

/// Which of the two judges accepts a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accepts {
    GraphqlPrepare,
    ApolloCompiler,
}

/// Which of the two judges is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    GraphqlPrepare,
    /// The specification leaves it to the service.
    Either,
    /// The specification has the field fail when it executes. This crate rejects the request instead, so that no other field
    /// of it executes.
    StricterByIntent,
}

/// A kind of request on which the judges differ.
pub(crate) struct KnownDifference {
    pub(crate) name: &'static str,
    pub(crate) accepts: Accepts,
    pub(crate) right: Right,
    /// The section of the GraphQL specification, September 2025, that decides.
    pub(crate) section: &'static str,
    /// Whether a reason of the judge that rejects belongs to this difference.
    pub(crate) explains: fn(&Case, &Reason) -> bool,
    /// Requests of this kind: the name of the schema, the document, and the variables in JSON.
    pub(crate) examples: &'static [(&'static str, &'static str, &'static str)],
}

pub(crate) const KNOWN: &[KnownDifference] = &[
    KnownDifference {
        name: "lists of different lengths in the arguments of merged fields",
        accepts: Accepts::ApolloCompiler,
        right: Right::GraphqlPrepare,
        section: "5.3.2 Field Selection Merging",
        explains: by::lists_of_different_lengths,
        examples: &[
            ("inputs", r#"mutation{add(tags:["a"]){id} add(tags:["a","b"]){id}}"#, ""),
            ("inputs", r#"{search(filter:{and:[]}){id} search(filter:{and:[{text:"a"}]}){id}}"#, ""),
            ("inputs", "{search(matrix:[[1]]){id} search(matrix:[[1,2]]){id}}", ""),
            ("graph", r#"{nodes(ids:[]){id} nodes(ids:["a"]){id} nodes(ids:["b"]){id}}"#, ""),
        ],
    },
    KnownDifference {
        name: "a variable inside of a list or an object whose type does not fit",
        accepts: Accepts::ApolloCompiler,
        right: Right::GraphqlPrepare,
        section: "5.8.5 All Variable Usages Are Allowed",
        explains: by::nested_variable,
        examples: &[
            ("pets", "query($t:String){pets(tags:[$t]){id}}", ""),
            ("inputs", "query($to:Int){search(filter:{range:{to:$to}}){id}}", ""),
            ("inputs", "query($m:[Int!]){search(matrix:[$m]){id}}", r#"{"m":[1]}"#),
            ("inputs", "query($m:[[Int!]!]){search(matrix:[$m]){id}}", ""),
            ("inputs", "query($id:ID){choose(by:{id:$id}){id}}", r#"{"id":"a"}"#),
        ],
    },
    KnownDifference {
        name: "a nullable variable whose default is null, for a non-null argument",
        accepts: Accepts::ApolloCompiler,
        right: Right::GraphqlPrepare,
        section: "5.8.5 All Variable Usages Are Allowed",
        explains: by::null_default,
        examples: &[("graph", "query($id:ID=null){node(id:$id){id}}", "")],
    },
    KnownDifference {
        name: "an input field given twice",
        accepts: Accepts::ApolloCompiler,
        right: Right::GraphqlPrepare,
        section: "5.6.3 Input Object Field Uniqueness",
        explains: by::input_field_given_twice,
        examples: &[
            ("inputs", "{search(filter:{flag:true flag:false}){id}}", ""),
            ("inputs", "query($r:Range={to:1 to:2}){search(filter:{range:$r}){id}}", ""),
        ],
    },
    KnownDifference {
        name: "an argument without a value",
        accepts: Accepts::ApolloCompiler,
        right: Right::GraphqlPrepare,
        section: "2.7 Arguments",
        explains: by::argument_without_value,
        examples: &[("pets", "{pets(first){id}}", ""), ("pets", "{pets(first:1 after){id}}", "")],
    },
    KnownDifference {
        name: "a `@oneOf` input object that has not exactly one field, or a null in it",
        accepts: Accepts::ApolloCompiler,
        right: Right::GraphqlPrepare,
        section: "3.10.1 OneOf Input Objects",
        explains: by::one_of,
        examples: &[
            ("inputs", "{choose(by:{}){id}}", ""),
            ("inputs", r#"{choose(by:{id:1 name:"a"}){id}}"#, ""),
            ("inputs", "{choose(by:{id:null}){id}}", ""),
            ("inputs", "query($by:Choice!){choose(by:$by){id}}", r#"{"by":{"id":"a","name":"b"}}"#),
            ("inputs", "query($by:Choice!){choose(by:$by){id}}", r#"{"by":{"name":null}}"#),
        ],
    },
    KnownDifference {
        name: "a null for a nullable variable with a default, used at a non-null position",
        accepts: Accepts::ApolloCompiler,
        right: Right::StricterByIntent,
        section: "6.4.1 Coercing Field Arguments",
        explains: by::null_at_non_null_position,
        examples: &[("graph", r#"query($id:ID="a"){node(id:$id){id}}"#, r#"{"id":null}"#)],
    },
    KnownDifference {
        name: "an `ID` written as an integer of more than 64 bits",
        accepts: Accepts::ApolloCompiler,
        right: Right::Either,
        section: "3.5.5 ID",
        explains: by::id_of_more_than_64_bits,
        examples: &[
            ("graph", "{node(id:18446744073709551615){id}}", ""),
            ("graph", "{nodes(ids:[99999999999999999999]){id}}", ""),
        ],
    },
    KnownDifference {
        name: "a number beyond a 64-bit float, in a custom scalar",
        accepts: Accepts::ApolloCompiler,
        right: Right::Either,
        section: "3.5 Scalars",
        explains: by::number_beyond_a_float,
        examples: &[("inputs", "{scalars(any:1e400)}", "")],
    },
    KnownDifference {
        name: "a description in an executable document",
        accepts: Accepts::GraphqlPrepare,
        right: Right::GraphqlPrepare,
        section: "2.2 Descriptions",
        explains: by::description,
        examples: &[
            ("tiny", r#""described" query Q{a}"#, ""),
            ("inputs", r#""\"described\"" query{scalars(string:"""\""" """)}"#, ""),
            ("tiny", r#"query Q{...F} "described" fragment F on Query{a}"#, ""),
            ("tiny", r#"query("described" $c:Int){b(c:$c){a}}"#, ""),
            ("inputs", r#""described" query($s:String="a" $i:Int){scalars(string:$s int:$i)}"#, ""),
        ],
    },
    KnownDifference {
        name: "a subscription whose root field is selected more than once",
        accepts: Accepts::GraphqlPrepare,
        right: Right::GraphqlPrepare,
        section: "5.2.4.1 Single Root Field",
        explains: by::one_root_field,
        examples: &[("graph", "subscription{tick tick ...on Subscription{tick}}", "")],
    },
    KnownDifference {
        name: "a JSON number such as 1.0 for an `Int` or an `ID`",
        accepts: Accepts::GraphqlPrepare,
        right: Right::Either,
        // A literal 1.0 is rejected by both. JSON has one kind of number (RFC 8259, section 6), in which 1.0 and 1 are the same.
        section: "3.5.1 Int and 3.5.5 ID",
        explains: by::integral_json_number,
        examples: &[
            ("tiny", "query($c:Int){b(c:$c){a}}", r#"{"c":1.0}"#),
            ("graph", "query($id:ID!){node(id:$id){id}}", r#"{"id":1e3}"#),
        ],
    },
    KnownDifference {
        name: "a JSON integer of more than 63 bits for a `Float`",
        accepts: Accepts::GraphqlPrepare,
        right: Right::GraphqlPrepare,
        section: "3.5.2 Float",
        explains: by::large_integer_for_a_float,
        examples: &[("inputs", "query($f:Float){scalars(float:$f)}", r#"{"f":18446744073709551615}"#)],
    },
    KnownDifference {
        name: "one number, written in two ways, in the arguments of merged fields",
        accepts: Accepts::GraphqlPrepare,
        right: Right::Either,
        section: "5.3.2 Field Selection Merging",
        explains: by::conflicting_arguments,
        examples: &[
            ("tiny", "{b(c:0){a} b(c:-0){d}}", ""),
            ("inputs", "{scalars(float:1.0) scalars(float:1.00)}", ""),
        ],
    },
];
