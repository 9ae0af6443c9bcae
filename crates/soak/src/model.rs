//! The model on loopback: it says back what the plan of the turn has it say, at the plan's pace, and
//! sees when the other side goes.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use crate::plan::{Fate, NONCE_BYTES, NONCE_PREFIX, Trouble, TurnPlan};

/// Longer than any turn may last: a call that is still open then was forgotten.
const LONGEST_HANG: Duration = Duration::from_mins(1);

#[derive(Clone)]
pub(crate) struct Model {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    turns: Vec<TurnPlan>,
    calls: Mutex<Vec<ModelCall>>,
    violations: Mutex<Vec<String>>,
    open_connections: AtomicUsize,
    closing_idle: Notify,
}

/// One request that came.
#[derive(Clone, Debug)]
pub(crate) struct ModelCall {
    pub(crate) turn: usize,
    pub(crate) begun: Instant,
    pub(crate) end: Option<CallEnd>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct CallEnd {
    pub(crate) at: Instant,
    pub(crate) is_complete: bool,
}

impl Model {
    pub(crate) async fn start(turns: Vec<TurnPlan>, tasks: &TaskTracker) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let model = Self {
            address: listener.local_addr()?,
            shared: Arc::new(Shared {
                turns,
                calls: Mutex::default(),
                violations: Mutex::default(),
                open_connections: AtomicUsize::new(0),
                closing_idle: Notify::new(),
            }),
        };
        let (accepting, shared) = (tasks.clone(), Arc::clone(&model.shared));
        tasks.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&shared);
                accepting.spawn(async move {
                    shared.open_connections.fetch_add(1, Ordering::Relaxed);
                    // A connection that breaks is what the turns are there for.
                    let _ = shared.serve(stream).await;
                    shared.open_connections.fetch_sub(1, Ordering::Relaxed);
                });
            }
        });
        Ok(model)
    }

    pub(crate) fn calls(&self) -> Vec<ModelCall> {
        self.shared.calls.lock().clone()
    }

    pub(crate) fn violations(&self) -> Vec<String> {
        self.shared.violations.lock().clone()
    }

    /// Closes the connections on which nothing is asked, as servers do, and says how many are left.
    pub(crate) fn close_idle(&self) -> usize {
        self.shared.closing_idle.notify_waiters();
        self.shared.open_connections.load(Ordering::Relaxed)
    }
}

impl Shared {
    async fn serve(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let (reader, mut writer) = stream.into_split();
        let mut reader = BufReader::new(reader);
        loop {
            let body = tokio::select! {
                body = read_request(&mut reader) => body?,
                () = self.closing_idle.notified() => return Ok(()),
            };
            let Some(turn) = self.turn_of(&body) else {
                return Ok(());
            };
            let at = self.begin(turn.number);
            let outcome = self.answer(turn, &mut reader, &mut writer).await;
            self.end(at, outcome.is_ok());
            outcome?;
            if turn.fate == Fate::Trouble(Trouble::Closing) {
                return Ok(());
            }
        }
    }

    /// The one turn that the request speaks of.
    fn turn_of(&self, body: &[u8]) -> Option<&TurnPlan> {
        let text = String::from_utf8_lossy(body);
        let nonces: BTreeSet<&str> = text
            .match_indices(NONCE_PREFIX)
            .filter_map(|(at, _)| text.get(at..at + NONCE_BYTES))
            .collect();
        let turn = nonces
            .first()
            .and_then(|nonce| self.turns.iter().find(|turn| turn.nonce == *nonce));
        if nonces.len() != 1 || turn.is_none() {
            let problem = format!("the model was asked about {nonces:?} in one request");
            self.violations.lock().push(problem);
            return None;
        }
        turn
    }

    fn begin(&self, turn: usize) -> usize {
        let mut calls = self.calls.lock();
        calls.push(ModelCall {
            turn,
            begun: Instant::now(),
            end: None,
        });
        calls.len() - 1
    }

    fn end(&self, at: usize, is_complete: bool) {
        let at_moment = Instant::now();
        if let Some(call) = self.calls.lock().get_mut(at) {
            call.end = Some(CallEnd {
                at: at_moment,
                is_complete,
            });
        }
    }

