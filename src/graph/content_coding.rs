//! Content codings (RFC 9110, section 8.4.1). A body is decoded chunk by chunk as it arrives, and
//! never beyond its size limit.
//!
//! Only gzip is requested. It may have several members (RFC 1952, section 2.2), be named `x-gzip`,
//! and be applied twice. Bytes after the last member, such as padding, are ignored. A body that is
//! not compressed despite its header, as some proxies send it, is used unchanged.

use std::io::{self, Write as _};

use bytes::BytesMut;
use flate2::write::GzDecoder;
use http::HeaderMap;
use http::header::CONTENT_ENCODING;

/// Maximum number of codings of one body.
const MAX_LAYERS: usize = 2;
/// Bytes that the codings around another may add to a body.
const OVERHEAD: usize = 1024;
/// The magic bytes of a gzip member.
const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Decodes one body.
#[derive(Debug)]
pub(super) struct Decoder {
    /// The outermost first.
    layers: Vec<Gzip>,
}

/// An unknown coding, or too many codings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the response has a content coding that was not requested")]
pub(super) struct Unsupported;

/// Why a body cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum DecodeError {
    /// It has more bytes than are to be read of it.
    #[error("the decoded body is too large")]
    TooLarge,
    /// It does not have the format of its coding.
    #[error("the body's content coding is damaged")]
    Damaged,
    /// It ends in the middle.
    #[error("the compressed body ends too early")]
    Cut,
}

impl Decoder {
    /// For a body with these headers.
    ///
    /// # Errors
    ///
    /// If it has a coding that cannot be decoded.
    pub(super) fn new(headers: &HeaderMap) -> Result<Self, Unsupported> {
        let mut layers = Vec::new();
        for value in headers.get_all(CONTENT_ENCODING) {
            for coding in value.to_str().map_err(|_| Unsupported)?.split(',') {
                match coding.trim().to_ascii_lowercase().as_str() {
                    "" | "identity" => {}
                    "gzip" | "x-gzip" if layers.len() < MAX_LAYERS => layers.push(Gzip::default()),
                    _ => return Err(Unsupported),
                }
            }
        }
        Ok(Self { layers })
    }

    /// Whether there is nothing to decode: the chunks are the body.
    pub(super) fn is_identity(&self) -> bool {
        self.layers.is_empty()
    }

    /// Decodes a chunk onto the end of `out`, which has `max` bytes at most.
    ///
    /// # Errors
    ///
    /// If the limit is exceeded, or the body is damaged.
    pub(super) fn push(&mut self, chunk: &[u8], out: &mut BytesMut, max: usize) -> Result<(), DecodeError> {
        push(&mut self.layers, chunk, out, max)
    }

    /// Ends the body: writes pending bytes to `out`.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Cut`] if data is missing or the checksum is wrong; and the errors of
    /// [`Self::push`].
    pub(super) fn finish(&mut self, out: &mut BytesMut, max: usize) -> Result<(), DecodeError> {
        let mut rest = &mut self.layers[..];
        while let Some((layer, within)) = std::mem::take(&mut rest).split_first_mut() {
            layer.finish(most(within, max), &mut |decoded| push(within, decoded, out, max))?;
            rest = within;
        }
        Ok(())
    }
}

/// The number of bytes that a coding may produce for those that it contains.
fn most(within: &[Gzip], max: usize) -> usize {
    if within.is_empty() { max } else { max.saturating_add(OVERHEAD) }
}

fn push(layers: &mut [Gzip], chunk: &[u8], out: &mut BytesMut, max: usize) -> Result<(), DecodeError> {
    let Some((layer, within)) = layers.split_first_mut() else {
        if chunk.len() > max.saturating_sub(out.len()) {
            return Err(DecodeError::TooLarge);
        }
        out.extend_from_slice(chunk);
        return Ok(());
    };
    layer.push(chunk, most(within, max), &mut |decoded| push(within, decoded, out, max))
}

/// Receives decoded bytes.
type Give<'a> = &'a mut dyn FnMut(&[u8]) -> Result<(), DecodeError>;

/// One coding.
#[derive(Debug, Default)]
struct Gzip {
    state: State,
    /// The number of bytes produced.
    given: usize,
}

#[derive(Debug, Default)]
enum State {
    /// No byte was received.
    #[default]
    Start,
    /// The first byte of [`MAGIC`] was received; `is_first`: of the body.
    Magic { is_first: bool },
    /// Within a member.
    Member(Box<GzDecoder<Vec<u8>>>),
    /// After a member.
    Between,
    /// The body is not coded.
    Plain,
    /// After the last member.
    End,
}

