//! Collections: pages, options, counts, and what can be wrong with them.

use msgraph_sandbox::DEMO_CONFIGURATION_ID;
use msgraph_sandbox::settings::{Profile, Settings};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Graph, P, demo, reply};

/// Rows of a page.
fn rows(page: &Value) -> &Vec<Value> {
    page["value"].as_array().expect("a collection")
}

fn ids(page: &Value) -> Vec<String> {
    rows(page).iter().map(|row| row["id"].as_str().expect("an id").to_owned()).collect()
}

/// The next link's path and query; the link must lead back to the sandbox.
fn next(graph: &Graph, page: &Value) -> Option<String> {
    let link = page["@odata.nextLink"].as_str()?;
    Some(link.strip_prefix(&format!("http://{}", graph.address)).expect("our own address").to_owned())
}

/// All pages from a path on.
async fn pages(graph: &Graph, path: &str) -> Vec<Value> {
    let mut pages = vec![graph.get(path).await.expect(200)];
    while let Some(path) = next(graph, &pages[pages.len() - 1]) {
        assert!(pages.len() < 100, "endless pages");
        pages.push(graph.get(&path).await.expect(200));
    }
    pages
}

async fn small() -> Graph {
    Graph::with(Settings { statuses: 40, configurations: 1, page_size: 10, ..Settings::default() }).await
}

#[tokio::test]
async fn a_page_has_a_context_rows_and_a_link_while_there_are_more() {
    let graph = Graph::start().await;
    let pages = pages(&graph, &demo("/deviceStatuses")).await;
    assert_eq!(pages.iter().map(|page| rows(page).len()).collect::<Vec<_>>(), [1000, 80]);
    assert_eq!(
        pages[0]["@odata.context"],
        format!(
            "http://{}/beta/$metadata#deviceAppManagement/iosLobAppProvisioningConfigurations('{DEMO_CONFIGURATION_ID}')/deviceStatuses",
            graph.address
        )
    );
    assert!(pages[0].get("@odata.count").is_none());
    let members: Vec<_> = pages[0].as_object().unwrap().keys().collect();
    assert_eq!(members, ["@odata.context", "@odata.nextLink", "value"]);
    let row: Vec<_> = rows(&pages[0])[0].as_object().unwrap().keys().collect();
    assert_eq!(
        row,
        [
            "id",
            "deviceDisplayName",
            "userName",
            "deviceModel",
            "platform",
            "complianceGracePeriodExpirationDateTime",
            "status",
            "lastReportedDateTime",
            "userPrincipalName"
        ]
    );
}

#[tokio::test]
async fn the_configurations_are_listed() {
    let graph = Graph::start().await;
    let page = graph.get(&format!("{P}?$orderby=displayName desc&$select=id,displayName")).await.expect(200);
    assert!(page["@odata.context"].as_str().unwrap().ends_with("Configurations(id,displayName)"));
    assert_eq!(rows(&page).len(), 5);
    assert_eq!(rows(&page)[0].as_object().unwrap().len(), 2);
    assert_eq!(rows(&page)[4]["id"], DEMO_CONFIGURATION_ID);
    let endless = graph.get(&format!("{P}?$filter=expirationDateTime%20eq%20null")).await.expect(200);
    assert_eq!(rows(&endless).len(), 1);
}

#[tokio::test]
async fn pages_cover_the_collection_once_with_any_options() {
    let graph = small().await;
    let all = ids(&graph.get(&demo("/deviceStatuses?$top=10")).await.expect(200));
    assert_eq!(all.len(), 10);
    for options in ["", "?$top=7", "?$orderby=status,deviceDisplayName%20desc", "?$skip=3&$top=4&$count=true"]
    {
        let pages = pages(&graph, &demo(&format!("/deviceStatuses{options}"))).await;
        let mut found: Vec<String> = pages.iter().flat_map(ids).collect();
        let count = found.len();
        found.sort();
        found.dedup();
        assert_eq!(found.len(), count, "{options}: repeated rows");
        assert_eq!(count, if options.contains("$skip") { 37 } else { 40 }, "{options}");
    }
}

#[tokio::test]
async fn links_keep_all_other_options() {
    let graph = small().await;
    let options = "$count=true&$filter=status%20ne%20%27error%27&$orderby=id&$select=id,status&$top=5";
    let page = graph.get(&demo(&format!("/deviceStatuses?{options}&$skip=1"))).await.expect(200);
    let link = next(&graph, &page).unwrap();
    assert!(link.starts_with(&demo(&format!("/deviceStatuses?{options}&$skiptoken="))), "{link}");
    let second = graph.get(&link).await.expect(200);
    assert_eq!(second["@odata.count"], page["@odata.count"]);
    assert!(rows(&second).iter().all(|row| row.as_object().unwrap().len() == 2));
    graph.get(&demo("/deviceStatuses?$skiptoken=nope")).await.error(400);
}

