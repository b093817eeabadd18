//! The caller's token, from the request's headers.

use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::graph::Authorization;

/// The bearer token of a request; `None` if there is no `Authorization` header, more than one, or another scheme. Fields that
/// need a token then fail with `UNAUTHENTICATED`, and Graph is not called.
pub(super) fn authorization(headers: &HeaderMap) -> Option<Authorization> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Authorization::parse(value).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use http::header::AUTHORIZATION;
    use http::{HeaderMap, HeaderValue};

    use super::authorization;

    #[test]
    fn exactly_one_header_is_accepted() {
        let mut headers = HeaderMap::new();
        assert!(authorization(&headers).is_none());
        headers.append(AUTHORIZATION, HeaderValue::from_static("Bearer a"));
        assert!(authorization(&headers).is_some());
        headers.append(AUTHORIZATION, HeaderValue::from_static("Bearer a"));
        assert!(authorization(&headers).is_none());
    }
}
