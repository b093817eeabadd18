//! HTTP/2 (RFC 9113) on one connection, frame by frame, so that a test can break any rule of it.

use std::collections::HashMap;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::{AbortHandle, JoinSet};

use super::content;
use super::hpack::{self, Decoder};
use super::script::{Admission, Content, Output, REFUSED_STREAM, Reply, Request};
use super::shared::Worker;
use crate::http2_frames::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PADDED, PING, PREFACE, PRIORITY,
    RST_STREAM, SETTINGS, WINDOW_UPDATE, frame,
};

/// Default of `SETTINGS_MAX_FRAME_SIZE`, in bytes.
const MAX_FRAME: usize = 16_384;

pub(super) fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &code.to_be_bytes())
}

pub(super) fn go_away(last: u32, code: u32) -> Vec<u8> {
    frame(GOAWAY, 0, 0, &[last.to_be_bytes(), code.to_be_bytes()].concat())
}

pub(super) fn window_update(stream: u32, bytes: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes())
}

fn settings(worker: &Worker) -> Vec<u8> {
    let mut settings = vec![(4_u16, worker.script.window)];
    settings.extend(worker.script.max_streams.map(|streams| (3, streams)));
    let settings: Vec<u8> = settings
        .iter()
        .flat_map(|(name, value)| [&name.to_be_bytes()[..], &value.to_be_bytes()].concat())
        .collect();
    frame(SETTINGS, 0, 0, &settings)
}

/// `SETTINGS` with another limit of streams.
pub(super) fn limit_streams(streams: u32) -> Vec<u8> {
    const MAX_CONCURRENT_STREAMS: [u8; 2] = [0, 3];
    frame(SETTINGS, 0, 0, &[&MAX_CONCURRENT_STREAMS[..], &streams.to_be_bytes()].concat())
}

