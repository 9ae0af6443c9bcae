//! What stands in front of each line of a text that was logged, quoted or numbered line by line.

use super::{NeedMore, Window};
use crate::bytes::DIGIT;
use crate::window::LOOK_BACK_BYTES;

const LONGEST_PREFIX_BYTES: usize = 80;
/// Its numbers may have become longer.
const LONGEST_LATER_PREFIX_BYTES: usize = 96;
const LONGEST_NUMBER_BYTES: usize = 20;

/// What stood in front of the first line: `> `, `web-1  | `, `key.pem:1:`, `12:34:56 [main] DEBUG - `.
///
/// In front of a later line the numbers may be others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LinePrefix {
    text: Vec<u8>,
}

impl LinePrefix {
    /// Reads what stands on the line before `position`; nothing when the line starts too far away.
    pub(super) fn before(window: Window<'_>, position: usize) -> Self {
        let near = window.before(position);
        let line = near.iter().rposition(|byte| *byte == b'\n');
        let is_whole = line.is_some() || near.len() < LOOK_BACK_BYTES;
        let text = &near[line.map_or(0, |index| index + 1)..];
        let is_prefix = is_whole && text.len() <= LONGEST_PREFIX_BYTES;
        Self {
            text: if is_prefix { text.to_vec() } else { Vec::new() },
        }
    }

    /// Where the line that starts at `position` goes on behind the prefix: `position` itself when it has
    /// none. Spaces at the end of the prefix may be missing.
    pub(super) fn end(&self, window: Window<'_>, position: usize) -> Result<usize, NeedMore> {
        let needed = self.text.trim_ascii_end().len();
        let (mut own, mut end) = (0, position);
        while own < self.text.len() {
            let byte = window.at(end)?;
            if self.text[own].is_ascii_digit() && byte.is_some_and(|byte| byte.is_ascii_digit()) {
                own += digits(&self.text[own..]);
                end = window.run_end(end, DIGIT, LONGEST_NUMBER_BYTES)?;
            } else if byte == Some(self.text[own]) {
                own += 1;
                end += 1;
            } else {
                return Ok(if own >= needed { end } else { position });
            }
            if end - position > LONGEST_LATER_PREFIX_BYTES {
                return Ok(position);
            }
        }
        Ok(end)
    }

    /// The most bytes that [`end`](Self::end) goes forward.
    pub(super) fn most_bytes(&self) -> usize {
        if self.text.is_empty() {
            0
        } else {
            LONGEST_LATER_PREFIX_BYTES + LONGEST_NUMBER_BYTES
        }
    }
}

/// The rest of a key, followed byte by byte, each line from behind its prefix on.
pub(crate) trait KeyLines {
    /// Whether the next byte begins a line.
    fn is_at_line_start(&mut self) -> &mut bool;

    /// Where the line that starts at `position` goes on behind what stands in front of every line.
    fn begin_line(&mut self, window: Window<'_>, position: usize) -> Result<usize, NeedMore>;

    /// Whether the byte belongs to the key.
    fn take(&mut self, byte: u8) -> bool;

    /// How many of the bytes of the window belong to the key, and whether it ends there.
    fn follow(&mut self, window: Window<'_>) -> (usize, bool) {
        let mut position = 0;
        while let Some(byte) = window.bytes().get(position) {
            if *self.is_at_line_start() {
                let Ok(start) = self.begin_line(window, position) else {
                    return (position, false);
                };
                *self.is_at_line_start() = false;
                if start > position {
                    position = start;
                    continue;
                }
            }
            if !self.take(*byte) {
                return (position, true);
            }
            position += 1;
        }
        (position, false)
    }
}

fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}
