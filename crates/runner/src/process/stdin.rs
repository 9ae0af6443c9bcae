use std::io;

use tokio::io::AsyncWriteExt;
use tokio_util::sync::CancellationToken;

/// The buffer shrinks to this size, so that one large prompt does not take memory for the life of a process.
const LARGEST_KEPT_BYTES: usize = 64 * 1024;

/// The standard input of a child, for a protocol of lines. Dropping it closes the pipe.
///
/// If the child stops reading, a write waits until the child has ended. The caller sets the deadline.
pub struct ChildStdin {
    pipe: tokio::process::ChildStdin,
    group_dead: CancellationToken,
    /// The line that is being written. `written` bytes of it have been written.
    line: Vec<u8>,
    written: usize,
}

impl ChildStdin {
    pub(crate) fn new(pipe: tokio::process::ChildStdin, group_dead: CancellationToken) -> Self {
        Self {
            pipe,
            group_dead,
            line: Vec::new(),
            written: 0,
        }
    }

    /// Writes `line` and a newline, in one system call if the pipe has room. `line` must contain no newline.
    ///
    /// If a call is dropped before its end, the next call writes the rest of its line first. Fails with
    /// `BrokenPipe` if the child has ended or has closed its input.
    pub async fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
        self.flush_line().await?;
        self.line.reserve(line.len() + 1);
        self.line.extend_from_slice(line);
        self.line.push(b'\n');
        self.flush_line().await
    }

    /// Writes the rest of a line whose call was dropped.
    pub async fn finish_line(&mut self) -> io::Result<()> {
        self.flush_line().await
    }

    /// The size of the rest of a line whose call was dropped.
    pub fn unwritten_bytes(&self) -> usize {
        self.line.len() - self.written
    }

    pub(crate) async fn write_and_close(mut self, bytes: Vec<u8>) -> io::Result<()> {
        self.line = bytes;
        self.flush_line().await
    }

    async fn flush_line(&mut self) -> io::Result<()> {
        while let Some(rest) = self
            .line
            .get(self.written..)
            .filter(|rest| !rest.is_empty())
        {
            self.written += tokio::select! {
                biased;
                () = self.group_dead.cancelled() => return Err(io::ErrorKind::BrokenPipe.into()),
                written = self.pipe.write(rest) => written?,
            };
        }
        self.line.clear();
        self.line.shrink_to(LARGEST_KEPT_BYTES);
        self.written = 0;
        Ok(())
    }
}
