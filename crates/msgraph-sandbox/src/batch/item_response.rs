//! The response side of `$batch`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::CONTENT_TYPE;

use crate::error::quoted;
use crate::faults::{HTML, ItemForm};
use crate::render::{Members, array, push_display};
use crate::response::GraphResponse;

/// The response to one item.
#[derive(Debug, Clone)]
pub(super) struct ItemResponse {
    pub(super) id: String,
    response: GraphResponse,
    /// The malformed form that a fault requests, if any.
    pub(super) form: Option<ItemForm>,
}

impl ItemResponse {
    pub(super) fn new(id: &str, response: GraphResponse) -> Self {
        Self { id: id.to_owned(), response, form: None }
    }

    /// Whether items that depend on this one must not be executed.
    pub(super) fn failed(&self) -> bool {
        self.response.status.as_u16() >= 400
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self.form {
            Some(ItemForm::Broken) => return out.extend_from_slice(HTML.as_bytes()),
            Some(ItemForm::Text) => return out.extend_from_slice(quoted("Bad Gateway").as_bytes()),
            Some(ItemForm::Null) => return out.extend_from_slice(b"null"),
            Some(ItemForm::NoStatus | ItemForm::NullHeaders | ItemForm::HtmlBody) | None => {}
        }
        let mut members = Members::open(out);
        members.string("id", &self.id);
        if self.form != Some(ItemForm::NoStatus) {
            push_display(members.name("status"), &self.response.status.as_u16());
        }
        if self.form == Some(ItemForm::NullHeaders) {
            members.name("headers").extend_from_slice(b"null");
        } else {
            self.headers(members.name("headers"));
        }
        if self.form == Some(ItemForm::HtmlBody) {
            members.string("body", HTML);
        } else if !self.response.body.is_empty() {
            self.body(members.name("body"));
        }
        members.close();
    }

    fn headers(&self, out: &mut Vec<u8>) {
        let mut members = Members::open(out);
        members.string("Cache-Control", "no-cache");
        for (name, value) in &self.response.headers {
            members.string(&capitalized(name.as_str()), &String::from_utf8_lossy(value.as_bytes()));
        }
        members.close();
    }

    /// JSON as it stands, everything else as base64.
    fn body(&self, out: &mut Vec<u8>) {
        let json_type = self
            .response
            .headers
            .get(CONTENT_TYPE)
            .is_some_and(|value| value.as_bytes().starts_with(b"application/json"));
        if json_type && serde_json::from_slice::<&serde_json::value::RawValue>(&self.response.body).is_ok() {
            out.extend_from_slice(&self.response.body);
        } else {
            out.extend_from_slice(quoted(&STANDARD.encode(&self.response.body)).as_bytes());
        }
    }
}

/// The body of a batch's response.
pub(super) fn batch_body(responses: &[ItemResponse]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut members = Members::open(&mut out);
    array(members.name("responses"), responses, |out, response| response.write(out));
    members.close();
    out
}

/// A header's name as Graph spells it within batches; the JavaScript SDK recognizes `Content-Type` in this form only.
fn capitalized(name: &str) -> String {
    match name {
        "odata-version" => "OData-Version".to_owned(),
        "odata-entityid" => "OData-EntityId".to_owned(),
        "www-authenticate" => "WWW-Authenticate".to_owned(),
        _ => name
            .split('-')
            .map(|word| {
                let (first, rest) = word.split_at_checked(1).unwrap_or((word, ""));
                format!("{}{rest}", first.to_ascii_uppercase())
            })
            .collect::<Vec<_>>()
            .join("-"),
    }
}

#[cfg(test)]
mod tests {
    use super::capitalized;

    #[test]
    fn header_names_are_spelled_as_the_service_does() {
        for name in ["Content-Type", "Retry-After", "OData-Version", "Location", "WWW-Authenticate"] {
            assert_eq!(capitalized(&name.to_lowercase()), name);
        }
    }
}
