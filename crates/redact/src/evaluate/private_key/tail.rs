//! The rest of a private key behind its header.

use super::armour::Armour;
use super::{LinePrefix, NeedMore, Window};
use crate::bytes::{ALPHANUMERIC, BASE64, ByteSet};

/// A line shorter than this, with a space and another word behind it, is prose.
const SHORT_LINE_BYTES: usize = 20;
const END_LIMIT_BYTES: usize = 64;
const FOOTER_DASHES: usize = 5;

const BODY: ByteSet = BASE64
    .with(b' ')
    .with(b'\t')
    .with(b'\r')
    .with(b'\n')
    .with(b'"')
    .with(b'\'')
    .with(b'`')
    .with(b'\\')
    .with(b',')
    .with(b'.')
    .with(b':')
    .with(b'(')
    .with(b')')
    .with(b'|')
    .with(b'#')
    .with(b'>')
    .with(b'*')
    .with(b'&')
    .with(b';');

/// Follows the rest of a key: to its footer, or to the first thing that cannot be in a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeyTail {
    prefix: LinePrefix,
    is_at_line_start: bool,
    is_after_backslash: bool,
    armour: Armour,
    /// Length of the current word of base64.
    word_bytes: usize,
    /// A short word and one space stand before the current byte.
    is_after_short_word: bool,
    /// Dashes in a row.
    dashes: usize,
    /// Bytes of the footer so far, when it has begun.
    footer_bytes: Option<usize>,
}

impl KeyTail {
    pub(super) fn new(prefix: LinePrefix) -> Self {
        Self {
            prefix,
            ..Self::default()
        }
    }

    /// How many of the bytes of the window belong to the key, and whether it ends there.
    pub(crate) fn follow(&mut self, window: Window<'_>) -> (usize, bool) {
        let mut position = 0;
        while let Some(byte) = window.bytes().get(position) {
            if self.is_at_line_start {
                let Ok(start) = self.begin_line(window, position) else {
                    return (position, false);
                };
                self.is_at_line_start = false;
                if start > position {
                    position = start;
                    continue;
                }
            }
            match self.step(*byte) {
                Step::Inside => position += 1,
                Step::Outside => return (position, true),
            }
        }
        (position, false)
    }

    /// Where the line goes on behind what stands in front of every line.
    fn begin_line(&mut self, window: Window<'_>, position: usize) -> Result<usize, NeedMore> {
        let start = self.prefix.end(window, position)?;
        self.armour.begin_line(window, start)?;
        Ok(start)
    }

    fn step(&mut self, byte: u8) -> Step {
        if self.footer_bytes.is_some() && self.dashes >= FOOTER_DASHES {
            return Step::Outside;
        }
        if let Some(length) = self.footer_bytes {
            return self.step_in_footer(byte, length);
        }
        if self.armour.is_in_line() {
            let is_inside = self.armour.take(byte);
            self.is_at_line_start = !self.armour.is_in_line();
            return if is_inside {
                Step::Inside
            } else {
                Step::Outside
            };
        }
        if !BODY.has(byte) {
            return Step::Outside;
        }
        let is_escaped = std::mem::replace(&mut self.is_after_backslash, byte == b'\\');
        self.is_at_line_start = byte == b'\n' || (byte == b'n' && is_escaped);
        if BASE64.has(byte) && byte != b'-' {
            if self.is_after_short_word {
                return Step::Outside;
            }
            self.word_bytes += 1;
        } else {
            self.is_after_short_word =
                byte == b' ' && (2..SHORT_LINE_BYTES).contains(&self.word_bytes);
            self.word_bytes = 0;
        }
        self.dashes = if byte == b'-' { self.dashes + 1 } else { 0 };
        if self.dashes == 4 {
            self.footer_bytes = Some(0);
            self.dashes = 0;
        }
        Step::Inside
    }

    /// The footer ends with the dashes behind its label, or with its line.
    fn step_in_footer(&mut self, byte: u8, length: usize) -> Step {
        let is_label = ALPHANUMERIC.has(byte) || byte == b' ';
        self.footer_bytes = Some(length + 1);
        match byte {
            b'-' if length < 2 => Step::Inside,
            b'-' => {
                self.dashes += 1;

                Step::Inside
            }
            _ if is_label && self.dashes == 0 && length < END_LIMIT_BYTES => Step::Inside,
            _ => Step::Outside,
        }
    }
}

enum Step {
    Inside,
    Outside,
}
