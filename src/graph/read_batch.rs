//! Sends the reads of one batch: one by a plain GET, several by one `POST /$batch`. What may be repeated is sent again,
//! together, while there is time.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::stream::{self, StreamExt as _};
use tokio::sync::{Semaphore, watch};
use tracing::warn;

use super::error::Error;
use super::odata::{Select, push_select};
use super::response::GraphResponse;
use super::retry::{Delay, Idempotency, Reason, Retries};
use super::transport::{BatchError, Transport};
use crate::telemetry::metrics::{self, Deviation};
use crate::telemetry::traces::{CallScope, SpanId, within};

/// Maximum number of requests to Graph in flight for the reads of one request.
const MAX_IN_FLIGHT: usize = 4;

/// Maximum number of responses of the maximum size that the reads of one request may hold.
const MAX_LARGEST_RESPONSES: usize = 4;

/// The result of a read whose batch ended without a response.
pub(super) const CANCELLED: Error = Error::Internal("a read was cancelled");

/// The result of a read, shared by all its callers.
pub(super) type ReadResult = Result<Arc<GraphResponse>, Error>;

/// The resource of a read: a path below the service root and its query without `$select`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Resource {
    /// Percent-encoded.
    pub(super) path: String,
    /// Without `?`.
    pub(super) query: String,
}

impl Resource {
    /// Whether this is a single object rather than a page.
    pub(super) fn is_object(&self) -> bool {
        self.query.is_empty()
    }
}

/// A read without a result. Callers see [`CANCELLED`] if it is dropped.
pub(super) struct PendingRead {
    pub(super) resource: Resource,
    pub(super) select: Select,
    /// The spans of the resolvers that wait for it; none if the request is not sampled.
    pub(super) resolvers: Vec<SpanId>,
    pub(super) result: watch::Sender<Option<ReadResult>>,
}

impl PendingRead {
    /// The URL, relative to the service root.
    pub(super) fn url(&self) -> String {
        let Resource { path, query: options } = &self.resource;
        let mut query = String::new();
        push_select(&mut query, &self.select);
        if !options.is_empty() {
            if !query.is_empty() {
                query.push('&');
            }
            query.push_str(options);
        }
        if query.is_empty() { path.clone() } else { format!("{path}?{query}") }
    }

    fn finish(self, result: ReadResult) {
        self.result.send_replace(Some(result));
    }
}

/// Sends the batches of one request, within the limits that they share. Cheap to clone.
#[derive(Clone)]
pub(super) struct BatchReader {
    transport: Arc<Transport>,
    in_flight: Arc<Semaphore>,
    /// Bytes of the responses that the request has read.
    bytes: Arc<AtomicUsize>,
}

impl BatchReader {
    pub(super) fn new(transport: Arc<Transport>) -> Self {
        Self { transport, in_flight: Arc::new(Semaphore::new(MAX_IN_FLIGHT)), bytes: Arc::default() }
    }

