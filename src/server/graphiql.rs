//! The fallback GraphiQL page: our own, without dependencies, compiled into the binary whole.
//!
//! This file owns its routes, headers and settings; the page itself is `graphiql/{index.html,app.js,style.css}`. The
//! page talks to `/graphql` on its own origin like any other client, and nothing here knows of GraphQL.

use std::hash::{DefaultHasher, Hash, Hasher};

use axum::response::{Html, Redirect, Response};
use axum::routing::get;
use axum::{Router, middleware};
use clap::ValueEnum;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use serde::Serialize;
use url::{Position, Url};

use crate::graph::{Cloud, ServiceRoot};

const INDEX: &str = include_str!("graphiql/index.html");
const SCRIPT: &str = include_str!("graphiql/app.js");
const STYLE: &str = include_str!("graphiql/style.css");

/// Nothing inline, nothing from another origin, no form, no frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// On every answer of these routes, whatever its status.
const ALWAYS: [(HeaderName, HeaderValue); 5] = [
    (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
];

/// An asset's URL changes with its content, so that a copy of it never goes stale.
const FOREVER: &str = "public, max-age=31536000, immutable";
/// The page names its assets, so it is asked for again each time.
const REVALIDATE: &str = "no-cache";
/// The settings may hold the demo's token.
const NOT_KEPT: &str = "no-store";

/// What the server tells the page, at `/graphiql/config.json`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PageSettings {
    upstream: Upstream,
    /// Graph's key of a configuration that exists, for the examples' variables.
    example_configuration_id: Option<String>,
    /// The global id of an object that exists, for the `node` example.
    example_node_id: Option<String>,
    /// A token that the sandbox takes, to prefill. Only [`PageSettings::demo`] sets it.
    demo_token: Option<String>,
}

/// Where the gateway sends what the page runs; the page's banner says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
enum Upstream {
    /// The sandbox that this process started itself.
    Sandbox { host: String },
    /// Microsoft Graph, by one of the national clouds' own host names.
    Graph { host: String },
    /// Any other root that the operator named: a sandbox elsewhere, a proxy, or Graph behind one.
    Custom { host: String },
}

impl PageSettings {
    /// For `demo`: the sandbox at `root`, a token that it takes, and ids of objects that it was seeded with.
    #[must_use]
    pub fn demo(root: &ServiceRoot, token: String, configuration_id: String, node_id: String) -> Self {
        Self {
            upstream: Upstream::Sandbox { host: authority(root.url()).to_owned() },
            example_configuration_id: Some(configuration_id),
            example_node_id: Some(node_id),
            demo_token: Some(token),
        }
    }

    /// For `serve`: no token and no ids are known, and the upstream is what the root's host name says.
    #[must_use]
    pub fn serve(root: &ServiceRoot) -> Self {
        let host = authority(root.url()).to_owned();
        let is_graph = Cloud::value_variants()
            .iter()
            .filter_map(|cloud| Url::parse(cloud.beta_root()).ok())
            .any(|cloud| cloud.origin() == root.url().origin());
        Self {
            upstream: if is_graph { Upstream::Graph { host } } else { Upstream::Custom { host } },
            example_configuration_id: None,
            example_node_id: None,
            demo_token: None,
        }
    }
}

/// Host and port, the latter where it is not the scheme's own.
fn authority(url: &Url) -> &str {
    &url[Position::BeforeHost..Position::AfterPort]
}

/// `GET /graphiql`, its assets and settings; `/` redirects there.
pub(super) fn router<S>(page: &PageSettings) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let script = format!("graphiql/app.{}.js", fingerprint(SCRIPT));
    let style = format!("graphiql/style.{}.css", fingerprint(STYLE));
    // The page's links are relative, so that a proxy may serve the gateway under a path of its own.
    let index = INDEX.replace("{{app.js}}", &script).replace("{{style.css}}", &style);
    let settings = serde_json::to_string(page).expect("plain strings always become JSON");
    Router::new()
        .route("/", get(async || Redirect::temporary("/graphiql")))
        .route("/graphiql/", get(async || Redirect::temporary("/graphiql")))
        .route("/graphiql", get(async move || ([(CACHE_CONTROL, REVALIDATE)], Html(index))))
        .route(
            "/graphiql/config.json",
            get(async move || ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, NOT_KEPT)], settings)),
        )
        .route(&format!("/{script}"), get(async || asset("text/javascript; charset=utf-8", SCRIPT)))
        .route(&format!("/{style}"), get(async || asset("text/css; charset=utf-8", STYLE)))
        .route_layer(middleware::map_response(async |mut response: Response| {
            add_headers(response.headers_mut());
            response
        }))
}

