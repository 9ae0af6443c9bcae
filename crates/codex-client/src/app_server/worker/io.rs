//! The two ends of a worker's pipes, and what is done when the process is gone.

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

/// A process that takes nothing of what waits for it for this long is deaf. One that takes some is slow.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);

/// A process whose input is closed and that has not ended after this time lives on.
const END_TIMEOUT: Duration = Duration::from_secs(1);

/// Lines outside the protocol after which a process is no longer trusted.
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
            Err(NotWritten::Deaf) => return worker.end_deaf("it does not read its input"),
            Err(NotWritten::Closed) => break,
        }
    }
    // Nothing that was sent may be waited for: whether it was read is unknown.
    drop(outgoing);
    worker.state.lock().pending.clear();
    // The pipe of a process that dies breaks a moment before its end is known.
    if timeout(END_TIMEOUT, exited).await.is_err() {
        worker.end_deaf("it has closed its input");
    }
}

enum NotWritten {
    Deaf,
    Closed,
}

/// Waits as long as the process takes some of the line now and then.
async fn write_line(stdin: &mut ChildStdin, line: &[u8]) -> Result<(), NotWritten> {
    let mut unwritten = usize::MAX;
    let mut outcome = timeout(WRITE_TIMEOUT, stdin.write_line(line)).await;
    loop {
        if let Ok(written) = outcome {
            return written.map_err(|_| NotWritten::Closed);
        }
        let rest = stdin.unwritten_bytes();
        if rest >= unwritten.min(line.len() + 1) {
            return Err(NotWritten::Deaf);
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

/// Waits for the end of the process, ends what still waits for it, and removes its home.
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
    /// Whether the line was of the protocol.
    fn receive(self: &Arc<Self>, line: &[u8]) -> bool {
        match protocol::parse(line) {
            Ok(Incoming::Notification(notification)) => self.dispatch(notification),
            Ok(Incoming::Response { id, result }) => {
                let pending = self.state.lock().pending.remove(&id);
                if let Some(pending) = pending {
                    // The caller may have given up meanwhile.
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

    /// Hands a call to its turn, if that has the tool. A call that nobody takes is refused by its drop.
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

    /// Hands a notification to its turn. One for a thread without a turn is late, not wrong.
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

    /// Counts a line outside the protocol; true once there are too many.
    fn count_protocol_error(&self) -> bool {
        let mut state = self.state.lock();
        state.protocol_errors += 1;
        state.protocol_errors == MAX_PROTOCOL_ERRORS
    }
}
