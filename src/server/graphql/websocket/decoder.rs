//! Decodes a client's WebSocket frames into messages (RFC 6455, section 5).
//!
//! tungstenite's own reader is not used: it buffers an incomplete message without counting its memory, and it cannot continue
//! after a message that is too large, which must not end the other operations.

use std::io::Cursor;
use std::str;
use std::sync::Arc;

use bytes::{Buf as _, BytesMut};
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};

use crate::memory::{MemoryBudget, Reservation};

/// Bytes of each incomplete message that are not counted, so that short ones are always accepted.
const UNCOUNTED_BYTES: usize = 4 * 1024;
/// Bytes that are kept of a discarded message: its prefix usually names the operation.
const MAX_PREFIX: usize = 4 * 1024;
/// Maximum number of bytes of a discarded message that are read; a longer one closes the connection.
const MAX_SKIPPED: u64 = 8 * 1024 * 1024;
/// Maximum size of a control frame's payload, in bytes (RFC 6455, section 5.5).
const MAX_CONTROL: u64 = 125;

/// A message or control frame of a client.
#[derive(Debug)]
pub(super) enum IncomingMessage {
    /// A message, and the memory that it takes.
    Text(String, Reservation),
    Binary,
    Ping(Vec<u8>),
    Pong,
    /// A close frame, with its code if it has one.
    Close(Option<u16>),
    /// A message that was discarded except for its prefix.
    Discarded {
        prefix: Vec<u8>,
        reason: DiscardReason,
    },
}

/// Why a message was discarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DiscardReason {
    TooLarge,
    /// All request bodies and messages together use the memory that they may.
    NoMemory,
}

/// An error after which the connection must be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Violation {
    /// Invalid framing.
    Protocol,
    /// A text message that is not UTF-8.
    NotUtf8,
    /// A discarded message with more than [`MAX_SKIPPED`] bytes, received or announced.
    TooLarge,
    /// A message that was not complete in time.
    TooSlow,
}

/// The decoder of one connection.
pub(super) struct Decoder {
    max_message: usize,
    memory: Arc<MemoryBudget>,
    frame: Option<Frame>,
    /// The payload of an incomplete control frame. Control frames may come between the frames of a message.
    control: Vec<u8>,
    message: Option<Message>,
}

/// A frame whose payload is incomplete.
struct Frame {
    opcode: OpCode,
    is_final: bool,
    mask: [u8; 4],
    left: u64,
}

/// An incomplete message.
struct Message {
    is_text: bool,
    payload: Vec<u8>,
    reservation: Reservation,
    discarded_as: Option<DiscardReason>,
    skipped: u64,
}

impl Decoder {
    /// Accepts messages of up to `max_message` bytes, which are counted in `memory`.
    pub(super) fn new(max_message: usize, memory: Arc<MemoryBudget>) -> Self {
        Self { max_message, memory, frame: None, control: Vec::new(), message: None }
    }

    /// Whether a frame or a message is incomplete.
    pub(super) fn is_within_a_message(&self) -> bool {
        self.frame.is_some() || self.message.is_some()
    }

    /// Decodes and consumes `input`; `None` if it does not complete a message or control frame.
    ///
    /// # Errors
    ///
    /// A [`Violation`], after which nothing more can be decoded.
    pub(super) fn decode(&mut self, input: &mut BytesMut) -> Result<Option<IncomingMessage>, Violation> {
        loop {
            let mut frame = match self.frame.take() {
                Some(frame) => frame,
                None => match self.begin_frame(input)? {
                    Some(frame) => frame,
                    None => return Ok(None),
                },
            };
            let length = usize::try_from(frame.left).unwrap_or(usize::MAX).min(input.len());
            for (byte, mask) in input[..length].iter_mut().zip(frame.mask.iter().cycle()) {
                *byte ^= mask;
            }
            match (frame.opcode, &mut self.message) {
                (OpCode::Data(_), Some(message)) => message.push(&input[..length], self.max_message)?,
                _ => self.control.extend_from_slice(&input[..length]),
            }
            input.advance(length);
            frame.mask.rotate_left(length % 4);
            frame.left -= length as u64;
            if frame.left > 0 {
                self.frame = Some(frame);
                return Ok(None);
            }
            match frame.opcode {
                OpCode::Control(control) => return self.end_control(control).map(Some),
                OpCode::Data(_) if !frame.is_final => {}
                OpCode::Data(_) => {
                    if let Some(message) = self.message.take() {
                        return message.end().map(Some);
                    }
                }
            }
        }
    }