#[tokio::test]
async fn a_larger_top_is_lowered_and_invalid_numbers_are_rejected() {
    let graph = small().await;
    assert_eq!(rows(&graph.get(&demo("/deviceStatuses?$top=5000")).await.expect(200)).len(), 10);
    for options in ["$top=0", "$top=-1", "$top=x", "$skip=-1", "$search=x", "$nope=1", "$select=nope"] {
        assert_eq!(graph.get(&demo(&format!("/deviceStatuses?{options}"))).await.error(400).0, "BadRequest");
    }
}

#[tokio::test]
async fn filters_select_and_orders_sort() {
    let graph = Graph::start().await;
    let filter = "status eq 'nonCompliant' and lastReportedDateTime ge 2026-11-01T00:00:00Z";
    let path =
        demo(&format!("/deviceStatuses?$filter={filter}&$orderby=lastReportedDateTime desc&$count=true"));
    let page = graph.get(&path.replace(' ', "%20")).await.expect(200);
    assert!(rows(&page).len() > 10);
    assert_eq!(page["@odata.count"], rows(&page).len());
    let dates: Vec<_> = rows(&page).iter().map(|row| row["lastReportedDateTime"].as_str().unwrap()).collect();
    assert!(dates.is_sorted_by(|earlier, later| earlier >= later));
    assert!(rows(&page).iter().all(|row| row["status"] == "nonCompliant"));
    let (_, message) = graph.get(&demo("/deviceStatuses?$filter=nope")).await.error(400);
    assert!(message.starts_with("Invalid filter clause"), "{message}");
}

#[tokio::test]
async fn counts_are_plain_text() {
    let graph = Graph::start().await;
    let request = graph.request(Method::GET, &demo("/deviceStatuses/$count"));
    let count = reply(request.header("accept", "text/plain;q=0.9")).await;
    assert_eq!((count.status.as_u16(), count.text.as_str()), (200, "1080"));
    assert_eq!(count.header("content-type"), "text/plain");
    let filtered = graph.get(&demo("/deviceStatuses/$count?$filter=status%20eq%20%27error%27")).await;
    assert_eq!(filtered.text, "87");
    graph.get(&format!("{}/nope/deviceStatuses/$count", P)).await.error(404);
}

#[tokio::test]
async fn one_level_expands() {
    let graph = small().await;
    let expanded = graph.get(&demo("?$expand=assignments,deviceStatuses&$select=id")).await.expect(200);
    let context = expanded["@odata.context"].as_str().unwrap();
    assert!(context.ends_with("(id,assignments(),deviceStatuses())/$entity"), "{context}");
    let members: Vec<_> = expanded.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        members,
        [
            "@odata.context",
            "id",
            "assignments@odata.context",
            "assignments",
            "deviceStatuses@odata.context",
            "deviceStatuses@odata.nextLink",
            "deviceStatuses"
        ]
    );
    assert_eq!(expanded["assignments"].as_array().unwrap().len(), 3);
    assert_eq!(
        expanded["assignments"][1]["target"]["@odata.type"],
        "#microsoft.graph.exclusionGroupAssignmentTarget"
    );
    assert_eq!(expanded["deviceStatuses"].as_array().unwrap().len(), 10);
    let link = expanded["deviceStatuses@odata.nextLink"].as_str().unwrap();
    let rest = link.strip_prefix(&format!("http://{}", graph.address)).unwrap();
    assert_eq!(pages(&graph, rest).await.iter().map(|page| rows(page).len()).sum::<usize>(), 30);
    let listed = graph.get(&format!("{P}?$expand=groupAssignments")).await.expect(200);
    assert!(rows(&listed)[0]["groupAssignments"][0]["targetGroupId"].is_string());
}

