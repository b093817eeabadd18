//! HPACK (RFC 7541), as far as a server of tests needs it: header blocks are decoded in full, apart from Huffman-coded
//! octets that are not printable ASCII, and encoded without indexing and Huffman coding.

/// Largest dynamic table, in bytes: the default of `SETTINGS_HEADER_TABLE_SIZE`.
const TABLE_BYTES: usize = 4096;

/// RFC 7541, appendix A.
const STATIC_TABLE: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

/// Lengths in bits of the Huffman codes of U+0020 to U+007E (RFC 7541, appendix B).
const CODE_LENGTHS: [u8; 95] = [
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12,
    10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13,
];

/// Decodes the header blocks of one connection.
#[derive(Default)]
pub(super) struct Decoder {
    /// The dynamic table, newest first.
    dynamic: Vec<(String, String)>,
}

impl Decoder {
    /// The fields of a header block, in order.
    pub(super) fn decode(&mut self, mut block: &[u8]) -> Vec<(String, String)> {
        let mut fields = Vec::new();
        while let Some(&first) = block.first() {
            if first & 0x80 != 0 {
                let index = integer(&mut block, 7);
                fields.push(self.entry(index));
            } else if first & 0xe0 == 0x20 {
                // The size of the table: never above the default, which evicts late enough.
                integer(&mut block, 5);
            } else {
                let is_indexed = first & 0x40 != 0;
                let index = integer(&mut block, if is_indexed { 6 } else { 4 });
                let name = if index == 0 { string(&mut block) } else { self.entry(index).0 };
                let field = (name, string(&mut block));
                if is_indexed {
                    self.insert(field.clone());
                }
                fields.push(field);
            }
        }
        fields
    }

    fn entry(&self, index: usize) -> (String, String) {
        match STATIC_TABLE.get(index - 1) {
            Some((name, value)) => ((*name).to_owned(), (*value).to_owned()),
            None => self.dynamic[index - 1 - STATIC_TABLE.len()].clone(),
        }
    }

    fn insert(&mut self, field: (String, String)) {
        self.dynamic.insert(0, field);
        let mut bytes = 0;
        let fits = |(name, value): &&(String, String)| {
            bytes += name.len() + value.len() + 32;
            bytes <= TABLE_BYTES
        };
        let kept = self.dynamic.iter().take_while(fits).count();
        self.dynamic.truncate(kept);
    }
}

fn take(block: &mut &[u8]) -> u8 {
    let (first, rest) = block.split_first().expect("a whole header block");
    *block = rest;
    *first
}

fn integer(block: &mut &[u8], prefix: u8) -> usize {
    let most = (1_usize << prefix) - 1;
    let mut value = usize::from(take(block)) & most;
    if value == most {
        let mut shift = 0;
        loop {
            let octet = usize::from(take(block));
            value += (octet & 0x7f) << shift;
            shift += 7;
            if octet & 0x80 == 0 {
                break;
            }
        }
    }
    value
}

fn string(block: &mut &[u8]) -> String {
    let is_huffman = block.first().is_some_and(|first| first & 0x80 != 0);
    let length = integer(block, 7);
    let (octets, rest) = block.split_at(length);
    *block = rest;
    if is_huffman { huffman(octets) } else { String::from_utf8_lossy(octets).into_owned() }
}

/// The code is canonical: codes of one length are consecutive, in the order of the symbols.
fn huffman(octets: &[u8]) -> String {
    let symbols = |length: u8| {
        // U+0000 has the first code of 13 bits.
        let first = (length == 13).then_some('\0');
        let printable = (b' '..=b'~').zip(CODE_LENGTHS).filter(move |(_, bits)| *bits == length);
        first.into_iter().chain(printable.map(|(symbol, _)| char::from(symbol)))
    };
    let mut text = String::new();
    let (mut code, mut bits) = (0_u32, 0_u8);
    // The first code of the present length.
    let mut first = 0_u32;
    for bit in octets.iter().flat_map(|octet| (0..8).rev().map(move |place| octet >> place & 1)) {
        code = code << 1 | u32::from(bit);
        bits += 1;
        first <<= 1;
        let count = u32::try_from(symbols(bits).count()).expect("fewer than a hundred");
        if bits < 19 && code < first + count {
            let place = usize::try_from(code - first).expect("fewer than a hundred");
            text.extend(symbols(bits).nth(place));
            (code, bits, first) = (0, 0, 0);
        } else {
            first += count;
        }
        assert!(bits < 19, "an octet that is not printable ASCII");
    }
    // The rest is padding of ones.
    text
}

/// A header block of literals.
pub(super) fn encode<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            let length = text.len();
            match length.checked_sub(127) {
                None => block.push(u8::try_from(length).expect("below 127")),
                Some(more) => {
                    assert!(more < 0x80 * 0x80, "a longer header field than any test needs");
                    let low = u8::try_from(more & 0x7f).expect("seven bits");
                    block.extend([127, 0x80 | low, u8::try_from(more >> 7).expect("seven bits")]);
                }
            }
            block.extend(text.as_bytes());
        }
    }
    block
}

#[test]
fn the_header_blocks_of_the_specification_decode() {
    // RFC 7541, C.4: three requests on one connection, with Huffman coding.
    let hex = |text: &str| -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    };
    let mut decoder = Decoder::default();
    let first = decoder.decode(&hex("828684418cf1e3c2e5f23a6ba0ab90f4ff"));
    assert_eq!(first[3], (":authority".to_owned(), "www.example.com".to_owned()));
    let second = decoder.decode(&hex("828684be5886a8eb10649cbf"));
    assert_eq!(second[3].1, "www.example.com");
    assert_eq!(second[4], ("cache-control".to_owned(), "no-cache".to_owned()));
    let third = decoder.decode(&hex("828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf"));
    assert_eq!(third[4], ("custom-key".to_owned(), "custom-value".to_owned()));
    let long = "x".repeat(300);
    assert_eq!(Decoder::default().decode(&encode([("a", long.as_str())])), [("a".to_owned(), long)]);
}
