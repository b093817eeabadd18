//! Partly malformed responses to reads: only the malformed part fails.

use std::sync::Arc;

use http::Method;
use msgraph_sandbox::DEMO_CONFIGURATION_ID;
use serde_json::{Value, json};

use crate::canned_graph::{CannedGraph, CannedResponse, ReceivedRequest, utf_16};
use crate::harness::{Gateway, Reply, fresh_token};
use crate::malformed_links::link;
use crate::pagination::{Listed, list};

const ROWS: &str = "query($id: ID!, $first: Int, $filter: DeviceStatusFilter) {
    iosLobAppProvisioningConfiguration(id: $id) { deviceStatuses(first: $first, filter: $filter) {
        nodes { graphId userName platform status lastReportedDateTime } pageInfo { hasNextPage } } } }";

pub(crate) const CONFIGURATION: &str = "iosLobAppProvisioningConfiguration";

/// An upstream with one list of device statuses, whose pages `page` returns for the query of each
/// request.
pub(crate) async fn listing(
    page: impl Fn(&CannedGraph, &str) -> CannedResponse + Clone + Send + Sync + 'static,
) -> (CannedGraph, Gateway) {
    let own = Arc::new(std::sync::OnceLock::<CannedGraph>::new());
    let shared = Arc::clone(&own);
    let upstream = CannedGraph::start(move |sent: &ReceivedRequest| {
        if !sent.url.contains("/deviceStatuses") {
            return CannedResponse::new(200, json!({"id": DEMO_CONFIGURATION_ID}).to_string());
        }
        page(shared.wait(), sent.url.split_once('?').map_or("", |(_, query)| query))
    })
    .await;
    assert!(own.set(upstream.clone()).is_ok());
    let gateway = upstream.gateway().await;
    (upstream, gateway)
}

/// An upstream whose list is this body.
pub(crate) async fn list_of(body: impl Into<Vec<u8>>) -> (CannedGraph, Gateway) {
    let body = body.into();
    listing(move |_, _| CannedResponse::new(200, body.clone())).await
}

pub(crate) async fn rows(gateway: &Gateway, mut variables: Value) -> Reply {
    variables["id"] = json!(DEMO_CONFIGURATION_ID);
    gateway.graphql_as(Some(&fresh_token()), ROWS, variables).await
}

pub(crate) fn nodes(reply: &Reply) -> &[Value] {
    reply.json["data"][CONFIGURATION]["deviceStatuses"]["nodes"].as_array().unwrap()
}

