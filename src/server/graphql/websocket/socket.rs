//! Reads and writes the frames of one WebSocket.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, timeout_at};
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::decoder::{Decoder, IncomingMessage, Violation};
use crate::memory::MemoryBudget;

/// Bytes read at a time.
const READ_SIZE: usize = 4 * 1024;
/// Maximum size of a payload that is copied to be sent together with its header, in bytes.
const MAX_COPIED: usize = 16 * 1024;

pub(super) struct Socket {
    io: TokioIo<Upgraded>,
    input: BytesMut,
    decoder: Decoder,
    message_timeout: Duration,
    /// When the incomplete message began.
    incomplete_since: Option<Instant>,
}

impl Socket {
    /// Accepts messages of up to `max_message` bytes, which are counted in `memory` until they are dropped. Each must be
    /// complete within `message_timeout` of its first byte.
    pub(super) fn new(
        upgraded: Upgraded,
        max_message: usize,
        message_timeout: Duration,
        memory: Arc<MemoryBudget>,
    ) -> Self {
        Self {
            io: TokioIo::new(upgraded),
            input: BytesMut::new(),
            decoder: Decoder::new(max_message, memory),
            message_timeout,
            incomplete_since: None,
        }
    }

    /// Receives the next message; `None` if the connection has ended. Cancel safe.
    pub(super) async fn receive(&mut self) -> Option<Result<IncomingMessage, Violation>> {
        loop {
            match self.decoder.decode(&mut self.input) {
                Ok(None) => {}
                Ok(Some(received)) => {
                    // A control frame may have come within a message.
                    if !self.decoder.is_within_a_message() {
                        self.incomplete_since = None;
                    }
                    return Some(Ok(received));
                }
                Err(violation) => return Some(Err(violation)),
            }
            if self.decoder.is_within_a_message() || !self.input.is_empty() {
                self.incomplete_since.get_or_insert_with(Instant::now);
            } else {
                self.incomplete_since = None;
            }
            self.input.reserve(READ_SIZE);
            let read = self.io.read_buf(&mut self.input);
            let read = match self.incomplete_since {
                Some(since) => timeout_at(since + self.message_timeout, read).await,
                None => Ok(read.await),
            };
            match read {
                Ok(Ok(0) | Err(_)) => return None,
                Ok(Ok(1..)) => {}
                Err(_elapsed) => return Some(Err(Violation::TooSlow)),
            }
        }
    }

    pub(super) async fn send_text(&mut self, text: String) -> io::Result<()> {
        self.send(OpCode::Data(Data::Text), &text.into_bytes()).await
    }

    pub(super) async fn send_ping(&mut self) -> io::Result<()> {
        self.send(OpCode::Control(Control::Ping), &[]).await
    }

    pub(super) async fn send_pong(&mut self, payload: &[u8]) -> io::Result<()> {
        self.send(OpCode::Control(Control::Pong), payload).await
    }

    /// Sends a close frame, with a code and a reason of at most 123 bytes, or without.
    pub(super) async fn send_close(&mut self, reason: Option<(u16, &str)>) -> io::Result<()> {
        let payload = reason.map(|(code, reason)| [&code.to_be_bytes()[..], reason.as_bytes()].concat());
        self.send(OpCode::Control(Control::Close), &payload.unwrap_or_default()).await
    }

    /// Closes the sending side, and discards what is still received: closing a connection with unread data may lose what was
    /// sent last.
    pub(super) async fn finish(&mut self) -> io::Result<()> {
        self.io.shutdown().await?;
        loop {
            self.input.clear();
            self.input.reserve(READ_SIZE);
            if self.io.read_buf(&mut self.input).await? == 0 {
                return Ok(());
            }
        }
    }

    async fn send(&mut self, opcode: OpCode, payload: &[u8]) -> io::Result<()> {
        let header = FrameHeader { opcode, ..FrameHeader::default() };
        let length = payload.len() as u64;
        let mut start = Vec::with_capacity(header.len(length) + payload.len().min(MAX_COPIED));
        header.format(length, &mut start).map_err(io::Error::other)?;
        let (copied, rest) = payload.split_at(if payload.len() <= MAX_COPIED { payload.len() } else { 0 });
        start.extend_from_slice(copied);
        self.io.write_all(&start).await?;
        self.io.write_all(rest).await?;
        self.io.flush().await
    }
}
