//! What a caller sends for an approval fits a header, and what Graph returns about approvals is bounded and without the
//! caller's token.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;

use super::super::approval::{Approval, ApprovalRefusal};
use super::super::error::{Error, Outcome};
use super::TOKEN;

/// The error of a write whose response is `error`, for each approval that can have been sent.
pub(crate) fn errors_of_writes(error: &Error) -> Vec<Error> {
    let justification = Approval::justification("why").expect("it is short");
    let code = Approval::code("a-1").expect("it is a code");
    let errors = [None, Some(justification), Some(code)].map(|sent| {
        let error = error.clone().of_write(sent.as_ref());
        check(&error, sent.as_ref());
        error
    });
    errors.into()
}

fn check(error: &Error, sent: Option<&Approval>) {
    let Error::Api(api) = error else { panic!("{error:?} is no answer of Graph's") };
    match &api.approval {
        Some(ApprovalRefusal::Required) => {
            assert!(matches!(api.status, StatusCode::BAD_REQUEST | StatusCode::FORBIDDEN));
            assert_eq!(Outcome::of_write(error), Outcome::Unknown);
        }
        Some(ApprovalRefusal::Pending { code }) => {
            assert!(matches!(api.status, StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED));
            assert_eq!(Outcome::of_write(error), Outcome::Rejected);
            // It can be sent as it was returned.
            let code = code.as_deref().unwrap_or("a");
            assert!(Approval::code(code).is_ok() && !code.contains(TOKEN), "{code:?}");
        }
        Some(ApprovalRefusal::NotApproved) => {
            assert!(api.status == StatusCode::FORBIDDEN && matches!(sent, Some(Approval::Code(_))));
        }
        None => {}
    }
}

/// The text as a justification and as a code.
pub(crate) fn sent(text: &str) {
    if let Ok(approval) = Approval::justification(text) {
        let (_, value) = approval.header();
        assert!(value.len() <= 1024 && value.is_sensitive());
        assert_eq!(STANDARD.decode(value).expect("it is base64"), text.as_bytes());
        assert!(!format!("{approval:?}").contains(text) || "Justification".contains(text));
    }
    if let Ok(approval) = Approval::code(text) {
        let (_, value) = approval.header();
        assert!(value == text && value.is_sensitive());
        assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'), "{text:?}");
    }
}
