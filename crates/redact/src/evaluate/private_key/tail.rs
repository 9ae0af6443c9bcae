//! The rest of a private key behind its header.

use super::armour::Armour;

use crate::bytes::{ALPHANUMERIC, BASE64, ByteSet};
use crate::evaluate::line_prefix::{KeyLines, LinePrefix};
use crate::window::{NeedMore, Window};

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

    /// Whether the byte belongs to the footer, which ends with the dashes behind its label, or with its line.
    fn take_in_footer(&mut self, byte: u8, length: usize) -> bool {
        let is_label = ALPHANUMERIC.has(byte) || byte == b' ';
        self.footer_bytes = Some(length + 1);
        match byte {
            b'-' if length < 2 => true,
            b'-' => {
                self.dashes += 1;
                true
            }
            _ if is_label && self.dashes == 0 && length < END_LIMIT_BYTES => true,
            _ => false,
        }
    }
}

impl KeyLines for KeyTail {
    fn is_at_line_start(&mut self) -> &mut bool {
        &mut self.is_at_line_start
    }

    fn begin_line(&mut self, window: Window<'_>, position: usize) -> Result<usize, NeedMore> {
        let start = self.prefix.end(window, position)?;
        self.armour.begin_line(window, start)?;
        Ok(start)
    }

    fn take(&mut self, byte: u8) -> bool {
        if self.footer_bytes.is_some() && self.dashes >= FOOTER_DASHES {
            return false;
        }
        if let Some(length) = self.footer_bytes {
            return self.take_in_footer(byte, length);
        }
        if self.armour.is_in_line() {
            let is_inside = self.armour.take(byte);
            self.is_at_line_start = !self.armour.is_in_line();
            return is_inside;
        }
        if !BODY.has(byte) {
            return false;
        }
        let is_escaped = std::mem::replace(&mut self.is_after_backslash, byte == b'\\');
        self.is_at_line_start = byte == b'\n' || (byte == b'n' && is_escaped);
        if BASE64.has(byte) && byte != b'-' {
            if self.is_after_short_word {
                return false;
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
        true
    }
}
