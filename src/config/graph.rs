//! Which Microsoft Graph to call, and how.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::values::{boolean, duration, positive};

/// A national cloud of Microsoft Graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Cloud {
    /// `https://graph.microsoft.com`, GCC included.
    Global,
    /// US Government L4 (GCC High): `https://graph.microsoft.us`.
    UsGovL4,
    /// US Government L5 (DoD): `https://dod-graph.microsoft.us`.
    UsGovL5,
    /// China, operated by 21Vianet: `https://microsoftgraph.chinacloudapi.cn`.
    China,
}

/// Which URL creates a device status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CreatePath {
    /// `POST …/deviceStatuses`.
    Collection,
    /// `POST …/deviceStatuses/$ref`.
    Ref,
}

/// Which Microsoft Graph to call, and how.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Microsoft Graph")]
pub struct GraphConfig {
    /// National cloud whose `/beta` endpoint to call.
    #[arg(long, env = "INTUNE_GRAPHQL_GRAPH_CLOUD", value_enum, default_value_t = Cloud::Global)]
    pub graph_cloud: Cloud,
    /// Graph root to call instead of a cloud's, with its version, for example `http://127.0.0.1:4010/beta`.
    #[arg(long, env = "INTUNE_GRAPHQL_GRAPH_URL", value_name = "URL")]
    pub graph_url: Option<String>,
    /// PEM file with certificate authorities to trust in addition to the system's.
    #[arg(long, env = "INTUNE_GRAPHQL_GRAPH_CA", value_name = "FILE")]
    pub graph_ca: Option<PathBuf>,
    /// Allow plain HTTP to a Graph root that is not loopback. Callers' tokens then cross the network
    /// unencrypted.
    #[arg(long, env = "INTUNE_GRAPHQL_ALLOW_INSECURE_GRAPH", value_name = "BOOL", default_value_t = false, value_parser = boolean,
          num_args = 0..=1, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub allow_insecure_graph: bool,
    /// URL that creates a device status; the documentation shows both.
    #[arg(long, env = "INTUNE_GRAPHQL_GRAPH_CREATE_PATH", value_enum, default_value_t = CreatePath::Collection)]
    pub graph_create_path: CreatePath,
    /// Maximum time to connect to Graph.
    #[arg(long, env = "INTUNE_GRAPHQL_GRAPH_CONNECT_TIMEOUT", value_name = "DURATION", default_value = "5s", value_parser = duration)]
    pub graph_connect_timeout: Duration,
    /// Maximum time for one attempt at a read, an update or a deletion; must exceed the connect timeout. A
    /// create is sent once and may take until the request timeout.
    #[arg(long, env = "INTUNE_GRAPHQL_GRAPH_ATTEMPT_TIMEOUT", value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub graph_attempt_timeout: Duration,
    /// Declare that Graph stores the `graphId` of a create and rejects a second object with the same one. The
    /// gateway then repeats a create whose response was lost. Set it only after trying: the live service may
    /// ignore such ids.
    #[arg(long, env = "INTUNE_GRAPHQL_GRAPH_HONORS_CLIENT_IDS", value_name = "BOOL", default_value_t = false, value_parser = boolean,
          num_args = 0..=1, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub graph_honors_client_ids: bool,
    /// Maximum size of one response from Graph in bytes, after decompression. One request may read four times
    /// as much.
    #[arg(long, env = "INTUNE_GRAPHQL_GRAPH_MAX_RESPONSE", value_name = "BYTES", default_value_t = 16 * 1024 * 1024, value_parser = positive)]
    pub graph_max_response: usize,
}
