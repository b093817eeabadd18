//! `demo`: the whole system on one machine, with something to paste.

use std::time::Duration;

use anyhow::Context as _;
use graphql_prepare::Limits;
use msgraph_sandbox::{self as sandbox, Sandbox};
use tracing::info;

use super::{bind, graph_client, print, stop_signal};
use crate::config::{DemoConfig, GraphConfig, HttpConfig, LoadConfig, StateConfig};
use crate::graph::{Key, ReadRates};
use crate::schema::{Api, ApiSettings, CursorKey, TrustedDocuments};
use crate::{schema, server};

/// The token that `demo` prints; the sandbox takes any.
const TOKEN: &str = "demo-token";

/// Starts the sandbox, and a gateway in front of it, over real HTTP on loopback.
pub(super) async fn run(config: DemoConfig) -> anyhow::Result<()> {
    let bind = |address, setting| bind(address, server::DEFAULT_BACKLOG, setting);
    let upstream = bind(config.sandbox_listen, "--sandbox-listen")?;
    let listener = bind(config.listen, "--listen")?;
    let admin = bind(config.admin_listen, "--admin-listen")?;
    let root = format!("http://{}/beta", upstream.local_addr()?);
    let gateway = format!("http://{}", listener.local_addr()?);

    let graph_config = GraphConfig { graph_url: Some(root.clone()), ..GraphConfig::default() };
    let graph = graph_client(&graph_config, LoadConfig::default().max_buffered)?;
    let http = HttpConfig::default();
    let api = Api::new(ApiSettings {
        introspection: true,
        limits: Limits::default(),
        trusted_documents: TrustedDocuments::default(),
        default_page_size: 50,
        cursor_key: CursorKey::random()?,
        max_payload: http.max_payload,
        max_response: http.max_response,
        ledger: super::ledger(&StateConfig::default())?,
        subscriber_recheck: Duration::from_secs(60),
        subscription_reads: ReadRates::default(),
    })?;
    let configuration = Key::new(sandbox::DEMO_CONFIGURATION_ID)?;
    let graphiql = server::PageSettings::demo(
        graph.root(),
        TOKEN.to_owned(),
        configuration.to_string(),
        schema::configuration_id(&configuration),
    );
    let settings = server::Settings {
        graphiql: Some(graphiql),
        ..super::server_settings(&http, &LoadConfig::default())
    };

    let stop = stop_signal()?;
    print(&format!("sandbox listening on {root}"))?;
    print(&format!("listening on {gateway}"))?;
    print(&format!("admin listening on http://{}", admin.local_addr()?))?;
    print(&welcome(&gateway))?;

    let (stopped, until_stopped) = tokio::sync::oneshot::channel::<()>();
    let sandbox = async {
        let sandbox = Sandbox::new(sandbox::Settings::default());
        // The sandbox outlives the gateway, so that what is under way is answered.
        let until_stopped = async { drop(until_stopped.await) };
        sandbox::run(upstream, sandbox, until_stopped).await.context("the sandbox failed")
    };
    let gateway = async {
        server::run(listener, admin, graph, api, settings, stop).await;
        drop(stopped);
    };
    let (sandbox, ()) = futures_util::future::join(sandbox, gateway).await;
    info!("the demo has ended");
    sandbox
}

/// What a newcomer needs: where to look, the token, and a mutation that works as it stands.
fn welcome(gateway: &str) -> String {
    let mutation = mutation();
    let request = serde_json::json!({ "query": mutation }).to_string().replace('\'', "'\\''");
    format!(
        "
GraphiQL   {gateway}/graphiql
Token      {TOKEN}      (the header is: Authorization: Bearer {TOKEN})

Paste this into GraphiQL, or send it with the command below:

{mutation}

curl -s {gateway}/graphql -H 'Authorization: Bearer {TOKEN}' -H 'Content-Type: application/json' --data '{request}'

Press Ctrl-C to stop. Everything is in memory and forgotten then."
    )
}

/// A complete `addDeviceStatus` with every field of the new status selected.
fn mutation() -> String {
    format!(
        r#"mutation {{
  addDeviceStatus(input: {{
    configurationId: "{}"
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
