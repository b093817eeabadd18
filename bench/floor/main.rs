//! The minimum work for a response: reads JSON into structs and writes the response, without GraphQL and HTTP.
//! `bench/run` divides the gateway's CPU time by that of this program.
//!
//! ```text
//! bench_floor page GRAPH_PAGE TIMES                  a page of device statuses
//! bench_floor bulk REQUEST GRAPH_BATCH_ANSWER TIMES  a bulk of creates, in batches of 20
//! ```

use std::hint::black_box;

use anyhow::{Context as _, bail, ensure};
use serde::{Deserialize, Serialize};

/// Creates in one batch.
const BATCH_SIZE: usize = 20;

/// A device status, in the form of Graph, of a caller's input, and of a batch.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    id: String,
    device_display_name: Option<String>,
    user_name: Option<String>,
    device_model: Option<String>,
    platform: Option<i32>,
    compliance_grace_period_expiration_date_time: Option<String>,
    status: Option<String>,
    last_reported_date_time: Option<String>,
    user_principal_name: Option<String>,
}

/// A page from Graph.
#[derive(Debug, Deserialize)]
struct Page {
    value: Vec<Status>,
    #[serde(rename = "@odata.nextLink")]
    next: Option<String>,
}

/// A page of the response.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Connection {
    nodes: Vec<Status>,
    has_next_page: bool,
}

/// A GraphQL request with a list of creates.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    query: String,
    variables: Variables,
}

#[derive(Debug, Deserialize)]
struct Variables {
    input: Input,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    configuration_id: String,
    device_statuses: Vec<Status>,
}

/// A batch as it is sent.
#[derive(Debug, Serialize)]
struct Batch<'a> {
    requests: Vec<BatchRequest<'a>>,
}

#[derive(Debug, Serialize)]
struct BatchRequest<'a> {
    id: String,
    method: &'static str,
    url: String,
    headers: Headers,
    body: &'a Status,
}

#[derive(Debug, Serialize)]
struct Headers {
    #[serde(rename = "Content-Type")]
    content_type: &'static str,
}

/// The response to a batch.
#[derive(Debug, Deserialize)]
struct BatchAnswer {
    responses: Vec<BatchResponse>,
}

#[derive(Debug, Deserialize)]
struct BatchResponse {
    id: String,
    status: u16,
    body: Status,
}

/// The result of one create.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct CreateResult {
    index: usize,
    device_status_id: String,
}

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let read = |path: &str| std::fs::read(path).with_context(|| format!("cannot read {path}"));
    match arguments[..] {
        ["page", page, times] => {
            let page = read(page)?;
            repeat(times, || read_page(&page))
        }
        ["bulk", request, answer, times] => {
            let (request, answer) = (read(request)?, read(answer)?);
            repeat(times, || create_all(&request, &answer))
        }
        _ => bail!("usage: bench_floor page GRAPH_PAGE TIMES | bulk REQUEST GRAPH_BATCH_ANSWER TIMES"),
    }
}

fn repeat(times: &str, mut work: impl FnMut() -> anyhow::Result<Vec<u8>>) -> anyhow::Result<()> {
    for _ in 0..times.parse::<usize>().context("TIMES is not a number")? {
        ensure!(!black_box(work()?).is_empty(), "an answer is empty");
    }
    Ok(())
}

fn read_page(page: &[u8]) -> anyhow::Result<Vec<u8>> {
    let page: Page = serde_json::from_slice(black_box(page))?;
    let connection = Connection { nodes: page.value, has_next_page: page.next.is_some() };
    Ok(serde_json::to_vec(&connection)?)
}

fn create_all(request: &[u8], answer: &[u8]) -> anyhow::Result<Vec<u8>> {
    let request: Request = serde_json::from_slice(black_box(request))?;
    ensure!(!request.query.is_empty(), "a request without a document");
    let Input { configuration_id, device_statuses } = request.variables.input;
    let mut results = Vec::with_capacity(device_statuses.len());
    for statuses in device_statuses.chunks(BATCH_SIZE) {
        let requests = statuses.iter().enumerate().map(|(index, body)| BatchRequest {
            id: index.to_string(),
            method: "POST",
            url: format!(
                "/deviceAppManagement/iosLobAppProvisioningConfigurations/{configuration_id}/deviceStatuses"
            ),
            headers: Headers { content_type: "application/json" },
            body,
        });
        black_box(serde_json::to_vec(&Batch { requests: requests.collect() })?);
        let answer: BatchAnswer = serde_json::from_slice(black_box(answer))?;
        for response in answer.responses {
            ensure!(response.status == 201, "request {} of the batch has failed", response.id);
            results.push(CreateResult { index: results.len(), device_status_id: response.body.id });
        }
    }
    ensure!(results.len() == device_statuses.len(), "the batch's answer is not one of {BATCH_SIZE} creates");
    Ok(serde_json::to_vec(&results)?)
}
