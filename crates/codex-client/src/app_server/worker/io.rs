//! Reads and writes the pipes of a worker's process, and cleans up when the process has ended.

use std::sync::Arc;
use std::time::Duration;

use runner::{ChildStdin, Line, Lines};
use serde_json::value::RawValue;
use tokio::time::timeout;

use crate::app_server::protocol::{self, Incoming, Notification, ToolCallParams, TurnStatus};
use crate::app_server::server_request;
use crate::home::Home;
use crate::tool_call::ToolCall;
use crate::turn::{CodexErrorClass, TurnEnd, TurnFailure};

use super::outgoing::OutgoingLines;
use super::{Condition, Worker};

/// A process that reads nothing of its input for this long is ended. One that reads some of it is only slow.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a process that has closed its input may take to end.
const END_TIMEOUT: Duration = Duration::from_secs(1);

/// After so many lines that do not follow the protocol, a process is quarantined.
const MAX_PROTOCOL_ERRORS: u32 = 3;

/// Starts the worker's three tasks. They end with the process.
pub(super) fn attach(
    worker: &Arc<Worker>,
    home: Home,
    stdin: Option<ChildStdin>,
    stdout: Lines,
    outgoing: OutgoingLines,
) {
    let tracker = worker.config.tracker.clone();
    tracker.spawn(write_lines(Arc::clone(worker), stdin, outgoing));
    tracker.spawn(read_lines(Arc::clone(worker), stdout));
    tracker.spawn(reap(Arc::clone(worker), home));
}

async fn write_lines(worker: Arc<Worker>, stdin: Option<ChildStdin>, mut outgoing: OutgoingLines) {
    let Some(mut stdin) = stdin else { return };
    let exited = worker.process.exited();
    tokio::pin!(exited);
    loop {
        let line = tokio::select! {
            line = outgoing.next() => line,
            _ = &mut exited => None,
        };
        let Some(line) = line else { return };
        match write_line(&mut stdin, &line).await {
            Ok(()) => {}
            Err(NotWritten::Stalled) => return worker.end_stalled("it does not read its input"),
            Err(NotWritten::Closed) => break,
        }
    }
    // It is unknown which requests the process has read, so none of them is waited for.
    drop(outgoing);
    worker.state.lock().pending.clear();
    // The pipe of a dying process breaks a moment before its end is known.
    if timeout(END_TIMEOUT, exited).await.is_err() {
        worker.end_stalled("it has closed its input");
    }
}

enum NotWritten {
    Stalled,
    Closed,
}

/// Writes a line. Waits as long as the process reads some of it now and then.
async fn write_line(stdin: &mut ChildStdin, line: &[u8]) -> Result<(), NotWritten> {
    let mut unwritten = usize::MAX;
    let mut outcome = timeout(WRITE_TIMEOUT, stdin.write_line(line)).await;
    loop {
        if let Ok(written) = outcome {
            return written.map_err(|_| NotWritten::Closed);
        }
        let rest = stdin.unwritten_bytes();
        if rest >= unwritten.min(line.len() + 1) {
            return Err(NotWritten::Stalled);
        }
        unwritten = rest;
        outcome = timeout(WRITE_TIMEOUT, stdin.finish_line()).await;
    }
}

async fn read_lines(worker: Arc<Worker>, mut lines: Lines) {
    while let Some(line) = lines.next().await {
        worker.heard();
        let understood = match line {
            Line::Text(bytes) => worker.receive(&bytes),
            Line::TooLong { .. } => false,
        };
        if !understood && worker.count_protocol_error() {
            worker.quarantine("it does not keep to the app-server protocol");
        }
    }
}

