//! One call, from its acceptance to its single terminal event: a log of numbered events between the
//! work, which appends ([`RunWriter`]), and the HTTP answer, which follows ([`RunFollower`]).
//!
//! Memory is bounded: an event is let go when it has been read, and a follower that is behind holds the
//! work back instead of filling the log. Dropping the follower cancels the run.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::result::CallResult;
use crate::error::{ErrorCode, Problem};

/// Text that may wait in a log for its follower.
const MAX_UNREAD_BYTES: usize = 256 * 1024;

/// What a call says to its caller. The last one is [`RunEvent::Done`] or [`RunEvent::Failed`].
#[derive(Clone, Debug, PartialEq)]
pub enum RunEvent {
    Start {
        /// Of a chat.
        model: Option<String>,
        driver: &'static str,
        /// Of a call of a skill.
        skill: Option<String>,
    },
    Delta {
        text: String,
    },
    /// Something beside the answer: metadata only.
    Item {
        kind: &'static str,
        title: Cow<'static, str>,
        status: &'static str,
    },
    Done(CallResult),
    Failed {
        problem: Problem,
    },
}

impl RunEvent {
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Done(_) | Self::Failed { .. })
    }

    fn size_bytes(&self) -> usize {
        const EVENT_BYTES: usize = 64;
        match self {
            Self::Delta { text } => EVENT_BYTES + text.len(),
            _ => EVENT_BYTES,
        }
    }
}

/// An event with its number: 1, 2, 3 … without a gap.
#[derive(Clone, Debug, PartialEq)]
pub struct NumberedEvent {
    pub number: u64,
    pub event: RunEvent,
}

struct Run {
    log: Mutex<Log>,
    appended: Notify,
    read: Notify,
    cancelled: CancellationToken,
}

#[derive(Debug, Default)]
struct Log {
    unread: VecDeque<NumberedEvent>,
    unread_bytes: usize,
    last_number: u64,
    finished: bool,
}

impl fmt::Debug for Run {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Run({} events)", self.log.lock().last_number)
    }
}

/// The two ends of a new run.
pub fn new_run() -> (RunWriter, RunFollower) {
    let run = Arc::new(Run {
        log: Mutex::default(),
        appended: Notify::new(),
        read: Notify::new(),
        cancelled: CancellationToken::new(),
    });
    (
        RunWriter {
            run: Arc::clone(&run),
        },
        RunFollower { run },
    )
}

/// The work's end. If it is dropped before the terminal event, as in a panic, the run fails as
/// `internal`: a follower never waits for something that will not come.
#[derive(Debug)]
pub struct RunWriter {
    run: Arc<Run>,
}

impl RunWriter {
    /// Appends an event, after a wait if the follower is far behind. Cancel-safe: an event whose
    /// future is dropped was not appended.
    pub async fn append(&self, event: RunEvent) {
        loop {
            let read = self.run.read.notified();
            {
                let mut log = self.run.log.lock();
                if log.unread_bytes < MAX_UNREAD_BYTES {
                    log.push(event);
                    drop(log);
                    self.run.appended.notify_one();
                    return;
                }
            }
            read.await;
        }
    }

    /// Ends the run with its terminal event, without waiting for anyone.
    pub fn finish(self, event: RunEvent) {
        self.run.finish(event);
    }

    /// Returns when nobody follows any more, or the run was cancelled.
    pub async fn cancelled(&self) {
        self.run.cancelled.cancelled().await;
    }
}

impl Drop for RunWriter {
    fn drop(&mut self) {
        let problem = Problem::new(
            ErrorCode::Internal,
            "The gateway failed while it worked on this call. Its log has the request id.",
        );
        self.run.finish(RunEvent::Failed { problem });
    }
}

impl Run {
    /// Only the first end counts.
    fn finish(&self, event: RunEvent) {
        debug_assert!(event.is_terminal());
        let mut log = self.log.lock();
        if !log.finished {
            log.finished = true;
            log.push(event);
        }
        drop(log);
        self.appended.notify_one();
    }
}

impl Log {
    fn push(&mut self, event: RunEvent) {
        self.last_number += 1;
        self.unread_bytes += event.size_bytes();
        self.unread.push_back(NumberedEvent {
            number: self.last_number,
            event,
        });
    }
}

/// The caller's end. Dropping it cancels the run.
#[derive(Debug)]
pub struct RunFollower {
    run: Arc<Run>,
}

impl RunFollower {
    /// The next event; `None` after the terminal one. Cancel-safe.
    pub async fn next(&mut self) -> Option<NumberedEvent> {
        loop {
            let appended = self.run.appended.notified();
            {
                let mut log = self.run.log.lock();
                if let Some(event) = log.unread.pop_front() {
                    log.unread_bytes -= event.event.size_bytes();
                    drop(log);
                    self.run.read.notify_one();
                    return Some(event);
                }
                if log.finished {
                    return None;
                }
            }
            appended.await;
        }
    }
}

impl Drop for RunFollower {
    fn drop(&mut self) {
        self.run.cancelled.cancel();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    fn end() -> RunEvent {
        RunEvent::Failed {
            problem: Problem::deadline_exceeded(Duration::from_secs(1)),
        }
    }

    fn delta(text: &str) -> RunEvent {
        RunEvent::Delta {
            text: text.to_owned(),
        }
    }

    #[tokio::test]
    async fn events_are_numbered_from_one_and_end_with_one_terminal_event() {
        let (writer, mut follower) = new_run();
        writer.append(delta("a")).await;
        writer.append(delta("b")).await;
        writer.finish(end());

        let mut numbers = Vec::new();
        let mut last = None;
        while let Some(NumberedEvent { number, event }) = follower.next().await {
            numbers.push(number);
            last = Some(event);
        }
        assert_eq!(numbers, [1, 2, 3]);
        assert_eq!(last, Some(end()));
    }

    #[tokio::test]
    async fn work_that_is_dropped_ends_the_run() {
        let (writer, mut follower) = new_run();
        drop(writer);
        let Some(NumberedEvent {
            event: RunEvent::Failed { problem },
            ..
        }) = follower.next().await
        else {
            panic!("no failure");
        };
        assert_eq!(problem.code, ErrorCode::Internal);
        assert_eq!(follower.next().await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_follower_that_does_not_read_holds_the_work_back() {
        let (writer, mut follower) = new_run();
        let piece = "x".repeat(MAX_UNREAD_BYTES / 2);
        writer.append(delta(&piece)).await;
        writer.append(delta(&piece)).await;
        let third = timeout(Duration::from_secs(1), writer.append(delta("third"))).await;
        assert!(third.is_err(), "the log took more than it may hold");

        follower.next().await;
        writer.append(delta("third")).await;
        writer.finish(end());
        let mut numbers = Vec::new();
        while let Some(event) = follower.next().await {
            numbers.push(event.number);
        }
        assert_eq!(numbers, [2, 3, 4]);
    }

    #[tokio::test]
    async fn a_follower_that_leaves_cancels_the_run() {
        let (writer, follower) = new_run();
        drop(follower);
        writer.cancelled().await;
    }
}
