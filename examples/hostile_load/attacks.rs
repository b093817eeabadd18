//! What hostile clients send, one kind after another.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long an attacker waits for an answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// One attack, by its number.
pub(crate) async fn attack(address: &str, number: usize) {
    // Whatever becomes of it, the next one follows.
    let _ = tokio::time::timeout(PATIENCE, attempt(address, number)).await;
}

async fn attempt(address: &str, number: usize) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    let sent = bytes(number);
    match number % 19 {
        // Gone before it is read.
        0 => stream.write_all(&sent[..sent.len() / 2]).await,
        // Sent drop by drop, and gone.
        1 => {
            for byte in &sent[..sent.len().min(10)] {
                stream.write_all(&[*byte]).await?;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Ok(())
        }
        // Held open in silence.
        2 => {
            tokio::time::sleep(PATIENCE).await;
            Ok(())
        }
        // Sent, and the answer is not read.
        3 => stream.write_all(&sent).await,
        _ => {
            stream.write_all(&sent).await?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.map(drop)
        }
    }
}

fn bytes(number: usize) -> Vec<u8> {
    let deep = 60 + number % 20_000;
    let query = |query: String| post(&json!({"query": query}).to_string());
    match number % 23 {
        0 => query(format!("{{node(id:{}{}){{id}}}}", "[".repeat(deep), "]".repeat(deep))),
        1 => query(format!("{{node(id:{}1{}){{id}}}}", "{a:".repeat(deep), "}".repeat(deep))),
        2 => query(format!("{}{}", "{a".repeat(deep), "}".repeat(deep))),
        3 => query(doubling(22)),
        4 => query(format!("{{__typename {}}}", "@skip(if:false)".repeat(deep))),
        5 => query((0..deep).map(|alias| format!("a{alias}:__typename ")).fold("{".to_owned(), |all, one| all + &one) + "}"),
        6 => query((0..900).map(|field| format!("f{field} ")).fold("{".to_owned(), |all, one| all + &one) + "}"),
        7 => post(&format!(r#"{{"query":"{{__typename}}","variables":{{"x":{}{}}}}}"#, "[".repeat(deep), "]".repeat(deep))),
        8 => post(&format!("[{}]", vec![r#"{"query":"{__typename}"}"#; 500].join(","))),
        9 => query("{__schema{types{fields{type{ofType{fields{name}}}}}}}".to_owned()),
        10 => query(format!("{{node(id:\"ig~1.s.{number:x}.%2e%2e%2f\"){{id}}}}")),
        11 => query(format!(
            "{{iosLobAppProvisioningConfigurations(first:1000,after:\"{}\"){{nodes{{id}}}}}}",
            "x".repeat(number % 3000)
        )),
        12 => b"POST /graphql HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n".to_vec(),
        13 => b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99999999\r\n\r\n{".to_vec(),
        14 => format!("GET /graphql?{} HTTP/1.1\r\nHost: x\r\n\r\n", "query=%7B__typename%7D&".repeat(1000)).into_bytes(),
        15 => format!("GET / HTTP/1.1\r\n{}\r\n", "X-Many: x\r\n".repeat(5000)).into_bytes(),
        16 => {
            // A flood of streams that are opened and reset (HTTP/2).
            let mut flood = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
            for stream in (1_u32..2001).step_by(2) {
                let id = stream.to_be_bytes();
                flood.extend([0, 0, 1, 1, 4, id[0], id[1], id[2], id[3], 0x82]);
                flood.extend([0, 0, 4, 3, 0, id[0], id[1], id[2], id[3], 0, 0, 0, 8]);
            }
            flood
        }
        17 => (0..4096_usize).map(|index| (index.wrapping_mul(number + 31) % 251).to_le_bytes()[0]).collect(),
        18 => post(&format!("{{\"query\":\"{}\"}}", "\\u0000".repeat(number % 5000))),
        19 => query(format!("{{node(id:\"\"\"{}\"\"\"){{id}}}}", "\\n".repeat(number % 10_000))),
        20 => query("mutation{addDeviceStatus(input:{}){replayed}}".to_owned()),
        21 => query("#".repeat(deep)),
        _ => post(&"x".repeat(deep)),
    }
}

/// Fragments that spread the next one twice each.
fn doubling(levels: usize) -> String {
    let mut document = "query{node(id:\"x\"){...F0}}".to_owned();
    for level in 0..levels {
        document += &format!("fragment F{level} on Node{{...F{0} ...F{0}}}", level + 1);
    }
    document + &format!("fragment F{levels} on Node{{id}}")
}

fn post(body: &str) -> Vec<u8> {
    let length = body.len();
    let head = "POST /graphql HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer hostile\r\n\
                Content-Type: application/json\r\nContent-Length: ";
    format!("{head}{length}\r\n\r\n{body}").into_bytes()
}