/// Waits for the end of the process, fails its turns and requests, and removes its home.
async fn reap(worker: Arc<Worker>, home: Home) {
    let exit = worker.process.exited().await;
    worker.gone.cancel();
    let expected = {
        let mut state = worker.state.lock();
        let expected = state.condition == Condition::Retiring;
        state.condition = Condition::Gone;
        state.pending.clear();
        state.prepared.clear();
        let failure = if exit.output_exceeded {
            TurnFailure::OutputExceeded
        } else {
            TurnFailure::Crashed
        };
        for queue in state.turns.values() {
            queue.settle(TurnEnd::Failed(failure.clone()));
        }
        expected
    };
    if expected {
        tracing::debug!(pid = worker.process.pid(), "codex worker ended");
    } else {
        tracing::warn!(
            pid = worker.process.pid(),
            code = exit.code,
            signal = exit.signal,
            output_exceeded = exit.output_exceeded,
            "codex worker ended by itself"
        );
    }
    worker.announce();
    drop(home);
}

impl Worker {
    /// Handles one line. Returns false if it does not follow the protocol.
    fn receive(self: &Arc<Self>, line: &[u8]) -> bool {
        match protocol::parse(line) {
            Ok(Incoming::Notification(notification)) => self.dispatch(notification),
            Ok(Incoming::Response { id, result }) => {
                let pending = self.state.lock().pending.remove(&id);
                if let Some(pending) = pending {
                    // The caller may have left.
                    let _ = pending.send(result.map(ToOwned::to_owned));
                }
            }
            Ok(Incoming::Request { id, method }) => {
                let (member, value) = server_request::refusal(&method);
                self.send(protocol::response(id, member, &value));
            }
            Ok(Incoming::ToolCall { id, call }) => self.receive_tool_call(id, call),
            Ok(Incoming::Ignored) => {}
            Err(_) => return false,
        }
        true
    }

    /// Passes a call to its turn, if that has the tool. Otherwise the call is dropped, which refuses it.
    fn receive_tool_call(self: &Arc<Self>, id: &RawValue, call: ToolCallParams<'_>) {
        let queue = self.state.lock().turns.get(&call.thread_id).cloned();
        let queue = queue.filter(|queue| queue.tools().contains(&call.tool));
        let (worker, id) = (Arc::clone(self), id.to_owned());
        let arguments = call.arguments.get().to_owned();
        let call = ToolCall::new(call.tool, arguments, move |success, text| {
            worker.send(protocol::tool_response(&id, success, text));
        });
        if let Some(queue) = queue {
            queue.push_tool_call(call);
        }
    }

    /// Passes a notification to its turn. One for a thread without a turn comes late, and is ignored.
    fn dispatch(&self, notification: Notification) {
        let thread_id = notification.thread_id();
        let Some(queue) = self.state.lock().turns.get(thread_id).cloned() else {
            return;
        };
        match notification {
            Notification::TurnStarted { turn_id, .. } => queue.set_turn_id(&turn_id),
            Notification::Delta {
                message_id, text, ..
            } => queue.push_delta(&message_id, text),
            Notification::Message { text, .. } if text.is_empty() => queue.push_empty_message(),
            Notification::Message {
                message_id, text, ..
            } => queue.push_message(&message_id, &text),
            Notification::Item { kind, status, .. } => queue.push_item(kind, status),
            Notification::TurnCompleted { status, error, .. } => {
                self.state.lock().turns_completed += 1;
                queue.settle(match status {
                    TurnStatus::Completed => TurnEnd::Completed,
                    TurnStatus::Interrupted => TurnEnd::Failed(TurnFailure::Interrupted),
                    TurnStatus::Failed | TurnStatus::InProgress | TurnStatus::Unknown => {
                        TurnEnd::Failed(TurnFailure::Codex(error.unwrap_or(CodexErrorClass::Other)))
                    }
                });
            }
        }
    }

    /// Counts a line that does not follow the protocol. Returns true when the limit is reached.
    fn count_protocol_error(&self) -> bool {
        let mut state = self.state.lock();
        state.protocol_errors += 1;
        state.protocol_errors == MAX_PROTOCOL_ERRORS
    }
}
