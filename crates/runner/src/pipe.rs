use std::os::fd::AsFd;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio_util::sync::CancellationToken;

/// Linux lets an unprivileged process make a pipe this large (`/proc/sys/fs/pipe-max-size`), so this
/// much may lie in it when the last writer of the group has died.
const LARGEST_PIPE_BYTES: usize = 1 << 20;

/// The reading end of a child's pipe, which always comes to an end: at end of file, or when the group is
/// dead and the pipe is empty. A descendant that left the group may hold the writing end for ever; it
/// holds up nobody here.
pub(crate) struct Pipe<P> {
    end: P,
    group_dead: CancellationToken,
    /// How much may still be read; counts only once the group is dead.
    remaining_bytes: usize,
}

impl<P: AsyncRead + AsFd + Unpin> Pipe<P> {
    pub(crate) fn new(end: P, group_dead: CancellationToken) -> Self {
        Self {
            end,
            group_dead,
            remaining_bytes: LARGEST_PIPE_BYTES,
        }
    }

    /// The number of bytes read; 0 is the end. A read error is an end too: there is nothing to retry.
    /// Cancel-safe: a dropped call has read nothing.
    pub(crate) async fn read(&mut self, buffer: &mut [u8]) -> usize {
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
