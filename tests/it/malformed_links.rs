//! Malformed and repeated next links.

use msgraph_sandbox::DEMO_CONFIGURATION_ID;
use serde_json::{Value, json};

use crate::canned_graph::{CannedGraph, CannedResponse, ReceivedRequest};
use crate::harness::{Reply, fresh_token};
use crate::malformed_reads::{CONFIGURATION, list_of, listing, nodes, rows};
use crate::pagination::{Listed, list};

pub(crate) fn link(upstream: &CannedGraph, token: &str) -> String {
    let path = format!(
        "/deviceAppManagement/iosLobAppProvisioningConfigurations/{DEMO_CONFIGURATION_ID}/deviceStatuses"
    );
    upstream.url(&format!("{path}?$skiptoken={token}"))
}

#[tokio::test]
async fn a_link_that_repeats_ends_the_list_with_an_error() {
    let page = |upstream: &CannedGraph, row: &str, next: &str| {
        json!({"value": [{"id": row}], "@odata.nextLink": link(upstream, next)}).to_string()
    };
    // The target of a page's token. The list starts with the empty one.
    for (links, requests) in [
        (&[("", "A"), ("A", "A")][..], 2),
        (&[("", "A"), ("A", "B"), ("B", "B")], 3),
        (&[("", "A"), ("A", "B"), ("B", "A")], 3),
        (&[("", "A"), ("A", "B"), ("B", "C"), ("C", "B")], 4),
    ] {
        let (upstream, gateway) = listing(move |upstream, query| {
            let token =
                query.split('&').find_map(|pair| pair.strip_prefix("$skiptoken=")).unwrap_or_default();
            let next = links.iter().find(|(from, _)| *from == token).unwrap().1;
            CannedResponse::new(200, page(upstream, &format!("row{token}"), next))
        })
        .await;
        let reply = rows(&gateway, json!({"first": 50})).await;
        assert_eq!(nodes(&reply).len(), requests, "what was read stands: {links:?}");
        assert_eq!(
            (reply.code(), &reply.error()["path"]),
            ("UPSTREAM_ERROR", &json!([CONFIGURATION, "deviceStatuses"]))
        );
        let info = &reply.json["data"][CONFIGURATION]["deviceStatuses"]["pageInfo"];
        assert_eq!(info["hasNextPage"], false, "{links:?}");
        assert_eq!(upstream.sent().len(), requests + 1, "{links:?}");

        // The cursor records the visited links page by page.
        let mut arguments = json!({"first": 1});
        let mut pages = 0;
        let error = loop {
            let reply = list(&gateway, arguments.clone()).await;
            pages += 1;
            assert!(pages < 10, "{links:?}");
            if reply.json.get("errors").is_some() {
                break reply;
            }
            let page = Listed::of(&reply);
            assert!(page.has_next());
            arguments["after"] = page.end();
        };
        assert_eq!(error.code(), "UPSTREAM_ERROR", "{links:?}");
    }
}

/// Whether a page reports that it is not the last.
fn has_next(reply: &Reply) -> &Value {
    &reply.json["data"][CONFIGURATION]["deviceStatuses"]["pageInfo"]["hasNextPage"]
}

