//! Floods of HTTP/2 frames close only their own connection.

use futures_util::future::join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::harness::Gateway;
use crate::hostile_documents::assert_serving;
use crate::hostile_requests::connect;
use crate::http2_frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PREFACE, RST_STREAM, SETTINGS,
    WINDOW_UPDATE, frame,
};

/// The error with which the gateway ended a connection by GOAWAY, among the frames that it sent.
fn goaway(mut frames: &[u8]) -> Option<u32> {
    while let Some((head, rest)) = frames.split_at_checked(9) {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let (payload, rest) = rest.split_at_checked(length)?;
        if head[3] == GOAWAY {
            return Some(u32::from_be_bytes(payload[4..8].try_into().unwrap())).filter(|error| *error != 0);
        }
        frames = rest;
    }
    None
}

/// `GET /graphql` by `http`, without a host.
const GET: &[u8] = b"\x82\x86\x44\x08/graphql";

/// The ids of streams that a client opens.
fn streams(count: usize) -> impl Iterator<Item = u32> {
    (1..).step_by(2).take(count)
}

#[tokio::test]
async fn http_2_frame_floods_close_only_their_own_connection() {
    /// RFC 9113, section 7.
    const PROTOCOL_ERROR: u32 = 1;
    const ENHANCE_YOUR_CALM: u32 = 11;
    /// Whichever it is.
    const ANY: Option<u32> = Some(0);

    let gateway = Gateway::start().await;
    let open = |id: u32| frame(HEADERS, END_HEADERS | END_STREAM, id, GET);
    let rapid_reset = streams(10_000).flat_map(|id| [open(id), frame(RST_STREAM, 0, id, &[0, 0, 0, 8])]);
    // The gateway is made to reset streams, by mistakes that concern nothing but the stream.
    let window = |id: u32, by: u32| frame(WINDOW_UPDATE, 0, id, &by.to_be_bytes());
    let too_much = streams(10_000).flat_map(|id| [open(id), window(id, 0x7fff_ffff)]);
    let no_window = streams(10_000).flat_map(|id| [open(id), window(id, 0)]);
    let data_when_ended = streams(10_000).flat_map(|id| [open(id), frame(DATA, 0, id, b"x")]);
    // Headers that never end, each block empty of them.
    let mut continuations = vec![frame(HEADERS, END_STREAM, 1, GET)];
    continuations.extend((0..10_000).map(|_| frame(CONTINUATION, 0, 1, &[])));
    // Headers that never end, and grow.
    let mut growing = vec![frame(HEADERS, END_STREAM, 1, GET)];
    let field = [b"\0\x01a\x7f\xf1\x1e".as_slice(), &[b'y'; 4080]].concat();
    growing.extend((0..1000).map(|_| frame(CONTINUATION, 0, 1, &field)));
    // One field of 4000 bytes, kept in the table, and named again by one byte each: 64 MB of headers in 16 kB.
    let kept = [b"\x40\x01a\x7f\xa1\x1e".as_slice(), &[b'y'; 4000]].concat();
    let bomb = [GET, &kept, &[0xbe; 12_000]].concat();
    let bombs = streams(100).map(|id| frame(HEADERS, END_HEADERS | END_STREAM, id, &bomb));

    let floods = [
        ("rapid reset", rapid_reset.collect::<Vec<_>>().concat(), Some(ENHANCE_YOUR_CALM)),
        ("windows of too much", too_much.collect::<Vec<_>>().concat(), Some(ENHANCE_YOUR_CALM)),
        // An error of the connection or, if the response was already sent, of a closed stream.
        ("data after the end", data_when_ended.collect::<Vec<_>>().concat(), ANY),
        ("windows of nothing", no_window.collect::<Vec<_>>().concat(), Some(PROTOCOL_ERROR)),
        ("continuations", continuations.concat(), Some(ENHANCE_YOUR_CALM)),
        ("growing headers", growing.concat(), Some(ENHANCE_YOUR_CALM)),
        ("header bombs", bombs.collect::<Vec<_>>().concat(), Some(ENHANCE_YOUR_CALM)),
        // Each of these gets a response, which costs no more than the request.
        ("pings", frame(PING, 0, 0, &[7; 8]).repeat(20_000), None),
        ("settings", frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 9]).repeat(20_000), None),
    ];
    let attacks = floods.map(async |(name, flood, expected)| {
        let start = [PREFACE.to_vec(), frame(SETTINGS, 0, 0, &[])].concat();
        let (mut answers, mut sending) = connect(&gateway).await.into_split();
        let send = async move {
            // The gateway may hang up before all of it is sent.
            let _ = sending.write_all(&[start, flood].concat()).await;
            let _ = sending.shutdown().await;
        };
        let mut answered = Vec::new();
        let (_, ()) = tokio::join!(answers.read_to_end(&mut answered), send);
        let ended = goaway(&answered).map(|error| if expected == ANY { 0 } else { error });
        ((name, ended), (name, expected))
    });
    let others = async {
        for _ in 0..20 {
            assert_serving(&gateway).await;
        }
    };
    let (ended, ()) = tokio::join!(join_all(attacks), others);
    let (ended, expected): (Vec<_>, Vec<_>) = ended.into_iter().unzip();
    assert_eq!(ended, expected);
    assert_serving(&gateway).await;
    assert_eq!(gateway.sent().len(), 0);
}
