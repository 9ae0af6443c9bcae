use std::sync::atomic::{AtomicU64, Ordering};

use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

use crate::process::spec::OutputLimit;

/// Counts what a child writes to both outputs together. If it is more than the limit, the supervisor ends the
/// child.
pub(crate) struct OutputMeter {
    limit: OutputLimit,
    bytes: AtomicU64,
    lines: AtomicU64,
    exceeded: CancellationToken,
}

impl OutputMeter {
    pub(crate) fn new(limit: OutputLimit) -> Self {
        Self {
            limit,
            bytes: AtomicU64::new(0),
            lines: AtomicU64::new(0),
            exceeded: CancellationToken::new(),
        }
    }

    pub(crate) fn count(&self, piece: &[u8]) {
        let ends = bytecount::count(piece, b'\n') as u64;
        let bytes = piece.len() as u64;
        let bytes = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let lines = self.lines.fetch_add(ends, Ordering::Relaxed) + ends;
        if bytes > self.limit.bytes || lines > self.limit.lines {
            self.exceeded.cancel();
        }
    }

    /// Starts to count from zero again.
    pub(crate) fn reset(&self) {
        self.bytes.store(0, Ordering::Relaxed);
        self.lines.store(0, Ordering::Relaxed);
    }

    pub(crate) fn is_exceeded(&self) -> bool {
        self.exceeded.is_cancelled()
    }

    pub(crate) fn exceeded(&self) -> WaitForCancellationFuture<'_> {
        self.exceeded.cancelled()
    }
}