pub(super) fn answer(stream: u32, status: u16, headers: &[(&'static str, String)], body: &[u8]) -> Vec<u8> {
    let (status, length) = (status.to_string(), body.len().to_string());
    let mut fields = vec![(":status", status.as_str()), ("content-length", length.as_str())];
    if !headers.iter().any(|(name, _)| *name == "content-type") {
        fields.push(("content-type", "application/json"));
    }
    fields.extend(headers.iter().map(|(name, value)| (*name, value.as_str())));
    let mut bytes = frame(HEADERS, END_HEADERS, stream, &hpack::encode(fields));
    for chunk in body.chunks(MAX_FRAME) {
        bytes.extend(frame(DATA, 0, stream, chunk));
    }
    bytes.extend(frame(DATA, END_STREAM, stream, &[]));
    bytes
}

/// The peer's windows are assumed to be large enough for all responses of tests.
pub(super) async fn serve(
    worker: &Worker,
    stream: impl AsyncRead + AsyncWrite + Unpin,
    mut output: UnboundedReceiver<Output>,
) {
    let (reader, mut writer) = tokio::io::split(stream);
    worker.write(settings(worker));
    let write = async {
        while let Some(Output::Bytes(bytes)) = output.recv().await {
            worker.script.output.passed().await;
            if writer.write_all(&bytes).await.is_err() || writer.flush().await.is_err() {
                break;
            }
        }
    };
    let mut session = Session {
        worker,
        reader,
        buffer: BytesMut::new(),
        decoder: Decoder::default(),
        requests: HashMap::new(),
        answers: HashMap::new(),
        tasks: JoinSet::new(),
    };
    tokio::select! {
        () = write => {}
        _ = session.read() => {}
    }
}

struct Session<'a, R> {
    worker: &'a Worker,
    reader: R,
    buffer: BytesMut,
    decoder: Decoder,
    /// Requests that have begun, with the bytes of their bodies so far.
    requests: HashMap<u32, (Request, BytesMut)>,
    answers: HashMap<u32, AbortHandle>,
    tasks: JoinSet<()>,
}

impl<R: AsyncRead + Unpin> Session<'_, R> {
    /// Reads until the connection ends.
    async fn read(&mut self) -> Option<()> {
        let preface = self.take(PREFACE.len()).await?;
        assert_eq!(preface, PREFACE);
        let mut block = (0, 0, BytesMut::new());
        loop {
            let head = self.take(9).await?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let (kind, flags) = (head[3], head[4]);
            let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & 0x7fff_ffff;
            let payload = self.take(usize::try_from(length).expect("24 bits")).await?;
            match kind {
                HEADERS => {
                    let payload = unpadded(&payload, flags);
                    let skipped = if flags & PRIORITY == 0 { 0 } else { 5 };
                    block = (stream, flags, BytesMut::from(&payload[skipped..]));
                }
                CONTINUATION => {
                    block.1 |= flags & END_HEADERS;
                    block.2.extend(&payload);
                }
                DATA => self.data(stream, flags, &payload),
                RST_STREAM => self.reset_by_peer(stream),
                SETTINGS if flags & ACK == 0 => self.worker.write(frame(SETTINGS, ACK, 0, &[])),
                SETTINGS => self.worker.record(|connection| connection.acknowledged += 1),
                PING if flags & ACK == 0 => {
                    self.worker.record(|connection| connection.pings += 1);
                    if self.worker.script.answers_pings {
                        self.worker.write(frame(PING, ACK, 0, &payload));
                    }
                }
                _ => {}
            }
            if [HEADERS, CONTINUATION].contains(&kind) && block.1 & END_HEADERS != 0 {
                let (stream, flags, fields) = std::mem::take(&mut block);
                self.begin(stream, flags & END_STREAM != 0, &fields);
            }
        }
    }

    async fn take(&mut self, count: usize) -> Option<Bytes> {
        while self.buffer.len() < count {
            if self.reader.read_buf(&mut self.buffer).await.ok()? == 0 {
                return None;
            }
        }
        Some(self.buffer.split_to(count).freeze())
    }

    fn begin(&mut self, stream: u32, is_complete: bool, block: &[u8]) {
        let fields = self.decoder.decode(block);
        let field = |wanted: &str| {
            fields.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone()).unwrap_or_default()
        };
        let (method, path) = (field(":method"), field(":path"));
        let admission = self.worker.admit(stream, &method, &path);
        let (is_ignored, is_reset) = self.worker.record(|connection| {
            if let Admission::GoAway { last, .. } = admission {
                connection.last_stream = Some(last);
            }
            let open = connection.open_streams.len() + 1;
            let is_full = self
                .worker
                .script
                .max_streams
                .is_some_and(|most| open > usize::try_from(most).expect("a few"));
            let is_ignored =
                admission == Admission::Ignored || connection.last_stream.is_some_and(|last| stream > last);
            let is_reset = matches!(admission, Admission::Reset(_)) || is_full;
            connection.max_open_streams = connection.max_open_streams.max(open);
            if is_ignored || is_reset {
                connection.refused += 1;
            } else {
                connection.open_streams.insert(stream);
            }
            (is_ignored, is_reset)
        });
        if let Admission::GoAway { last, code } = admission {
            self.worker.write(go_away(last, code));
        }
        match (is_ignored, is_reset, admission) {
            (true, ..) => {}
            (false, true, Admission::Reset(code)) => self.worker.write(reset(stream, code)),
            (false, true, _) => self.worker.write(reset(stream, REFUSED_STREAM)),
            (false, false, _) => {
                let authorization = field("authorization");
                let request = Request {
                    number: 0,
                    connection: 0,
                    stream,
                    method,
                    path,
                    authorization,
                    body: Bytes::new(),
                    at: Instant::now(),
                };
                self.requests.insert(stream, (request, BytesMut::new()));
                if is_complete {
                    self.complete(stream);
                }
            }
        }
    }

    fn data(&mut self, stream: u32, flags: u8, payload: &[u8]) {
        let credit = u32::try_from(payload.len()).expect("a short frame");
        if self.worker.script.has_window_updates && credit > 0 {
            self.worker.write(window_update(0, credit));
        }
        let Some((_, body)) = self.requests.get_mut(&stream) else { return };
        body.extend(unpadded(payload, flags));
        if flags & END_STREAM != 0 {
            self.complete(stream);
        } else if self.worker.script.has_window_updates && credit > 0 {
            self.worker.write(window_update(stream, credit));
        }
    }

    fn complete(&mut self, stream: u32) {
        let Some((mut request, body)) = self.requests.remove(&stream) else { return };
        request.body = body.freeze();
        let (request, reply) = self.worker.receive(request);
        let task = self.tasks.spawn(send(self.worker.clone(), request, reply));
        self.answers.insert(stream, task);
    }

    fn reset_by_peer(&mut self, stream: u32) {
        self.requests.remove(&stream);
        if let Some(answer) = self.answers.remove(&stream) {
            answer.abort();
        }
        self.worker.record(|connection| {
            connection.resets += 1;
            connection.open_streams.remove(&stream);
        });
    }
}

fn unpadded(payload: &[u8], flags: u8) -> &[u8] {
    if flags & PADDED == 0 {
        return payload;
    }
    let padding = usize::from(payload[0]);
    &payload[1..payload.len() - padding]
}

async fn send(worker: Worker, request: Request, reply: Reply) {
    reply.after.passed().await;
    let stream = request.stream;
    let bytes = match reply.content {
        Content::Usual => {
            let (status, body) = content::usual(&request);
            answer(stream, status, &[], &body)
        }
        Content::Canned { status, headers, body } => answer(stream, status, &headers, &body),
        Content::Reset(code) => reset(stream, code),
        Content::Close => {
            worker.record(|connection| drop(connection.output.send(Output::Close)));
            return;
        }
    };
    worker.record(|connection| {
        connection.open_streams.remove(&stream);
        drop(connection.output.send(Output::Bytes(bytes)));
    });
}
