//! The sandbox over real HTTP: a server on a free port of 127.0.0.1 and a client that follows no redirect.

#![expect(clippy::unwrap_used, reason = "helpers of tests may")]

mod approvals;
mod auth;
mod batch;
mod command;
mod connections;
mod control;
mod errors;
mod fault_language;
mod faults;
mod http2;
mod reads;
mod throttling;
mod tls;
mod transport;
mod writes;

use msgraph_sandbox::{DEMO_CONFIGURATION_ID, Sandbox, Settings, run};
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// Path of the collection that the gateway is about.
const P: &str = "/beta/deviceAppManagement/iosLobAppProvisioningConfigurations";

/// The clients of the tests need one for the process, whichever test is first.
fn install_tls_provider() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A running sandbox. It ends when this is dropped.
struct Graph {
    sandbox: Sandbox,
    address: String,
    client: reqwest::Client,
    _shutdown: oneshot::Sender<()>,
}

/// A complete response.
#[derive(Debug)]
struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Graph {
    async fn start() -> Self {
        Self::with(Settings::default()).await
    }

    async fn with(settings: Settings) -> Self {
        install_tls_provider();
        let sandbox = Sandbox::new(settings);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound address").to_string();
        let (shutdown, ended) = oneshot::channel::<()>();
        let served = sandbox.clone();
        tokio::spawn(async move {
            run(listener, served, async {
                // Also completes if the sender is dropped.
                let _ = ended.await;
            })
            .await
        });
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("a client");
        Self { sandbox, address, client, _shutdown: shutdown }
    }

    /// A request with a token that may do everything.
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.without_token(method, path).bearer_auth("tok-123")
    }

    fn without_token(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.address))
    }

    async fn get(&self, path: &str) -> Reply {
        reply(self.request(Method::GET, path)).await
    }

    async fn delete(&self, path: &str) -> Reply {
        reply(self.request(Method::DELETE, path)).await
    }

    async fn post(&self, path: &str, body: &Value) -> Reply {
        reply(json(self.request(Method::POST, path), body)).await
    }

    async fn patch(&self, path: &str, body: &Value) -> Reply {
        reply(json(self.request(Method::PATCH, path), body)).await
    }

    /// Adds a fault rule by its text.
    #[track_caller]
    fn inject(&self, rule: &str) {
        self.sandbox.inject(rule.parse().expect("a fault rule"));
    }
}

fn json(request: RequestBuilder, body: &Value) -> RequestBuilder {
    request.header("content-type", "application/json").body(body.to_string())
}

/// Sends a request and reads the whole response.
async fn reply(request: RequestBuilder) -> Reply {
    let response = request.send().await.expect("an answer");
    let (status, headers) = (response.status(), response.headers().clone());
    let text = response.text().await.expect("a whole body");
    Reply { status, headers, text }
}

impl Reply {
    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    #[track_caller]
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_else(|| panic!("no {name}"))
    }

    /// The body, if the status is the expected one.
    #[track_caller]
    fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        if self.text.is_empty() { Value::Null } else { self.json() }
    }

    /// Code and message of an error.
    #[track_caller]
    fn error(&self, status: u16) -> (String, String) {
        let body = self.expect(status);
        let text = |name: &str| body["error"][name].as_str().expect("a string").to_owned();
        (text("code"), text("message"))
    }
}

/// The path of the demo configuration, and of its content.
fn demo(below: &str) -> String {
    format!("{P}/{DEMO_CONFIGURATION_ID}{below}")
}

/// The body of a new status as the documentation's example has it.
fn status_body() -> Value {
    serde_json::json!({
        "@odata.type": "#microsoft.graph.managedDeviceMobileAppConfigurationDeviceStatus",
        "deviceDisplayName": "Device Display Name value",
        "userName": "User Name value",
        "deviceModel": "Device Model value",
        "platform": 8,
        "complianceGracePeriodExpirationDateTime": "2016-12-31T23:56:44.951111-08:00",
        "status": "notApplicable",
        "lastReportedDateTime": "2016-12-31T23:57:41.6559639+03:00",
        "userPrincipalName": "User Principal Name value"
    })
}
