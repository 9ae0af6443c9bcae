//! How a secret goes on behind the part of it that was judged.

use crate::bytes::ByteSet;
use crate::evaluate::Tail;
use crate::reading::{LONGEST_COMMAND_BYTES, Reading, Unit, first_unit};
use crate::window::Window;

impl Tail {
    /// How many of the bytes belong to the tail, and whether it ends there.
    pub(crate) fn follow(&mut self, text: &[u8], is_complete: bool) -> (usize, bool) {
        match self {
            Self::Bytes(set) => follow_bytes(*set, text, is_complete),
            Self::Key(key) => follow_read(text, is_complete, |window| key.follow(window)),
            Self::Body(body) => follow_read(text, is_complete, |window| body.follow(window)),
        }
    }
}

/// Follows the bytes of a set, as they are written and as they are read.
fn follow_bytes(set: ByteSet, text: &[u8], is_complete: bool) -> (usize, bool) {
    let (mut end, mut probe) = (0, 0);
    let is_over = loop {
        let run = text[probe..].iter().position(|byte| !set.has(*byte));
        let run_end = run.map_or(text.len(), |length| probe + length);
        if run_end > probe {
            (end, probe) = (run_end, run_end);
        }
        if probe == text.len() {
            break is_complete;
        }
        match first_unit(&text[probe..], is_complete) {
            Unit::Partial => break false,
            Unit::Read { read, length } if read.iter().all(|byte| set.has(*byte)) => {
                probe += length;
                // What is not to be seen belongs to the secret when more of the secret follows.
                if !read.is_empty() {
                    end = probe;
                }
            }
            _ => break true,
        }
        if probe - end > LONGEST_COMMAND_BYTES {
            break true;
        }
    };
    // The full stop of a sentence stays; whether it is one shows in the next byte.
    let full_stop = usize::from(text[..end].last() == Some(&b'.'));
    (end - full_stop, is_over)
}

/// Follows what is read of a text.
fn follow_read(
    text: &[u8],
    is_complete: bool,
    follow: impl FnOnce(Window<'_>) -> (usize, bool),
) -> (usize, bool) {
    let mut reading = Reading::from(0);
    reading.extend(text);
    let certain = reading.certain(is_complete);
    let (length, is_over) = follow(Window::new(certain, is_complete));
    let written = if length < certain.len() {
        Some(reading.written_from(length))
    } else {
        reading.open_escape().filter(|_| !is_complete)
    };
    let written = written.and_then(|written| usize::try_from(written).ok());
    (written.unwrap_or(text.len()), is_over || is_complete)
}
