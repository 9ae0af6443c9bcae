use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::process::ChildStderr;

use crate::process::pipe::Pipe;

const TAIL_BYTES: usize = 4096;
const CHUNK_BYTES: usize = 16 * 1024;

/// The size of a child's standard error, and its last 4 KiB for diagnosis. The text is never logged.
#[derive(Default)]
pub(crate) struct StderrRecord {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    bytes: u64,
    lines: u64,
    tail: Vec<u8>,
}

impl StderrRecord {
    /// Reads to the end, so that the child never blocks on its standard error.
    pub(crate) async fn drain(&self, mut pipe: Pipe<ChildStderr>) {
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let read = pipe.read(&mut chunk).await;
            match chunk.get(..read) {
                Some(piece) if !piece.is_empty() => self.state().add(piece),
                _ => return,
            }
        }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.state().bytes
    }

    pub(crate) fn lines(&self) -> u64 {
        self.state().lines
    }

    pub(crate) fn tail(&self) -> Vec<u8> {
        self.state().tail.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn add(&mut self, piece: &[u8]) {
        self.bytes += piece.len() as u64;
        self.lines += bytecount::count(piece, b'\n') as u64;
        let newest = piece
            .get(piece.len().saturating_sub(TAIL_BYTES)..)
            .unwrap_or_default();
        let excess = (self.tail.len() + newest.len()).saturating_sub(TAIL_BYTES);
        self.tail.drain(..excess);
        self.tail.extend_from_slice(newest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_is_the_end_of_everything_and_bounded() {
        let mut state = State::default();
        let mut everything = Vec::new();
        for length in [1, 4000, 90, 5000, 10, 4096, 4095, 2] {
            let piece: Vec<u8> = (0..length).map(|index| b"abc\n"[index % 4]).collect();
            everything.extend_from_slice(&piece);
            state.add(&piece);
            assert_eq!(
                state.tail,
                everything[everything.len().saturating_sub(TAIL_BYTES)..]
            );
        }
        assert_eq!(state.bytes, everything.len() as u64);
        assert_eq!(
            state.lines,
            everything.split(|byte| *byte == b'\n').count() as u64 - 1
        );
    }
}
