//! The content codings of responses from Graph or a proxy (RFC 9110, section 8.4).

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use crate::add_device_status::MUTATION;
use crate::fake_graph::{FakeGraph, Protocol, Reply as Answer, Request};
use crate::never_sent::{READ, named};

const BODY: &str = r#"{"id":"c","displayName":"Zoë's configuration","version":1}"#;

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// The text in members of so many bytes each; RFC 1952, section 2.2: "a gzip file consists of a series of members".
fn members(text: &str, bytes: usize) -> Vec<u8> {
    text.as_bytes().chunks(bytes).flat_map(gzip).collect()
}

#[tokio::test]
async fn gzip_is_decoded_under_each_name_and_with_several_members() {
    let with_empty = [gzip(b""), gzip(BODY.as_bytes()), gzip(b"")].concat();
    for protocol in [Protocol::Http1, Protocol::TlsHttp2] {
        let graph = FakeGraph::start(protocol).await;
        let gateway = graph.gateway().start().await;
        for (coding, body) in [
            ("gzip", gzip(BODY.as_bytes())),
            ("gzip", members(BODY, 29)),
            ("gzip", members(BODY, 1)),
            ("gzip", with_empty.clone()),
            ("GZIP", gzip(BODY.as_bytes())),
            ("Gzip", members(BODY, 10)),
            ("x-gzip", gzip(BODY.as_bytes())),
            ("X-GZip", members(BODY, 10)),
            ("identity", BODY.as_bytes().to_vec()),
            ("Identity", BODY.as_bytes().to_vec()),
        ] {
            let length = body.len();
            graph.script_replies(move |_| Answer::canned(200, &[("content-encoding", coding)], body.clone()));
            let reply = gateway.graphql(READ, json!({"id": "c"})).await;
            let name = &reply.json["data"]["iosLobAppProvisioningConfiguration"]["displayName"];
            assert_eq!(name, "Zoë's configuration", "{protocol:?} {coding} {length}: {:#}", reply.json);
        }
    }
}

#[tokio::test]
async fn a_created_object_and_an_error_are_decoded_in_each_coding() {
    let graph = FakeGraph::start(Protocol::Http1).await;
    let gateway = graph.gateway().start().await;
    for coding in ["gzip", "GZIP", "x-gzip"] {
        let created = move |request: &Request| {
            let mut object = request.creates().remove(0);
            object["id"] = json!("the-id");
            members(&object.to_string(), 50)
        };
        graph.script_replies(move |request| {
            Answer::canned(201, &[("content-encoding", coding)], created(&request))
        });
        let reply = gateway.graphql(MUTATION, named("a")).await;
        assert_eq!(reply.data()["addDeviceStatus"]["deviceStatus"]["graphId"], "the-id", "{coding}");

        let error = r#"{"error":{"code":"Forbidden","message":"No rights"}}"#;
        graph.script_replies(move |_| {
            Answer::canned(403, &[("content-encoding", coding)], members(error, 20))
        });
        let reply = gateway.graphql(MUTATION, named("b")).await;
        assert_eq!(reply.error()["extensions"]["graph"]["code"], "Forbidden", "{coding}");
        assert_eq!(reply.code(), "FORBIDDEN");
    }
}

/// A truncated or damaged body is not a response.
#[tokio::test]
async fn a_truncated_or_extended_gzip_stream_is_rejected() {
    let graph = FakeGraph::start(Protocol::Http1).await;
    // Ends before the first back-off does.
    let deadline = std::time::Duration::from_millis(950);
    let gateway = graph.gateway().settings(|settings| settings.request_timeout = deadline).start().await;
    let whole = gzip(BODY.as_bytes());
    let two = [gzip(&BODY.as_bytes()[..20]), gzip(&BODY.as_bytes()[20..])].concat();
    for body in [whole[..whole.len() - 9].to_vec(), two[..two.len() - 9].to_vec(), Vec::new()] {
        graph.script_replies(move |_| Answer::canned(200, &[("content-encoding", "gzip")], body.clone()));
        assert_eq!(gateway.graphql(READ, json!({"id": "c"})).await.code(), "UPSTREAM_ERROR");
    }
}
