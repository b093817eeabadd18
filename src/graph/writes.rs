//! Updates, deletions and actions: repeated as far as their kind allows, and finished without the
//! caller if need be, because neither a disconnect nor a deadline may cut off a sent request. Creates
//! are in `create.rs`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::{Method, StatusCode};
use serde::Serialize;

use super::approval::Approval;
use super::call_log::WriteRecord;
use super::delivery::{Delivery, Unfinished};
use super::error::{Error, Outcome, WriteError, WriteKind};
use super::in_place::{InPlace, WriteInFlight};
use super::response::GraphResponse;
use super::retry::{Idempotency, Reason, Retries};
use super::send_gate::AttemptGates;
use super::transport::Transport;
use crate::telemetry::traces::{CallScope, SpanId, within};

/// Timeout of the response to an attempt, even after the caller has received its result. Intune
/// gives its backend 15 s.
const MAX_WRITE_TIME: Duration = Duration::from_secs(120);

/// A write other than a create.
pub(super) struct Write<'a> {
    pub(super) kind: WriteKind,
    pub(super) method: Method,
    /// Below the service root.
    pub(super) path: &'a str,
    pub(super) approval: Option<&'a Approval>,
    pub(super) record: &'a WriteRecord,
}

/// Sends a write, and repeats it if it is idempotent or if Graph certainly did nothing. `read` reads the response.
pub(super) async fn write<T: Send + 'static>(
    transport: &Arc<Transport>,
    parent: Option<SpanId>,
    Write { kind, method, path, approval, record }: Write<'_>,
    body: Option<&impl Serialize>,
    read: impl FnOnce(&GraphResponse) -> Result<T, Error> + Send + 'static,
) -> Result<T, WriteError> {
    let body = body.map(to_body).transpose().map_err(|error| WriteError::new(kind, error))?;
    let deadline = transport.deadline().map_err(|error| WriteError::new(kind, error))?;
    let gates = Arc::new(AttemptGates::default());
    let (transport, path) = (Arc::clone(transport), path.to_owned());
    let (is_delete, record) = (method == Method::DELETE, record.clone());
    let in_flight = transport.client.writes.begin();
    let attempts = Attempts {
        transport: Arc::clone(&transport),
        parent,
        kind,
        method,
        path,
        body,
        approval: approval.cloned(),
        gates: Arc::clone(&gates),
        in_flight: in_flight.clone(),
    };
    let run = async move {
        let response = attempts.run().await?;
        read(&response).map_err(|error| WriteError::new(kind, error))
    };
    let delivery = Delivery::default();
    let run = delivery.clone().run(run, move |ended| {
        let result = ended.map_err(|unfinished| WriteError::new(kind, unfinished.into()));
        let result = result.as_ref().map_or_else(Err, |result| result.as_ref());
        record.undelivered(std::iter::once(failure(result, is_delete)));
    });
    let run = transport.caller.telemetry.scope(run);
    let mut attempts = InPlace::new(&in_flight, run);
    // Declared last, so that it is dropped first.
    let recipient = delivery.recipient();
    let ended = match transport.wait_for_write(deadline, &mut attempts).await {
        Some(ended) => ended,
        // Sent. The response is not known yet.
        None if gates.close() => Ok(Err(WriteError::new(kind, Error::Timeout))),
        // Not sent, and never will be: it ends by itself.
        None => (&mut attempts).await,
    };
    recipient.received();
    ended.unwrap_or_else(|panicked| Err(WriteError::new(kind, Unfinished::from(panicked).into())))
}

/// The body of a write.
pub(super) fn to_body(body: &impl Serialize) -> Result<Bytes, Error> {
    serde_json::to_vec(body).map(Bytes::from).map_err(|_| Error::Unsendable("the body could not be written"))
}

