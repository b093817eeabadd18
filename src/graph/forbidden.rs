//! Why Graph did not allow a request, as far as the message of its 403 tells.

use http::StatusCode;

use super::approval::ApprovalRefusal;
use super::error::ApiError;

/// Maximum number of permissions that are taken from a message, and maximum length of each in bytes. Graph names at most four.
const MAX_PERMISSIONS: usize = 16;
const MAX_PERMISSION: usize = 128;

/// What the message of a 403 tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forbidden {
    /// What the caller lacks.
    pub reason: ForbiddenReason,
    /// The permissions of which the caller needs one, as Graph names them. Empty if it names none.
    pub required_permissions: Vec<String>,
}

/// What the caller of a request that Graph did not allow lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForbiddenReason {
    /// A permission in the token.
    Scope,
    /// An Intune role of the user.
    Role,
    /// The approval of a second administrator.
    Approval,
    /// The message does not tell.
    Other,
}

impl ApiError {
    /// Why the request was not allowed. `None` unless the status is 403.
    #[must_use]
    pub fn forbidden(&self) -> Option<Forbidden> {
        if self.status != StatusCode::FORBIDDEN {
            return None;
        }
        let mut forbidden = Forbidden::from_message(self.message.as_deref().unwrap_or_default());
        // To a write with a code, Graph does not tell.
        if forbidden.reason == ForbiddenReason::Other && self.approval == Some(ApprovalRefusal::NotApproved) {
            forbidden.reason = ForbiddenReason::Approval;
        }
        Some(forbidden)
    }
}

impl Forbidden {
    /// Reads the message of a 403. The sentences are those of "Errors and throttling"; the names of permissions change
    /// without notice, so any name is taken.
    fn from_message(message: &str) -> Self {
        let lowercase = message.to_ascii_lowercase();
        let required_permissions = ["following scopes:", "following permissions:", "requires one of '"]
            .iter()
            .find_map(|introduction| Some(lowercase.find(introduction)? + introduction.len()))
            .map(|start| permissions(&message[start..]))
            .unwrap_or_default();
        let reason = if lowercase.contains("x-msft-approval") {
            ForbiddenReason::Approval
        } else if !required_permissions.is_empty() || lowercase.contains("application permissions") {
            ForbiddenReason::Scope
        } else if lowercase.starts_with("user is not authorized") {
            ForbiddenReason::Role
        } else {
            ForbiddenReason::Other
        };
        Self { reason, required_permissions }
    }
}

/// The names at the start of a text, separated by commas. A permission consists of words that are joined by full stops.
fn permissions(text: &str) -> Vec<String> {
    let is_name = |name: &&str| {
        name.len() <= MAX_PERMISSION
            && name.contains('.')
            && name.split('.').all(|word| {
                !word.is_empty()
                    && word
                        .bytes()
                        .all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'_'))
            })
    };
    text.split(',')
        .map_while(|part| part.split_whitespace().next())
        .map(|name| name.trim_end_matches(['.', ';', '\'']))
        .take_while(is_name)
        .take(MAX_PERMISSIONS)
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Forbidden, ForbiddenReason};

    fn read(message: &str) -> (ForbiddenReason, Vec<String>) {
        let Forbidden { reason, required_permissions } = Forbidden::from_message(message);
        (reason, required_permissions)
    }

    #[test]
    fn permissions_are_taken_as_graph_names_them() {
        let introduction = "Application is not authorized to perform this operation. Application must have one of the \
                            following scopes: ";
        for (names, expected) in [
            ("A.Read.All, B.ReadWrite.All", &["A.Read.All", "B.ReadWrite.All"][..]),
            ("A.Read.All,B.ReadWrite.All.", &["A.Read.All", "B.ReadWrite.All"]),
            ("A.Read.All - Operation ID (for customer support): 0000", &["A.Read.All"]),
            ("New-Name_2.Read, then, B.Read.All", &["New-Name_2.Read"]),
            ("https://host/x", &[]),
            ("", &[]),
        ] {
            let (reason, found) = read(&format!("{introduction}{names}"));
            assert_eq!(found, expected, "{names}");
            let scope = if expected.is_empty() { ForbiddenReason::Other } else { ForbiddenReason::Scope };
            assert_eq!(reason, scope, "{names}");
        }
        let names = ["User.Read".to_owned(), "User.Read.All".to_owned()].to_vec();
        let message = "Missing scope permissions on the request. API requires one of 'User.Read, User.Read.All'. Scopes on \
                       the request 'openid'";
        assert_eq!(read(message), (ForbiddenReason::Scope, names));
        let many = vec!["A.Read.All"; 1000].join(", ");
        assert_eq!(read(&format!("{introduction}{many}")).1.len(), super::MAX_PERMISSIONS);
        assert!(read(&format!("{introduction}{}.All", "x".repeat(200))).1.is_empty());
    }

    #[test]
    fn the_reason_is_other_where_the_message_does_not_tell() {
        let without_permissions =
            "The call is in app only context but does not have application permissions configured.";
        assert_eq!(read(without_permissions), (ForbiddenReason::Scope, vec![]));
        assert_eq!(read("User is not authorized to perform this operation"), (ForbiddenReason::Role, vec![]));
        assert_eq!(read("Set x-msft-approval-justification"), (ForbiddenReason::Approval, vec![]));
        for message in ["Insufficient privileges to complete the operation.", "", "Access denied"] {
            assert_eq!(read(message), (ForbiddenReason::Other, vec![]), "{message}");
        }
    }
}
