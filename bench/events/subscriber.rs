//! One subscriber: a stream of server-sent events, which is opened again elsewhere when it ends.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use memchr::memmem;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::Shared;

/// Token of all subscribers and writers: the same tenant.
pub(crate) const TOKEN: &str = "bench-token";
const SUBSCRIPTION: &str =
    "subscription S($id: ID!) { deviceStatusAdded(configurationId: $id) { deviceStatusId } }";
const LIST: &str = "query L($id: ID!, $after: String) {
  iosLobAppProvisioningConfiguration(id: $id) {
    deviceStatuses(first: 1000, after: $after) { nodes { id } pageInfo { hasNextPage endCursor } }
  }
}";
/// Pause before a connection is opened again.
const RETRY_DELAY: Duration = Duration::from_millis(100);

/// What a subscriber has seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) configuration: String,
    /// The id of each event, and when it arrived.
    pub(crate) events: Vec<(String, Instant)>,
    /// Ids in the list, which was read after each new connection and each notice.
    pub(crate) listed: HashSet<String>,
    pub(crate) reconnects: usize,
    /// Notices that events may have been missed.
    pub(crate) notices: usize,
}

/// Subscribes until the end.
pub(crate) async fn run(shared: Arc<Shared>, number: usize) -> anyhow::Result<Seen> {
    let configuration =
        shared.configurations[number / shared.gateways.len() % shared.configurations.len()].clone();
    let mut seen = Seen { configuration, ..Seen::default() };
    let mut ended = shared.ended.subscribe();
    let mut gateway = number % shared.gateways.len();
    // Whether a subscription was open before. The first one must open.
    let mut was_open = false;
    loop {
        let mut must_list = was_open;
        tokio::select! {
            result = stream(&shared, &shared.gateways[gateway], &mut seen, &mut was_open, &mut must_list) => {
                if !was_open {
                    result?;
                }
            }
            _ = ended.wait_for(|ended| *ended) => break,
        }
        seen.reconnects += 1;
        gateway = (gateway + 1) % shared.gateways.len();
        tokio::time::sleep(RETRY_DELAY).await;
    }
    if seen.reconnects > 0 || seen.notices > 0 {
        // The last reading, after which nothing was added.
        let at = &shared.gateways;
        for address in at.iter().cycle().skip(gateway).take(at.len()) {
            if list(address, &mut seen).await.is_ok() {
                break;
            }
        }
    }
    Ok(seen)
}

/// Reads one stream to its end.
async fn stream(
    shared: &Shared,
    address: &str,
    seen: &mut Seen,
    was_open: &mut bool,
    must_list: &mut bool,
) -> anyhow::Result<()> {
    let body = json!({"query": SUBSCRIPTION, "variables": {"id": seen.configuration}}).to_string();
    let mut connection = send(address, "text/event-stream", &body).await?;
    let mut buffer = Vec::with_capacity(4096);
    let mut head = None;
    loop {
        ensure!(connection.read_buf(&mut buffer).await? > 0, "the stream has ended");
        let now = Instant::now();
        if head.is_none() {
            let Some(end) = memmem::find(&buffer, b"\r\n\r\n") else { continue };
            ensure!(buffer.starts_with(b"HTTP/1.1 200"), "the subscription is refused");
            buffer.drain(..end);
            head = Some(());
            if !std::mem::replace(was_open, true) {
                shared.open.fetch_add(1, Ordering::Relaxed);
            }
        }
        if std::mem::take(must_list) {
            // The list is read again after the subscription has begun.
            list(address, seen).await?;
        }
        // Events end with an empty line; chunks of the transfer coding are between them.
        while let Some(end) = memmem::find(&buffer, b"\n\n") {
            let event = String::from_utf8_lossy(&buffer[..end]);
            if let Some(data) = event.split_once("data: ").and_then(|(_, data)| data.split('\n').next())
                && let Ok(result) = serde_json::from_str::<Value>(data)
            {
                match result["data"]["deviceStatusAdded"]["deviceStatusId"].as_str() {
                    Some(id) => seen.events.push((id.to_owned(), now)),
                    None if result.get("errors").is_some() => seen.notices += 1,
                    None => {}
                }
            }
            buffer.drain(..end + 2);
        }
    }
}

/// Reads the whole list of the subscriber's configuration.
async fn list(address: &str, seen: &mut Seen) -> anyhow::Result<()> {
    let mut after = Value::Null;
    loop {
        let body =
            json!({"query": LIST, "variables": {"id": seen.configuration, "after": after}}).to_string();
        let answer = request(address, &body).await?;
        let list = &answer["data"]["iosLobAppProvisioningConfiguration"]["deviceStatuses"];
        let nodes = list["nodes"].as_array().context("no list")?;
        seen.listed.extend(nodes.iter().filter_map(|node| node["id"].as_str().map(str::to_owned)));
        if list["pageInfo"]["hasNextPage"] != true {
            return Ok(());
        }
        after = list["pageInfo"]["endCursor"].clone();
    }
}

/// Sends one request on a connection of its own, and returns the response.
pub(crate) async fn request(address: &str, body: &str) -> anyhow::Result<Value> {
    let mut connection = send(address, "application/json", body).await?;
    let mut response = Vec::new();
    connection.read_to_end(&mut response).await?;
    let start = memmem::find(&response, b"\r\n\r\n").context("a response without a head")? + 4;
    Ok(serde_json::from_slice(&response[start..])?)
}

async fn send(address: &str, accept: &str, body: &str) -> anyhow::Result<TcpStream> {
    let mut connection = TcpStream::connect(address).await?;
    connection.set_nodelay(true)?;
    let close = if accept == "application/json" { "connection: close\r\n" } else { "" };
    let request = format!(
        "POST /graphql HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {TOKEN}\r\n\
         content-type: application/json\r\naccept: {accept}\r\n{close}content-length: {}\r\n\r\n{body}",
        body.len()
    );
    connection.write_all(request.as_bytes()).await?;
    Ok(connection)
}
