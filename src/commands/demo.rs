//! `demo`: gateway and sandbox on one machine, with a command to paste.

use anyhow::Context as _;
use msgraph_sandbox::{self as sandbox, Sandbox};
use tracing::info;

use super::signals::Signals;
use super::{Output, bind};
use crate::config::{DemoConfig, GatewayConfig};
use crate::gateway::{Gateway, Listeners, Settings};
use crate::graph::Key;
use crate::schema;
use crate::server::GraphiqlSettings;

/// The token that `demo` prints; the sandbox takes any.
const TOKEN: &str = "demo-token";

/// Starts the sandbox, and a gateway in front of it, over real HTTP on loopback.
pub(super) async fn run(config: DemoConfig, output: &Output) -> anyhow::Result<()> {
    let mut gateway = GatewayConfig::default();
    gateway.front_end.introspection = true;
    gateway.load.max_connections = 1000;
    gateway.traces = config.traces;
    let bind = |address, setting| bind(address, gateway.load.listen_backlog, setting);
    let upstream = bind(config.sandbox_listen, "--sandbox-listen")?;
    let listeners = Listeners {
        public: bind(config.listen.listen, "--listen")?,
        admin: bind(config.listen.admin_listen, "--admin-listen")?,
    };
    let root = format!("http://{}/beta", upstream.local_addr()?);
    gateway.graph.graph_url = Some(root.clone());

    let mut settings = Settings::from_config(&gateway)?;
    let configuration = Key::new(sandbox::DEMO_CONFIGURATION_ID)?;
    settings.server.graphiql = Some(GraphiqlSettings::demo(
        &settings.graph.root,
        TOKEN.to_owned(),
        configuration.to_string(),
        schema::configuration_id(&configuration),
    ));
    settings.server.allow_loopback_origins = true;
    let gateway = Gateway::new(settings)?;
    let url = format!("http://{}", listeners.public.local_addr()?);

    let signals = Signals::new(None)?;
    output.log_start();
    output.announce(&format!("sandbox listening on {root}"))?;
    output.announce(&format!("listening on {url}"))?;
    output.announce(&format!("admin listening on http://{}", listeners.admin.local_addr()?))?;
    output.announce(&welcome(&url))?;

    let (stopped, until_stopped) = tokio::sync::oneshot::channel::<()>();
    let sandbox = async {
        let sandbox = Sandbox::new(sandbox::Settings::default());
        // The sandbox outlives the gateway, so requests in flight receive responses.
        let until_stopped = async { drop(until_stopped.await) };
        sandbox::run(upstream, sandbox, until_stopped).await.context("the sandbox failed")
    };
    let gateway = async {
        gateway.run(listeners, signals.first(), signals.second()).await;
        drop(stopped);
    };
    let (sandbox, ()) = futures_util::future::join(sandbox, gateway).await;
    info!("the demo has stopped");
    sandbox
}

/// A complete mutation, as a document and as a command, followed by the addresses.
fn welcome(gateway: &str) -> String {
    let mutation = mutation();
    let request = serde_json::json!({ "query": mutation }).to_string().replace('\'', "'\\''");
    format!(
        "
Try this mutation:

{mutation}

curl -s {gateway}/graphql -H 'Authorization: Bearer {TOKEN}' -H 'Content-Type: application/json' --data '{request}'

Data is stored in memory only. Press Ctrl-C to stop.

GraphiQL   {gateway}/graphiql
Token      {TOKEN}"
    )
}

/// A complete `addDeviceStatus` with every field of the new status selected.
fn mutation() -> String {
    format!(
        r#"mutation {{
  addDeviceStatus(input: {{
    configurationId: "{}"
    idempotencyKey: "6f0c2d4e-3d5a-4a53-9a0c-2b7f0a1c9d11"
    deviceStatus: {{
      deviceDisplayName: "Zoë's iPad"
      userName: "Zoë"
      deviceModel: "iPad13,8"
      platform: 8
      complianceGracePeriodExpirationDateTime: "9999-12-31T23:59:59.9999999Z"
      status: COMPLIANT
      lastReportedDateTime: "2016-12-31T23:57:41.6559639+03:00"
      userPrincipalName: "zoe@example.com"
    }}
  }}) {{
    deviceStatusId
    replayed
    deviceStatus {{
      id
      graphId
      deviceDisplayName
      userName
      deviceModel
      platform
      complianceGracePeriodExpirationDateTime
      status
      lastReportedDateTime
      userPrincipalName
    }}
  }}
}}"#,
        sandbox::DEMO_CONFIGURATION_ID
    )
}