    /// An error means that the other side has gone.
    async fn answer(
        &self,
        turn: &TurnPlan,
        reader: &mut BufReader<OwnedReadHalf>,
        writer: &mut OwnedWriteHalf,
    ) -> io::Result<()> {
        let steps = u32::try_from(turn.pieces.len() + 1).unwrap_or(u32::MAX);
        let pause = turn.answer_time / steps;
        let trouble = match turn.fate {
            Fate::Trouble(trouble) => Some(trouble),
            _ => None,
        };
        if let Some(answer) = trouble.and_then(|trouble| self.no_stream(turn, trouble)) {
            return writer.write_all(answer).await;
        }
        let pieces_before_silence = match turn.fate {
            Fate::Deadline { pieces } => Some(pieces),
            _ => None,
        };
        let pieces_before_end = match trouble {
            Some(Trouble::Cut { pieces } | Trouble::Length { pieces }) => pieces,
            Some(Trouble::Empty) => 0,
            _ => turn.pieces.len(),
        };
        if pieces_before_silence == Some(0) {
            stay(reader, LONGEST_HANG).await?;
        }
        stay(reader, pause).await?;
        writer.write_all(HEAD).await?;
        for event in first_events() {
            writer.write_all(&chunk(&event)).await?;
        }
        for (said, piece) in turn.pieces.iter().take(pieces_before_end).enumerate() {
            if pieces_before_silence == Some(said) {
                stay(reader, LONGEST_HANG).await?;
            }
            writer.write_all(&chunk(&delta(piece))).await?;
            stay(reader, pause).await?;
        }
        if matches!(trouble, Some(Trouble::Cut { .. })) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        for event in last_events(turn, trouble) {
            writer.write_all(&chunk(&event)).await?;
        }
        writer.write_all(b"0\r\n\r\n").await
    }

    /// An answer that is no stream of events.
    fn no_stream(&self, turn: &TurnPlan, trouble: Trouble) -> Option<&'static [u8]> {
        let calls = self.calls.lock();
        let asked = calls.iter().filter(|call| call.turn == turn.number).count();
        match trouble {
            Trouble::Busy if asked == 1 => Some(BUSY),
            Trouble::Refusal => Some(REFUSAL),
            Trouble::Page => Some(PAGE),
            _ => None,
        }
    }
}

/// Waits, but not longer than the other side.
async fn stay(reader: &mut BufReader<OwnedReadHalf>, time: Duration) -> io::Result<()> {
    tokio::select! {
        // Nothing is sent in the middle of an answer, so this is the end.
        _ = reader.read_u8() => Err(io::ErrorKind::ConnectionReset.into()),
        () = tokio::time::sleep(time) => Ok(()),
    }
}

async fn read_request(reader: &mut BufReader<OwnedReadHalf>) -> io::Result<Vec<u8>> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if line == "\r\n" {
            break;
        }
        let header = line.to_ascii_lowercase();
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).await?;
    Ok(body)
}

const BUSY: &[u8] =
    b"HTTP/1.1 503 Busy\r\nretry-after: 0\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
const REFUSAL: &[u8] =
    b"HTTP/1.1 401 No\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
const PAGE: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 13\r\n\r\n<html></html>";

const HEAD: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

fn chunk(event: &Value) -> Vec<u8> {
    let name = event["type"].as_str().unwrap_or_default();
    let frame = format!("event: {name}\ndata: {event}\n\n");
    format!("{:x}\r\n{frame}\r\n", frame.len()).into_bytes()
}

fn message(status: &str, content: &Value) -> Value {
    json!({ "type": "message", "id": "msg_1", "role": "assistant", "status": status, "content": content })
}

fn first_events() -> [Value; 2] {
    [
        json!({ "type": "response.created", "response": { "id": "resp_1", "status": "in_progress" } }),
        json!({ "type": "response.output_item.added", "output_index": 0, "item": message("in_progress", &json!([])) }),
    ]
}

fn delta(piece: &str) -> Value {
    json!({ "type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": piece })
}

fn last_events(turn: &TurnPlan, trouble: Option<Trouble>) -> Vec<Value> {
    match trouble {
        Some(Trouble::Length { .. }) => vec![json!({
            "type": "response.incomplete",
            "response": { "id": "resp_1", "incomplete_details": { "reason": "max_output_tokens" } },
        })],
        Some(Trouble::Empty) => vec![json!({
            "type": "response.completed",
            "response": { "id": "resp_1", "status": "completed", "output": [] },
        })],
        _ => whole_answer(turn).into(),
    }
}

fn whole_answer(turn: &TurnPlan) -> [Value; 2] {
    let content = json!([{ "type": "output_text", "text": turn.text(), "annotations": [] }]);
    let item = message("completed", &content);
    let (input, output) = (turn.input_tokens(), turn.pieces.len());
    [
        json!({ "type": "response.output_item.done", "output_index": 0, "item": item }),
        json!({ "type": "response.completed", "response": {
            "id": "resp_1", "status": "completed", "output": [item],
            "usage": { "input_tokens": input, "output_tokens": output, "total_tokens": input + output },
        }}),
    ]
}