impl Gzip {
    fn push(&mut self, mut chunk: &[u8], most: usize, give: Give<'_>) -> Result<(), DecodeError> {
        while let [first, rest @ ..] = chunk {
            match &mut self.state {
                State::Start | State::Between if *first == MAGIC[0] => {
                    self.state = State::Magic { is_first: matches!(self.state, State::Start) };
                    chunk = rest;
                }
                State::Start => self.state = State::Plain,
                State::Magic { .. } if *first == MAGIC[1] => {
                    let mut member = GzDecoder::new(Vec::new());
                    member.write_all(&MAGIC[..1]).map_err(|_| DecodeError::Damaged)?;
                    self.state = State::Member(Box::new(member));
                }
                State::Magic { is_first: true } => return Err(DecodeError::Damaged),
                State::Between | State::Magic { is_first: false } => self.state = State::End,
                State::Plain => {
                    return give_counted(&mut self.given, chunk, most, give);
                }
                State::End => return Ok(()),
                State::Member(member) => {
                    let written = write(member, chunk)?;
                    give_counted(&mut self.given, member.get_ref(), most, give)?;
                    member.get_mut().clear();
                    match written {
                        0 => self.end_member(most, give)?,
                        written => chunk = &chunk[written..],
                    }
                }
            }
        }
        Ok(())
    }

    /// Ends the body.
    fn finish(&mut self, most: usize, give: Give<'_>) -> Result<(), DecodeError> {
        match self.state {
            State::Magic { .. } => Err(DecodeError::Cut),
            State::Member(_) => self.end_member(most, give).map_err(|error| match error {
                DecodeError::Damaged => DecodeError::Cut,
                error => error,
            }),
            State::Start | State::Between | State::Plain | State::End => Ok(()),
        }
    }

    /// Ends a member that takes no more.
    fn end_member(&mut self, most: usize, give: Give<'_>) -> Result<(), DecodeError> {
        let State::Member(member) = std::mem::replace(&mut self.state, State::Between) else { return Ok(()) };
        let decoded = member.finish().map_err(|_| DecodeError::Damaged)?;
        give_counted(&mut self.given, &decoded, most, give)
    }
}

fn give_counted(given: &mut usize, bytes: &[u8], most: usize, give: Give<'_>) -> Result<(), DecodeError> {
    *given = given.saturating_add(bytes.len());
    if *given > most { Err(DecodeError::TooLarge) } else { give(bytes) }
}

