//! SIGTERM with clients that do not finish their requests.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::commands::Program;

fn serve(root: &str, deadline: &str) -> (Program, String) {
    let mut gateway = Program::serve(root, &["--request-timeout", deadline]);
    let address = gateway.line("listening on http://");
    (gateway, address)
}

/// How long a gateway with a deadline of a second takes to end while this client is connected.
fn time_to_end(client: impl FnOnce(&mut TcpStream)) -> Duration {
    let (gateway, address) = serve("http://127.0.0.1:1/beta", "1s");
    let mut stream = TcpStream::connect(address).unwrap();
    client(&mut stream);
    let asked = Instant::now();
    assert_eq!(gateway.stop().0, Some(0));
    asked.elapsed()
}

#[test]
fn incomplete_requests_do_not_delay_the_shutdown() {
    const HEAD: &str = "POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
    let limit = Duration::from_secs(10);

    assert!(time_to_end(|_| {}) < limit, "a client that says nothing");
    assert!(time_to_end(|stream| stream.write_all(HEAD.as_bytes()).unwrap()) < limit, "half a head");
    let body = format!("{HEAD}content-length: 100\r\n\r\n{{");
    assert!(time_to_end(|stream| stream.write_all(body.as_bytes()).unwrap()) < limit, "half a body");

    // Requests more than the sockets' buffers hold, and reads nothing of it.
    let query = (0..1000).map(|index| format!("a{index}:__typename ")).collect::<String>();
    let query = json!({ "query": format!("{{{query}}}") }).to_string();
    let request = format!("{HEAD}content-length: {}\r\n\r\n{query}", query.len());
    let taken = time_to_end(|stream| {
        stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
        while stream.write_all(request.as_bytes()).is_ok() {}
        let mut first = [0];
        stream.read_exact(&mut first).unwrap();
    });
    assert!(taken < limit, "a client that reads nothing: {taken:?}");
}