/// Waits for the response to one attempt, up to [`MAX_WRITE_TIME`]. Boxed, since futures around it are moved several times.
pub(super) fn within_bounds<'a, T: Send + 'a>(
    attempt: impl Future<Output = Result<T, Error>> + Send + 'a,
) -> BoxFuture<'a, Result<T, Error>> {
    let attempt = tokio::time::timeout(MAX_WRITE_TIME, attempt);
    attempt.map(|ended| ended.unwrap_or(Err(Error::Timeout))).boxed()
}

struct Attempts {
    transport: Arc<Transport>,
    /// The span that the attempts are part of.
    parent: Option<SpanId>,
    kind: WriteKind,
    method: Method,
    path: String,
    body: Option<Bytes>,
    approval: Option<Approval>,
    gates: Arc<AttemptGates>,
    in_flight: WriteInFlight,
}

impl Attempts {
    async fn run(self) -> Result<GraphResponse, WriteError> {
        let mut retries = Retries::new(match self.kind {
            WriteKind::Keyed => Idempotency::Idempotent,
            WriteKind::Create | WriteKind::Action => Idempotency::NonIdempotent,
        });
        // The worst outcome of the attempts so far.
        let mut worst_outcome = Outcome::NotSent;
        let mut retry_reason: Option<Reason> = None;
        loop {
            let scope = self.parent.map(|parent| CallScope::resent(parent, retries.count()));
            let response = within(scope, self.attempt()).await;
            if let Some(reason) = retry_reason {
                reason.count(&response);
            }
            let error = match response {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            let failed = |error| Err(WriteError::after(self.kind, worst_outcome, error));
            match retries.after(&error) {
                None => return failed(error),
                Some(delay) if !self.transport.is_in_time(delay) => {
                    return failed(error.with_retry_after(delay.wait));
                }
                Some(delay) => {
                    if !self.transport.pause(delay).await {
                        return failed(error);
                    }
                    retry_reason = Some(delay.reason);
                }
            }
            worst_outcome = worst_outcome.max(Outcome::of_write(&error));
        }
    }

    /// Makes one attempt. If the write may be sent again, the wait ends at the attempt timeout, but
    /// the attempt continues.
    async fn attempt(&self) -> Result<GraphResponse, Error> {
        let gate = if self.transport.is_draining() { None } else { self.gates.next() };
        let Some(gate) = gate else { return Err(Error::Withdrawn) };
        let transport = Arc::clone(&self.transport);
        let (method, path, body) = (self.method.clone(), self.path.clone(), self.body.clone());
        let (approval, attempt_gate) = (self.approval.clone(), gate.clone());
        let attempt = async move {
            within_bounds(transport.write(method, &path, body, approval.as_ref(), &attempt_gate)).await
        };
        if self.kind != WriteKind::Keyed {
            return attempt.await;
        }
        let client = &self.transport.client;
        let attempt = self.transport.caller.telemetry.scope(attempt);
        let mut attempt = InPlace::new(&self.in_flight, attempt);
        match tokio::time::timeout(client.attempt_timeout, &mut attempt).await {
            Ok(Ok(response)) => response,
            Ok(Err(panicked)) => Err(Unfinished::from(panicked).into()),
            Err(_elapsed) if gate.close() => Err(Error::Timeout),
            Err(_elapsed) => {
                // It waits for a connection, and gets none any more.
                attempt.cancel();
                Err(Error::Withdrawn)
            }
        }
    }
}

/// The error of a write that was not done.
pub(super) fn failure<'r, T>(
    result: Result<&'r T, &'r WriteError>,
    is_delete: bool,
) -> Option<&'r WriteError> {
    result.err().filter(|error| !(is_delete && is_deleted(error)))
}

/// Whether a deletion is complete: an object that is gone after an attempt with a lost response was
/// deleted by that attempt.
pub(super) fn is_deleted(error: &WriteError) -> bool {
    match &error.error {
        Error::Api(api) => {
            error.outcome == Outcome::Unknown
                && matches!(api.status, StatusCode::NOT_FOUND | StatusCode::GONE)
                && !api.is_not_supported()
        }
        _ => false,
    }
}