fn asset(
    content_type: &'static str,
    content: &'static str,
) -> ([(HeaderName, &'static str); 2], &'static str) {
    ([(CONTENT_TYPE, content_type), (CACHE_CONTROL, FOREVER)], content)
}

fn add_headers(headers: &mut HeaderMap) {
    for (name, value) in ALWAYS {
        headers.insert(name, value);
    }
}

/// Sixteen hex digits that change with the content. Not a cryptographic hash: nobody else writes these assets.
fn fingerprint(content: &str) -> String {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::response::Response;
    use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY};
    use http::{Method, Request, StatusCode};
    use http_body_util::BodyExt;
    use serde_json::{Value, json};
    use tower::ServiceExt;

    use super::{INDEX, PageSettings, SCRIPT, STYLE, router};
    use crate::graph::ServiceRoot;

    fn root(text: &str) -> ServiceRoot {
        ServiceRoot::parse(text, true).unwrap()
    }

    fn demo() -> PageSettings {
        PageSettings::demo(
            &root("http://127.0.0.1:4010/beta"),
            "demo-token".to_owned(),
            "configuration-id".to_owned(),
            "node-id".to_owned(),
        )
    }

    async fn send(method: Method, path: &str, page: &PageSettings) -> Response {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let router: Router = router(page);
        router.oneshot(request).await.unwrap()
    }

    async fn get(path: &str, page: &PageSettings) -> Response {
        send(Method::GET, path, page).await
    }

    async fn text(response: Response) -> String {
        String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }

    async fn settings(page: &PageSettings) -> Value {
        serde_json::from_str(&text(get("/graphiql/config.json", page).await).await).unwrap()
    }

    /// The values of `attribute` in the page.
    fn links(html: &str, attribute: &str) -> Vec<String> {
        html.split(&format!(" {attribute}=\""))
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap_or_default().to_owned())
            .filter(|link| !link.starts_with("data:") && !link.starts_with('#'))
            .collect()
    }

    #[tokio::test]
    async fn the_page_is_asked_for_again_each_time() {
        let response = get("/graphiql", &demo()).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
        assert_eq!(response.headers()[CACHE_CONTROL], "no-cache");
    }

    #[tokio::test]
    async fn every_asset_the_page_names_is_served_and_may_be_kept_for_a_year() {
        let page = demo();
        let html = text(get("/graphiql", &page).await).await;
        assert!(!html.contains("{{"), "a placeholder was left in the page");
        let assets = [links(&html, "src"), links(&html, "href")].concat();
        assert_eq!(assets.len(), 2, "{assets:?}");
        for asset in assets {
            assert!(!asset.contains(':') && !asset.starts_with('/'), "{asset} is not relative");
            let response = get(&format!("/{asset}"), &page).await;
            assert_eq!(response.status(), StatusCode::OK, "{asset}");
            assert_eq!(response.headers()[CACHE_CONTROL], "public, max-age=31536000, immutable");
            let content_type = response.headers()[CONTENT_TYPE].to_str().unwrap().to_owned();
            let expected = if asset.ends_with(".js") { "text/javascript" } else { "text/css" };
            assert_eq!(content_type, format!("{expected}; charset=utf-8"));
        }
    }

    #[tokio::test]
    async fn every_answer_carries_the_policy() {
        let page = demo();
        let html = text(get("/graphiql", &page).await).await;
        let mut paths = vec!["/".to_owned(), "/graphiql".to_owned(), "/graphiql/config.json".to_owned()];
        paths.extend(
            links(&html, "src").into_iter().chain(links(&html, "href")).map(|link| format!("/{link}")),
        );
        for (method, path) in
            paths.iter().flat_map(|path| [(Method::GET, path), (Method::HEAD, path), (Method::POST, path)])
        {
            let response = send(method.clone(), path, &page).await;
            let headers = response.headers();
            assert_eq!(
                headers[CONTENT_SECURITY_POLICY],
                "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                 font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
                 frame-ancestors 'none'",
                "{method} {path}"
            );
            assert_eq!(headers["x-content-type-options"], "nosniff", "{method} {path}");
            assert_eq!(headers[REFERRER_POLICY], "no-referrer", "{method} {path}");
            if method == Method::POST {
                assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
            }
        }
    }

    #[tokio::test]
    async fn the_root_redirects_to_the_page() {
        for path in ["/", "/graphiql/"] {
            let response = get(path, &demo()).await;
            assert_eq!(response.status(), StatusCode::TEMPORARY_REDIRECT);
            assert_eq!(response.headers()[LOCATION], "/graphiql");
        }
    }

    #[tokio::test]
    async fn the_demo_prefills_its_token_and_ids() {
        assert_eq!(
            settings(&demo()).await,
            json!({
                "upstream": { "kind": "sandbox", "host": "127.0.0.1:4010" },
                "exampleConfigurationId": "configuration-id",
                "exampleNodeId": "node-id",
                "demoToken": "demo-token",
            })
        );
        let response = get("/graphiql/config.json", &demo()).await;
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
        assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
    }

    #[tokio::test]
    async fn a_gateway_knows_no_token_and_names_what_it_speaks_to() {
        for (url, kind, host) in [
            ("https://graph.microsoft.com/beta", "graph", "graph.microsoft.com"),
            ("https://dod-graph.microsoft.us/beta", "graph", "dod-graph.microsoft.us"),
            ("https://GRAPH.microsoft.com:443/beta", "graph", "graph.microsoft.com"),
            ("https://graph.microsoft.com.example/beta", "custom", "graph.microsoft.com.example"),
            ("http://sandbox:4010/beta", "custom", "sandbox:4010"),
            ("http://[::1]:4010/beta", "custom", "[::1]:4010"),
        ] {
            assert_eq!(
                settings(&PageSettings::serve(&root(url))).await,
                json!({
                    "upstream": { "kind": kind, "host": host },
                    "exampleConfigurationId": null,
                    "exampleNodeId": null,
                    "demoToken": null,
                }),
                "{url}"
            );
        }
    }

    #[test]
    fn the_page_fetches_nothing_from_another_host_and_keeps_nothing() {
        for (name, content) in [("index.html", INDEX), ("app.js", SCRIPT), ("style.css", STYLE)] {
            let content = content.replace("http://www.w3.org/2000/svg", "");
            for taboo in ["http:", "https:", "src=\"//", "url(", "@import", "localStorage", "sessionStorage"]
            {
                assert!(!content.contains(taboo), "{name} contains {taboo}");
            }
            for taboo in ["document.cookie", "indexedDB", "innerHTML", "eval(", "new Function"] {
                assert!(!content.contains(taboo), "{name} contains {taboo}");
            }
        }
        for taboo in [" style=\"", " onclick=", "<style", "<script>"] {
            assert!(!INDEX.contains(taboo), "the policy forbids {taboo}");
        }
    }
}
