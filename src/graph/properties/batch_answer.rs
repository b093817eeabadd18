//! A batch response has exactly one response for each request, for any content.

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::StatusCode;
use serde_json::{Value, json};

use super::super::batch::{ItemResponse, MAX_ITEMS, read_responses};
use super::super::body_limit::BodyLimit;
use super::super::error::Error;
use super::super::response::GraphResponse;
use super::graph_error::check;
use super::{REQUEST_LINE, caller};

/// Accepts a response: a first line with the number of requests, then the body. A well-formed
/// response is also generated from the bytes of the body.
pub fn batch_answer(data: &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (first, rest) = data.split_at(end);
    let count = std::str::from_utf8(first).ok().and_then(|line| line.parse().ok()).unwrap_or(MAX_ITEMS);
    let count = count.clamp(1, MAX_ITEMS);
    let body = rest.strip_prefix(b"\n").unwrap_or(rest);
    as_it_comes(body, count);
    built(body, count);
}

fn as_it_comes(body: &[u8], count: usize) {
    let Ok(read) = read_responses(body, count) else { return };
    assert_eq!(read.len(), count);
    // The same with another JSON parser, which fails on deeply nested objects.
    let whole: Option<Value> = serde_json::from_slice(body).ok();
    let again = read_responses(body, count).expect("it was read before");
    for (index, (item, again)) in read.into_iter().zip(again).enumerate() {
        assert_eq!(shown(&item), shown(&again), "it is read in one way only");
        if let (Ok(_), Some(whole)) = (&item, &whole) {
            let is_own = |response: &&Value| members(response, "id").any(|id| is_id(id, index));
            let responses = members(whole, "responses").flat_map(|responses| responses.as_array());
            let named = responses.flatten().filter(is_own).count();
            assert!(named > 0, "{index} has an answer that is none of its own");
        }
        if let Ok(item) = item {
            check_item(item);
        }
    }
}

/// An object's members of this name, in any case.
fn members<'a>(value: &'a Value, name: &'a str) -> impl Iterator<Item = &'a Value> {
    let members = value.as_object().into_iter().flatten();
    members.filter(move |(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn is_id(id: &Value, index: usize) -> bool {
    *id == json!(index) || *id == json!(index.to_string())
}

fn shown(item: &Result<ItemResponse, &'static str>) -> String {
    format!("{item:?}")
}

/// An item ends as a success, or as an error that can be passed on.
fn check_item(item: ItemResponse) {
    let status = item.status;
    let outer = http::Response::new(Bytes::new());
    let outer = GraphResponse::read(
        outer.map(http_body_util::Full::new),
        BodyLimit::unshared(0),
        REQUEST_LINE,
        &caller(),
    )
    .now_or_never();
    let outer = outer.and_then(Result::ok).expect("the answer around the items is a success");
    match outer.item(item, REQUEST_LINE, &caller()) {
        Ok(item) => assert!(status.is_success() && item.status() == status),
        Err(Error::Api(api)) => {
            assert!(!status.is_success() && api.status == status);
            check(&api);
        }
        Err(error) => panic!("{error:?} is no answer of Graph's"),
    }
}

/// Each byte is a response: the low bits are its id, three of which are unknown, and the high bits
/// its form.
fn built(data: &[u8], count: usize) {
    let mut responses = Vec::new();
    let mut expected: Vec<Option<Result<(u16, Bytes), ()>>> = vec![None; count];
    for (place, byte) in data.iter().take(2 * MAX_ITEMS).enumerate() {
        let index = usize::from(byte & 31) % (count + 3);
        let id = if place % 2 == 0 { json!(index) } else { json!(index.to_string()) };
        let (response, item) = match byte >> 5 {
            0 => (json!({"id": id}), Err(())),
            1 => (json!({"id": id, "status": 1000}), Err(())),
            2 => (json!({"id": id, "status": 204}), Ok((204, Bytes::new()))),
            3 => (json!({"id": id, "status": "503", "body": null}), Ok((503, Bytes::new()))),
            4 => {
                let response = json!({"id": id, "status": 200, "headers": {"content-type": "text/plain"}, "body": "MTI="});
                (response, Ok((200, Bytes::from_static(b"12"))))
            }
            _ => {
                let body = json!({"place": place});
                let text = Bytes::from(body.to_string());
                (json!({"body": body, "headers": {"x": place}, "status": 201, "id": id}), Ok((201, text)))
            }
        };
        responses.push(response);
        if let Some(expected) = expected.get_mut(index) {
            *expected = Some(if expected.is_some() { Err(()) } else { item });
        }
    }
    let body = json!({"responses": responses}).to_string();
    let read = read_responses(body.as_bytes(), count).expect("it is a batch's answer");
    let read = read.into_iter().map(|item| item.map(|item| (item.status, item.body)));
    let expected = expected.into_iter().map(|item| {
        let (status, body) = item.unwrap_or(Err(()))?;
        Ok((StatusCode::from_u16(status).expect("it is a status"), body))
    });
    assert!(read.map(|item| item.map_err(drop)).eq(expected), "{body}");
}
