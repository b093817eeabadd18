//! The shared state of one fake's connections: the scripts and the record.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::sync::{mpsc, watch};

use super::script::{Admission, Connection, ConnectionScript, Head, Output, Reply, Request, Seen};

type Script<A, R> = Mutex<Box<dyn FnMut(A) -> R + Send>>;

pub(super) struct Shared {
    pub(super) seen: watch::Sender<Seen>,
    pub(super) connections: Script<usize, ConnectionScript>,
    pub(super) admissions: Script<Head, Admission>,
    pub(super) replies: Script<Request, Reply>,
}

impl Shared {
    pub(super) fn new() -> Self {
        Self {
            seen: watch::Sender::new(Seen::default()),
            connections: Mutex::new(Box::new(|_| ConnectionScript::default())),
            admissions: Mutex::new(Box::new(|_| Admission::Accepted)),
            replies: Mutex::new(Box::new(|_| Reply::usual())),
        }
    }
}

/// One connection's part in it.
#[derive(Clone)]
pub(super) struct Worker {
    shared: Arc<Shared>,
    /// The connection's number, from 1.
    pub(super) number: usize,
    pub(super) script: ConnectionScript,
}

impl Worker {
    /// Assigns the next number, and returns the bytes to write.
    pub(super) fn new(shared: &Arc<Shared>) -> (Self, mpsc::UnboundedReceiver<Output>) {
        let (output, commands) = mpsc::unbounded_channel();
        let mut number = 0;
        shared.seen.send_modify(|seen| {
            seen.connections.push(Connection::new(output));
            number = seen.connections.len();
        });
        let script = (shared.connections.lock().unwrap())(number);
        (Self { shared: Arc::clone(shared), number, script }, commands)
    }

    /// Records the result of the connection.
    pub(super) fn record<T>(&self, change: impl FnOnce(&mut Connection) -> T) -> T {
        let mut result = None;
        self.shared.seen.send_modify(|seen| result = Some(change(&mut seen.connections[self.number - 1])));
        result.expect("the change was made")
    }

    /// Writes in turn.
    pub(super) fn write(&self, bytes: Vec<u8>) {
        // A connection that has ended needs none of it.
        self.record(|connection| drop(connection.output.send(Output::Bytes(bytes))));
    }

    pub(super) fn admit(&self, stream: u32, method: &str, path: &str) -> Admission {
        let (method, path) = (method.to_owned(), path.to_owned());
        let nth = self.record(|connection| {
            connection.streams += 1;
            connection.streams
        });
        let nth_of_all =
            self.shared.seen.borrow().connections.iter().map(|connection| connection.streams).sum();
        let head = Head { connection: self.number, stream, nth, nth_of_all, method, path };
        (self.shared.admissions.lock().unwrap())(head)
    }

    /// Records a request that was received completely, and returns its response.
    pub(super) fn receive(&self, mut request: Request) -> (Request, Reply) {
        request.connection = self.number;
        request.at = Instant::now();
        self.shared.seen.send_modify(|seen| {
            request.number = seen.requests.len() + 1;
            seen.requests.push(request.clone());
        });
        let reply = (self.shared.replies.lock().unwrap())(request.clone());
        (request, reply)
    }
}
