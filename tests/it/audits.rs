//! The audits of graphql-http (1.23, `serverAudits`), each with its id, request and expectation.
//! The package itself is run by `tests/clients/audits`, which needs npm; these tests do not.

use std::collections::HashSet;

use http::Method;

use crate::harness::{Gateway, Reply};

/// The request of an audit.
#[derive(Clone, Copy)]
enum Sent {
    /// This body by POST, as JSON.
    Body(&'static str),
    /// The same, named to be in UTF-8.
    Utf8(&'static str),
    /// This body by POST, without a media type.
    Untyped(&'static str),
    /// These parameters by GET.
    Url(&'static [(&'static str, &'static str)]),
}

/// The expectation of an audit: one of these statuses, and a check of the body.
#[derive(Clone, Copy)]
enum Expected {
    /// 200.
    Success,
    /// 200, and no member `errors`.
    Data,
    /// 200, and this media type.
    Typed(&'static str),
    /// 400.
    Bad,
    /// No member `data`.
    NoData,
    /// From the first to the second.
    Between(u16, u16),
}

use Expected::{Bad, Between, Data, NoData, Success, Typed};
use Sent::{Body, Untyped, Url, Utf8};

const NEW: Option<&str> = Some("application/graphql-response+json");
const OLD: Option<&str> = Some("application/json");

const TYPENAME: Sent = Body(r#"{"query":"{ __typename }"}"#);
const UNREADABLE: Sent = Body(r#"{ "not a JSON"#);
const NO_DOCUMENT: Sent = Body(r#"{"query":"{"}"#);
/// For graphql-http a field that does not exist; no name begins with a digit, so that it is no document either.
const NO_SUCH_FIELD: Sent = Body(r#"{"query":"{ 8f31403dfe404bccbb0e835f2629c6a7 }"}"#);
const MISSPELT: Sent = Body(r#"{"qeury":"{ __typename }"}"#);
const NAMED: Sent = Body(r#"{"operationName":"Query","query":"query Query { __typename }"}"#);
const VARIABLES: Sent = Body(
    r#"{"query":"query Type($name: String!) { __type(name: $name) { name } }","variables":{"name":"sometype"}}"#,
);
const VARIABLES_BY_GET: Sent = Url(&[
    ("query", "query Type($name: String!) { __type(name: $name) { name } }"),
    ("variables", r#"{"name":"sometype"}"#),
]);
const NULL_FOR_AN_ID: Sent =
    Body(r#"{"query":"query CoerceFailure($id: ID!){ __typename }","variables":{"id":null}}"#);
const EXTENSIONS: Sent = Body(r#"{"query":"{ __typename }","extensions":{"some":"value"}}"#);

/// By id: the request with its `Accept`, and the expectation. Audits of one series differ in their
/// last digit.
const AUDITS: &[(&str, Option<&str>, Sent, Expected)] = &[
    // Media types
    ("22EB", NEW, TYPENAME, Typed("application/graphql-response+json")),
    ("4655", OLD, TYPENAME, Typed("application/json")),
    ("47DE", Some("*/*"), TYPENAME, Typed("application/json")),
    ("80D8", None, TYPENAME, Typed("application/json")),
    // The harness checks that each response is UTF-8.
    ("82A3", None, TYPENAME, Success),
    ("BF61", None, Utf8(r#"{"query":"{ __type(name: \"Run🏃Swim🏊\") { name } }"}"#), Success),
    ("78D5", None, TYPENAME, Success),
    // Requests
    ("2C94", None, TYPENAME, Success),
    ("5A70", None, Url(&[("query", "{ __typename }")]), Success),
    ("9C48", NEW, Url(&[("query", "mutation { __typename }")]), Between(400, 499)),
    ("9ABE", None, Untyped(r#"{"query":"{ __typename }"}"#), Between(400, 499)),
    ("03D4", None, TYPENAME, Success),
    ("A5BF", None, Body(""), Bad),
    // Parameters
    ("423L", NEW, Body(r#"{"notquery":"{ __typename }"}"#), Bad),
    ("LKJ0", None, Body(r#"{"query":{"obj":"ect"}}"#), Bad),
    ("LKJ1", None, Body(r#"{"query":0}"#), Bad),
    ("LKJ2", None, Body(r#"{"query":false}"#), Bad),
    ("LKJ3", None, Body(r#"{"query":["array"]}"#), Bad),
    ("34A2", NEW, TYPENAME, Success),
    ("13EE", OLD, TYPENAME, Data),
    ("6C00", None, Body(r#"{"operationName":{"obj":"ect"},"query":"{ __typename }"}"#), Bad),
    ("6C01", None, Body(r#"{"operationName":0,"query":"{ __typename }"}"#), Bad),
    ("6C02", None, Body(r#"{"operationName":false,"query":"{ __typename }"}"#), Bad),
    ("6C03", None, Body(r#"{"operationName":["array"],"query":"{ __typename }"}"#), Bad),
    ("8161", NEW, NAMED, Success),
    ("B8B3", OLD, NAMED, Data),
    ("94B0", NEW, Body(r#"{"query":"{ __typename }","variables":null}"#), Data),
    ("0220", OLD, Body(r#"{"query":"{ __typename }","variables":null}"#), Data),
    ("94B1", NEW, Body(r#"{"query":"{ __typename }","operationName":null}"#), Data),
    ("0221", OLD, Body(r#"{"query":"{ __typename }","operationName":null}"#), Data),
    ("94B2", NEW, Body(r#"{"query":"{ __typename }","extensions":null}"#), Data),
    ("0222", OLD, Body(r#"{"query":"{ __typename }","extensions":null}"#), Data),
    ("4760", None, Body(r#"{"query":"{ __typename }","variables":"string"}"#), Bad),
    ("4761", None, Body(r#"{"query":"{ __typename }","variables":0}"#), Bad),
    ("4762", None, Body(r#"{"query":"{ __typename }","variables":false}"#), Bad),
    ("4763", None, Body(r#"{"query":"{ __typename }","variables":["array"]}"#), Bad),
    ("2EA1", NEW, VARIABLES, Success),
    ("28B9", OLD, VARIABLES, Data),
    ("D6D5", NEW, VARIABLES_BY_GET, Data),
    ("6A70", OLD, VARIABLES_BY_GET, Data),
    ("58B0", None, Body(r#"{"query":"{ __typename }","extensions":"string"}"#), Bad),
    ("58B1", None, Body(r#"{"query":"{ __typename }","extensions":0}"#), Bad),
    ("58B2", None, Body(r#"{"query":"{ __typename }","extensions":false}"#), Bad),
    ("58B3", None, Body(r#"{"query":"{ __typename }","extensions":["array"]}"#), Bad),
    ("428F", NEW, EXTENSIONS, Success),
    ("1B7A", OLD, EXTENSIONS, Data),
    ("B6DC", OLD, UNREADABLE, Between(200, 599)),
    ("BCF8", OLD, UNREADABLE, Bad),
    ("B7N8", NEW, UNREADABLE, Bad),
    ("8764", None, MISSPELT, Between(400, 599)),
    ("3E3A", None, MISSPELT, Bad),
    // Answers
    ("572B", OLD, NO_DOCUMENT, Success),
    ("FDE2", OLD, NO_SUCH_FIELD, Success),
    ("7B9B", OLD, NULL_FOR_AN_ID, Success),
    ("865D", NEW, NO_DOCUMENT, Between(400, 599)),
    ("556A", NEW, NO_DOCUMENT, Bad),
    ("D586", NEW, NO_DOCUMENT, NoData),
    ("51FE", NEW, NO_SUCH_FIELD, Between(400, 599)),
    ("74FF", NEW, NO_SUCH_FIELD, Bad),
    ("5E5B", NEW, NO_SUCH_FIELD, NoData),
    ("86EE", NEW, NULL_FOR_AN_ID, Bad),
];

async fn send(gateway: &Gateway, accept: Option<&str>, sent: Sent) -> Reply {
    let mut request = match sent {
        Url(parameters) => {
            let query =
                url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
            gateway.request(Method::GET, &format!("/graphql?{query}"))
        }
        Untyped(body) => gateway.post().body(body),
        Body(body) => gateway.post().body(body).header("content-type", "application/json"),
        Utf8(body) => gateway.post().body(body).header("content-type", "application/json; charset=utf-8"),
    };
    if let Some(accept) = accept {
        request = request.header("accept", accept);
    }
    Reply::read(request.send().await.unwrap()).await
}

/// The ids of the audits that are not "ok".
async fn failed(gateway: &Gateway) -> Vec<&'static str> {
    let mut failed = Vec::new();
    for (id, accept, sent, expected) in AUDITS {
        let reply = send(gateway, *accept, *sent).await;
        let status = reply.status.as_u16();
        let is_ok = match *expected {
            Success => status == 200,
            Data => status == 200 && reply.json.get("errors").is_none(),
            Typed(media) => status == 200 && reply.headers["content-type"].to_str().unwrap().contains(media),
            Bad => status == 400,
            NoData => reply.json.get("data").is_none(),
            Between(least, most) => (least..=most).contains(&status),
        };
        if !is_ok {
            failed.push(*id);
        }
    }
    failed
}

#[tokio::test]
async fn all_61_audits_pass_four_of_them_with_introspection_only() {
    assert_eq!(AUDITS.iter().map(|(id, ..)| id).collect::<HashSet<_>>().len(), 61);
    assert_eq!(failed(&Gateway::start().await).await, [""; 0]);
    let closed = Gateway::builder().api(|api| api.introspection = false).start().await;
    assert_eq!(failed(&closed).await, ["2EA1", "28B9", "D6D5", "6A70"]);
}