#[tokio::test]
async fn an_invalid_row_is_omitted_with_one_error() {
    for (bad, count) in [
        ("null", 1),
        ("7", 1),
        ("[]", 1),
        ("{}", 1),
        (r#"{"userName":"x"}"#, 1),
        (r#"{"id":null}"#, 1),
        (r#"{"id":7}"#, 1),
        (r#"{"id":""}"#, 1),
        (r#"{"id":"x","id":"y"}"#, 1),
        (r#"{"id":"x\ud800"}"#, 1),
        (r##"{"id":"x","@odata.type":"#microsoft.graph.user"}"##, 1),
        (r#"{"id":"x","error":{"code":"x"}}"#, 1),
        (r#"null,{"id":"c","userName":"c"},{"id":"."},"x""#, 3),
    ] {
        let body = format!(r#"{{"value":[{{"id":"a","userName":"a"}},{bad},{{"id":"b","userName":"b"}}]}}"#);
        let (upstream, gateway) = list_of(body).await;
        let reply = rows(&gateway, json!({"first": 10})).await;
        let keys: Vec<_> = nodes(&reply).iter().map(|node| node["graphId"].as_str().unwrap()).collect();
        assert_eq!(keys, if count == 1 { vec!["a", "b"] } else { vec!["a", "c", "b"] }, "{bad}");
        let error = reply.error();
        assert_eq!(error["path"], json!([CONFIGURATION, "deviceStatuses"]), "{bad}");
        assert_eq!((reply.code(), &error["extensions"]["retryable"]), ("UPSTREAM_ERROR", &json!(true)));
        assert!(error["message"].as_str().unwrap().starts_with(&format!("{count} row")), "{error}");
        assert!(error["extensions"]["graph"]["clientRequestId"].is_string());
        assert_eq!(upstream.sent().len(), 2);
    }
}

#[tokio::test]
async fn a_page_with_invalid_rows_is_filled_from_the_next_and_can_be_continued() {
    let (upstream, gateway) = listing(|upstream, query| {
        let page = if query.contains("$skiptoken=2") {
            json!({"value": [null, {"id": "c"}, {"id": "d"}, {}]})
        } else {
            json!({"value": [{"id": "a"}, null, {"id": "b"}, 7], "@odata.nextLink": link(upstream, "2")})
        };
        CannedResponse::new(200, page.to_string())
    })
    .await;
    let page = async |arguments: Value| {
        let reply = list(&gateway, arguments).await;
        assert!(reply.json["errors"].as_array().is_none_or(|errors| errors.len() == 1), "{:#}", reply.json);
        let mut without = reply;
        without.json.as_object_mut().unwrap().remove("errors");
        Listed::of(&without)
    };
    let whole = page(json!({"first": 3})).await;
    assert_eq!((whole.keys.join(""), whole.has_next()), ("abc".to_owned(), true));
    for (index, rest) in ["bcd", "cd", "d"].into_iter().enumerate() {
        let after = page(json!({"first": 3, "after": whole.cursors[index]})).await;
        assert_eq!((after.keys.join("").as_str(), after.has_next()), (rest, false), "{index}");
    }
    let first = page(json!({"first": 1})).await;
    assert_eq!((first.keys.join(""), first.has_next()), ("a".to_owned(), true));
    assert!(upstream.sent().len() < 20);
}

#[tokio::test]
async fn an_invalid_value_is_null_with_an_error_at_its_field() {
    for (bad, field) in [
        (r#""platform":"8""#, "platform"),
        (r#""platform":8.5"#, "platform"),
        (r#""platform":99999999999"#, "platform"),
        (r#""platform":1e999"#, "platform"),
        (r#""platform":-1e999"#, "platform"),
        (&format!(r#""platform":{}"#, "9".repeat(400)), "platform"),
        (r#""userName":1e999"#, "userName"),
        (r#""lastReportedDateTime":1e999"#, "lastReportedDateTime"),
        (r#""status":1e999"#, "status"),
        (r#""platform":true"#, "platform"),
        (r#""platform":8,"platform":9"#, "platform"),
        (r#""status":7"#, "status"),
        (r#""status":["compliant"]"#, "status"),
        (r#""userName":{"a":[1]}"#, "userName"),
        (r#""lastReportedDateTime":{}"#, "lastReportedDateTime"),
        (r#""lastReportedDateTime":1700000000"#, "lastReportedDateTime"),
    ] {
        let body = format!(r#"{{"value":[{{"id":"a","platform":8}},{{"id":"b",{bad}}}]}}"#);
        let (_upstream, gateway) = list_of(body).await;
        let reply = rows(&gateway, json!({})).await;
        assert_eq!((nodes(&reply).len(), &nodes(&reply)[0]["platform"]), (2, &json!(8)), "{bad}");
        assert_eq!(
            (&nodes(&reply)[1]["graphId"], &nodes(&reply)[1][field]),
            (&json!("b"), &json!(null)),
            "{bad}"
        );
        assert_eq!(
            (reply.code(), &reply.error()["extensions"]["retryable"]),
            ("UPSTREAM_ERROR", &json!(true))
        );
        assert_eq!(
            reply.error()["path"],
            json!([CONFIGURATION, "deviceStatuses", "nodes", 1, field]),
            "{bad}"
        );
    }
}

#[tokio::test]
async fn readable_values_are_returned_despite_flaws() {
    let plain =
        r#"{"value":[{"id":"a","userName":"é","platform":8,"status":"compliant"}],"@odata.nextLink":null}"#;
    let other_case =
        r#"{"Value":[{"Id":"a","UserName":"é","PLATFORM":8.0,"status":"Compliant"}],"@odata.nextLink":""}"#;
    for body in [
        plain.as_bytes().to_vec(),
        other_case.as_bytes().to_vec(),
        [b"\xef\xbb\xbf", plain.as_bytes(), b"\0\0"].concat(),
        [plain.as_bytes(), b"\r\n<!-- proxy-7 -->"].concat(),
        utf_16(plain, u16::to_le_bytes),
        utf_16(plain, u16::to_be_bytes),
    ] {
        let (_upstream, gateway) = list_of(body).await;
        let reply = rows(&gateway, json!({})).await;
        reply.data();
        let expected = json!({"graphId": "a", "userName": "é", "platform": 8, "status": "COMPLIANT",
            "lastReportedDateTime": null});
        assert_eq!(nodes(&reply), [expected]);
    }
    for (text, read) in
        [(&br"\ud800"[..], "\u{fffd}"), (b"\xff", "\u{fffd}"), (b"a\tb", "a\tb"), (br"\ud83d\ude00", "😀")]
    {
        let body = [&br#"{"value":[{"id":"a","userName":""#[..], text, br#""},{"id":"b"}]}"#].concat();
        let (_upstream, gateway) = list_of(body).await;
        let reply = rows(&gateway, json!({})).await;
        reply.data();
        assert_eq!((nodes(&reply).len(), &nodes(&reply)[0]["userName"]), (2, &json!(read)));
    }
}

#[tokio::test]
async fn an_invalid_page_is_an_error_of_its_list() {
    for body in [
        r#"{"error":{"code":"x"},"value":[]}"#,
        r#"{"value":null}"#,
        r#"{"value":[],"value":[{"id":"a"}]}"#,
        r#"{"value":[null]}"#,
        r##"{"value":[{"id":"a","@odata.type":"#microsoft.graph.user"}]}"##,
        r#"{"value":[],"Error":{}}"#,
        r#"{"value":[{"id":"a"}"#,
        r#"{"id":"portal"}"#,
    ] {
        let (_upstream, gateway) = list_of(body).await;
        let reply = rows(&gateway, json!({})).await;
        assert_eq!(
            (reply.code(), &reply.error()["path"]),
            ("UPSTREAM_ERROR", &json!([CONFIGURATION, "deviceStatuses"]))
        );
        assert_eq!(reply.json["data"][CONFIGURATION], json!({"deviceStatuses": null}), "{body}");
    }
}

#[tokio::test]
async fn an_invalid_count_is_an_error_only_if_it_is_selected() {
    let count = "query($id: ID!) { iosLobAppProvisioningConfiguration(id: $id) {
        deviceStatuses { totalCount nodes { graphId } } } }";
    for (given, expected) in [
        (r#""1""#, Err(())),
        ("{}", Err(())),
        ("-1", Err(())),
        ("1.5", Err(())),
        ("2147483648", Err(())),
        ("99999999999999", Err(())),
        ("9223372036854775808", Err(())),
        ("1e999", Err(())),
        ("1.0", Ok(json!(1))),
        ("1", Ok(json!(1))),
        ("null", Ok(json!(null))),
    ] {
        let (_upstream, gateway) =
            list_of(format!(r#"{{"@odata.count":{given},"value":[{{"id":"a"}}]}}"#)).await;
        let unasked = rows(&gateway, json!({})).await;
        unasked.data();
        assert_eq!(nodes(&unasked).len(), 1, "{given}");
        let reply = gateway.graphql(count, json!({"id": DEMO_CONFIGURATION_ID})).await;
        assert_eq!(nodes(&reply).len(), 1, "{given}");
        match expected {
            Ok(count) => {
                assert_eq!(reply.data()[CONFIGURATION]["deviceStatuses"]["totalCount"], count, "{given}")
            }
            Err(()) => {
                assert_eq!(reply.code(), "UPSTREAM_ERROR", "{given}");
                assert_eq!(reply.error()["path"], json!([CONFIGURATION, "deviceStatuses", "totalCount"]));
            }
        }
    }
}

#[tokio::test]
async fn rows_are_withheld_only_for_certain_misses() {
    let row = |platform: &str| format!(r#"{{"id":"k{}"{platform}}}"#, platform.replace('"', "'"));
    let given = [
        r#","platform":8"#,
        r#","platform":8.0"#,
        r#","platform":"8""#,
        r#","Platform":8"#,
        "",
        r#","platform":[]"#,
    ];
    let missing = [r#","platform":7"#, r#","platform":7.0"#, r#","platform":null"#];
    let all: Vec<String> = given.iter().chain(&missing).map(|platform| row(platform)).collect();
    let (_upstream, gateway) = list_of(format!(r#"{{"value":[{}]}}"#, all.join(","))).await;
    let reply = rows(&gateway, json!({"filter": {"platform": {"eq": 8}}})).await;
    let keys: Vec<_> = nodes(&reply).iter().map(|node| node["graphId"].as_str().unwrap()).collect();
    let expected: Vec<_> = given.iter().map(|platform| format!("k{}", platform.replace('"', "'"))).collect();
    assert_eq!(keys, expected);
}

#[tokio::test]
async fn a_batch_item_that_breaks_its_batch_does_not_fail_the_others() {
    const NODES: &str = "query($ids: [ID!]!) { nodes(ids: $ids) { ... on DeviceStatus { graphId } } }";
    // `raw` is item 1 of the batch's response. A GET of the item returns `single`.
    for (raw, single, failed) in [
        (
            r#"{"id":"1","status":502,"body":<html>Bad Gateway</html>}"#,
            CannedResponse::new(200, r#"{"id":"k1"}"#),
            None,
        ),
        (r#"{"id":"1","status":200,"body":{"id":"k1"}"#, CannedResponse::new(403, ""), Some("FORBIDDEN")),
        (r#"{"id":"1","status":200,"body":{"id":"k1}"#, CannedResponse::new(500, ""), Some("UPSTREAM_ERROR")),
    ] {
        let upstream = CannedGraph::start(move |sent: &ReceivedRequest| {
            if sent.method == Method::POST {
                let item = |id: usize| format!(r#"{{"id":"{id}","status":200,"body":{{"id":"k{id}"}}}}"#);
                let items: Vec<_> =
                    (0..sent.items()).map(|id| if id == 1 { raw.to_owned() } else { item(id) }).collect();
                return CannedResponse::new(200, format!(r#"{{"responses":[{}]}}"#, items.join(",")));
            }
            let key = sent.url.split('?').next().unwrap().rsplit('/').next().unwrap();
            if key == "k1" {
                single.clone()
            } else {
                CannedResponse::new(200, format!(r#"{{"id":"{key}"}}"#))
            }
        })
        .await;
        let gateway = upstream.gateway().await;
        let key = |key: &str| base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, key);
        let ids: Vec<_> = (0..20).map(|id| format!("ig~1.s.YQ.{}", key(&format!("k{id}")))).collect();
        let reply = gateway.graphql_as(Some(&fresh_token()), NODES, json!({ "ids": ids })).await;
        let nodes = reply.json["data"]["nodes"].as_array().unwrap();
        let read = nodes.iter().filter(|node| node["graphId"].is_string()).count();
        assert_eq!(read, if failed.is_some() { 19 } else { 20 }, "{raw}");
        if let Some(code) = failed {
            assert_eq!((reply.code(), &reply.error()["path"]), (code, &json!(["nodes", 1])), "{raw}");
        }
        assert_eq!(upstream.sent().len(), 21, "one batch, and each by itself: {raw}");
    }
}

#[tokio::test]
async fn reads_sent_individually_are_retried_individually() {
    let upstream = CannedGraph::start(|sent: &ReceivedRequest| match sent.method {
        Method::POST => CannedResponse::new(200, r#"{"responses":["#),
        _ => CannedResponse::new(429, "").with("retry-after", "0"),
    })
    .await;
    let gateway = upstream.gateway().await;
    let ids = ["ig~1.c.YQ", "ig~1.c.Yg"];
    let reply = gateway
        .graphql_as(
            Some(&fresh_token()),
            "query($ids: [ID!]!) { nodes(ids: $ids) { id } }",
            json!({ "ids": ids }),
        )
        .await;
    assert_eq!(reply.json["errors"].as_array().unwrap().len(), 2);
    let sent = upstream.sent();
    assert_eq!(sent.iter().filter(|sent| sent.method == Method::POST).count(), 1, "one batch");
    assert!(sent.len() < 60, "{}", sent.len());
}

#[tokio::test]
async fn a_count_over_32_bits_is_an_error_of_its_field() {
    let upstream = CannedGraph::start(|sent: &ReceivedRequest| {
        let item = |(id, asked): (usize, &Value)| {
            let is_many = asked["url"].as_str().unwrap().contains("%27compliant%27");
            let count = if is_many { "99999999999" } else { "7" };
            json!({"id": id.to_string(), "status": 200, "headers": {"Content-Type": "text/plain"}, "body": count})
        };
        let body: Value = serde_json::from_slice(&sent.body).unwrap_or_default();
        let items = body["requests"].as_array().map(|items| items.iter().enumerate().map(item));
        let configuration = json!({"id": DEMO_CONFIGURATION_ID});
        let answer = items.map(|items| json!({"responses": items.collect::<Vec<_>>()}));
        CannedResponse::new(200, answer.unwrap_or(configuration).to_string())
    })
    .await;
    let gateway = upstream.gateway().await;
    let query = "query($id: ID!) { iosLobAppProvisioningConfiguration(id: $id) {
        deviceStatusCounts { status count } } }";
    let reply = gateway.graphql(query, json!({"id": DEMO_CONFIGURATION_ID})).await;
    let counts = reply.json["data"][CONFIGURATION]["deviceStatusCounts"].as_array().unwrap();
    for count in counts {
        let expected = if count["status"] == "COMPLIANT" { json!(null) } else { json!(7) };
        assert_eq!(count["count"], expected, "{count}");
    }
    assert_eq!((counts.len(), reply.code()), (8, "UPSTREAM_ERROR"));
}

#[tokio::test]
async fn the_type_of_a_target_is_recognized_in_every_form() {
    const TARGETS: &str = "query($id: ID!) { iosLobAppProvisioningConfiguration(id: $id) {
        assignments { nodes { target { __typename
            ... on GroupAssignmentTarget { groupId }
            ... on OtherAssignmentTarget { odataType } } } } } }";
    let group = json!({"__typename": "GroupAssignmentTarget", "groupId": "g"});
    for (given, expected) in [
        ("#microsoft.graph.groupAssignmentTarget", group.clone()),
        ("microsoft.graph.groupAssignmentTarget", group.clone()),
        ("#Microsoft.Graph.GroupAssignmentTarget", group.clone()),
        ("#MICROSOFT.GRAPH.GROUPASSIGNMENTTARGET", group.clone()),
        ("https://graph.microsoft.com/beta/$metadata#microsoft.graph.groupAssignmentTarget", group),
        ("#Microsoft.Graph.AllDevicesAssignmentTarget", json!({"__typename": "AllDevicesAssignmentTarget"})),
        (
            "#Microsoft.Graph.NewTarget",
            json!({"__typename": "OtherAssignmentTarget", "odataType": "Microsoft.Graph.NewTarget"}),
        ),
    ] {
        let upstream = CannedGraph::start(move |sent: &ReceivedRequest| {
            let rows = json!({"value": [{"id": "a", "target": {"@odata.type": given, "groupId": "g"}}]});
            let configuration = json!({"id": DEMO_CONFIGURATION_ID});
            let is_list = sent.url.contains("ssignments");
            CannedResponse::new(200, if is_list { rows.to_string() } else { configuration.to_string() })
        })
        .await;
        let gateway = upstream.gateway().await;
        let reply = gateway.graphql(TARGETS, json!({"id": DEMO_CONFIGURATION_ID})).await;
        let nodes = &reply.data()[CONFIGURATION]["assignments"]["nodes"];
        assert_eq!(nodes[0]["target"], expected, "{given}");
    }
}
