//! `$batch`: up to 20 requests in one, each with its own response (Microsoft Graph: "Combine multiple HTTP requests
//! using JSON batching").

mod envelope;
mod item_response;

use http::StatusCode;

use self::envelope::{Envelope, Item};
use self::item_response::ItemResponse;
use crate::auth::Caller;
use crate::call::{Call, Transport};
use crate::error::{GraphError, Trace};
use crate::faults::{BatchFault, EnvelopeFault, FaultResponse};
use crate::operation::respond_to_item;
use crate::path::Resource;
use crate::response::GraphResponse;
use crate::state::SandboxState;

/// The response to a batch: 200 if the envelope is valid, regardless of the items' results.
pub(crate) fn respond(
    state: &SandboxState,
    call: &Call<'_>,
    caller: &Caller,
    faults: &[BatchFault],
) -> GraphResponse {
    match Envelope::parse(call.message) {
        Ok(envelope) => {
            let whole = faults.iter().find_map(|fault| match fault {
                BatchFault::Envelope(fault) => Some(*fault),
                _ => None,
            });
            if let Some(fault) = whole.filter(|fault| !fault.applied) {
                return unreadable(fault, item_response::batch_body(&not_done(call, &envelope.items)));
            }
            let mut responses = run(state, call, caller, &envelope.items, faults);
            if faults.contains(&BatchFault::Shuffled) {
                state.service.shuffle(&mut responses);
            }
            let body = item_response::batch_body(&distorted(responses, &envelope.items, faults));
            match whole {
                Some(fault) => unreadable(fault, body),
                None => GraphResponse::json(StatusCode::OK, body),
            }
        }
        Err(error) => error.response(&call.trace),
    }
}

/// A response without results for the items, in place of the one with this body.
fn unreadable(fault: EnvelopeFault, real: Vec<u8>) -> GraphResponse {
    GraphResponse::json(fault.status, fault.body.replace(real))
}

/// The responses to items that were not executed. A truncated response shows half of them.
fn not_done(call: &Call<'_>, items: &[Item]) -> Vec<ItemResponse> {
    let error =
        GraphError::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", "An error has occurred");
    items.iter().map(|item| ItemResponse::new(&item.id, error.response(&call.trace))).collect()
}

/// Executes the items in order, which is correct for all three dependency patterns.
fn run(
    state: &SandboxState,
    call: &Call<'_>,
    caller: &Caller,
    items: &[Item],
    faults: &[BatchFault],
) -> Vec<ItemResponse> {
    let mut responses: Vec<ItemResponse> = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let failed_before = item.depends_on.iter().any(|earlier| responses[*earlier].failed());
        let response = if failed_before {
            failed_dependency(&call.trace)
        } else {
            carry_out(state, call, caller, (index + 1, item), fault_of(index, faults))
        };
        responses.push(ItemResponse::new(&item.id, response));
    }
    responses
}

fn carry_out(
    state: &SandboxState,
    outer: &Call<'_>,
    caller: &Caller,
    (number, item): (usize, &Item),
    fault: Option<&FaultResponse>,
) -> GraphResponse {
    let message = item.message(outer, state.service.settings.lenient_batch_urls);
    let call = Call::of_item(&message, outer, &state.service.settings);
    if matches!(&call.target, Ok((_, address)) if address.resource == Resource::Batch) {
        // A batch cannot contain a batch. Assumed: Graph documents the status, but not the code and message.
        return GraphError::segment_not_found("$batch").response(&call.trace);
    }
    if let Some(fault) = fault.filter(|fault| !fault.applied) {
        return fault.response(&call);
    }
    let response = match state.fault_plan.faults_for(&message, Transport::BatchItem) {
        Ok(faults) => {
            for text in &faults.texts {
                state.record.add_fault(call.number, format!("item {number}: {text}"));
            }
            respond_to_item(state, &call, caller, &faults)
        }
        Err(error) => GraphError::bad_request(format!("X-Sandbox-Fault: {error}")).response(&call.trace),
    };
    fault.map_or(response, |fault| fault.response(&call))
}

/// The fault of the item at this index. Item numbers in faults start at 1.
fn fault_of(index: usize, faults: &[BatchFault]) -> Option<&FaultResponse> {
    faults.iter().find_map(|fault| match fault {
        BatchFault::Item(item, response) if *item == index + 1 => Some(response),
        _ => None,
    })
}

/// Assumed: Graph documents the status, but not the code and message.
fn failed_dependency(trace: &Trace) -> GraphResponse {
    GraphError::new(
        StatusCode::FAILED_DEPENDENCY,
        "FailedDependency",
        "A request that this request depends on has failed.",
    )
    .response(trace)
}

/// The responses, changed by the faults.
fn distorted(mut responses: Vec<ItemResponse>, items: &[Item], faults: &[BatchFault]) -> Vec<ItemResponse> {
    let id_of = |item: &usize| items.get(item.wrapping_sub(1)).map(|item| item.id.as_str());
    for fault in faults {
        match fault {
            BatchFault::Missing(item) => {
                let id = id_of(item);
                responses.retain(|response| Some(response.id.as_str()) != id);
            }
            BatchFault::DuplicateKey(item) => {
                let id = id_of(item);
                let twin = responses.iter().find(|response| Some(response.id.as_str()) == id).cloned();
                responses.extend(twin);
            }
            BatchFault::Malformed(item, form) => {
                let id = id_of(item);
                for response in responses.iter_mut().filter(|response| Some(response.id.as_str()) == id) {
                    response.form = Some(*form);
                }
            }
            BatchFault::Surplus => responses.push(ItemResponse::new("surplus", GraphResponse::no_content())),
            BatchFault::Item(..) | BatchFault::Shuffled | BatchFault::Envelope(_) => {}
        }
    }
    responses
}
