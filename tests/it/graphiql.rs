//! The GraphiQL page in a browser.

use http::StatusCode;
use reqwest::redirect::Policy;
use serde_json::{Value, json};

use crate::commands::Program;
use crate::harness::http_client;

const ANY_PORTS: [&str; 4] = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
const GRAPH: [&str; 2] = ["--graph-url", "http://127.0.0.1:1/beta"];

struct Page {
    url: String,
    client: reqwest::Client,
}

struct Answer {
    status: StatusCode,
    headers: http::HeaderMap,
    text: String,
}

impl Page {
    fn at(url: String) -> Self {
        let client = http_client().redirect(Policy::none()).build().unwrap();
        Self { url, client }
    }

    async fn get(&self, path: &str) -> Answer {
        let response = self.client.get(format!("{}{path}", self.url)).send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        Answer { status, headers, text: response.text().await.unwrap() }
    }

    async fn settings(&self) -> Value {
        serde_json::from_str(&self.get("/graphiql/config.json").await.text).unwrap()
    }

    /// The paths of the assets that the page names.
    async fn assets(&self) -> Vec<String> {
        let html = self.get("/graphiql").await.text;
        let links = [" src=\"", " href=\""].into_iter().flat_map(|attribute| html.split(attribute).skip(1));
        let links =
            links.filter_map(|rest| rest.split('"').next()).filter(|link| link.starts_with("graphiql/"));
        links.map(|link| format!("/{link}")).collect()
    }
}

#[tokio::test]
async fn serve_has_no_graphiql_by_default() {
    let mut gateway = Program::start(&[&["serve"][..], &ANY_PORTS, &GRAPH].concat());
    let page = Page::at(gateway.line("listening on "));
    for path in ["/", "/graphiql", "/graphiql/", "/graphiql/config.json"] {
        assert_eq!(page.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(gateway.stop().0, Some(0));

    let on = [("INTUNE_GRAPHQL_GRAPHIQL", "true")];
    let mut gateway = Program::start_with(&[&["serve"][..], &ANY_PORTS, &GRAPH].concat(), &on);
    let page = Page::at(gateway.line("listening on "));
    assert_eq!(page.get("/graphiql").await.status, StatusCode::OK);
    // No token and no id, because the gateway has none.
    assert_eq!(
        page.settings().await,
        json!({
            "upstream": {"kind": "custom", "host": "127.0.0.1:1"},
            "exampleConfigurationId": null, "exampleNodeId": null, "demoToken": null,
        })
    );
    assert_eq!(gateway.stop().0, Some(0));
}

#[tokio::test]
async fn the_demo_serves_graphiql_with_all_assets() {
    let mut demo = Program::start(&[&["demo", "--sandbox-listen", "127.0.0.1:0"][..], &ANY_PORTS].concat());
    let sandbox = demo.line("sandbox listening on http://");
    let page = Page::at(demo.line("listening on "));
    for (path, location) in [("/", "graphiql"), ("/graphiql/", "../graphiql")] {
        let redirect = page.get(path).await;
        assert!(redirect.status.is_redirection(), "{path}");
        assert_eq!(redirect.headers["location"], location, "{path}");
    }

    let assets = page.assets().await;
    assert_eq!(assets.len(), 2, "{assets:?}");
    for path in assets.iter().map(String::as_str).chain(["/", "/graphiql", "/graphiql/config.json"]) {
        let answer = page.get(path).await;
        assert!(answer.status.is_success() || path == "/", "{path}");
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        for rule in
            ["default-src 'none'", "script-src 'self'", "connect-src 'self'", "frame-ancestors 'none'"]
        {
            assert!(policy.contains(rule), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe-eval") && !policy.contains("http"), "{path}: {policy}");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(answer.headers["referrer-policy"], "no-referrer", "{path}");
        assert!(!answer.text.is_empty() || path == "/", "{path}");
    }

    let settings = page.settings().await;
    assert_eq!(settings["upstream"], json!({"kind": "sandbox", "host": sandbox.trim_end_matches("/beta")}));
    // A browser sends the entity tag of its copy. Clients without compression get the same page.
    let page_url = format!("{}/graphiql", page.url);
    let client = http_client().no_gzip().build().unwrap();
    let packed = client.get(&page_url).header("accept-encoding", "gzip").send().await.unwrap();
    assert_eq!(packed.headers()["content-encoding"], "gzip");
    assert_eq!(packed.headers()["vary"], "accept-encoding");
    let tag = packed.headers()["etag"].clone();
    let again = client.get(&page_url).header("accept-encoding", "gzip").header("if-none-match", tag);
    let again = again.send().await.unwrap();
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    assert!(again.headers().contains_key("content-security-policy"));
    assert_eq!(again.headers()["cache-control"], "no-cache");
    let plain = client.get(&page_url).header("accept-encoding", "identity").send().await.unwrap();
    assert!(!plain.headers().contains_key("content-encoding"));
    assert!(plain.text().await.unwrap().contains("<title>GraphiQL"));
    for (accept, coding) in [
        ("gzip;Q=0, br;Q=0", None),
        ("br;q=0, gzip;q=0.000, *", None),
        ("BR ; Q=0, *", Some("gzip")),
        ("*;Q=0", None),
        ("br;q=0.1, gzip;q=0.9", Some("gzip")),
        ("identity, gzip;q=0.5", None),
        ("zstd", None),
    ] {
        let page = client.get(&page_url).header("accept-encoding", accept).send().await.unwrap();
        let found = page.headers().get("content-encoding").map(|coding| coding.to_str().unwrap());
        assert_eq!(found, coding, "{accept}");
    }

    // The prefilled values work.
    let body = json!({
        "query": "query($id: ID!) { node(id: $id) { id ... on IosLobAppProvisioningConfiguration { graphId } } }",
        "variables": {"id": settings["exampleNodeId"]},
    });
    let request = page
        .client
        .post(format!("{}/graphql", page.url))
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {}", settings["demoToken"].as_str().unwrap()))
        .body(body.to_string());
    let answer: Value = serde_json::from_str(&request.send().await.unwrap().text().await.unwrap()).unwrap();
    let expected = json!({"id": settings["exampleNodeId"], "graphId": settings["exampleConfigurationId"]});
    assert_eq!(answer["data"]["node"], expected, "{answer}");
    assert_eq!(demo.stop().0, Some(0));
}