    /// Reads a frame's header, and begins a message if it is the first frame of one.
    fn begin_frame(&mut self, input: &mut BytesMut) -> Result<Option<Frame>, Violation> {
        let mut cursor = Cursor::new(&input[..]);
        let parsed = FrameHeader::parse(&mut cursor).map_err(|_| Violation::Protocol)?;
        let (read, Some((header, length))) = (cursor.position(), parsed) else { return Ok(None) };
        input.advance(usize::try_from(read).unwrap_or(usize::MAX).min(input.len()));
        let FrameHeader { is_final, rsv1, rsv2, rsv3, opcode, mask } = header;
        // No extension was negotiated, and clients mask what they send.
        let Some(mask) = mask.filter(|_| !(rsv1 || rsv2 || rsv3)) else { return Err(Violation::Protocol) };
        let is_valid = match (opcode, &self.message) {
            (OpCode::Control(_), _) => is_final && length <= MAX_CONTROL,
            (OpCode::Data(Data::Continue), message) => message.is_some(),
            (OpCode::Data(_), message) => message.is_none(),
        };
        // The highest bit of a length is 0 (RFC 6455, section 5.2).
        if !is_valid || length > u64::MAX / 2 {
            return Err(Violation::Protocol);
        }
        if let OpCode::Data(data) = opcode {
            let message = self.message.get_or_insert_with(|| Message {
                is_text: data == Data::Text,
                payload: Vec::new(),
                reservation: self.memory.reservation(),
                discarded_as: None,
                skipped: 0,
            });
            let total = (message.payload.len() as u64).saturating_add(length);
            if message.discarded_as.is_none() && total > self.max_message as u64 {
                message.discard(DiscardReason::TooLarge);
            }
            if message.discarded_as.is_some() && message.skipped.saturating_add(length) > MAX_SKIPPED {
                return Err(Violation::TooLarge);
            }
        }
        Ok(Some(Frame { opcode, is_final, mask, left: length }))
    }

    fn end_control(&mut self, control: Control) -> Result<IncomingMessage, Violation> {
        let payload = std::mem::take(&mut self.control);
        match control {
            Control::Ping => Ok(IncomingMessage::Ping(payload)),
            Control::Pong => Ok(IncomingMessage::Pong),
            Control::Close => match payload.as_slice() {
                [] => Ok(IncomingMessage::Close(None)),
                [high, low, reason @ ..] => {
                    let code = u16::from_be_bytes([*high, *low]);
                    if !CloseCode::from(code).is_allowed() {
                        return Err(Violation::Protocol);
                    }
                    str::from_utf8(reason).map_err(|_| Violation::NotUtf8)?;
                    Ok(IncomingMessage::Close(Some(code)))
                }
                [_] => Err(Violation::Protocol),
            },
            Control::Reserved(_) => Err(Violation::Protocol),
        }
    }
}

impl Message {
    fn push(&mut self, bytes: &[u8], max_message: usize) -> Result<(), Violation> {
        if self.discarded_as.is_none() && self.reserve(bytes.len(), max_message).is_err() {
            self.discard(DiscardReason::NoMemory);
        }
        if self.discarded_as.is_none() {
            self.payload.extend_from_slice(bytes);
            return Ok(());
        }
        let kept = MAX_PREFIX.saturating_sub(self.payload.len()).min(bytes.len());
        self.payload.extend_from_slice(&bytes[..kept]);
        self.skipped += bytes.len() as u64;
        if self.skipped > MAX_SKIPPED { Err(Violation::TooLarge) } else { Ok(()) }
    }