#[tokio::test]
async fn the_sibling_branch_exists_in_both_versions() {
    let graph = Graph::start().await;
    for version in ["v1.0", "beta"] {
        let root = format!("/{version}/deviceAppManagement/mobileAppConfigurations");
        let page = graph.get(&root).await.expect(200);
        assert_eq!(rows(&page)[0]["@odata.type"], "#microsoft.graph.iosMobileAppConfiguration");
        assert_eq!(rows(&page)[1]["@odata.type"], "#microsoft.graph.androidManagedStoreAppConfiguration");
        assert_eq!(rows(&page)[0].get("roleScopeTagIds").is_some(), version == "beta");
        let id = rows(&page)[0]["id"].as_str().unwrap();
        let statuses = graph.get(&format!("{root}/{id}/deviceStatuses")).await.expect(200);
        assert_eq!(rows(&statuses).len(), 8);
        assert_eq!(rows(&statuses)[0].get("platform").is_some(), version == "beta");
        let summary = graph.get(&format!("{root}/{id}/deviceStatusSummary")).await.expect(200);
        assert!(summary["@odata.context"].as_str().unwrap().ends_with("/deviceStatusSummary/$entity"));
        assert_eq!(
            ["successCount", "errorCount", "pendingCount", "notApplicableCount"].map(|name| &summary[name]),
            [&json!(2), &json!(1), &json!(2), &json!(1)]
        );
        assert!(summary["id"].as_str().unwrap().ends_with(id));
        graph.get(&format!("{root}/{id}/userStatusSummary")).await.expect(200);
        let assignments = graph.get(&format!("{root}/{id}/assignments")).await.expect(200);
        let target = &rows(&assignments)[0]["target"];
        assert_eq!(target.get("deviceAndAppManagementAssignmentFilterType").is_some(), version == "beta");
        let platform = json!({"platform": 1});
        let created = graph.post(&format!("{root}/{id}/deviceStatuses"), &platform).await;
        assert_eq!(created.status, if version == "beta" { 201 } else { 400 }, "{}", created.text);
    }
}

#[tokio::test]
async fn app_configurations_need_a_type() {
    let graph = Graph::start().await;
    let root = "/v1.0/deviceAppManagement/mobileAppConfigurations";
    graph.post(root, &json!({"displayName": "n"})).await.error(400);
    let typed = json!({
        "@odata.type": "#microsoft.graph.iosMobileAppConfiguration",
        "displayName": "n",
        "settings": [{"appConfigKey": "k", "appConfigKeyType": "stringType", "appConfigKeyValue": "v"}]
    });
    let created = graph.post(root, &typed).await.expect(201);
    assert_eq!(created["settings"], typed["settings"]);
    let cast = format!("{root}?$select=id,microsoft.graph.iosMobileAppConfiguration/settings");
    let page = graph.get(&cast).await.expect(200);
    assert_eq!(rows(&page).last().unwrap()["settings"], typed["settings"]);
    graph.get(&format!("{root}?$select=settings")).await.error(400);
}

#[tokio::test]
async fn user_statuses_are_listed_and_found() {
    let graph = Graph::start().await;
    let page = graph.get(&demo("/userStatuses?$top=1")).await.expect(200);
    let id = &ids(&page)[0];
    let found = graph.get(&demo(&format!("/userStatuses/{id}"))).await.expect(200);
    assert_eq!(found["devicesCount"], 1);
}

#[tokio::test]
async fn the_live_service_always_counts() {
    let graph = Graph::with(Settings { profile: Profile::LiveLike, ..Settings::default() }).await;
    assert_eq!(graph.get(P).await.expect(200)["@odata.count"], 5);
}

#[tokio::test]
async fn options_can_be_ignored() {
    let graph = small().await;
    let path = demo(
        "/deviceStatuses?$filter=status%20eq%20%27error%27&$orderby=deviceDisplayName%20desc&$count=true",
    );
    let faulty = async |fault| graph_get(&graph, &path, fault).await;
    assert_eq!(faulty("filter-ignored").await["@odata.count"], 40);
    let unordered = faulty("order-ignored").await;
    assert_eq!(rows(&unordered)[0]["deviceDisplayName"], "IPAD-000005");
    assert_eq!(faulty("count-wrong;count=7").await["@odata.count"], 7);
    assert_eq!(faulty("count-wrong").await["@odata.count"], rows(&faulty("count-wrong").await).len());
}

