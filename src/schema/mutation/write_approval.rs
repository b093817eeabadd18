//! `approval`: what a caller sends to have a write approved.

use async_graphql::{ID, InputObject, OneofObject};

use crate::graph::Approval;
use crate::schema::error::FieldError;

/// What a write needs in a tenant where a second administrator approves writes (Multi Admin
/// Approval).
///
/// First send a `justification`. The call fails with `APPROVAL_PENDING` and `approvalCode`. After
/// the approval, repeat the call with that `code`, and otherwise with the same input and as the same
/// user and app.
#[derive(Debug, OneofObject)]
pub(super) enum WriteApprovalInput {
    /// The reason for the write, as plain text for the administrator who decides. At most 768 bytes
    /// in UTF-8.
    Justification(String),
    /// The `approvalCode` of the error `APPROVAL_PENDING`.
    Code(ID),
}

/// The approval of one item of a bulk write.
#[derive(Debug, InputObject)]
pub(super) struct ItemApprovalInput {
    /// The index of the item in the input, from 0.
    index: i32,
    /// The approval of this item, in place of the one of the whole call.
    approval: WriteApprovalInput,
}

impl WriteApprovalInput {
    fn to_model(&self, argument: &str) -> Result<Approval, FieldError> {
        let (member, approval) = match self {
            Self::Justification(text) => ("justification", Approval::justification(text)),
            Self::Code(code) => ("code", Approval::code(code)),
        };
        approval.map_err(|rule| FieldError::bad_user_input(format!("`{argument}.{member}` {rule}.")))
    }
}

/// The approval of a write.
///
/// # Errors
///
/// `BAD_USER_INPUT` if it cannot be sent to Graph.
pub(super) fn approval(input: Option<&WriteApprovalInput>) -> Result<Option<Approval>, FieldError> {
    input.map(|input| input.to_model("input.approval")).transpose()
}

/// The approval of each item of a bulk write; empty if there is none.
///
/// # Errors
///
/// `BAD_USER_INPUT` if one cannot be sent to Graph, or an index is not that of an item or occurs twice.
pub(super) fn item_approvals(
    whole: Option<&WriteApprovalInput>,
    items: Option<&[ItemApprovalInput]>,
    count: usize,
) -> Result<Vec<Option<Approval>>, FieldError> {
    let items = items.unwrap_or_default();
    let whole = approval(whole)?;
    if whole.is_none() && items.is_empty() {
        return Ok(Vec::new());
    }
    let mut approvals = vec![whole; count];
    let mut seen = vec![false; count];
    for (position, item) in items.iter().enumerate() {
        let argument = format!("input.itemApprovals[{position}]");
        let of_item = usize::try_from(item.index).ok().filter(|index| *index < count);
        let index = of_item.filter(|index| !std::mem::replace(&mut seen[*index], true)).ok_or_else(|| {
            let index = item.index;
            FieldError::bad_user_input(format!(
                "`{argument}.index` is {index}, which must be the index of one of the {count} items and occur once."
            ))
        })?;
        approvals[index] = Some(item.approval.to_model(&format!("{argument}.approval"))?);
    }
    Ok(approvals)
}
