//! A page of a list returns each readable row, regardless of the others, and no link to another
//! origin.

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::StatusCode;
use serde_json::Value;
use url::Url;

use super::super::body_limit::BodyLimit;
use super::super::key::Key;
use super::super::models::{DeviceStatus, Entity as _};
use super::super::page::{NextLink, Page};
use super::super::response::GraphResponse;
use super::{REQUEST_LINE, caller};

/// Takes the body of a page.
pub fn page(data: &[u8]) {
    let root = Url::parse("https://graph.microsoft.com/beta").expect("it is a URL");
    let mut response = http::Response::new(Bytes::copy_from_slice(data));
    *response.status_mut() = StatusCode::OK;
    let caller = caller();
    let response = GraphResponse::read(
        response.map(http_body_util::Full::new),
        BodyLimit::unshared(usize::MAX),
        REQUEST_LINE,
        &caller,
    );
    let response = response.now_or_never().and_then(Result::ok).expect("it is a success");
    let read = || Page::<DeviceStatus>::read(&response, &root, "/rows").ok();
    let page = read();
    assert_eq!(page, read(), "it is read in one way only");
    // By another way of reading JSON, which takes less.
    let whole: Option<Value> = serde_json::from_slice(data).ok();
    let Some(page) = page else { return };
    for row in &page.entities {
        assert!(Key::new(row.key()).is_ok(), "{row:?}");
    }
    if let NextLink::Page(next) = &page.next {
        assert!(!next.as_str().is_empty());
    }
    if let Some(whole) = whole
        && let Some(rows) = whole["value"].as_array()
    {
        assert_eq!(page.entities.len() + page.unreadable, rows.len(), "{whole}");
    }
}
