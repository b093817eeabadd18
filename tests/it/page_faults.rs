//! Pages of Graph that are short, empty, failing or mislinked.

use futures_util::FutureExt as _;
use msgraph_sandbox::{DEMO_CONFIGURATION_ID, Settings};
use serde_json::json;
use tokio::net::TcpListener;

use crate::graph_requests::{request_shapes, requests_of_shape};
use crate::harness::Gateway;
use crate::pagination::{Listed, gateway_of, keys, list, one_configuration, places, range, walk};

#[tokio::test]
async fn a_short_page_is_filled_from_the_next() {
    let gateway = gateway_of(120).await;
    let keys = keys(&gateway);
    for (fault, requests) in [
        ("page-size;size=10;path=deviceStatuses;times=1", 2),
        ("page-size;size=10;path=deviceStatuses", 4),
        ("empty-page;path=deviceStatuses;times=1", 2),
        ("empty-page;path=deviceStatuses;times=3", 4),
        ("row-repeated;path=deviceStatuses", 1),
        ("page-size;size=1000;path=deviceStatuses", 1),
        ("link-without-options;path=deviceStatuses", 1),
    ] {
        gateway.replace_faults(&[fault]);
        let page = Listed::read(&gateway, json!({"first": 37})).await;
        assert_eq!(places(&keys, &page.keys), range(0..37), "{fault}");
        assert!(page.has_next(), "{fault}");
        let requested = requests_of_shape(&gateway, "*/deviceStatuses");
        assert_eq!(requested.len(), requests, "{fault}");
        // The selection is requested again, once, with any of Graph's links.
        assert!(
            requested.iter().all(|requested| requested.option("$select").as_deref() == Some("id")),
            "{requested:?}"
        );
        // Without a number of times, the fault continues.
        let all = walk(&gateway, json!({"first": 37})).await;
        assert_eq!(places(&keys, &all), range(0..120), "{fault}");
    }
}

#[tokio::test]
async fn a_list_of_empty_pages_returns_a_cursor_to_continue_from() {
    let gateway = gateway_of(30).await;
    gateway.replace_faults(&["empty-page;path=deviceStatuses;times=10"]);
    let page = Listed::read(&gateway, json!({"first": 20})).await;
    assert_eq!(requests_of_shape(&gateway, "*/deviceStatuses").len(), 10);
    assert_eq!((page.keys.len(), page.has_next()), (0, true));
    let rest = walk(&gateway, json!({"first": 20, "after": page.end()})).await;
    assert_eq!(places(&keys(&gateway), &rest), range(0..30));
}

#[tokio::test]
async fn a_cursor_is_valid_after_the_page_size_changes() {
    let gateway = gateway_of(600).await;
    let keys = keys(&gateway);
    let page = Listed::read(&gateway, json!({"first": 500})).await;
    let after = page.cursors[480].clone();
    // Fifteen pages come before the row: more than one request reads.
    gateway.replace_faults(&["page-size;size=30;path=deviceStatuses"]);
    let rest = walk(&gateway, json!({"first": 50, "after": after})).await;
    assert_eq!(places(&keys, &rest), range(481..600));
}

#[tokio::test]
async fn a_failed_page_is_an_error_and_can_be_requested_again() {
    let gateway = Gateway::short_timeouts().sandbox(one_configuration(120)).start().await;
    let keys = keys(&gateway);
    for (fault, code) in [
        ("gateway-timeout;page=3;times=1", "UPSTREAM_TIMEOUT"),
        ("503;page=3;times=1", "UPSTREAM_UNAVAILABLE"),
        ("500;page=3;times=1", "UPSTREAM_ERROR"),
        ("canned;text=<html>;page=3;times=1", "UPSTREAM_ERROR"),
        ("canned;text={\"value\":7};page=3;times=1", "UPSTREAM_ERROR"),
        ("canned;text={\"value\":[{}]};page=3;times=1", "UPSTREAM_ERROR"),
        ("drop-mid-answer;page=3;times=1", "UPSTREAM_ERROR"),
    ] {
        gateway.replace_faults(&[fault]);
        let mut page = Listed::read(&gateway, json!({"first": 30})).await;
        page = Listed::read(&gateway, json!({"first": 30, "after": page.end()})).await;
        let reply = list(&gateway, json!({"first": 30, "after": page.end()})).await;
        assert_eq!(reply.code(), code, "{fault}");
        assert_eq!(reply.error()["extensions"]["retryable"], true, "{fault}");
        assert_eq!(reply.error()["path"], json!(["iosLobAppProvisioningConfiguration", "deviceStatuses"]));
        assert_eq!(reply.json["data"]["iosLobAppProvisioningConfiguration"], json!({"deviceStatuses": null}));
        let page = Listed::read(&gateway, json!({"first": 30, "after": page.end()})).await;
        assert_eq!(places(&keys, &page.keys), range(60..90), "{fault}");
    }
}

