//! `$batch`: up to 20 requests in one, each answered by itself (Graph: "Combine multiple HTTP requests using JSON
//! batching").

mod envelope;
mod response;

use http::StatusCode;

use self::envelope::{Envelope, Item};
use self::response::Response;
use crate::answer::Answer;
use crate::auth::Caller;
use crate::call::{Call, Carrier};
use crate::error::{GraphError, Trace};
use crate::faults::{BatchFault, EnvelopeFault, FaultAnswer};
use crate::operation::respond_to_item;
use crate::path::Resource;
use crate::state::SandboxState;

/// The answer to a batch: 200 whenever the envelope was understood, whatever became of the items.
pub(crate) fn answer(
    state: &SandboxState,
    call: &Call<'_>,
    caller: &Caller,
    faults: &[BatchFault],
) -> Answer {
    match Envelope::parse(call.message) {
        Ok(envelope) => {
            let whole = faults.iter().find_map(|fault| match fault {
                BatchFault::Envelope(fault) => Some(*fault),
                _ => None,
            });
            if let Some(fault) = whole.filter(|fault| !fault.applied) {
                return unreadable(fault, response::body(&not_done(call, &envelope.items)));
            }
            let mut responses = run(state, call, caller, &envelope.items, faults);
            if faults.contains(&BatchFault::Shuffled) {
                state.service.shuffle(&mut responses);
            }
            let body = response::body(&distorted(responses, &envelope.items, faults));
            match whole {
                Some(fault) => unreadable(fault, body),
                None => Answer::json(StatusCode::OK, body),
            }
        }
        Err(error) => error.answer(&call.trace),
    }
}

/// An answer that says nothing of the items, in place of the one with this body.
fn unreadable(fault: EnvelopeFault, real: Vec<u8>) -> Answer {
    Answer::json(fault.status, fault.body.replace(real))
}

/// What an answer says of items that were not carried out; half of it is what a cut answer shows.
fn not_done(call: &Call<'_>, items: &[Item]) -> Vec<Response> {
    let error =
        GraphError::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", "An error has occurred");
    items.iter().map(|item| Response::new(&item.id, error.answer(&call.trace))).collect()
}

/// Carries the items out in their order, which suits all three patterns of dependencies.
fn run(
    state: &SandboxState,
    call: &Call<'_>,
    caller: &Caller,
    items: &[Item],
    faults: &[BatchFault],
) -> Vec<Response> {
    let mut responses: Vec<Response> = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let failed_before = item.depends_on.iter().any(|earlier| responses[*earlier].failed());
        let answer = if failed_before {
            failed_dependency(&call.trace)
        } else {
            carry_out(state, call, caller, (index + 1, item), fault_of(index, faults))
        };
        responses.push(Response::new(&item.id, answer));
    }
    responses
}

fn carry_out(
    state: &SandboxState,
    outer: &Call<'_>,
    caller: &Caller,
    (number, item): (usize, &Item),
    fault: Option<&FaultAnswer>,
) -> Answer {
    let message = item.message(outer, state.service.settings.lenient_batch_urls);
    let call = Call::of_item(&message, outer, &state.service.settings);
    if matches!(&call.target, Ok((_, address)) if address.resource == Resource::Batch) {
        // No batch within a batch. Grade I: the status is documented, the words were not found.
        return GraphError::segment_not_found("$batch").answer(&call.trace);
    }
    if let Some(fault) = fault.filter(|fault| !fault.applied) {
        return fault.answer(&call);
    }
    let answer = match state.fault_plan.faults_for(&message, Carrier::BatchItem) {
        Ok(faults) => {
            for text in &faults.texts {
                state.record.note(call.number, format!("item {number}: {text}"));
            }
            respond_to_item(state, &call, caller, &faults)
        }
        Err(error) => GraphError::bad_request(format!("X-Sandbox-Fault: {error}")).answer(&call.trace),
    };
    fault.map_or(answer, |fault| fault.answer(&call))
}

/// The fault of the item at this index; faults count from 1.
fn fault_of(index: usize, faults: &[BatchFault]) -> Option<&FaultAnswer> {
    faults.iter().find_map(|fault| match fault {
        BatchFault::Item(item, answer) if *item == index + 1 => Some(answer),
        _ => None,
    })
}

/// Grade I: the status is documented, code and words were not found.
fn failed_dependency(trace: &Trace) -> Answer {
    GraphError::new(
        StatusCode::FAILED_DEPENDENCY,
        "FailedDependency",
        "A request that this request depends on has failed.",
    )
    .answer(trace)
}

/// The responses with what the faults do to them.
fn distorted(mut responses: Vec<Response>, items: &[Item], faults: &[BatchFault]) -> Vec<Response> {
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
            BatchFault::Surplus => responses.push(Response::new("surplus", Answer::no_content())),
            BatchFault::Item(..) | BatchFault::Shuffled | BatchFault::Envelope(_) => {}
        }
    }
    responses
}
