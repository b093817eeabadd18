//! Addresses in Graph's responses: whether one refers to the expected collection, at the service
//! root's origin.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use url::Url;

use super::key::Key;

/// Takes the key from `{root}{collection}/{key}`, in either of OData's notations (`/x/y` and `/x('y')`).
pub(super) fn key_of(location: &str, root: &Url, collection: &str) -> Option<Key> {
    let url = root.join(location).ok()?;
    if url.origin() != root.origin() || !url.username().is_empty() || url.password().is_some() {
        return None;
    }
    let mut found = segments(url.path())?;
    let key = found.pop()?;
    if is_collection(&found, root, collection) { Key::new(key).ok() } else { None }
}

/// Whether a URL's path is that of `collection`, in either of OData's notations.
pub(super) fn same_path(url: &Url, root: &Url, collection: &str) -> bool {
    segments(url.path()).is_some_and(|found| is_collection(&found, root, collection))
}

fn is_collection(found: &[String], root: &Url, collection: &str) -> bool {
    segments(&format!("{}{collection}", root.path())).is_some_and(|expected| {
        found.len() == expected.len()
            && found.iter().zip(&expected).all(|(found, expected)| found.eq_ignore_ascii_case(expected))
    })
}

/// The decoded segments of a path, with `name('key')` taken apart into `name` and `key`.
fn segments(path: &str) -> Option<Vec<String>> {
    let mut segments = Vec::new();
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        let segment: Cow<'_, str> = percent_decode_str(segment).decode_utf8().ok()?;
        match segment.strip_suffix("')").and_then(|segment| segment.split_once("('")) {
            Some((name, key)) => segments.extend([name.to_owned(), key.replace("''", "'")]),
            None => segments.push(segment.into_owned()),
        }
    }
    Some(segments)
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::key_of;

    fn key(location: &str) -> Option<String> {
        let root = Url::parse("https://graph.microsoft.com/beta").unwrap();
        key_of(location, &root, "/apps/a%2Fb/rows").map(|key| key.as_str().to_owned())
    }

    #[test]
    fn a_location_in_the_collection_gives_the_key() {
        for location in [
            "https://graph.microsoft.com/beta/apps/a%2Fb/rows/r%201",
            "https://GRAPH.microsoft.com:443/Beta/apps('a%2Fb')/rows('r%201')",
            "/beta/apps/a%2fb/rows/r%201",
        ] {
            assert_eq!(key(location).as_deref(), Some("r 1"), "{location}");
        }
        assert_eq!(key("/beta/apps('a/b')/rows('it''s')"), None, "a bare slash is another segment");
    }

    #[test]
    fn any_other_location_gives_none() {
        for location in [
            "https://evil.example/beta/apps/a%2Fb/rows/r",
            "http://graph.microsoft.com/beta/apps/a%2Fb/rows/r",
            "https://graph.microsoft.com@evil.example/beta/apps/a%2Fb/rows/r",
            "https://user@graph.microsoft.com/beta/apps/a%2Fb/rows/r",
            "//evil.example/beta/apps/a%2Fb/rows/r",
            "https://graph.microsoft.com/v1.0/apps/a%2Fb/rows/r",
            "https://graph.microsoft.com/beta/apps/other/rows/r",
            "https://graph.microsoft.com/beta/apps/a%2Fb/rows",
            "https://graph.microsoft.com/beta/apps/a%2Fb/rows/r/more",
            "https://graph.microsoft.com/beta/apps/a%2Fb/rows/%2e%2e",
            "",
        ] {
            assert_eq!(key(location), None, "{location}");
        }
    }
}
