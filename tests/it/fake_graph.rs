//! A Graph over real sockets, each step of which a test controls: accepting a connection, the TLS
//! handshake, refusing a stream, responding to a request. It records complete requests, and tests
//! wait for those.
//!
//! The sandbox simulates Graph's behaviour; this fake simulates networks and HTTP servers.

mod content;
mod hpack;
mod http1;
mod http2;
mod script;
mod shared;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use self::script::Output;
pub(crate) use self::script::{
    Admission, CANCEL, Connection, ConnectionScript, ENHANCE_YOUR_CALM, Gate, Head, INTERNAL_ERROR, NO_ERROR,
    REFUSED_STREAM, Reply, Request, Seen,
};
use self::shared::{Shared, Worker};
use crate::add_device_status::{MUTATION, device_status, input};
use crate::bulk::{BULK, numbered};
use crate::commands::Program;
use crate::drain;
use crate::harness::{Builder, Gateway, TOKEN};
use crate::localhost_tls;

/// How long a state is waited for before a test has failed.
const TIMEOUT: Duration = Duration::from_secs(15);

/// The HTTP version. HTTP/2 needs ALPN, so it is not available without TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    TlsHttp1,
    TlsHttp2,
}

pub(crate) struct FakeGraph {
    /// The service root.
    pub(crate) root: String,
    /// The file of the authority that has signed the certificate.
    pub(crate) ca: Option<PathBuf>,
    acceptor: Option<TlsAcceptor>,
    protocol: Protocol,
    shared: Arc<Shared>,
    port: Port,
}

enum Port {
    /// Connections are refused.
    Bound(TcpSocket),
    /// Packets are dropped: the queue of connections to accept is full of this one.
    Full(TcpListener, TcpStream),
    Served(JoinHandle<()>),
    Closed,
}

impl FakeGraph {
    /// A server that accepts connections.
    pub(crate) async fn start(protocol: Protocol) -> Self {
        let mut graph = Self::refusing(protocol);
        graph.listen();
        graph
    }

    /// One whose port refuses connections until [`Self::listen`].
    pub(crate) fn refusing(protocol: Protocol) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = socket.local_addr().unwrap();
        Self::new(protocol, address, Port::Bound(socket))
    }

    /// A server that drops the packets of new connections until [`Self::listen`].
    pub(crate) async fn dropping_packets(protocol: Protocol) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let only = TcpStream::connect(address).await.unwrap();
        Self::new(protocol, address, Port::Full(listener, only))
    }

    fn new(protocol: Protocol, address: SocketAddr, port: Port) -> Self {
        let (acceptor, ca) = match protocol {
            Protocol::Http1 => (None, None),
            Protocol::TlsHttp1 => Some(localhost_tls::acceptor(b"http/1.1")).unzip(),
            Protocol::TlsHttp2 => Some(localhost_tls::acceptor(b"h2")).unzip(),
        };
        let root = match protocol {
            Protocol::Http1 => format!("http://{address}/beta"),
            Protocol::TlsHttp1 | Protocol::TlsHttp2 => format!("https://localhost:{}/beta", address.port()),
        };
        Self { root, ca, acceptor, protocol, shared: Arc::new(Shared::new()), port }
    }

    /// Accepts connections from now on.
    pub(crate) fn listen(&mut self) {
        let listener = match std::mem::replace(&mut self.port, Port::Closed) {
            Port::Bound(socket) => socket.listen(1024).unwrap(),
            Port::Full(listener, only) => {
                // Accepted and dropped with the rest of its kind.
                let only = only.local_addr().unwrap();
                self.port = Port::Served(tokio::spawn(accept(
                    listener,
                    self.acceptor.clone(),
                    self.protocol,
                    Arc::clone(&self.shared),
                    Some(only),
                )));
                return;
            }
            Port::Served(_) | Port::Closed => panic!("it listens already"),
        };
        let accepted = accept(listener, self.acceptor.clone(), self.protocol, Arc::clone(&self.shared), None);
        self.port = Port::Served(tokio::spawn(accepted));
    }

    /// What connections that begin from now on do, by number from 1.
    pub(crate) fn script_connections(&self, script: impl FnMut(usize) -> ConnectionScript + Send + 'static) {
        *self.shared.connections.lock().unwrap() = Box::new(script);
    }

    /// HTTP/2: the treatment of later streams.
    pub(crate) fn script_streams(&self, script: impl FnMut(Head) -> Admission + Send + 'static) {
        *self.shared.admissions.lock().unwrap() = Box::new(script);
    }

    /// The response to later requests.
    pub(crate) fn script_replies(&self, script: impl FnMut(Request) -> Reply + Send + 'static) {
        *self.shared.replies.lock().unwrap() = Box::new(script);
    }

    /// Delays the responses to POSTs until the gate is open. Other requests get a response at once.
    pub(crate) fn hold_posts(&self) -> Gate {
        let gate = Gate::closed();
        let held = gate.clone();
        self.script_replies(move |request| match request.method.as_str() {
            "POST" => Reply::after(&held),
            _ => Reply::usual(),
        });
        gate
    }

    /// Delays the responses to all requests until the gate is open.
    pub(crate) fn hold_all(&self) -> Gate {
        let gate = Gate::closed();
        let held = gate.clone();
        self.script_replies(move |_| Reply::after(&held));
        gate
    }

    /// The record so far. Drop it before the next await.
    pub(crate) fn seen(&self) -> watch::Ref<'_, Seen> {
        self.shared.seen.borrow()
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.seen().requests.clone()
    }

    /// Waits until the condition holds for the record.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&Seen) -> bool) {
        let mut seen = self.shared.seen.subscribe();
        let awaited = tokio::time::timeout(TIMEOUT, seen.wait_for(|seen| holds(seen)));
        let is_awaited = awaited.await.is_ok();
        assert!(is_awaited, "never: {what}; {:#?}", self.seen());
    }

    /// HTTP/2: sends a GOAWAY, and ignores streams above the last one from now on.
    pub(crate) fn go_away(&self, connection: usize, last: u32, code: u32) {
        self.shared.seen.send_modify(|seen| seen.connections[connection - 1].last_stream = Some(last));
        self.write(connection, Output::Bytes(http2::go_away(last, code)));
    }

    /// HTTP/2: resets a stream.
    pub(crate) fn reset(&self, connection: usize, stream: u32, code: u32) {
        self.write(connection, Output::Bytes(http2::reset(stream, code)));
    }

    /// HTTP/2: lets so many more bytes of a request's body be sent.
    pub(crate) fn grow_window(&self, connection: usize, stream: u32, bytes: u32) {
        self.write(connection, Output::Bytes(http2::window_update(stream, bytes)));
    }

    /// Responds to a stream, whether or not its request is complete.
    pub(crate) fn answer(&self, connection: usize, stream: u32, status: u16) {
        self.write(connection, Output::Bytes(http2::answer(stream, status, &[], b"")));
    }

    /// Changes how many streams a connection takes.
    pub(crate) fn limit_streams(&self, connection: usize, streams: u32) {
        self.write(connection, Output::Bytes(http2::limit_streams(streams)));
    }

    /// Closes a connection, once all before is written.
    pub(crate) fn close(&self, connection: usize) {
        self.write(connection, Output::Close);
    }

    fn write(&self, connection: usize, output: Output) {
        // A connection that has ended needs none of it.
        let _ = self.seen().connections[connection - 1].output.send(output);
    }

    /// A gateway in front of it, within this process.
    pub(crate) fn gateway(&self) -> Builder {
        let builder = Gateway::builder().graph_root(&self.root);
        match &self.ca {
            Some(ca) => builder.graph_ca(ca.clone()),
            None => builder,
        }
    }

    /// The program as a gateway in front of it, with its two addresses.
    pub(crate) fn program(&self, arguments: &[&str]) -> (Program, String, String) {
        let ca = self.ca.as_ref().map(|ca| ca.to_str().unwrap());
        let ca = ca.map(|ca| ["--graph-ca", ca]);
        let arguments = [ca.as_ref().map_or(&[][..], |ca| &ca[..]), arguments].concat();
        drain::gateway(&self.root, &arguments)
    }
}

