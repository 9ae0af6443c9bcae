//! A provider that follows a script, on plain sockets, so that it can break the rules.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use super::PATIENCE;

pub(super) struct MockProvider {
    pub(super) base_url: String,
    requests: mpsc::Receiver<Received>,
    disconnects: mpsc::Receiver<()>,
}

/// A request as it came over the wire.
pub(super) struct Received {
    pub(super) head: String,
    pub(super) body: Value,
    /// Counted from 1 in the order of acceptance.
    pub(super) connection: usize,
}

#[derive(Clone)]
pub(super) enum Act {
    Send(String),
    /// Waits until the other side closes, and reports it.
    Hang,
    Close,
}

impl MockProvider {
    /// Plays `script` for each request.
    pub(super) async fn start(script: Vec<Act>) -> Self {
        Self::start_each(vec![script]).await
    }

    /// Plays a script for each request in turn, and the last one for all that follow.
    pub(super) async fn start_each(scripts: Vec<Vec<Act>>) -> Self {
        let scripts = Arc::new(Scripts {
            scripts,
            played: AtomicUsize::new(0),
        });
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let base_url = format!("http://{}/v1", listener.local_addr().expect("an address"));
        let (request_sender, requests) = mpsc::channel(64);
        let (disconnect_sender, disconnects) = mpsc::channel(64);
        let tracker = TaskTracker::new();
        let connections = tracker.clone();
        tracker.spawn(async move {
            for connection in 1.. {
                let Ok((stream, _)) = listener.accept().await else {
                    return;
                };
                let play = play(
                    stream,
                    Arc::clone(&scripts),
                    connection,
                    request_sender.clone(),
                );
                let disconnects = disconnect_sender.clone();
                connections.spawn(async move {
                    play.await;
                    let _ = disconnects.send(()).await;
                });
            }
        });
        Self {
            base_url,
            requests,
            disconnects,
        }
    }

    pub(super) async fn request(&mut self) -> Received {
        let received = tokio::time::timeout(PATIENCE, self.requests.recv()).await;
        received.expect("a request in time").expect("a request")
    }

    pub(super) async fn disconnect(&mut self) {
        let closed = tokio::time::timeout(PATIENCE, self.disconnects.recv()).await;
        closed.expect("a disconnect in time").expect("a disconnect");
    }

    pub(super) fn nothing_came(&mut self) -> bool {
        self.requests.try_recv().is_err()
    }
}

struct Scripts {
    scripts: Vec<Vec<Act>>,
    played: AtomicUsize,
}

impl Scripts {
    fn next(&self) -> &[Act] {
        let played = self.played.fetch_add(1, Ordering::Relaxed);
        let last = self.scripts.len() - 1;
        &self.scripts[played.min(last)]
    }
}

async fn play(
    mut stream: TcpStream,
    scripts: Arc<Scripts>,
    connection: usize,
    requests: mpsc::Sender<Received>,
) {
    stream.set_nodelay(true).expect("no delay");
    while let Some((head, body)) = read_request(&mut stream).await {
        let _ = requests
            .send(Received {
                head,
                body,
                connection,
            })
            .await;
        for act in scripts.next() {
            match act {
                Act::Send(text) => {
                    if stream.write_all(text.as_bytes()).await.is_err() {
                        return;
                    }
                }
                Act::Hang => {
                    while stream.read(&mut [0; 64]).await.is_ok_and(|read| read > 0) {}
                    return;
                }
                Act::Close => return,
            }
        }
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<(String, Value)> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_ascii_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.expect("a length").parse().expect("a number");
            if body.len() >= length {
                return Some((head, serde_json::from_str(body).expect("JSON")));
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

pub(super) const STREAM_HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n";
pub(super) const STREAM_END: &str = "0\r\n\r\n";

pub(super) fn send(text: impl Into<String>) -> Act {
    Act::Send(text.into())
}

pub(super) fn chunk(text: &str) -> Act {
    Act::Send(format!("{:x}\r\n{text}\r\n", text.len()))
}

pub(super) fn event(data: &Value) -> String {
    format!(
        "event: {}\ndata: {data}\n\n",
        data["type"].as_str().expect("a type")
    )
}

pub(super) fn created() -> String {
    event(&json!({"type": "response.created", "response": {"id": "resp_1"}}))
}

pub(super) fn delta(text: &str) -> String {
    event(&json!({"type": "response.output_text.delta", "delta": text}))
}

pub(super) fn completed() -> String {
    event(
        &json!({"type": "response.completed", "response": {"id": "resp_1", "usage": {
            "input_tokens": 11,
            "input_tokens_details": {"cached_tokens": 3},
            "output_tokens": 5,
            "output_tokens_details": {"reasoning_tokens": 2}
        }}}),
    )
}

/// A whole answer, as a provider gives it.
pub(super) fn answer() -> Vec<Act> {
    vec![
        send(STREAM_HEAD),
        chunk(&created()),
        chunk(&delta("Hello")),
        chunk(&completed()),
        send(STREAM_END),
    ]
}

pub(super) fn status(status: u16, body: &str) -> Vec<Act> {
    vec![send(format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    ))]
}
