//! One operation of the service: a single request, or an item of a batch.

use http::Method;
use http::header::{HeaderValue, RETRY_AFTER};

use crate::auth::Caller;
use crate::call::Call;
use crate::faults::{ActiveFaults, throttled};
use crate::response::GraphResponse;
use crate::routes;
use crate::settings::Switch;
use crate::state::SandboxState;

/// The response to an item of a batch, with its faults.
pub(crate) fn respond_to_item(
    state: &SandboxState,
    call: &Call<'_>,
    caller: &Caller,
    faults: &ActiveFaults,
) -> GraphResponse {
    faults.replacement(call).unwrap_or_else(|| faults.apply(call, carry_out(state, call, caller, faults)))
}

/// Executes one operation. It counts toward the throttling limits, also as an item of a batch.
pub(crate) fn carry_out(
    state: &SandboxState,
    call: &Call<'_>,
    caller: &Caller,
    faults: &ActiveFaults,
) -> GraphResponse {
    let settings = &state.service.settings;
    let is_write = matches!(call.message.method, Method::POST | Method::PUT | Method::PATCH | Method::DELETE);
    if settings.throttle.is_on()
        && let Err(seconds) = state.throttle.check(caller, is_write)
    {
        let response = throttled(&call.trace);
        return match settings.retry_after {
            Switch::On => response.with(RETRY_AFTER, HeaderValue::from(seconds)),
            Switch::Off => response,
        };
    }
    routes::respond(&state.service, call, caller, &faults.read)
}
