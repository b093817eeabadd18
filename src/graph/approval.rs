//! Multi Admin Approval: an access policy of the tenant holds writes until a second administrator approves them (Microsoft
//! Intune: "Use Multi Admin Approval with the Microsoft Graph API").

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use uuid::Uuid;

/// The header with the reason for a write, in base64.
const JUSTIFICATION: HeaderName = HeaderName::from_static("x-msft-approval-justification");
/// The header with the id of a request for approval.
const CODE: HeaderName = HeaderName::from_static("x-msft-approval-code");

/// Maximum length of a justification in bytes of UTF-8: 1024 characters in base64.
const MAX_JUSTIFICATION: usize = 768;
/// Maximum length of a code. A GUID has 36 characters.
const MAX_CODE: usize = 64;

/// Texts in a message about approvals, in lower case. Words that a caller can have chosen, such as "approval" alone, are
/// in messages about other things too.
const APPROVAL_PHRASES: [&str; 4] =
    ["x-msft-approval", "approval request", "request for approval", "multi admin approval"];

/// What is sent with a write to have it approved. Never sent with reads.
#[derive(Clone, PartialEq, Eq)]
pub enum Approval {
    /// Asks for approval.
    Justification(HeaderValue),
    /// Names the request that was approved.
    Code(HeaderValue),
}

/// Why a text cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidApproval {
    /// The justification is blank or too long.
    #[error("must not be blank and must have at most {MAX_JUSTIFICATION} bytes in UTF-8")]
    Justification,
    /// The code has other characters, or none, or too many.
    #[error("must be the code that an earlier error returned: up to {MAX_CODE} letters, digits and hyphens")]
    Code,
}

impl Approval {
    /// A reason in plain text, for the administrator who decides.
    ///
    /// # Errors
    ///
    /// The text is blank or too long.
    pub fn justification(text: &str) -> Result<Self, InvalidApproval> {
        if text.trim().is_empty() || text.len() > MAX_JUSTIFICATION {
            return Err(InvalidApproval::Justification);
        }
        let mut value =
            HeaderValue::from_str(&STANDARD.encode(text)).map_err(|_| InvalidApproval::Justification)?;
        value.set_sensitive(true);
        Ok(Self::Justification(value))
    }

    /// The code of a request for approval.
    ///
    /// # Errors
    ///
    /// The text cannot be a code.
    pub fn code(text: &str) -> Result<Self, InvalidApproval> {
        let value = Some(text).filter(|text| is_code(text)).and_then(|text| HeaderValue::from_str(text).ok());
        let mut value = value.ok_or(InvalidApproval::Code)?;
        value.set_sensitive(true);
        Ok(Self::Code(value))
    }

    /// The header that is sent.
    pub(super) fn header(&self) -> (HeaderName, &HeaderValue) {
        match self {
            Self::Justification(value) => (JUSTIFICATION, value),
            Self::Code(value) => (CODE, value),
        }
    }
}

/// Without the text: a justification may name persons.
impl fmt::Debug for Approval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Justification(_) => "Justification",
            Self::Code(_) => "Code",
        })
    }
}

/// Why Graph did not execute a write that needs approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApprovalRefusal {
    /// Graph asks for a justification.
    Required,
    /// A request for approval is open. The code is `None` if Graph did not return a usable one.
    Pending {
        /// The id of the request.
        code: Option<String>,
    },
    /// Graph does not accept the code for this write.
    NotApproved,
}

impl ApprovalRefusal {
    /// What the headers of a response tell. `redact` removes secrets from a text.
    pub(super) fn from_headers(
        status: StatusCode,
        headers: &HeaderMap,
        redact: impl Fn(&mut String),
    ) -> Option<Self> {
        if !may_be_pending(status) || !headers.contains_key(CODE) {
            return None;
        }
        let mut codes: Vec<&HeaderValue> = headers.get_all(CODE).iter().collect();
        codes.dedup();
        let code = match codes[..] {
            [code] => code.to_str().ok().map(str::trim).filter(|code| is_code(code)).map(str::to_owned),
            // Which one is meant is not known.
            _ => None,
        };
        let code = code.map(|mut code| {
            redact(&mut code);
            code
        });
        Some(Self::Pending { code: code.filter(|code| is_code(code)) })
    }

    /// What the response to a write with `sent` tells: Graph's message, and what [its headers](Self::from_headers) told.
    pub(super) fn of_write(
        status: StatusCode,
        message: &str,
        by_headers: Option<Self>,
        sent: Option<&Approval>,
    ) -> Option<Self> {
        match (by_headers, Self::from_message(status, message, sent)) {
            (Some(Self::Pending { code: None }), Some(by_message)) => Some(by_message),
            (by_headers, by_message) => by_headers.or(by_message),
        }
    }

