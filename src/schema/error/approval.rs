//! Messages about writes that a second administrator has to approve.

use crate::graph::{Outcome, WriteKind};

/// What is said about a create that was refused.
const LEFT_OBJECT: &str = "Check before that whether the object exists: the refused call may have left it. ";

/// What the message about a code that Graph does not accept ends with.
const NOT_APPROVED: &str = " With `approval: { code: … }`, the call must have the same input as the one that was held, \
                            and come from the same user and app. Its request must be approved, not used yet, and not \
                            expired.";

/// The same after an attempt with an unknown outcome.
const PERHAPS_USED: &str = " The response to a first attempt with this code was lost: it may have executed the write and \
                            used the code. Read the object before you ask for another approval.";

/// The message about a write that an earlier call has asked to approve, in a call without an approval.
pub(super) const STILL_PENDING: &str = "This write waits for the approval of a second administrator, which an earlier call with this idempotency key asked \
     for. This call has no approval for it, so the gateway did not send it. After the approval, repeat the call with the \
     code of the request in `approval: { code: … }`; the gateway does not store the code. If the request was refused or \
     has expired, ask again with `approval: { justification: … }`.";

/// What is said before Graph's message about a write that needs approval.
pub(super) fn required(kind: WriteKind) -> String {
    let check = if kind == WriteKind::Create { LEFT_OBJECT } else { "" };
    format!(
        "This write needs the approval of a second administrator. Repeat the call with \
         `approval: {{ justification: … }}`. {check}Microsoft Graph asks for it"
    )
}

/// The same for a create that was sent again, since its first attempt may have been done.
pub(super) const REQUIRED_AFTER_LOSS: &str = "Microsoft Graph's response to this create was lost: it may have happened. Sent again, it needs the approval of a \
     second administrator. Check whether the object exists. If it does not, create it with \
     `approval: { justification: … }` and, if the call had an idempotency key, a new key: a repeat with the old one \
     sends nothing, since its outcome stays unknown. Microsoft Graph asks for it";

/// What is said before Graph's message about an open request for approval.
pub(super) fn pending(has_code: bool) -> String {
    let code = if has_code { "`approvalCode`" } else { "the code of the request" };
    format!(
        "This write waits for the approval of a second administrator. After the approval, repeat the call with {code} \
         in `approval: {{ code: … }}`, and otherwise with the same input. Microsoft Graph returned"
    )
}

/// What is said after Graph's message about a code that it does not accept.
pub(super) fn not_approved(outcome: Option<Outcome>) -> &'static str {
    if outcome == Some(Outcome::Unknown) { PERHAPS_USED } else { NOT_APPROVED }
}