    /// Gives each read its result. Those that may be repeated are sent again together; the others do not wait for them.
    pub(super) async fn read(self, reads: Vec<PendingRead>) {
        let Self { transport, in_flight, bytes } = self;
        let max = transport.client.max_response.saturating_mul(MAX_LARGEST_RESPONSES);
        let mut unanswered: Vec<(PendingRead, Retries, Option<Reason>)> =
            reads.into_iter().map(|read| (read, Retries::new(Idempotency::Idempotent), None)).collect();
        let mut together = true;
        let mut round = 0;
        loop {
            let permit = in_flight.acquire().await;
            if bytes.load(Ordering::Relaxed) >= max {
                unanswered.into_iter().for_each(|(read, ..)| read.finish(Err(Error::ReadTooMuch { max })));
                return;
            }
            let urls: Vec<String> = unanswered.iter().map(|(read, ..)| read.url()).collect();
            let resolvers: Vec<&[SpanId]> = unanswered.iter().map(|(read, ..)| &read.resolvers[..]).collect();
            let responses =
                send(&transport, &urls, BatchResolvers { of: &resolvers, round }, &mut together).await;
            round += 1;
            drop(permit);

            let mut is_counted = false;
            let mut failed = Vec::new();
            let mut pause: Option<Delay> = None;
            for ((read, mut retries, retry_reason), response) in unanswered.into_iter().zip(responses) {
                // They were sent again together, by one request.
                if let Some(reason) = retry_reason.filter(|_| !std::mem::replace(&mut is_counted, true)) {
                    reason.count(&response);
                }
                let error = match response {
                    Ok(response) => {
                        let length = response.body().len();
                        let fits = bytes.fetch_add(length, Ordering::Relaxed).saturating_add(length) <= max;
                        read.finish(if fits { Ok(response) } else { Err(Error::ReadTooMuch { max }) });
                        continue;
                    }
                    Err(error) => error,
                };
                match retries.after(&error) {
                    None => read.finish(Err(error)),
                    Some(delay) if !transport.is_in_time(delay) => {
                        read.finish(Err(error.with_retry_after(delay.wait)));
                    }
                    Some(_) if transport.take_read().is_err() => read.finish(Err(error)),
                    Some(delay) => {
                        pause = Some(pause.map_or(delay, |pause| pause.and(delay)));
                        failed.push((read, retries, delay.reason, error));
                    }
                }
            }
            let Some(pause) = pause else { return };
            if !transport.pause(pause).await {
                failed.into_iter().for_each(|(read, .., error)| read.finish(Err(error)));
                return;
            }
            unanswered =
                failed.into_iter().map(|(read, retries, reason, _)| (read, retries, Some(reason))).collect();
        }
    }
}

/// The spans of the resolvers that wait for each read of a batch.
#[derive(Clone, Copy)]
struct BatchResolvers<'a> {
    of: &'a [&'a [SpanId]],
    /// How often the reads have been sent before.
    round: u32,
}

impl BatchResolvers<'_> {
    /// The scope of a call with some of the reads: part of the only resolver that waits for it, or linked to those that do.
    /// `None` if the request is not sampled.
    fn scope(&self, reads: Range<usize>) -> Option<CallScope> {
        let of = self.of.get(reads)?;
        let all = of
            .iter()
            .enumerate()
            .flat_map(|(item, resolvers)| resolvers.iter().map(move |resolver| (*resolver, item)));
        let resolvers: Vec<(SpanId, usize)> = all.collect();
        let (only, _) = resolvers.first()?;
        if resolvers.iter().all(|(resolver, _)| resolver == only) {
            return Some(CallScope::resent(*only, self.round));
        }
        let parent = CallScope::current()?.parent;
        Some(CallScope { parent, resends: self.round, resolvers })
    }
}

/// Sends one by a plain GET, several by one `POST /$batch`. If one item broke the response to that, this and later
/// attempts send each by its own GET.
async fn send(
    transport: &Transport,
    urls: &[String],
    resolvers: BatchResolvers<'_>,
    together: &mut bool,
) -> Vec<ReadResult> {
    if let ([_, _, ..], true) = (urls, *together) {
        match within(resolvers.scope(0..urls.len()), transport.get_batch(urls)).await {
            Ok(responses) => return responses.into_iter().map(|response| response.map(Arc::new)).collect(),
            Err(BatchError::Failed(error)) => return urls.iter().map(|_| Err(error.clone())).collect(),
            Err(BatchError::Broken(error)) => {
                metrics::deviation(Deviation::BrokenBatch);
                warn!(%error, reads = urls.len(), "a batch response could not be read; its reads are sent one by one");
                *together = false;
            }
        }
    }
    let get = async |(index, url): (usize, &String)| {
        transport.deadline()?;
        if urls.len() > 1 && transport.caller.disconnected.is_cancelled() {
            return Err(CANCELLED);
        }
        within(resolvers.scope(index..index + 1), transport.get(url)).await.map(Arc::new)
    };
    stream::iter(urls.iter().enumerate()).map(get).buffered(MAX_IN_FLIGHT).collect().await
}
