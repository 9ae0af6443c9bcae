use std::{fmt, io::BufRead, mem};

use tokio::{process::ChildStdout, runtime::Handle, task::coop::consume_budget};
use tokio_util::task::TaskTracker;

use crate::process::pipe::Pipe;

/// The default size of a pipe: one read empties a full one.
const CHUNK_BYTES: usize = 64 * 1024;

/// The standard output of a child, line by line, in bounded memory.
///
/// The task that calls [`Lines::next`] reads the pipe, so no line waits for another task. If nobody calls it,
/// the child blocks when the pipe is full. If it is dropped before the end, a task in the background reads
/// and discards the rest, so that the child does not block.
pub struct Lines {
    pipe: Option<Pipe<ChildStdout>>,
    chunk: Box<[u8]>,
    /// The part of `chunk` that has not been parsed yet.
    unread: std::ops::Range<usize>,
    line: LineBuilder,
    tracker: TaskTracker,
    runtime: Handle,
}

/// One line of output without its newline. `Debug` shows only its size, so that no output is logged.
#[derive(Clone, PartialEq, Eq)]
pub enum Line {
    /// Any bytes. They may be invalid UTF-8.
    Text(Vec<u8>),
    /// A line over [`Limits::max_line_bytes`](crate::Limits::max_line_bytes), which was dropped. Its length.
    TooLong { bytes: u64 },
}

/// Several whole lines. `Debug` shows only their size.
#[derive(Clone, PartialEq, Eq)]
pub enum Block {
    /// At least one line. Each has its newline, also the last one of the output.
    Lines(Vec<u8>),
    /// See [`Line::TooLong`].
    TooLong { bytes: u64 },
}

impl Lines {
    pub(crate) fn new(
        pipe: Pipe<ChildStdout>,
        max_line_bytes: usize,
        tracker: TaskTracker,
        runtime: Handle,
    ) -> Self {
        Self {
            pipe: Some(pipe),
            chunk: vec![0; CHUNK_BYTES].into_boxed_slice(),
            unread: 0..0,
            line: LineBuilder::new(max_line_bytes),
            tracker,
            runtime,
        }
    }

    /// Returns the next line, and `None` at the end of the output. The last line needs no newline.
    /// Cancel-safe: a dropped call loses nothing.
    pub async fn next(&mut self) -> Option<Line> {
        // Each line is work for the task that reads it. A child that writes many lines must not occupy a
        // thread.
        consume_budget().await;
        loop {
            if let Some(line) = self.next_of_chunk() {
                return Some(line);
            }
            if self.pipe.is_none() {
                return self.line.finish_last();
            }
            self.fill().await;
        }
    }

    /// Returns all whole lines that have been read, at most 64 KiB or one line, and `None` at the end of the
    /// output. Many short lines cost little more than one long line. Cancel-safe.
    pub async fn next_block(&mut self) -> Option<Block> {
        consume_budget().await;
        loop {
            if let Some(block) = self.block_of_chunk() {
                return Some(block);
            }
            if self.pipe.is_none() {
                return self.line.finish_last().map(Line::into_block);
            }
            self.fill().await;
        }
    }

    /// Returns the next byte without consuming it, and `None` at the end of the output. Cancel-safe.
    pub async fn peek(&mut self) -> Option<u8> {
        if let Some(byte) = self.line.text.first() {
            return Some(*byte);
        }
        self.fill().await;
        self.chunk.get(self.unread.clone())?.first().copied()
    }

    /// Returns what the child has written so far, also within a line, and `None` at the end of the output. At
    /// most 64 KiB, or the beginning of a line that a dropped [`Lines::next`] has read. Cancel-safe.
    pub async fn next_piece(&mut self) -> Option<Vec<u8>> {
        if let Some(Line::Text(begun)) = self.line.finish_last() {
            return Some(begun);
        }
        self.fill().await;
        let piece = self.chunk.get(self.unread.clone()).unwrap_or_default();
        let piece = piece.to_vec();
        self.unread = 0..0;
        (!piece.is_empty()).then_some(piece)
    }

    /// Reads from the pipe if nothing is unparsed.
    async fn fill(&mut self) {
        if !self.unread.is_empty() {
            return;
        }
        let Some(pipe) = &mut self.pipe else { return };
        let read = pipe.read(&mut self.chunk).await;
        self.unread = 0..read;
        if read == 0 {
            self.pipe = None;
        }
    }

    fn block_of_chunk(&mut self) -> Option<Block> {
        // If a chunk is not too long for a line, no whole line in it is.
        if self.line.has_begun() || self.line.max_bytes < CHUNK_BYTES {
            return self.next_of_chunk().map(Line::into_block);
        }
        let unread = self.chunk.get(self.unread.clone()).unwrap_or_default();
        let Some(last) = unread.iter().rposition(|byte| *byte == b'\n') else {
            return self.next_of_chunk().map(Line::into_block);
        };
        let lines = unread.get(..=last).unwrap_or_default().to_vec();
        self.unread.start += lines.len();
        Some(Block::Lines(lines))
    }

    fn next_of_chunk(&mut self) -> Option<Line> {
        let unread = self.chunk.get(self.unread.clone()).unwrap_or_default();
        // `skip_until` uses `memchr`, and reading from a slice cannot fail.
        let length = (&mut &*unread).skip_until(b'\n').unwrap_or(unread.len());
        let piece = unread.get(..length).unwrap_or_default();
        self.unread.start += length;
        if let Some(text) = piece.strip_suffix(b"\n") {
            Some(self.line.finish(text))
        } else {
            self.line.extend(piece);
            None
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        if let Some(pipe) = self.pipe.take() {
            self.tracker.spawn_on(pipe.discard(), &self.runtime);
        }
    }
}

impl Line {
    fn into_block(self) -> Block {
        match self {
            Self::Text(mut text) => {
                text.push(b'\n');
                Block::Lines(text)
            }
            Self::TooLong { bytes } => Block::TooLong { bytes },
        }
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lines(lines) => write!(formatter, "Lines({} bytes)", lines.len()),
            Self::TooLong { bytes } => write!(formatter, "TooLong({bytes} bytes)"),
        }
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(formatter, "Text({} bytes)", text.len()),
            Self::TooLong { bytes } => write!(formatter, "TooLong({bytes} bytes)"),
        }
    }
}

/// The line that is being read. Holds at most `max_bytes`.
struct LineBuilder {
    max_bytes: usize,
    text: Vec<u8>,
    /// The length so far of a line over the limit. 0 for a line within it.
    dropped_bytes: u64,
}

impl LineBuilder {
    fn new(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            text: Vec::new(),
            dropped_bytes: 0,
        }
    }

    fn extend(&mut self, piece: &[u8]) {
        if self.dropped_bytes == 0 && self.text.len() + piece.len() <= self.max_bytes {
            self.text.extend_from_slice(piece);
        } else {
            self.dropped_bytes += (mem::take(&mut self.text).len() + piece.len()) as u64;
        }
    }

    fn finish(&mut self, piece: &[u8]) -> Line {
        self.extend(piece);
        match mem::take(&mut self.dropped_bytes) {
            0 => Line::Text(mem::take(&mut self.text)),
            bytes => Line::TooLong { bytes },
        }
    }

    fn has_begun(&self) -> bool {
        !self.text.is_empty() || self.dropped_bytes > 0
    }

    fn finish_last(&mut self) -> Option<Line> {
        self.has_begun().then(|| self.finish(b""))
    }
}