#[tokio::test]
async fn a_next_link_to_another_location_is_never_followed() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = elsewhere.local_addr().unwrap();
    let gateway = gateway_of(120).await;
    let port = gateway.sandbox_url.rsplit_once(':').unwrap().1;
    let collection = "/beta/deviceAppManagement/iosLobAppProvisioningConfigurations";
    for part in [
        format!("origin=http://{address}"),
        "origin=http://localhost".to_owned(),
        format!("origin=http://localhost:{}", port.trim_end_matches("/beta")),
        "scheme=https".to_owned(),
        "scheme=file".to_owned(),
        "userinfo=user:password".to_owned(),
        "userinfo=127.0.0.1".to_owned(),
        "path=/beta/deviceAppManagement/mobileAppConfigurations".to_owned(),
        format!("path={collection}/other/deviceStatuses"),
        format!("path={collection}/{DEMO_CONFIGURATION_ID}/userStatuses"),
        format!("path={collection}/{DEMO_CONFIGURATION_ID}/deviceStatuses/../userStatuses"),
        format!("path={}", collection.replace("beta", "v1.0")),
        format!("url=http://{address}/beta{collection}/{DEMO_CONFIGURATION_ID}/deviceStatuses?$skiptoken=1"),
        format!("url=//{address}/"),
        "url=/beta/me?$skiptoken=1".to_owned(),
        "url=nothing".to_owned(),
    ] {
        // If the link is needed to fill the page, and if it only becomes a cursor.
        for fault in [format!("link-elsewhere;{part}"), format!("link-elsewhere;{part};skip=2")] {
            gateway.replace_faults(&[&fault]);
            gateway.sandbox.inject("page-size;size=10".parse().unwrap());
            let reply = list(&gateway, json!({"first": 20})).await;
            assert_eq!(reply.code(), "UPSTREAM_ERROR", "{fault}");
            assert_eq!(
                reply.error()["path"],
                json!(["iosLobAppProvisioningConfiguration", "deviceStatuses"])
            );
            // The rows before it are returned.
            let list = &reply.json["data"]["iosLobAppProvisioningConfiguration"]["deviceStatuses"];
            let rows = list["edges"].as_array().map(Vec::len);
            let has_next = &list["pageInfo"]["hasNextPage"];
            let expected = if fault.ends_with("skip=2") { 20 } else { 10 };
            assert_eq!((rows, has_next), (Some(expected), &json!(false)), "{fault}");
            let text = reply.json.to_string();
            assert!(!text.contains(&address.to_string()) && !text.contains("skiptoken"), "{text}");
            assert!(
                request_shapes(&gateway)
                    .concat()
                    .iter()
                    .all(|shape| shape == "*" || shape == "*/deviceStatuses")
            );
            assert!(elsewhere.accept().now_or_never().is_none(), "{fault}: somebody connected");
        }
    }
}

#[tokio::test]
async fn a_failed_list_leaves_its_siblings_intact() {
    let settings = Settings { configurations: 4, ..Settings::default() };
    let gateway = Gateway::builder().sandbox(settings).start().await;
    gateway.replace_faults(&[&format!("403;path={DEMO_CONFIGURATION_ID}/deviceStatuses")]);
    let query = "{ iosLobAppProvisioningConfigurations(first: 3) { nodes { graphId
        deviceStatuses(first: 2) { nodes { id } } userStatuses(first: 1) { nodes { id } } } } }";
    let reply = gateway.graphql(query, json!({})).await;
    assert_eq!(reply.code(), "FORBIDDEN");
    let path = json!(["iosLobAppProvisioningConfigurations", "nodes", 0, "deviceStatuses"]);
    assert_eq!(reply.error()["path"], path);
    let nodes = reply.json["data"]["iosLobAppProvisioningConfigurations"]["nodes"].as_array().unwrap();
    let lengths = nodes.iter().map(|node| node["deviceStatuses"]["nodes"].as_array().map(Vec::len));
    assert_eq!(lengths.collect::<Vec<_>>(), [None, Some(2), Some(2)]);
    assert!(nodes.iter().all(|node| node["userStatuses"]["nodes"].as_array().unwrap().len() == 1));
}
