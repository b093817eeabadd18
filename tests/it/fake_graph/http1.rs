//! HTTP/1.1 on one connection.

use std::time::Instant;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc::UnboundedReceiver;

use super::content;
use super::script::{Content, Output, Request};
use super::shared::Worker;

pub(super) async fn serve(
    worker: &Worker,
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    mut commands: UnboundedReceiver<Output>,
) {
    let mut buffer = BytesMut::new();
    for answered in 0.. {
        if worker.script.requests == Some(answered) {
            // Unread bytes would cause a reset when the connection closes.
            tokio::select! {
                _ = stream.read_u8() => {}
                _ = commands.recv() => {}
            }
            return;
        }
        let request = tokio::select! {
            request = read(&mut stream, &mut buffer) => request,
            _ = commands.recv() => return,
        };
        let Some(request) = request else { return };
        let (request, reply) = worker.receive(request);
        let released = async {
            reply.after.passed().await;
            worker.script.output.passed().await;
        };
        tokio::select! {
            () = released => {}
            () = closed(&mut stream, &mut buffer) => return,
            _ = commands.recv() => return,
        }
        let (status, headers, body) = match reply.content {
            Content::Usual => {
                let (status, body) = content::usual(&request);
                (status, Vec::new(), body)
            }
            Content::Canned { status, headers, body } => (status, headers, body),
            Content::Reset(_) | Content::Close => return,
        };
        let mut answer = format!("HTTP/1.1 {status} Status\r\ncontent-length: {}\r\n", body.len());
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            answer += "content-type: application/json\r\n";
        }
        for (name, value) in headers {
            answer += &format!("{name}: {value}\r\n");
        }
        answer += "\r\n";
        if stream.write_all(&[answer.as_bytes(), &body].concat()).await.is_err() {
            return;
        }
    }
}

/// Ends when the other side closes the connection.
async fn closed(stream: &mut (impl AsyncRead + Unpin), buffer: &mut BytesMut) {
    while stream.read_buf(buffer).await.is_ok_and(|count| count > 0) {}
}

/// The next request; `None` if the connection ends before it is complete.
async fn read(stream: &mut (impl AsyncRead + Unpin), buffer: &mut BytesMut) -> Option<Request> {
    loop {
        if let Some(request) = parse(buffer) {
            return Some(request);
        }
        if !stream.read_buf(buffer).await.is_ok_and(|count| count > 0) {
            return None;
        }
    }
}

fn parse(buffer: &mut BytesMut) -> Option<Request> {
    let end = buffer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
    let mut lines = head.lines();
    let mut line = lines.next()?.split(' ');
    let (method, path) = (line.next()?.to_owned(), line.next()?.to_owned());
    let (mut authorization, mut length) = (String::new(), 0);
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        match name.to_ascii_lowercase().as_str() {
            "authorization" => authorization = value.to_owned(),
            "content-length" => length = value.parse().expect("the gateway sends a number"),
            "transfer-encoding" => panic!("the gateway knows the length of each body"),
            _ => {}
        }
    }
    if buffer.len() < end + length {
        return None;
    }
    let body = Bytes::from(buffer.split_to(end + length)).slice(end..);
    Some(Request {
        number: 0,
        connection: 0,
        stream: 0,
        method,
        path,
        authorization,
        body,
        at: Instant::now(),
    })
}