/// Writes as much as the decoder accepts at once; 0 if the member has ended.
fn write(member: &mut GzDecoder<Vec<u8>>, chunk: &[u8]) -> Result<usize, DecodeError> {
    loop {
        match member.write(chunk) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result.map_err(|_| DecodeError::Damaged),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use bytes::BytesMut;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use http::header::CONTENT_ENCODING;
    use http::{HeaderMap, HeaderValue};
    use proptest::prelude::*;

    use super::{DecodeError, Decoder, Unsupported};

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn decoder(codings: &[&'static str]) -> Result<Decoder, Unsupported> {
        let mut headers = HeaderMap::new();
        for coding in codings {
            headers.append(CONTENT_ENCODING, HeaderValue::from_static(coding));
        }
        Decoder::new(&headers)
    }

    /// Decodes a body in chunks of this size.
    fn decode(coding: &'static str, body: &[u8], chunk: usize, max: usize) -> Result<Vec<u8>, DecodeError> {
        let mut decoder = decoder(&[coding]).unwrap();
        let mut out = BytesMut::new();
        for chunk in body.chunks(chunk) {
            decoder.push(chunk, &mut out, max)?;
            assert!(out.len() <= max);
        }
        decoder.finish(&mut out, max)?;
        assert!(out.len() <= max);
        Ok(out.to_vec())
    }

    #[test]
    fn codings_are_told_from_the_header() {
        for (codings, layers) in [
            (&[][..], 0),
            (&["identity"], 0),
            (&[""], 0),
            (&["gzip"], 1),
            (&["GZIP"], 1),
            (&["x-gzip"], 1),
            (&[" X-GZip , identity"], 1),
            (&["gzip, gzip"], 2),
            (&["gzip", "gzip"], 2),
        ] {
            let decoder = decoder(codings).unwrap();
            assert_eq!(decoder.layers.len(), layers, "{codings:?}");
            assert_eq!(decoder.is_identity(), layers == 0);
        }
        for codings in
            [&["deflate"][..], &["br"], &["zstd"], &["gzip, br"], &["gzip, gzip, gzip"], &["gzip;q=1"]]
        {
            assert_eq!(decoder(codings).unwrap_err(), Unsupported, "{codings:?}");
        }
    }

    #[test]
    fn members_follow_each_other_and_padding_is_passed_over() {
        let [one, two] = [gzip(b"{\"value\":"), gzip(b"[]}")];
        let whole = &b"{\"value\":[]}"[..];
        let empty = gzip(b"");
        for body in [
            gzip(whole),
            [&one[..], &two].concat(),
            [&empty[..], &one, &empty, &two, &empty].concat(),
            [&one[..], &two, &[0; 512]].concat(),
            [&one[..], &two, b"\r\n"].concat(),
            whole.to_vec(),
        ] {
            for chunk in [1, 2, 3, 7, 1000] {
                assert_eq!(decode("gzip", &body, chunk, 100).unwrap(), whole, "{chunk}: {body:?}");
            }
            let twice = [gzip(&body[..5]), gzip(&body[5..])].concat();
            assert_eq!(decode("gzip, gzip", &twice, 3, 100).unwrap(), whole);
        }
        assert_eq!(decode("gzip", b"", 1, 0).unwrap(), b"");
        assert_eq!(decode("identity", whole, 3, 100).unwrap(), whole);
    }

    #[test]
    fn a_body_that_ends_early_is_cut_wherever_it_does() {
        let body = [gzip(b"a"), gzip(&b"bcdefg".repeat(100))].concat();
        let first = gzip(b"a").len();
        for end in 1..body.len() {
            let decoded = decode("gzip", &body[..end], 7, 10_000);
            if end == first {
                assert_eq!(decoded.unwrap(), b"a", "it is whole by chance");
            } else {
                assert_eq!(decoded.unwrap_err(), DecodeError::Cut, "{end}");
            }
        }
    }

    #[test]
    fn a_wrong_checksum_is_told() {
        let mut body = gzip(b"abc");
        let at = body.len() - 6;
        body[at] ^= 1;
        assert_eq!(decode("gzip", &body, 100, 100).unwrap_err(), DecodeError::Cut);
        body.extend(gzip(b"def"));
        assert_eq!(decode("gzip", &body, 100, 100).unwrap_err(), DecodeError::Damaged);
    }

    #[test]
    fn a_bomb_ends_at_the_bound() {
        let large = vec![0; 64 << 20];
        let bomb = gzip(&large);
        assert_eq!(decode("gzip", &bomb, 1000, 1 << 20).unwrap_err(), DecodeError::TooLarge);
        assert_eq!(decode("gzip, gzip", &gzip(&bomb), 1000, 1 << 10).unwrap_err(), DecodeError::TooLarge);
        // Bytes that the inner coding ignores count too.
        let padded = gzip(&[gzip(b"a"), large].concat());
        assert_eq!(decode("gzip, gzip", &padded, 1000, 1 << 20).unwrap_err(), DecodeError::TooLarge);
        let exact = gzip(&[1; 1000]);
        assert_eq!(decode("gzip", &exact, 10, 1000).unwrap().len(), 1000);
        assert_eq!(decode("gzip", &exact, 10, 999).unwrap_err(), DecodeError::TooLarge);
        assert_eq!(decode("identity", &[1; 1000], 10, 999).unwrap_err(), DecodeError::TooLarge);
    }

    proptest! {
        #[test]
        fn what_is_coded_comes_back(
            members in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 1..4),
            chunk in 1_usize..50,
            twice: bool,
        ) {
            let mut body: Vec<u8> = members.iter().flat_map(|member| gzip(member)).collect();
            if twice {
                body = gzip(&body);
            }
            let coding = if twice { "gzip, x-gzip" } else { "gzip" };
            prop_assert_eq!(decode(coding, &body, chunk, 10_000).unwrap(), members.concat());
        }

        #[test]
        fn no_bytes_panic_or_give_more_than_is_read(
            mut body in proptest::collection::vec(any::<u8>(), 0..300),
            chunk in 1_usize..50,
            is_gzip: bool,
            max in 0_usize..200,
        ) {
            if is_gzip {
                let coded = gzip(&body);
                let damage = body.first().copied().unwrap_or_default();
                body = coded;
                let at = usize::from(damage) % body.len();
                body[at] ^= damage;
            }
            for coding in ["gzip", "gzip, gzip"] {
                let _ = decode(coding, &body, chunk, max);
            }
        }
    }
}
