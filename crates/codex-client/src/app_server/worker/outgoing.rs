//! The lines that wait to be written to a process.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

/// Far more than a healthy process leaves unread: it makes at most some hundred tool calls at once, and its
/// turns start with some megabytes each.
const MAX_LINES: usize = 8192;
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// Takes lines without waiting, because the task that reads a process also answers its requests.
#[derive(Debug)]
pub(super) struct Outgoing {
    lines: mpsc::Sender<Vec<u8>>,
    bytes: Arc<AtomicUsize>,
}

/// The other end, from which lines are written to the process.
pub(super) struct OutgoingLines {
    lines: mpsc::Receiver<Vec<u8>>,
    bytes: Arc<AtomicUsize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotSent {
    Full,
    /// The process has ended or has closed its input.
    Closed,
}

pub(super) fn outgoing() -> (Outgoing, OutgoingLines) {
    let (sender, receiver) = mpsc::channel(MAX_LINES);
    let bytes = Arc::new(AtomicUsize::new(0));
    let written = Arc::clone(&bytes);
    (
        Outgoing {
            lines: sender,
            bytes,
        },
        OutgoingLines {
            lines: receiver,
            bytes: written,
        },
    )
}

impl Outgoing {
    pub(super) fn push(&self, line: Vec<u8>) -> Result<(), NotSent> {
        let length = line.len();
        let queued = self.bytes.fetch_add(length, Ordering::Relaxed);
        let sent = if queued + length > MAX_BYTES {
            Err(NotSent::Full)
        } else {
            self.lines.try_send(line).map_err(|error| match error {
                TrySendError::Full(_) => NotSent::Full,
                TrySendError::Closed(_) => NotSent::Closed,
            })
        };
        if sent.is_err() {
            self.bytes.fetch_sub(length, Ordering::Relaxed);
        }
        sent
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lines.is_closed()
    }
}

impl OutgoingLines {
    /// Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<Vec<u8>> {
        let line = self.lines.recv().await?;
        self.bytes.fetch_sub(line.len(), Ordering::Relaxed);
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_waits_is_bounded_in_lines_and_in_bytes() {
        let (outgoing, mut lines) = outgoing();
        for _ in 0..MAX_LINES {
            assert_eq!(outgoing.push(Vec::new()), Ok(()));
        }
        assert_eq!(outgoing.push(Vec::new()), Err(NotSent::Full));
        for _ in 0..MAX_LINES {
            lines.next().await;
        }
        assert_eq!(outgoing.push(vec![0; MAX_BYTES]), Ok(()));
        assert_eq!(outgoing.push(vec![0; 1]), Err(NotSent::Full));
        lines.next().await;
        assert_eq!(outgoing.push(vec![0; 1]), Ok(()));
        drop(lines);
        assert_eq!(outgoing.push(vec![0; 1]), Err(NotSent::Closed));
    }
}