impl Drop for FakeGraph {
    fn drop(&mut self) {
        if let Port::Served(task) = &self.port {
            task.abort();
        }
        if let Some(ca) = &self.ca {
            // Errors after that are not failures of a test.
            let _ = std::fs::remove_file(ca);
        }
    }
}

async fn accept(
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    protocol: Protocol,
    shared: Arc<Shared>,
    ignored: Option<SocketAddr>,
) {
    while let Ok((stream, peer)) = listener.accept().await {
        if Some(peer) == ignored {
            continue;
        }
        stream.set_nodelay(true).unwrap();
        let (worker, output) = Worker::new(&shared);
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            worker.script.handshake.passed().await;
            let established = |connection: &mut Connection| connection.is_established = true;
            match acceptor {
                None => {
                    worker.record(established);
                    http1::serve(&worker, stream, output).await;
                }
                Some(acceptor) => {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        worker.record(established);
                        match protocol {
                            Protocol::TlsHttp2 => http2::serve(&worker, stream, output).await,
                            Protocol::Http1 | Protocol::TlsHttp1 => {
                                http1::serve(&worker, stream, output).await
                            }
                        }
                    }
                }
            }
            worker.record(|connection| connection.is_closed = true);
        });
    }
}

#[tokio::test]
async fn reads_creates_and_batches_work_over_each_protocol() {
    for protocol in [Protocol::Http1, Protocol::TlsHttp1, Protocol::TlsHttp2] {
        let graph = FakeGraph::start(protocol).await;
        let gateway = graph.gateway().start().await;
        let read = "{ iosLobAppProvisioningConfiguration(id: \"c\") { displayName } }";
        let reply = gateway.graphql(read, json!({})).await;
        assert_eq!(reply.data()["iosLobAppProvisioningConfiguration"]["displayName"], "A configuration");
        let reply = gateway.graphql(MUTATION, input(device_status())).await;
        assert_eq!(reply.data()["addDeviceStatus"]["deviceStatus"]["userName"], "User Name value");
        let statuses = json!({"input": {"configurationId": "c", "deviceStatuses": numbered(21)}});
        let reply = gateway.graphql(BULK, statuses).await;
        assert_eq!(reply.data()["addDeviceStatuses"]["createdCount"], 21, "{protocol:?}");
        let seen = graph.seen();
        assert_eq!((seen.requests.len(), seen.reads(), seen.names().len()), (4, 1, 22));
        assert!(seen.requests.iter().all(|request| request.authorization == format!("Bearer {TOKEN}")));
    }
}
