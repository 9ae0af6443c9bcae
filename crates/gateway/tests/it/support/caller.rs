//! A caller on a plain socket: it can stop anywhere, leave at any moment, and sees every byte.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::world::in_time;

/// A request that has been sent, and what comes back. Dropping it is how a caller leaves.
pub(crate) struct Exchange {
    stream: TcpStream,
    /// Received and not yet read.
    buffer: Vec<u8>,
    head: Option<Head>,
    body_ended: bool,
    /// Body bytes that belong to no whole frame yet.
    unframed: Vec<u8>,
}

#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    /// By lower-case name.
    pub(crate) headers: BTreeMap<String, String>,
}

/// One server-sent event.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Frame {
    pub(crate) id: u64,
    pub(crate) event: String,
    pub(crate) data: Value,
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

/// A request line, the headers every request has, and `headers`.
pub(crate) fn head(request_line: &str, address: SocketAddr, headers: &[(&str, &str)]) -> String {
    let mut head = format!("{request_line} HTTP/1.1\r\n");
    if !headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("host"))
    {
        write!(head, "Host: {address}\r\n").unwrap();
    }
    for (name, value) in headers {
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    head.push_str("\r\n");
    head
}

impl Exchange {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let stream = in_time("a connection", TcpStream::connect(address))
            .await
            .unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            buffer: Vec::new(),
            head: None,
            body_ended: false,
            unframed: Vec::new(),
        }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        in_time("the sending", self.stream.write_all(bytes.as_ref()))
            .await
            .unwrap();
    }

    /// For a request that the gateway may refuse before it has been read.
    pub(crate) async fn send_as_far_as_it_goes(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = in_time("the sending", self.stream.write_all(bytes.as_ref())).await;
    }

    /// Adds what has arrived to the buffer; false at the end of the connection.
    async fn receive(&mut self) -> bool {
        let read = in_time("more bytes", self.stream.read_buf(&mut self.buffer)).await;
        read.unwrap_or(0) > 0
    }

    pub(crate) async fn head(&mut self) -> Head {
        if let Some(head) = &self.head {
            return head.clone();
        }
        let end = loop {
            if let Some(at) = find(&self.buffer, b"\r\n\r\n") {
                break at;
            }
            let received = self.receive().await;
            assert!(
                received,
                "closed before a head: {:?}",
                String::from_utf8_lossy(&self.buffer)
            );
        };
        let text = String::from_utf8(self.buffer[..end].to_vec()).unwrap();
        self.buffer.drain(..end + 4);
        let mut lines = text.split("\r\n");
        let status = lines
            .next()
            .unwrap()
            .split(' ')
            .nth(1)
            .unwrap()
            .parse()
            .unwrap();
        let headers = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        let head = Head { status, headers };
        self.head = Some(head.clone());
        head
    }

    /// The next piece of the body; `None` at its end, which must be a proper one.
    async fn piece(&mut self) -> Option<Vec<u8>> {
        let head = self.head().await;
        if self.body_ended {
            return None;
        }
        if let Some(length) = head.headers.get("content-length") {
            let length: usize = length.parse().unwrap();
            while self.buffer.len() < length {
                assert!(self.receive().await, "the body was cut");
            }
            self.body_ended = true;
            return Some(self.buffer.drain(..length).collect());
        }
        assert_eq!(head.headers["transfer-encoding"], "chunked");
        let (start, size) = loop {
            if let Some(at) = find(&self.buffer, b"\r\n") {
                let size = std::str::from_utf8(&self.buffer[..at]).unwrap();
                break (at + 2, usize::from_str_radix(size, 16).unwrap());
            }
            assert!(self.receive().await, "the body was cut");
        };
        while self.buffer.len() < start + size + 2 {
            assert!(self.receive().await, "the body was cut");
        }
        let piece: Vec<u8> = self
            .buffer
            .drain(..start + size + 2)
            .skip(start)
            .take(size)
            .collect();
        self.body_ended = size == 0;
        (size > 0).then_some(piece)
    }

    /// The next event of a stream; `None` at its end. Comments are passed over.
    pub(crate) async fn frame(&mut self) -> Option<Frame> {
        loop {
            while let Some(at) = find(&self.unframed, b"\n\n") {
                let text: Vec<u8> = self.unframed.drain(..at + 2).collect();
                if !text.starts_with(b":") {
                    return Some(Frame::parse(std::str::from_utf8(&text[..at]).unwrap()));
                }
            }
            let Some(piece) = self.piece().await else {
                assert!(self.unframed.is_empty(), "the stream ends inside a frame");
                return None;
            };
            self.unframed.extend(piece);
        }
    }

    /// The events to the stream's end.
    pub(crate) async fn frames(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        while let Some(frame) = self.frame().await {
            frames.push(frame);
        }
        frames
    }

    /// The next event, which must be this one.
    pub(crate) async fn expect_frame(&mut self, event: &str) -> Value {
        let frame = self.frame().await;
        let frame = frame.unwrap_or_else(|| panic!("the stream ended instead of {event}"));
        assert_eq!(frame.event, event, "{frame:?}");
        frame.data
    }

    pub(crate) async fn answer(mut self) -> Answer {
        let Head { status, headers } = self.head().await;
        let mut body = Vec::new();
        while let Some(piece) = self.piece().await {
            body.extend(piece);
        }
        Answer {
            status,
            headers,
            body,
        }
    }

    /// Reads one whole answer on a connection that is kept for more.
    pub(crate) async fn next_answer(mut self) -> Self {
        while self.piece().await.is_some() {}
        Self {
            head: None,
            body_ended: false,
            ..self
        }
    }

    /// Returns when the gateway has closed the connection, with what it said before.
    pub(crate) async fn closed(mut self) -> Vec<u8> {
        while self.receive().await {}
        self.buffer
    }
}

impl Frame {
    /// Exactly the three lines of the contract.
    fn parse(text: &str) -> Self {
        let lines: Vec<&str> = text.split('\n').collect();
        let [id, event, data] = lines[..] else {
            panic!("not a frame of three lines: {text:?}");
        };
        let frame = Self {
            id: id.strip_prefix("id: ").unwrap().parse().unwrap(),
            event: event.strip_prefix("event: ").unwrap().to_owned(),
            data: serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap(),
        };
        assert_eq!(frame.data["type"], frame.event);
        frame
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// The problem document, which must have this status and code.
    pub(crate) fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.headers["content-type"], "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status);
        assert_eq!(problem["request_id"], self.headers["x-request-id"]);
        problem
    }

    /// The answer's text, which must have come.
    pub(crate) fn chat(&self) -> String {
        assert_eq!(self.status, 200, "{}", self.text());
        self.json()["answer"].as_str().unwrap().to_owned()
    }
}

/// The text of the deltas of a stream.
pub(crate) fn text_of(frames: &[Frame]) -> String {
    let deltas = frames.iter().filter(|frame| frame.event == "delta");
    deltas
        .filter_map(|frame| frame.data["text"].as_str())
        .collect()
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}
