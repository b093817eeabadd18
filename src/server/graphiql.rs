//! The GraphiQL page, served entirely by the binary: GraphiQL if `ide/dist` was built, otherwise
//! the small page.
//!
//! This file owns its routes, headers and settings, and [`assets`] its files, whose sources are in
//! `ide/`. The page calls `/graphql` on its own origin like any other client. This file does not
//! depend on GraphQL.

mod assets;

use std::sync::Arc;

use axum::extract::Path;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::get;
use axum::{Router, middleware};
use http::StatusCode;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use serde::Serialize;
use url::{Position, Url};

use crate::graph::{Cloud, ServiceRoot};

/// The Content-Security-Policy: nothing from another origin, no inline script, no form, no frame. GraphiQL's editor adds style
/// elements, so it needs inline styles; the small page does not.
const PAGE_CSP: &str = if cfg!(graphiql_whole) {
    "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
} else {
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self' data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
};

/// Headers of every response of these routes.
const SECURITY_HEADERS: [(HeaderName, HeaderValue); 5] = [
    (CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE_CSP)),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
];

/// For assets whose URL changes with their content, which are all but the licences.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";
/// For the page, which names its assets.
const REVALIDATE: &str = "no-cache";
/// For the settings, which may contain the demo's token.
const NO_STORE: &str = "no-store";

/// The file name of the page.
const PAGE: &str = "index.html";
/// The licences of GraphiQL's parts, whose file name does not change.
const LICENCES: &str = "licences.txt";

/// Settings of the page, served at `/graphiql/config.json`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GraphiqlSettings {
    upstream: Upstream,
    /// The Graph key of an existing configuration, for the examples' variables.
    example_configuration_id: Option<String>,
    /// The global id of an existing object, for the `node` example.
    example_node_id: Option<String>,
    /// A token that the sandbox accepts, to prefill the form. Only [`GraphiqlSettings::demo`] sets it.
    demo_token: Option<String>,
}

/// The service that the gateway calls, shown in the page's banner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
enum Upstream {
    /// The sandbox that this process started.
    Sandbox { host: String },
    /// Microsoft Graph, by the host name of a national cloud.
    Graph { host: String },
    /// Any other root that the operator configured: a sandbox elsewhere, a proxy, or Graph behind one.
    Custom { host: String },
}

impl GraphiqlSettings {
    /// For `demo`: the sandbox at `root`, a token that it accepts, and ids of objects in its seed data.
    #[must_use]
    pub fn demo(root: &ServiceRoot, token: String, configuration_id: String, node_id: String) -> Self {
        Self {
            upstream: Upstream::Sandbox { host: authority(root.url()).to_owned() },
            example_configuration_id: Some(configuration_id),
            example_node_id: Some(node_id),
            demo_token: Some(token),
        }
    }

    /// For `serve`: without token and ids; the upstream follows from the root's host name.
    #[must_use]
    pub fn serve(root: &ServiceRoot) -> Self {
        let host = authority(root.url()).to_owned();
        let is_graph = Cloud::ALL
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

/// Host and port, without the scheme's default port.
fn authority(url: &Url) -> &str {
    &url[Position::BeforeHost..Position::AfterPort]
}

/// `GET /graphiql`, its assets and settings; `/` redirects there.
pub(super) fn router<S>(page: &GraphiqlSettings) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let files = Arc::new(assets::all());
    let pages = Arc::clone(&files);
    let settings = serde_json::to_string(page).expect("plain strings always become JSON");
    Router::new()
        // Relative, because a proxy may serve the gateway under another path.
        .route("/", get(async || Redirect::temporary("graphiql")))
        .route("/graphiql/", get(async || Redirect::temporary("../graphiql")))
        .route(
            "/graphiql",
            get(async move |headers: HeaderMap| {
                ([(CACHE_CONTROL, REVALIDATE)], pages[PAGE].respond(&headers))
            }),
        )
        .route(
            "/graphiql/config.json",
            get(async move || ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, NO_STORE)], settings)),
        )
        .route(
            "/graphiql/{file}",
            get(async move |Path(name): Path<String>, headers: HeaderMap| match files.get(&name) {
                Some(file) if name != PAGE => {
                    let cache_control = if name == LICENCES { REVALIDATE } else { IMMUTABLE };
                    ([(CACHE_CONTROL, cache_control)], file.respond(&headers)).into_response()
                }
                _ => StatusCode::NOT_FOUND.into_response(),
            }),
        )
        .route_layer(middleware::map_response(async |mut response: Response| {
            add_security_headers(response.headers_mut());
            response
        }))
}

