//! A child that does not behave: what it may hold, and that others do not feel it.

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::mock_provider::{self, MockProvider};
use super::{Bench, CREDENTIAL, PATIENCE, question};

const MEBIBYTE: usize = 1024 * 1024;

async fn connect(bench: &Bench) -> TcpStream {
    TcpStream::connect(bench.address)
        .await
        .expect("a connection")
}

/// Everything until the other side closes.
async fn rest(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_string(&mut text)).await;
    // What was not read when it was closed makes of the close a reset.
    let _ = read.expect("in time");
    text
}

fn head(length: usize) -> String {
    format!(
        "POST /v1/responses HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {CREDENTIAL}\r\ncontent-length: {length}\r\n\r\n"
    )
}

#[tokio::test]
async fn refused_requests_end_their_connection() {
    let provider = MockProvider::start(mock_provider::answer()).await;
    let bench = Bench::openai(&provider.base_url).await;
    let mut stream = connect(&bench).await;
    let pipelined = "GET /v1/x HTTP/1.1\r\nhost: x\r\n\r\n".repeat(50);
    stream
        .write_all(pipelined.as_bytes())
        .await
        .expect("written");
    let text = rest(&mut stream).await;
    assert_eq!(text.matches("HTTP/1.1 404").count(), 4, "{text}");
}

#[tokio::test]
async fn a_child_has_its_share_of_connections() {
    let provider = MockProvider::start(mock_provider::answer()).await;
    let bench = Bench::openai(&provider.base_url).await;
    let _token = bench.issue();
    // Four turns: twice as many connections, and a few.
    let mut open = Vec::new();
    for _ in 0..12 {
        let mut stream = connect(&bench).await;
        stream
            .write_all(head(100).as_bytes())
            .await
            .expect("written");
        open.push(stream);
    }
    let mut waiting = connect(&bench).await;
    let ask = "GET /v1/x HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    waiting.write_all(ask.as_bytes()).await.expect("written");
    let mut byte = [0; 1];
    let served = std::time::Duration::from_millis(300);
    let served = tokio::time::timeout(served, waiting.read(&mut byte)).await;
    assert!(served.is_err(), "it waits for one of the others to end");
    let elsewhere = bench.another_child().await;
    assert_eq!(elsewhere.ask(&question("hello?")).await.status(), 200);
    drop(open);
    assert!(rest(&mut waiting).await.contains("404"));
}

/// What has come is charged: bodies that stand half finished fill the child's own share and no other's.
#[tokio::test]
async fn a_child_has_its_share_of_memory() {
    let provider = MockProvider::start(mock_provider::answer()).await;
    let bench = Bench::openai(&provider.base_url).await;
    let token = bench.issue();
    // What is only declared costs nothing.
    let mut declared = Vec::new();
    for _ in 0..6 {
        let mut stream = connect(&bench).await;
        let head = head(8 * MEBIBYTE);
        stream.write_all(head.as_bytes()).await.expect("written");
        declared.push(stream);
    }
    let beginning = vec![b' '; 6 * MEBIBYTE];
    let mut filling = FuturesUnordered::new();
    for stream in &mut declared[..4] {
        filling.push(async {
            // One that is refused is closed.
            let _ = stream.write_all(&beginning).await;
            let mut answer = vec![0; 4096];
            let read = tokio::time::timeout(PATIENCE, stream.read(&mut answer)).await;
            let read = read.map_or(0, Result::unwrap_or_default);
            String::from_utf8_lossy(&answer[..read]).into_owned()
        });
    }
    let elsewhere = bench.another_child().await;
    let hello = question("hello?");
    let (refused, other) = tokio::join!(filling.next(), elsewhere.ask(&hello));
    assert_eq!(other.status(), 200, "another child is not held up");
    let refused = refused.expect("an answer");
    assert!(refused.contains("no_room"), "{refused}");
    drop(filling);
    assert_eq!(token.failure().unwrap().code, Some("no_room"));
    drop(declared);
    // The share is given back.
    let mut asked = 400;
    for _ in 0..100 {
        asked = bench
            .ask(&question(&"x".repeat(MEBIBYTE)))
            .await
            .status()
            .as_u16();
        if asked == 200 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(asked, 200);
}

/// The largest honest request goes the way of the large ones, and comes out as it went in.
#[tokio::test]
async fn a_large_request_passes_whole() {
    let mut provider = MockProvider::start(mock_provider::answer()).await;
    let bench = Bench::openai(&provider.base_url).await;
    let _token = bench.issue();
    let text = "Lorem ipsum dolor sit amet. ".repeat(60_000);
    assert_eq!(bench.ask(&question(&text)).await.status(), 200);
    let sent = provider.request().await.body;
    let received = sent.pointer("/input/0/content/0/text");
    assert_eq!(
        received.and_then(Value::as_str).map(str::len),
        Some(text.len())
    );
}
