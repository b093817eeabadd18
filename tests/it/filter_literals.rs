//! Each text or date is one literal of the `$filter` that Graph receives.

use msgraph_sandbox::DEMO_CONFIGURATION_ID;
use proptest::prop_oneof;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::json;

use crate::add_device_status::{MUTATION, input_with};
use crate::graph_requests::requests_of_shape;
use crate::pagination::{Listed, gateway_of};

const ODD: &[&str] = &[
    "O'Brien",
    "100%",
    "%27 or true",
    "a+b",
    "R&D",
    "#1",
    "Zoë's \u{1f4f1}\u{200d}\u{1f468}",
    "'') or true",
    "') or (platform eq 8",
    "'",
    "''",
    "'''",
    "\\' or '1' eq '1",
    "back\\slash",
    "line\nbreak\r\n",
    "tab\t",
    "$filter=x&$top=1;",
    "a=b?c/d",
    "null",
    " leading and trailing ",
    "\u{202e}right to left",
    "\u{0}nul",
];

#[tokio::test]
async fn special_characters_match_only_the_row_that_has_them() {
    let gateway = gateway_of(20).await;
    for text in ODD {
        gateway.sandbox.reset();
        let reply = gateway.graphql(MUTATION, input_with("userName", json!(text))).await;
        let key = reply.data()["addDeviceStatus"]["deviceStatus"]["graphId"].clone();
        for comparison in ["eq", "startsWith", "contains"] {
            let filter = json!({"userName": {comparison: text}});
            let page = Listed::read(&gateway, json!({"filter": filter})).await;
            assert_eq!(json!(page.keys), json!([key]), "{comparison} {text:?}");
        }
        let filter = json!({"userName": {"in": [text, "none"]}, "deviceDisplayName": {"ne": text}});
        let page = Listed::read(&gateway, json!({"filter": filter})).await;
        assert_eq!(json!(page.keys), json!([key]), "{text:?}");
    }
}

#[tokio::test]
async fn characters_with_a_meaning_in_urls_are_encoded() {
    let gateway = gateway_of(20).await;
    for (filter, encoded) in [
        (
            json!({"lastReportedDateTime": {"lt": "2016-12-31T23:57:41.6559639+03:00"}}),
            "2016-12-31T23:57:41.6559639%2B03:00",
        ),
        (json!({"userName": {"eq": "a+b & c#d%e"}}), "%27a%2Bb%20%26%20c%23d%25e%27"),
        (json!({"userName": {"eq": "O'Brien"}}), "%27O%27%27Brien%27"),
        (json!({"userName": {"eq": "\u{1f4f1}\n\\"}}), "%27%F0%9F%93%B1%0A%5C%27"),
    ] {
        gateway.clear_requests();
        Listed::read(&gateway, json!({"filter": filter})).await;
        let [requested] = &requests_of_shape(&gateway, "*/deviceStatuses")[..] else { panic!("one list") };
        assert!(requested.query.contains(encoded), "{}", requested.query);
    }
}

/// A token of a `$filter`, parsed independently of the code that wrote it.
#[derive(Debug, Clone, PartialEq)]
enum Token {
    Text(String),
    Other(String),
}

/// Splits by OData's grammar: a text is in single quotes, in which a quote is doubled; the rest is
/// names, operators and punctuation.
fn tokens(filter: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut letters = filter.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            ' ' => {}
            '(' | ')' | ',' => tokens.push(Token::Other(letter.to_string())),
            '\'' => {
                let mut text = String::new();
                loop {
                    match letters.next().expect("a text ends") {
                        '\'' if letters.peek() == Some(&'\'') => text.extend(letters.next()),
                        '\'' => break,
                        other => text.push(other),
                    }
                }
                tokens.push(Token::Text(text));
            }
            first => {
                let mut word = first.to_string();
                while let Some(next) = letters.next_if(|next| !" (),'".contains(*next)) {
                    word.push(next);
                }
                tokens.push(Token::Other(word));
            }
        }
    }
    tokens
}

#[test]
fn no_text_changes_the_structure_of_its_filter() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let gateway = runtime.block_on(gateway_of(20));
    let mut runner = TestRunner::new(Config { cases: 200, failure_persistence: None, ..Config::default() });
    let text =
        || prop_oneof!["\\PC{0,30}", "[ '()%&#+\\\\,=$a-c\n]{0,30}", "('|''|\\)| or |true|%27|[a-z]){0,12}"];
    let keeps_its_shape = |(a, b, c): (String, String, String)| {
        let filter = json!({"or": [{"userName": {"eq": a, "ne": b}}, {"not": {"deviceModel": {"startsWith": c}}}],
            "deviceDisplayName": {"in": [a, c]}, "userPrincipalName": {"contains": b}, "platform": {"eq": 8}});
        gateway.clear_requests();
        let query =
            "query($id: ID!, $filter: DeviceStatusFilter) { iosLobAppProvisioningConfiguration(id: $id) {
            a: deviceStatuses(first: 1, filter: $filter) { totalCount }
            b: deviceStatuses(first: 2, filter: $filter) { totalCount } } }";
        let variables = json!({"id": DEMO_CONFIGURATION_ID, "filter": filter});
        runtime.block_on(gateway.graphql(query, variables)).data();
        let requested = requests_of_shape(&gateway, "*/deviceStatuses");
        assert_eq!(requested.len(), 2);
        let other = |word: &str| Token::Other(word.to_owned());
        let text = |text: &String| Token::Text(text.clone());
        let expected = [
            vec![other("platform"), other("eq"), other("8"), other("and"), other("(")],
            vec![other("deviceDisplayName"), other("eq"), text(&a), other("or")],
            vec![other("deviceDisplayName"), other("eq"), text(&c), other(")"), other("and")],
            vec![other("contains"), other("("), other("userPrincipalName"), other(","), text(&b), other(")")],
            vec![
                other("and"),
                other("("),
                other("("),
                other("userName"),
                other("eq"),
                text(&a),
                other("and"),
            ],
            vec![other("userName"), other("ne"), text(&b), other(")"), other("or"), other("not"), other("(")],
            vec![other("startswith"), other("("), other("deviceModel"), other(","), text(&c)],
            vec![other(")"), other(")"), other(")")],
        ];
        for requested in requested {
            let filter = requested.option("$filter").unwrap();
            assert_eq!(tokens(&filter), expected.concat(), "{filter}");
            let names = requested.query.split('&').map(|pair| pair.split('=').next().unwrap());
            assert_eq!(names.collect::<Vec<_>>(), ["$select", "$filter", "$top", "$count"]);
        }
        Ok::<(), TestCaseError>(())
    };
    runner.run(&(text(), text(), text()), keeps_its_shape).unwrap();
}