#[tokio::test]
async fn an_option_can_be_refused_with_each_status_and_others_are_not() {
    let graph = small().await;
    graph.inject("option-refused;option=filter;path=deviceStatuses");
    let filtered = "/deviceStatuses?$filter=platform%20eq%208";
    graph.get(&demo(&format!("{filtered}&$top=2"))).await.error(400);
    graph.get(&demo("/deviceStatuses/$count?$filter=platform%20eq%208")).await.error(400);
    let wrong = graph.get(&demo("/deviceStatuses?$filter=nope%20eq%208")).await.error(400);
    assert!(wrong.1.starts_with("Invalid filter clause"), "{wrong:?}");
    for plain in [demo("/deviceStatuses"), demo("/deviceStatuses?$orderby=id"), demo("/userStatuses")] {
        graph.get(&plain).await.expect(200);
    }
    graph.get(&format!("{P}?$filter=version%20ge%200")).await.expect(200);
    for (option, query) in [
        ("filter", "?$filter=platform%20eq%208"),
        ("orderby", "?$orderby=platform"),
        ("count", "?$count=true"),
        ("count", "/$count"),
        ("top", "?$top=5"),
    ] {
        for (status, code) in [(400, "BadRequest"), (500, "InternalServerError"), (501, "NotImplemented")] {
            let request = graph.request(Method::GET, &demo(&format!("/deviceStatuses{query}")));
            let fault = format!("option-refused;option={option};status={status}");
            let error = reply(request.header("x-sandbox-fault", fault)).await.error(status);
            assert_eq!(error.0, code, "{option}");
        }
    }
}

#[tokio::test]
async fn a_list_can_be_shorter_than_its_count() {
    let graph = small().await;
    graph.inject("list-short;rows=15");
    let pages = pages(&graph, &demo("/deviceStatuses?$count=true")).await;
    assert_eq!(pages.iter().map(|page| rows(page).len()).collect::<Vec<_>>(), [10, 5]);
    assert_eq!(pages[0]["@odata.count"], 40);
    assert_eq!(graph.get(&demo("/deviceStatuses/$count")).await.text, "40");
}

/// A read with a fault.
async fn graph_get(graph: &Graph, path: &str, fault: &str) -> Value {
    reply(graph.request(Method::GET, path).header("x-sandbox-fault", fault)).await.expect(200)
}

#[tokio::test]
async fn pages_can_be_empty_short_or_long() {
    let graph = small().await;
    let path = demo("/deviceStatuses");
    let empty = graph_get(&graph, &path, "empty-page").await;
    assert_eq!(rows(&empty).len(), 0);
    let rest = pages(&graph, &next(&graph, &empty).unwrap()).await;
    assert_eq!(rest.iter().map(|page| rows(page).len()).sum::<usize>(), 40);
    assert_eq!(rows(&graph_get(&graph, &path, "page-size;size=3").await).len(), 3);
    assert_eq!(rows(&graph_get(&graph, &path, "page-size;size=25").await).len(), 25);
}

#[tokio::test]
async fn rows_can_repeat_over_pages() {
    let graph = small().await;
    graph.inject("row-repeated");
    let pages = pages(&graph, &demo("/deviceStatuses")).await;
    assert_eq!(pages.iter().map(|page| rows(page).len()).collect::<Vec<_>>(), [10, 11, 11, 11]);
    assert_eq!(ids(&pages[0]).last(), ids(&pages[1]).first());
}

#[tokio::test]
async fn one_page_can_fail_once() {
    let graph = small().await;
    graph.inject("504;body=empty-message;page=2;times=1");
    let first = graph.get(&demo("/deviceStatuses")).await.expect(200);
    let link = next(&graph, &first).unwrap();
    assert_eq!(graph.get(&link).await.error(504).1, "");
    graph.get(&link).await.expect(200);
}

#[tokio::test]
async fn next_links_can_lack_options_or_lead_elsewhere() {
    let graph = small().await;
    let path = demo("/deviceStatuses?$top=5&$select=id");
    let link = async |fault| {
        let page = graph_get(&graph, &path, fault).await;
        page["@odata.nextLink"].as_str().unwrap().to_owned()
    };
    assert!(!link("link-without-options").await.contains("$select"));
    assert!(
        link("link-elsewhere;origin=https://evil.example").await.starts_with("https://evil.example/beta/")
    );
    assert!(link("link-elsewhere;scheme=https").await.starts_with(&format!("https://{}/", graph.address)));
    assert!(link("link-elsewhere;userinfo=u:p").await.starts_with(&format!("http://u:p@{}/", graph.address)));
    let users = link("link-elsewhere;path=/beta/users").await;
    assert!(users.starts_with(&format!("http://{}/beta/users?$top=5", graph.address)), "{users}");
    assert_eq!(link("link-elsewhere;url=/relative").await, "/relative");
}

#[tokio::test]
async fn a_list_can_be_empty_unless_expanded() {
    let graph = Graph::start().await;
    graph.inject("empty-unless-expanded");
    assert_eq!(rows(&graph.get(P).await.expect(200)).len(), 0);
    assert_eq!(rows(&graph.get(&format!("{P}?$expand=assignments")).await.expect(200)).len(), 5);
}
