//! One operation of the service: a request that came by itself, or an item of a batch.

use http::Method;
use http::header::{HeaderValue, RETRY_AFTER};

use crate::answer::Answer;
use crate::auth::Caller;
use crate::call::Call;
use crate::faults::{ActiveFaults, throttled};
use crate::routes;
use crate::settings::Switch;
use crate::state::SandboxState;

/// The answer to an item of a batch with its faults.
pub(crate) fn respond_to_item(
    state: &SandboxState,
    call: &Call<'_>,
    caller: &Caller,
    faults: &ActiveFaults,
) -> Answer {
    faults.replacement(call).unwrap_or_else(|| faults.apply(call, carry_out(state, call, caller, faults)))
}

/// One operation, which counts against the limits whether it came by itself or in a batch.
pub(crate) fn carry_out(
    state: &SandboxState,
    call: &Call<'_>,
    caller: &Caller,
    faults: &ActiveFaults,
) -> Answer {
    let settings = &state.service.settings;
    let is_write = matches!(call.message.method, Method::POST | Method::PUT | Method::PATCH | Method::DELETE);
    if settings.throttle.is_on()
        && let Err(seconds) = state.throttle.check(caller, is_write)
    {
        let answer = throttled(&call.trace);
        return match settings.retry_after {
            Switch::On => answer.with(RETRY_AFTER, HeaderValue::from(seconds)),
            Switch::Off => answer,
        };
    }
    routes::answer(&state.service, call, caller, &faults.read)
}