    /// Counts memory before it is allocated. The length in a frame's header allocates none.
    fn reserve(&mut self, bytes: usize, max_message: usize) -> Result<(), ()> {
        let (length, before) = (self.payload.len() + bytes, self.payload.capacity());
        if length <= before {
            return Ok(());
        }
        let capacity = length.next_power_of_two().min(max_message.max(length));
        let counted = capacity.saturating_sub(UNCOUNTED_BYTES) - before.saturating_sub(UNCOUNTED_BYTES);
        self.reservation.reserve(counted).map_err(drop)?;
        self.payload.reserve_exact(capacity - self.payload.len());
        Ok(())
    }

    fn discard(&mut self, reason: DiscardReason) {
        self.discarded_as = Some(reason);
        self.payload.truncate(MAX_PREFIX);
        self.payload.shrink_to(MAX_PREFIX);
        self.reservation.release();
    }

    fn end(self) -> Result<IncomingMessage, Violation> {
        let Self { is_text, payload, reservation, discarded_as, .. } = self;
        match discarded_as {
            Some(reason) => Ok(IncomingMessage::Discarded { prefix: payload, reason }),
            None if is_text => {
                let text = String::from_utf8(payload).map_err(|_| Violation::NotUtf8)?;
                Ok(IncomingMessage::Text(text, reservation))
            }
            None => Ok(IncomingMessage::Binary),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAX: usize = 20_000;

    fn frame(opcode: u8, is_final: bool, payload: &[u8]) -> Vec<u8> {
        let mask = Some([1, 2, 3, 4]);
        let header = FrameHeader { is_final, opcode: OpCode::from(opcode), mask, ..FrameHeader::default() };
        let mut bytes = Vec::new();
        header.format(payload.len() as u64, &mut bytes).unwrap();
        bytes.extend(payload.iter().zip([1, 2, 3, 4].iter().cycle()).map(|(byte, mask)| byte ^ mask));
        bytes
    }

    /// The messages decoded from bytes that arrive in pieces of this size.
    fn decoded(memory: &Arc<MemoryBudget>, bytes: &[u8], piece: usize) -> (Vec<String>, Option<Violation>) {
        let mut decoder = Decoder::new(MAX, Arc::clone(memory));
        let (mut input, mut found) = (BytesMut::new(), Vec::new());
        for piece in bytes.chunks(piece) {
            input.extend_from_slice(piece);
            loop {
                match decoder.decode(&mut input) {
                    Ok(None) => break,
                    Ok(Some(IncomingMessage::Text(text, _))) => found.push(text),
                    Ok(Some(IncomingMessage::Discarded { prefix, reason })) => {
                        found.push(format!("{reason:?} {}", prefix.len()));
                    }
                    Ok(Some(other)) => found.push(format!("{other:?}")),
                    Err(violation) => return (found, Some(violation)),
                }
            }
        }
        (found, None)
    }

    #[test]
    fn messages_are_decoded_from_pieces_of_any_size() {
        let large = "x".repeat(MAX + 1);
        let bytes = [
            frame(1, true, "one".as_bytes()),
            frame(1, false, "t\u{e9}".as_bytes().split_at(2).0),
            frame(9, true, b"ping"),
            frame(0, false, b""),
            frame(0, true, "t\u{e9}!".as_bytes().split_at(2).1),
            frame(1, true, large.as_bytes()),
            frame(1, false, &large.as_bytes()[..MAX]),
            frame(10, true, b""),
            frame(0, true, b"xy"),
            frame(2, true, b"\xff"),
            frame(1, true, &large.as_bytes()[..MAX]),
            frame(1, true, b""),
            frame(8, true, b"\x03\xe8bye"),
        ];
        let memory = MemoryBudget::new(MAX);
        for piece in [1, 2, 3, 7, 4096, 1 << 20] {
            let (found, violation) = decoded(&memory, &bytes.concat(), piece);
            let expected = [
                "one",
                "Ping([112, 105, 110, 103])",
                "t\u{e9}!",
                "TooLarge 4096",
                "Pong",
                "TooLarge 4096",
                "Binary",
                &large[..MAX],
                "",
                "Close(Some(1000))",
            ];
            assert_eq!((found.as_slice(), violation), (&expected.map(str::to_owned)[..], None), "{piece}");
            assert!(memory.is_empty());
        }
    }

    #[test]
    fn an_incomplete_message_is_counted_beyond_four_kibibytes() {
        let memory = MemoryBudget::new(10_000);
        let mut first = Decoder::new(MAX, Arc::clone(&memory));
        let short = frame(1, false, &[b'x'; UNCOUNTED_BYTES]);
        assert!(first.decode(&mut BytesMut::from(&short[..])).unwrap().is_none());
        assert!(memory.is_empty() && first.is_within_a_message());
        let more = frame(0, false, &[b'x'; 4096]);
        assert!(first.decode(&mut BytesMut::from(&more[..])).unwrap().is_none());
        assert!(!memory.is_empty());
        // There is no room for another.
        let large = [frame(1, true, &[b'x'; 16_000]), frame(1, true, b"short")].concat();
        assert_eq!(
            decoded(&memory, &large, 1000),
            (vec!["NoMemory 4096".to_owned(), "short".to_owned()], None)
        );
        drop(first);
        assert!(memory.is_empty());
    }

    #[test]
    fn protocol_violations_are_found() {
        let memory = MemoryBudget::new(MAX);
        let with = |first: u8, second: u8, rest: &[u8]| [&[first, second][..], rest].concat();
        let large =
            |first: u8, length: u64| with(first, 0xff, &[&length.to_be_bytes()[..], &[0; 4]].concat());
        for (bytes, expected) in [
            // Reserved bits, opcodes, no mask.
            (with(0xc1, 0x80, &[0; 4]), Violation::Protocol),
            (with(0xa1, 0x80, &[0; 4]), Violation::Protocol),
            (with(0x91, 0x80, &[0; 4]), Violation::Protocol),
            (with(0x83, 0x80, &[0; 4]), Violation::Protocol),
            (with(0x8b, 0x80, &[0; 4]), Violation::Protocol),
            (with(0x81, 0x01, b"x"), Violation::Protocol),
            // Control frames that are fragmented or long, and a length that is negative.
            (with(0x09, 0x80, &[0; 4]), Violation::Protocol),
            (with(0x89, 0xfe, &[0, 126, 0, 0, 0, 0]), Violation::Protocol),
            (with(0x81, 0xff, &[0xff; 12]), Violation::Protocol),
            // A continuation of nothing, and a message within another.
            (frame(0, true, b"x"), Violation::Protocol),
            ([frame(1, false, b"x"), frame(1, true, b"y")].concat(), Violation::Protocol),
            // A close frame with half a code, codes that must not be sent, and a reason that is not
            // text.
            (frame(8, true, b"\x03"), Violation::Protocol),
            (frame(8, true, b"\x03\xed"), Violation::Protocol),
            (frame(8, true, b"\x00\x00"), Violation::Protocol),
            (frame(8, true, b"\x03\xe8\xff"), Violation::NotUtf8),
            (frame(1, true, b"\xff"), Violation::NotUtf8),
            ([frame(1, false, b"\xc3"), frame(0, true, b"x")].concat(), Violation::NotUtf8),
            (frame(1, true, &vec![b'x'; 9 << 20]), Violation::TooLarge),
            // By the length in its header alone, also of a message that has been discarded_as before.
            (large(0x81, 1 << 62), Violation::TooLarge),
            (large(0x81, i64::MAX as u64), Violation::TooLarge),
            (large(0x81, MAX_SKIPPED + 1), Violation::TooLarge),
            (
                [frame(1, false, &[b'x'; MAX + 1]), large(0x80, MAX_SKIPPED - MAX as u64)].concat(),
                Violation::TooLarge,
            ),
            ([frame(1, false, b"x"), large(0x00, 1 << 62)].concat(), Violation::TooLarge),
        ] {
            let (_, violation) = decoded(&memory, &bytes, 4096);
            assert_eq!(violation, Some(expected), "{}", bytes[..bytes.len().min(20)].escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), piece in 1..50_usize) {
            let _ = decoded(&MemoryBudget::new(MAX), &bytes, piece);
        }
    }
}