#[tokio::test]
async fn next_links_and_counts_are_recognized_in_every_annotation_form() {
    for (before, name) in [
        ("", "@odata.nextLink"),
        ("", r"@odata\u002enextLink"),
        ("", "@odata.nextlink"),
        ("", "@OData.NextLink"),
        (r#""@odata.nextLink":null,"#, "@odata.NextLink"),
        ("", "@nextLink"),
        (r#""@odata.nextLink":"","#, "@nextLink"),
        ("", "odata.nextLink"),
        (r#""@odata.nextLink":null,"#, "odata.nextlink"),
        ("", "nextLink"),
    ] {
        let (upstream, gateway) = listing(move |upstream, query| {
            let link = link(upstream, "2");
            let first = format!(r#"{{{before}"value":[{{"id":"a"}}],"{name}":"{link}"}}"#);
            let is_first = !query.contains("$skiptoken=2");
            CannedResponse::new(200, if is_first { first } else { r#"{"value":[{"id":"b"}]}"#.to_owned() })
        })
        .await;
        let reply = rows(&gateway, json!({"first": 10})).await;
        reply.data();
        let keys: Vec<_> = nodes(&reply).iter().map(|node| node["graphId"].as_str().unwrap()).collect();
        assert_eq!((keys, has_next(&reply)), (vec!["a", "b"], &json!(false)), "{before}{name}");
        assert_eq!(upstream.sent().len(), 3, "{before}{name}");
    }
    let count = "query($id: ID!) { iosLobAppProvisioningConfiguration(id: $id) {
        deviceStatuses { totalCount nodes { graphId } } } }";
    for name in ["@odata.count", "@odata.Count", "@count", "@Count", "odata.count", "OData.count"] {
        let (_upstream, gateway) = list_of(format!(r#"{{"value":[{{"id":"a"}}],"{name}":7}}"#)).await;
        let reply = gateway.graphql(count, json!({"id": DEMO_CONFIGURATION_ID})).await;
        assert_eq!(reply.data()[CONFIGURATION]["deviceStatuses"]["totalCount"], 7, "{name}");
    }
}

#[tokio::test]
async fn an_unusable_next_link_ends_the_list_with_an_error_and_keeps_the_rows() {
    let path = format!(
        "/deviceAppManagement/iosLobAppProvisioningConfigurations/{DEMO_CONFIGURATION_ID}/deviceStatuses"
    );
    for members in [
        r#""@odata.nextLink":7"#.to_owned(),
        r#""@odata.nextLink":1e999"#.to_owned(),
        r#""@odata.nextLink":true"#.to_owned(),
        r#""@odata.nextLink":{"href":"x"}"#.to_owned(),
        r#""@odata.nextLink":["x"]"#.to_owned(),
        r#""@odata.nextLink":"?$skiptoken=2""#.to_owned(),
        r#""@odata.nextLink":"deviceStatuses?$skiptoken=2""#.to_owned(),
        format!(r#""@odata.nextLink":"/beta{path}?$skiptoken=2""#),
        format!(r#""@odata.nextLink":"http://evil.example/beta{path}?$skiptoken=2""#),
        r#""@odata.nextLink":"not a link""#.to_owned(),
        r#""@odata.nextLink":" ""#.to_owned(),
        r#""@odata.nextlink":7"#.to_owned(),
        r#""@nextLink":"?$skiptoken=2""#.to_owned(),
        r#""@odata.nextLink":null,"odata.nextLink":7"#.to_owned(),
        r#""@odata.nextLink":"x","@odata.nextLink":"y""#.to_owned(),
        r#""@nextLink":"x","odata.nextLink":"y""#.to_owned(),
    ] {
        let (upstream, gateway) =
            list_of(format!(r#"{{"value":[{{"id":"a"}},{{"id":"b"}}],{members}}}"#)).await;
        let reply = rows(&gateway, json!({"first": 10})).await;
        assert_eq!((nodes(&reply).len(), has_next(&reply)), (2, &json!(false)), "{members}");
        assert_eq!(reply.json["errors"].as_array().unwrap().len(), 1, "{members}");
        assert_eq!(
            (reply.code(), &reply.error()["path"]),
            ("UPSTREAM_ERROR", &json!([CONFIGURATION, "deviceStatuses"]))
        );
        assert_eq!(reply.error()["extensions"]["retryable"], true);
        assert!(reply.error()["extensions"]["graph"]["clientRequestId"].is_string());
        assert_eq!(upstream.sent().len(), 2, "{members}");
        // A page that ends early is complete; the next one has the error.
        let first = list(&gateway, json!({"first": 1})).await;
        let first = Listed::of(&first);
        assert_eq!((first.keys.join(""), first.has_next()), ("a".to_owned(), true), "{members}");
        let rest = list(&gateway, json!({"first": 5, "after": first.end()})).await;
        assert_eq!((rest.code(), nodes_of(&rest)), ("UPSTREAM_ERROR", vec!["b"]), "{members}");
    }
    // The same on a later page, and on a page without rows.
    let (_upstream, gateway) = listing(|upstream, query| {
        CannedResponse::new(
            200,
            match query.contains("$skiptoken=2") {
                true => json!({"value": [], "@odata.nextLink": "http://evil.example/"}).to_string(),
                false => json!({"value": [{"id": "a"}], "@odata.nextLink": link(upstream, "2")}).to_string(),
            },
        )
    })
    .await;
    let reply = rows(&gateway, json!({"first": 10})).await;
    assert_eq!((nodes(&reply).len(), has_next(&reply), reply.code()), (1, &json!(false), "UPSTREAM_ERROR"));
}

/// The keys of a page that has an error.
fn nodes_of(reply: &Reply) -> Vec<&str> {
    let edges = reply.json["data"][CONFIGURATION]["deviceStatuses"]["edges"].as_array().unwrap();
    edges.iter().map(|edge| edge["node"]["graphId"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_row_is_not_reported_absent_if_its_list_is_incomplete() {
    const NODE: &str = "query($id: ID!) { node(id: $id) { id } }";
    for (link, code) in [("null", None), (r#""http://evil.example/""#, Some("UPSTREAM_NOT_SUPPORTED"))] {
        let upstream =
            CannedGraph::start(move |sent: &ReceivedRequest| match sent.url.contains("/deviceStatuses/") {
                true => CannedResponse::new(400, r#"{"error":{"code":"No method match route template"}}"#),
                false => CannedResponse::new(
                    200,
                    format!(r#"{{"value":[{{"id":"other"}}],"@odata.nextLink":{link}}}"#),
                ),
            })
            .await;
        let gateway = upstream.gateway().await;
        let reply = gateway.graphql_as(Some(&fresh_token()), NODE, json!({"id": "ig~1.s.YQ.YQ"})).await;
        assert_eq!(reply.json["data"]["node"], json!(null));
        assert_eq!(reply.json.get("errors").map(|_| reply.code()), code, "{link}");
    }
}