    fn from_message(status: StatusCode, message: &str, sent: Option<&Approval>) -> Option<Self> {
        let message = message.to_ascii_lowercase();
        match status {
            // The documentation has both.
            StatusCode::BAD_REQUEST | StatusCode::FORBIDDEN if message.contains(JUSTIFICATION.as_str()) => {
                Some(Self::Required)
            }
            StatusCode::FORBIDDEN if matches!(sent, Some(Approval::Code(_))) => Some(Self::NotApproved),
            status if may_be_pending(status) => {
                let is_about_approval = APPROVAL_PHRASES.iter().any(|phrase| message.contains(phrase))
                    || (sent.is_some() && message.contains("approval"));
                // A GUID in a 409 may be that of the call.
                let code = code_in(&message).filter(|_| status == StatusCode::PRECONDITION_FAILED);
                is_about_approval.then_some(Self::Pending { code })
            }
            _ => None,
        }
    }
}

/// Graph returns 412 to a justification, and 409 while a request is open.
fn may_be_pending(status: StatusCode) -> bool {
    matches!(status, StatusCode::PRECONDITION_FAILED | StatusCode::CONFLICT)
}

fn is_code(text: &str) -> bool {
    (1..=MAX_CODE).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// The code in a message in lower case: the only GUID in it.
fn code_in(message: &str) -> Option<String> {
    let mut guids: Vec<&str> = message
        .split(|c: char| !(c.is_ascii_hexdigit() || c == '-'))
        .filter(|word| word.len() == 36 && Uuid::try_parse(word).is_ok())
        .collect();
    guids.dedup();
    match guids[..] {
        [code] => Some(code.to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, StatusCode};

    use super::{Approval, ApprovalRefusal, CODE, InvalidApproval, code_in};

    #[test]
    fn a_justification_has_at_most_1024_characters_in_base64() {
        for text in ["x".repeat(768), "ü".repeat(384), "a\r\nb".to_owned()] {
            let Ok(Approval::Justification(value)) = Approval::justification(&text) else { panic!("{text}") };
            assert!(value.len() <= 1024 && value.is_sensitive());
        }
        for text in ["x".repeat(769), "ü".repeat(385), String::new(), " \t\n".to_owned()] {
            assert_eq!(Approval::justification(&text), Err(InvalidApproval::Justification));
        }
    }

    #[test]
    fn a_code_has_only_letters_digits_and_hyphens() {
        assert!(Approval::code("0d5a9e4c-8f0b-4d7e-9f41-3b2f5a6c7d8e").is_ok());
        for text in ["", "a b", "a\r\nx-evil: 1", "a\0", "ä", "a,b", &"a".repeat(65)] {
            assert_eq!(Approval::code(text), Err(InvalidApproval::Code), "{text:?}");
        }
    }

    #[test]
    fn only_one_usable_code_is_taken_from_the_headers() {
        let read = |status: u16, values: &[&[u8]]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(CODE, HeaderValue::from_bytes(value).unwrap());
            }
            let redact = |text: &mut String| *text = text.replace("secret", "[hidden]");
            ApprovalRefusal::from_headers(StatusCode::from_u16(status).unwrap(), &headers, redact)
        };
        let pending = |code: Option<&str>| Some(ApprovalRefusal::Pending { code: code.map(str::to_owned) });
        assert_eq!(read(412, &[b" a-1 "]), pending(Some("a-1")));
        assert_eq!(read(409, &[b"a-1", b"a-1"]), pending(Some("a-1")));
        for values in [&[&b""[..]][..], &[b"a", b"b"], &[b"\xff"], &[&[b'a'; 9000]], &[b"<b>"], &[b"secret"]]
        {
            assert_eq!(read(412, values), pending(None), "{values:?}");
        }
        assert_eq!(read(400, &[b"a"]), None);
        assert_eq!(read(412, &[]), None);
    }

    #[test]
    fn a_message_with_one_guid_has_the_code() {
        let guid = "0d5a9e4c-8f0b-4d7e-9f41-3b2f5a6c7d8e";
        assert_eq!(code_in(&format!("code: {guid}.")).as_deref(), Some(guid));
        assert_eq!(code_in(&format!("'{guid}' ({guid})")).as_deref(), Some(guid));
        let other = guid.replace('0', "1");
        for message in ["", "none", &format!("{guid} {other}"), &format!("{guid}0"), &guid.replace('-', "")] {
            assert_eq!(code_in(message), None, "{message}");
        }
    }
}
