//! The lines of a key's body behind its first.

use super::line_prefix::{KeyLines, LinePrefix};
use crate::bytes::{ALPHANUMERIC, ByteSet};
use crate::window::{NeedMore, Window};

/// The standard alphabet, without padding.
pub(super) const DIGITS: ByteSet = ALPHANUMERIC.with(b'+').with(b'/');

const FULL_LINE_BYTES: usize = 60;

/// Follows the lines of a body to the first that is not full, or to what cannot be in one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BodyTail {
    /// Of the current line.
    line_bytes: usize,
    is_padded: bool,
    /// Behind the backslash of an escaped line break.
    is_escaped: bool,
    prefix: LinePrefix,
    is_at_line_start: bool,
}

impl BodyTail {
    /// Behind the first `line_bytes` of a line.
    pub(super) fn new(line_bytes: usize, prefix: LinePrefix) -> Self {
        Self {
            line_bytes,
            prefix,
            ..Self::default()
        }
    }

    fn ends_line(&mut self) -> bool {
        let is_full = self.line_bytes >= FULL_LINE_BYTES && !self.is_padded;
        self.line_bytes = 0;
        self.is_at_line_start = is_full;
        is_full
    }
}

impl KeyLines for BodyTail {
    fn is_at_line_start(&mut self) -> &mut bool {
        &mut self.is_at_line_start
    }

    fn begin_line(&mut self, window: Window<'_>, position: usize) -> Result<usize, NeedMore> {
        self.prefix.end(window, position)
    }

    fn take(&mut self, byte: u8) -> bool {
        if std::mem::take(&mut self.is_escaped) {
            return match byte {
                b'n' => self.ends_line(),
                b'r' => true,
                // Escaped twice.
                b'\\' => {
                    self.is_escaped = true;
                    true
                }
                _ => false,
            };
        }
        let is_full = self.line_bytes >= FULL_LINE_BYTES && !self.is_padded;
        match byte {
            b'=' => {
                self.is_padded = true;
                true
            }
            b'\n' => self.ends_line(),
            b'\r' => is_full,
            b'\\' => {
                self.is_escaped = is_full;
                is_full
            }
            b' ' | b'\t' => self.line_bytes == 0,
            _ => {
                self.line_bytes += 1;
                DIGITS.has(byte) && !self.is_padded
            }
        }
    }
}
