use std::{os::fd::AsFd, sync::Arc};

use tokio::{
    io::{AsyncRead, AsyncReadExt},
    task::coop::consume_budget,
};
use tokio_util::sync::CancellationToken;

use crate::process::output_meter::OutputMeter;

/// Linux lets an unprivileged process make a pipe this large (`/proc/sys/fs/pipe-max-size`), so this
/// much may lie in it when the last writer of the group has died.
const LARGEST_PIPE_BYTES: usize = 1 << 20;

/// What a task may read for one unit of its budget. A task that has used up its budget, 128 units, lets
/// the others go first: so a child that writes without end gets no more of a thread than they do.
const BYTES_PER_UNIT: usize = 4096;

/// The reading end of a child's pipe, which always comes to an end: at end of file, or when the group is
/// dead and the pipe is empty. A descendant that left the group may hold the writing end for ever; it
/// holds up nobody here.
pub(crate) struct Pipe<P> {
    end: P,
    group_dead: CancellationToken,
    /// How much may still be read; counts only once the group is dead.
    remaining_bytes: usize,
    meter: Arc<OutputMeter>,
    /// Units of the task's budget for what was read last.
    owed_units: usize,
}

impl<P: AsyncRead + AsFd + Unpin> Pipe<P> {
    pub(crate) fn new(end: P, group_dead: CancellationToken, meter: Arc<OutputMeter>) -> Self {
        Self {
            end,
            group_dead,
            remaining_bytes: LARGEST_PIPE_BYTES,
            meter,
            owed_units: 0,
        }
    }

    /// The number of bytes read; 0 is the end, and so is more than the child may write. A read error is an
    /// end too: there is nothing to retry. Cancel-safe: a dropped call has read nothing.
    pub(crate) async fn read(&mut self, buffer: &mut [u8]) -> usize {
        while self.owed_units > 0 {
            consume_budget().await;
            self.owed_units -= 1;
        }
        if self.meter.is_exceeded() {
            return 0;
        }
        let read = self.read_some(buffer).await;
        self.meter.count(buffer.get(..read).unwrap_or_default());
        self.owed_units = read / BYTES_PER_UNIT;
        read
    }

    async fn read_some(&mut self, buffer: &mut [u8]) -> usize {
        if !self.group_dead.is_cancelled() {
            tokio::select! {
                biased;
                read = self.end.read(buffer) => return read.unwrap_or(0),
                () = self.group_dead.cancelled() => {}
            }
        }
        self.read_rest(buffer)
    }

    pub(crate) async fn discard(mut self) {
        let mut scratch = vec![0; 64 * 1024];
        while self.read(&mut scratch).await > 0 {}
    }

    /// Asks the kernel directly, not tokio's memory of what was readable, so that the last bytes are not
    /// missed; the descriptor is non-blocking.
    fn read_rest(&mut self, buffer: &mut [u8]) -> usize {
        let wanted = buffer.len().min(self.remaining_bytes);
        let Some(buffer) = buffer.get_mut(..wanted) else {
            return 0;
        };
        let read =
            rustix::io::retry_on_intr(|| rustix::io::read(&self.end, &mut *buffer)).unwrap_or(0);
        self.remaining_bytes = self.remaining_bytes.saturating_sub(read);
        read
    }
}
