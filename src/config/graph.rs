//! Which Microsoft Graph to call, and how.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::values::{duration, positive};

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

/// Which Microsoft Graph, and how to reach it. The proxy variables (`HTTPS_PROXY`, `NO_PROXY`) are honoured, except
/// towards a loopback address.
#[derive(Debug, Clone, Args)]
pub struct GraphConfig {
    /// The national cloud whose `/beta` to use.
    #[arg(long, env = "INTUNE_GRAPHQL_GRAPH_CLOUD", value_enum, default_value_t = Cloud::Global)]
    pub graph_cloud: Cloud,
    /// Any other Graph root, version included, as in `http://127.0.0.1:4010/beta`. Wins over the cloud.
    #[arg(long, env = "INTUNE_GRAPHQL_GRAPH_URL", value_name = "URL")]
    pub graph_url: Option<String>,
    /// PEM file with certificate authorities to trust besides the system's.
    #[arg(long, env = "INTUNE_GRAPHQL_GRAPH_CA", value_name = "FILE")]
    pub graph_ca: Option<PathBuf>,
    /// Allow a plain-http Graph root that is not loopback: callers' tokens then cross the network unencrypted.
    #[arg(long, env = "INTUNE_GRAPHQL_ALLOW_INSECURE_GRAPH", value_name = "BOOL", default_value_t = false,
          num_args = 0..=1, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub allow_insecure_graph: bool,
    /// Which of the two documented URLs creates a device status.
    #[arg(long, env = "INTUNE_GRAPHQL_GRAPH_CREATE_PATH", value_enum, default_value_t = CreatePath::Collection)]
    pub graph_create_path: CreatePath,
    /// Longest wait for a connection to Graph, as in `500ms` or `10s`.
    #[arg(long, env = "INTUNE_GRAPHQL_GRAPH_CONNECT_TIMEOUT", value_name = "DURATION", default_value = "5s",
          value_parser = duration)]
    pub graph_connect_timeout: Duration,
    /// Longest wait for the answer to one attempt at a read, or at a write that may be sent again, as in `10s`; longer than
    /// the wait for a connection. A create is sent once and waited for until the deadline.
    #[arg(long, env = "INTUNE_GRAPHQL_GRAPH_ATTEMPT_TIMEOUT", value_name = "DURATION", default_value = "10s",
          value_parser = duration)]
    pub graph_attempt_timeout: Duration,
    /// Declare that Graph stores the `graphId` of a create and rejects a second object with the same one. A create whose
    /// response was lost is then sent again. Set it only after trying: the live service may ignore such ids.
    #[arg(long, env = "INTUNE_GRAPHQL_GRAPH_HONORS_CLIENT_IDS", value_name = "BOOL", default_value_t = false,
          num_args = 0..=1, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub graph_honors_client_ids: bool,
    /// Largest answer that is read from Graph, in bytes, after decompression; one request may read four times as much.
    #[arg(long, env = "INTUNE_GRAPHQL_GRAPH_MAX_RESPONSE", value_name = "BYTES", default_value_t = 16 * 1024 * 1024,
          value_parser = positive)]
    pub graph_max_response: usize,
}
