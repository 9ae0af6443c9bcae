//! How a secret goes on behind the part of it that was judged.

use crate::bytes::ByteSet;
use crate::evaluate::{KeyLines, Tail};
use crate::reading::{LONGEST_COMMAND_BYTES, Unit, first_unit, may_begin};
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

/// Follows what is read of a text. It is read escape by escape, each by itself, so that it can be read on from
/// behind any of them.
fn follow_read(
    text: &[u8],
    is_complete: bool,
    follow: impl FnOnce(Window<'_>) -> (usize, bool),
) -> (usize, bool) {
    let (mut plain, mut written_from) = (Vec::with_capacity(text.len()), Vec::new());
    let mut position = 0;
    while let Some(byte) = text.get(position) {
        let unit = if may_begin(*byte) {
            first_unit(&text[position..], is_complete)
        } else {
            Unit::Plain
        };
        let length = match unit {
            Unit::Partial => break,
            Unit::Plain => {
                plain.push(*byte);
                1
            }
            Unit::Read { read, length } => {
                plain.extend_from_slice(&read);
                length
            }
        };
        written_from.resize(plain.len(), position);
        position += length;
    }
    let (length, is_over) = follow(Window::new(&plain, is_complete));
    let end = written_from.get(length).copied().unwrap_or(position);
    (end, is_over || is_complete)
}