fn add_security_headers(headers: &mut HeaderMap) {
    for (name, value) in SECURITY_HEADERS {
        headers.insert(name, value);
    }
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

    use super::{GraphiqlSettings, assets, router};
    use crate::graph::ServiceRoot;

    fn root(text: &str) -> ServiceRoot {
        ServiceRoot::parse(text, true).unwrap()
    }

    fn demo() -> GraphiqlSettings {
        GraphiqlSettings::demo(
            &root("http://127.0.0.1:4010/beta"),
            "demo-token".to_owned(),
            "configuration-id".to_owned(),
            "node-id".to_owned(),
        )
    }

    async fn send(method: Method, path: &str, page: &GraphiqlSettings) -> Response {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let router: Router = router(page);
        router.oneshot(request).await.unwrap()
    }

    async fn get(path: &str, page: &GraphiqlSettings) -> Response {
        send(Method::GET, path, page).await
    }

    async fn text(response: Response) -> String {
        String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }

    async fn settings(page: &GraphiqlSettings) -> Value {
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
    async fn the_page_is_revalidated_each_time() {
        let response = get("/graphiql", &demo()).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
        assert_eq!(response.headers()[CACHE_CONTROL], "no-cache");
    }

    #[tokio::test]
    async fn every_asset_of_the_page_is_served_and_cached_for_a_year() {
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
    async fn every_response_has_the_security_headers() {
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
            let policy = headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
            let of = |directive: &str| {
                let rule = policy.split(';').find_map(|rule| rule.trim().strip_prefix(directive));
                rule.unwrap_or_else(|| panic!("{method} {path}: {policy}")).trim()
            };
            assert_eq!(
                (of("default-src"), of("script-src"), of("connect-src")),
                ("'none'", "'self'", "'self'")
            );
            assert_eq!(
                (of("form-action"), of("frame-ancestors"), of("base-uri")),
                ("'none'", "'none'", "'none'")
            );
            let style = if cfg!(graphiql_whole) { "'self' 'unsafe-inline'" } else { "'self'" };
            assert_eq!(of("style-src"), style, "{method} {path}");
            assert!(!policy.contains("unsafe-eval") && !policy.contains("http"), "{method} {path}: {policy}");
            assert_eq!(headers["x-content-type-options"], "nosniff", "{method} {path}");
            assert_eq!(headers[REFERRER_POLICY], "no-referrer", "{method} {path}");
            if method == Method::POST {
                assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
            }
        }
    }

    #[tokio::test]
    async fn the_root_redirects_to_the_page() {
        for (path, location) in [("/", "graphiql"), ("/graphiql/", "../graphiql")] {
            let response = get(path, &demo()).await;
            assert_eq!(response.status(), StatusCode::TEMPORARY_REDIRECT);
            assert_eq!(response.headers()[LOCATION], location);
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
    async fn serve_has_no_token_and_names_its_upstream() {
        for (url, kind, host) in [
            ("https://graph.microsoft.com/beta", "graph", "graph.microsoft.com"),
            ("https://dod-graph.microsoft.us/beta", "graph", "dod-graph.microsoft.us"),
            ("https://GRAPH.microsoft.com:443/beta", "graph", "graph.microsoft.com"),
            ("https://graph.microsoft.com.example/beta", "custom", "graph.microsoft.com.example"),
            ("http://sandbox:4010/beta", "custom", "sandbox:4010"),
            ("http://[::1]:4010/beta", "custom", "[::1]:4010"),
        ] {
            assert_eq!(
                settings(&GraphiqlSettings::serve(&root(url))).await,
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

    #[tokio::test]
    async fn every_file_that_a_script_or_style_names_is_served() {
        let page = demo();
        let names: Vec<String> = assets::all().into_keys().collect();
        // A name that is built at run time is not in the sources, so the assets are compared from
        // the other side too.
        let mut unnamed: Vec<&String> = names.iter().filter(|name| *name != "index.html").collect();
        for name in &names {
            let path =
                if name == "index.html" { "/graphiql".to_owned() } else { format!("/graphiql/{name}") };
            let response = get(&path, &page).await;
            assert_eq!(response.status(), StatusCode::OK, "{name}");
            let content = response.into_body().collect().await.unwrap().to_bytes();
            let content = String::from_utf8_lossy(&content);
            unnamed.retain(|other| *other == name || !content.contains(other.as_str()));
            for marker in ["\"./", "'./", "(./"] {
                for rest in content.split(marker).skip(1) {
                    let end = rest.find(['"', '\'', ')']).unwrap_or(0);
                    let link = &rest[..end];
                    let is_file = [".js", ".css", ".ttf"].iter().any(|extension| link.ends_with(extension));
                    if is_file && link.matches('.').count() >= 2 {
                        assert!(names.iter().any(|name| name == link), "{name} names {link}");
                    }
                }
            }
        }
        // The page's style already contains the styles of scripts that are loaded on demand.
        unnamed.retain(|name| !name.ends_with(".css"));
        assert!(unnamed.is_empty(), "nothing names {unnamed:?}");
        for path in ["/graphiql/index.html", "/graphiql/none.js", "/graphiql/..%2fconfig.json"] {
            assert_eq!(get(path, &page).await.status(), StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[tokio::test]
    async fn nothing_that_is_embedded_fetches_from_another_host() {
        let page = demo();
        for name in assets::all().into_keys().filter(|name| name != "licences.txt") {
            let path =
                if name == "index.html" { "/graphiql".to_owned() } else { format!("/graphiql/{name}") };
            let content = get(&path, &page).await.into_body().collect().await.unwrap().to_bytes();
            let content = String::from_utf8_lossy(&content);
            for host in ["jsdelivr", "unpkg.com", "esm.sh", "cdnjs", "fonts.googleapis", "googletagmanager"] {
                assert!(!content.contains(host), "{name} names {host}");
            }
            for scheme in ["http://", "https://", "//"] {
                for before in [
                    "src=\"",
                    "src='",
                    "url(",
                    "url(\"",
                    "@import \"",
                    "import(\"",
                    "from\"",
                    "importScripts(\"",
                    "fetch(\"",
                    "new Worker(\"",
                    "rel=\"stylesheet\" href=\"",
                ] {
                    let fetching = format!("{before}{scheme}");
                    assert!(!content.contains(&fetching), "{name} has {fetching}");
                }
            }
        }
    }

    #[test]
    fn the_small_page_keeps_nothing_and_has_nothing_inline() {
        const INDEX: &str = include_str!("../../ide/small/index.html");
        let files = [
            ("index.html", INDEX),
            ("app.js", include_str!("../../ide/small/app.js")),
            ("examples.js", include_str!("../../ide/examples.js")),
            ("style.css", include_str!("../../ide/small/style.css")),
        ];
        for (name, content) in files {
            let content = content.replace("http://www.w3.org/2000/svg", "");
            for forbidden in
                ["http:", "https:", "src=\"//", "url(", "@import", "localStorage", "sessionStorage"]
            {
                assert!(!content.contains(forbidden), "{name} contains {forbidden}");
            }
            for forbidden in ["document.cookie", "indexedDB", "innerHTML", "eval(", "new Function"] {
                assert!(!content.contains(forbidden), "{name} contains {forbidden}");
            }
        }
        for forbidden in [" style=\"", " onclick=", "<style", "<script>"] {
            assert!(!INDEX.contains(forbidden), "the policy forbids {forbidden}");
        }
    }
}
