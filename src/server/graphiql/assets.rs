//! The page's files, embedded compressed by `build.rs`, and sent in a content coding that the client accepts.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::OnceLock;

use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use flate2::read::GzDecoder;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH, VARY};
use http::{HeaderName, StatusCode};
use rust_embed::{Embed, EmbeddedFile};

use crate::server::content_coding::AcceptedCodings;

#[derive(Embed)]
#[folder = "$OUT_DIR/ide"]
struct Files;

/// A file in its content codings.
pub(super) struct Asset {
    content_type: HeaderValue,
    gzip: Representation,
    brotli: Option<Representation>,
    /// For clients that accept no coding, which are few; decompressed on first use.
    identity: OnceLock<Representation>,
}

#[derive(Clone)]
struct Representation {
    coding: Option<&'static str>,
    bytes: Bytes,
    /// A strong entity tag, which differs between the codings of a file (RFC 9110, section 8.8.3.3).
    etag: HeaderValue,
}

impl Representation {
    fn embedded(coding: &'static str, file: EmbeddedFile) -> Self {
        let hash = file.metadata.sha256_hash();
        let digits: String = hash[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        let bytes = match file.data {
            std::borrow::Cow::Borrowed(bytes) => Bytes::from_static(bytes),
            std::borrow::Cow::Owned(bytes) => Bytes::from(bytes),
        };
        let etag = HeaderValue::try_from(format!("\"{digits}\"")).expect("hex digits fit a header");
        Self { coding: Some(coding), bytes, etag }
    }
}

/// All files, by name.
pub(super) fn all() -> BTreeMap<String, Asset> {
    let names = Files::iter().filter_map(|file| file.strip_suffix(".gz").map(str::to_owned));
    names
        .map(|name| {
            let gzip = Files::get(&format!("{name}.gz")).expect("the file was just listed");
            let brotli = Files::get(&format!("{name}.br"));
            let asset = Asset {
                content_type: content_type(&name),
                gzip: Representation::embedded("gzip", gzip),
                brotli: brotli.map(|file| Representation::embedded("br", file)),
                identity: OnceLock::new(),
            };
            (name, asset)
        })
        .collect()
}

fn content_type(name: &str) -> HeaderValue {
    HeaderValue::from_static(match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "txt" => "text/plain; charset=utf-8",
        "ttf" => "font/ttf",
        _ => "application/octet-stream",
    })
}

impl Asset {
    /// The response to a GET request: the file in a coding that the client accepts, or 304 if the client has it.
    pub(super) fn respond(&self, request: &HeaderMap) -> Response {
        let representation = self.negotiate(request);
        let headers =
            [(VARY, HeaderValue::from_static("accept-encoding")), (ETAG, representation.etag.clone())];
        if matches_if_none_match(request, &representation.etag) {
            return (StatusCode::NOT_MODIFIED, headers).into_response();
        }
        let coding: Option<[(HeaderName, &str); 1]> =
            representation.coding.map(|coding| [(CONTENT_ENCODING, coding)]);
        let content_type = [(CONTENT_TYPE, self.content_type.clone())];
        let mut response = (headers, content_type, representation.bytes.clone()).into_response();
        for (name, coding) in coding.into_iter().flatten() {
            response.headers_mut().insert(name, HeaderValue::from_static(coding));
        }
        response
    }

    fn negotiate(&self, request: &HeaderMap) -> &Representation {
        let codings: &[&str] = if self.brotli.is_some() { &["br", "gzip"] } else { &["gzip"] };
        match (AcceptedCodings::of(request).best(codings), &self.brotli) {
            (Some("br"), Some(brotli)) => brotli,
            (Some(_), _) => &self.gzip,
            (None, _) => self.identity(),
        }
    }

    fn identity(&self) -> &Representation {
        self.identity.get_or_init(|| {
            let mut bytes = Vec::new();
            GzDecoder::new(self.gzip.bytes.as_ref())
                .read_to_end(&mut bytes)
                .expect("what the build compressed can be read");
            let etag = self.gzip.etag.to_str().expect("it was made of hex digits");
            let etag = HeaderValue::try_from(format!("\"{}-plain\"", etag.trim_matches('"')));
            Representation { coding: None, bytes: bytes.into(), etag: etag.expect("hex digits fit a header") }
        })
    }
}

/// Whether `If-None-Match` contains the tag, by weak comparison (RFC 9110, section 13.1.2).
fn matches_if_none_match(request: &HeaderMap, etag: &HeaderValue) -> bool {
    let Ok(etag) = etag.to_str() else { return false };
    let values = request.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).any(|tag| {
        // A proxy that changes the coding makes the tag weak.
        tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, ETAG, IF_NONE_MATCH};

    use super::all;

    fn accepting(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(ACCEPT_ENCODING, value.parse().unwrap())])
    }

    #[test]
    fn a_coding_is_sent_only_to_clients_that_accept_it() {
        let files = all();
        // A file may be embedded in one coding only.
        for (header, of_both, of_gzip) in [
            ("gzip, deflate, br, zstd", Some("br"), Some("gzip")),
            ("GZIP;q=0.5", Some("gzip"), Some("gzip")),
            ("br;q=0, *", Some("gzip"), Some("gzip")),
            ("br;Q=0, gzip;Q=0", None, None),
            ("br; q=0.001,gzip;q=0.0", Some("br"), None),
            ("identity", None, None),
            ("*;q=0", None, None),
            ("br;q=x", None, None),
            ("zstd", None, None),
            ("", None, None),
        ] {
            for (name, file) in &files {
                let response = file.respond(&accepting(header));
                let sent = response.headers().get(CONTENT_ENCODING).map(|coding| coding.to_str().unwrap());
                let expected = if file.brotli.is_some() { of_both } else { of_gzip };
                assert_eq!(sent, expected, "{name} {header}");
            }
        }
    }

    #[test]
    fn an_etag_is_valid_for_its_own_coding_only() {
        let files = all();
        let page = &files["index.html"];
        let gzip = page.respond(&accepting("gzip"));
        assert_eq!(gzip.headers()[CONTENT_ENCODING], "gzip");
        let identity = page.respond(&HeaderMap::new());
        assert!(!identity.headers().contains_key(CONTENT_ENCODING));
        assert_ne!(gzip.headers()[ETAG], identity.headers()[ETAG]);

        let mut again = accepting("gzip");
        again.insert(IF_NONE_MATCH, identity.headers()[ETAG].clone());
        assert_eq!(page.respond(&again).status(), 200);
        let weak = format!("\"other\", W/{}", gzip.headers()[ETAG].to_str().unwrap());
        again.insert(IF_NONE_MATCH, weak.parse().unwrap());
        assert_eq!(page.respond(&again).status(), 304);
        again.insert(IF_NONE_MATCH, "*".parse().unwrap());
        assert_eq!(page.respond(&again).status(), 304);
    }
}
