use std::{os::fd::AsFd, sync::Arc};

use tokio::{
    io::{AsyncRead, AsyncReadExt},
    task::coop::consume_budget,
};
use tokio_util::sync::CancellationToken;

use crate::process::output_meter::OutputMeter;

/// The largest pipe that an unprivileged process can make (`/proc/sys/fs/pipe-max-size`). So much may be
/// unread when the last writer of the group has died.
const LARGEST_PIPE_BYTES: usize = 1 << 20;

/// A task pays one unit of tokio's budget for so many bytes. A task without budget yields to others, so a
/// child that writes without end does not occupy a thread.
const BYTES_PER_UNIT: usize = 4096;

/// The reading end of a child's pipe. It ends at end of file, or when the process group is dead and the pipe is
/// empty. So a descendant that has left the group and keeps the writing end open blocks no reader.
pub(crate) struct Pipe<P> {
    end: P,
    group_dead: CancellationToken,
    /// How much may still be read after the death of the group.
    remaining_bytes: usize,
    meter: Arc<OutputMeter>,
    /// Units of budget that the task has to pay for the last read.
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

    /// Returns the number of bytes read. 0 is the end: end of file, a read error, or the limit on output.
    /// Cancel-safe: a dropped call has read nothing.
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

    /// Reads without tokio, whose record of readiness may be out of date, so that no last bytes are missed.
    /// The descriptor is non-blocking.
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
