//! The proxy variables apply to other hosts and not to loopback.

use msgraph_sandbox::{self as sandbox, Sandbox};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::add_device_status::{MUTATION, device_status, input};
use crate::commands::{Program, program};
use crate::harness::{TOKEN, http_client};

/// A proxy that refuses to connect, with its address and the head of each received request.
async fn proxy() -> (String, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (heads, seen) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let Ok(byte) = stream.read_u8().await else { break };
                head.push(byte);
            }
            let _ = heads.send(String::from_utf8(head).unwrap());
            let _ = stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n").await;
        }
    });
    (url, seen)
}

/// The response to a create, of a gateway in front of `root` with these variables.
async fn answer(root: &str, variables: &[(&str, &str)]) -> Value {
    // Short enough that a connection that does not come about is tried once.
    let deadline = ["--request-timeout", "950ms"];
    let serve = ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--graph-url", root];
    let arguments = [&serve[..], &deadline].concat();
    let mut gateway = Program::start_with(&arguments, variables);
    let url = gateway.line("listening on ");
    let client = http_client().build().unwrap();
    let request = client
        .post(format!("{url}/graphql"))
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {TOKEN}"))
        .body(json!({"query": MUTATION, "variables": input(device_status())}).to_string());
    let answer = request.send().await.unwrap().text().await.unwrap();
    assert_eq!(gateway.stop().0, Some(0));
    serde_json::from_str(&answer).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn another_host_is_reached_through_the_proxy_without_exposing_the_token() {
    let (url, mut seen) = proxy().await;
    for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"] {
        let answer = answer("https://graph.invalid/beta", &[(name, &url)]).await;
        let head = seen.recv().await.unwrap();
        assert!(head.starts_with("CONNECT graph.invalid:443 HTTP/1.1\r\n"), "{name}: {head}");
        assert!(!head.to_lowercase().contains(TOKEN), "{head}");
        let extensions = &answer["errors"][0]["extensions"];
        assert_eq!(extensions["code"], "UPSTREAM_UNAVAILABLE", "{answer}");
        assert_eq!(extensions["outcome"], "NOT_SENT", "{answer}");
    }
    while seen.try_recv().is_ok() {}
    // `NO_PROXY` contains the host, so it is resolved here, without success.
    let variables = [("HTTPS_PROXY", url.as_str()), ("NO_PROXY", "graph.invalid")];
    let answer = answer("https://graph.invalid/beta", &variables).await;
    assert_eq!(answer["errors"][0]["extensions"]["outcome"], "NOT_SENT", "{answer}");
    assert!(seen.try_recv().is_err());
}

#[test]
fn a_proxy_that_cannot_be_used_stops_the_start() {
    for (name, value) in [
        ("HTTPS_PROXY", "ht!tp://user:secret@proxy"),
        ("https_proxy", "socks9://p"),
        ("ALL_PROXY", "socks5://p:1"),
    ] {
        let arguments = ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
        let output = program(&arguments).env(name, value).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{error}");
        let last = error.lines().last().unwrap();
        assert!(last.starts_with(&format!("error: {name}: not a proxy")), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn loopback_is_reached_without_the_proxy() {
    let (url, mut seen) = proxy().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let root = format!("http://{}/beta", listener.local_addr().unwrap());
    let sandbox = Sandbox::new(sandbox::Settings::default());
    tokio::spawn(sandbox::run(listener, sandbox.clone(), std::future::pending()));
    let variables = [("HTTP_PROXY", url.as_str()), ("HTTPS_PROXY", &url), ("ALL_PROXY", &url)];
    for root in [root.clone(), root.replace("127.0.0.1", "localhost")] {
        let answer = answer(&root, &variables).await;
        assert!(answer["data"]["addDeviceStatus"]["deviceStatusId"].is_string(), "{answer}");
    }
    assert_eq!(sandbox.requests().len(), 2);
    assert!(seen.try_recv().is_err());
}
