//! PEM private keys.

use super::{Head, NeedMore, Span, Tail, Visibility, Window};
use crate::bytes::{ALPHANUMERIC, BASE64, ByteSet};

const BEGINNINGS: [&str; 2] = ["-----BEGIN ", "---- BEGIN "];
const LABEL_LIMIT_BYTES: usize = 48;
/// How much may stand between the header and the first line: quotes, escapes, indentation.
const GAP_LIMIT_BYTES: usize = 96;
const LEAST_LINE_BYTES: usize = 16;
/// A line shorter than this, with a space and another word behind it, is prose.
const SHORT_LINE_BYTES: usize = 20;
const END_LIMIT_BYTES: usize = 64;

const BETWEEN: ByteSet = ByteSet::of(b" \t\r\n\"'`+\\,.;:|#>*/");
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

pub(super) fn heads(rule: usize) -> Vec<Head> {
    let heads = BEGINNINGS.iter().map(|beginning| Head {
        literal: beginning.as_bytes().to_vec(),
        ignoring_case: Vec::new(),
        rule,
        is_secret: true,
        starts_token: false,
        visibility: Visibility::Literal,
        digits: None,
        followed_by: crate::bytes::ANY,
    });
    heads.collect()
}

/// Judges a header: it names a private key, and key material follows.
///
/// Source: RFC 7468; RFC 4880, section 6.2, and RFC 4716 for the other two labels.
pub(super) fn judge(window: Window<'_>, start: usize) -> Result<Option<Span>, NeedMore> {
    let label = start + BEGINNINGS[0].len();
    let end = window.run_end(
        label,
        ByteSet::of(b" ")
            .with_range(b'A', b'Z')
            .with_range(b'0', b'9'),
        LABEL_LIMIT_BYTES,
    )?;
    let text = window.slice(label, end);
    let is_private = text.windows(11).any(|part| part == b"PRIVATE KEY");
    if !is_private || !window.starts_with(end, b"----")? {
        return Ok(None);
    }
    let header = window.run_end(end, ByteSet::of(b"-"), 5)?;
    if !has_material(window, header)? {
        return Ok(None);
    }
    Ok(Some(Span {
        start,
        end: header,
        tail: Some(Tail::Key(KeyTail::default())),
    }))
}

/// Whether key material follows, and not a sentence about the header.
fn has_material(window: Window<'_>, from: usize) -> Result<bool, NeedMore> {
    let mut position = from;
    let limit = from + GAP_LIMIT_BYTES;
    while position < limit {
        let end = window.run_end(position, BETWEEN, limit - position)?;
        // The `n` of an escaped line break stands right behind its backslash.
        let is_escape = end > position
            && window.slice(end - 1, end) == b"\\"
            && matches!(window.at(end)?, Some(b'n' | b'r' | b't'));
        if is_escape {
            position = end + 1;
            continue;
        }
        let word = window.run_end(end, BASE64, LEAST_LINE_BYTES)?;
        if word - end >= LEAST_LINE_BYTES {
            return Ok(true);
        }
        let next = window.at(word)?;
        return Ok(next == Some(b':')
            && word - end >= 4
            && window
                .slice(end, word)
                .iter()
                .all(|byte| ALPHANUMERIC.has(*byte) || *byte == b'-'));
    }
    Ok(false)
}

/// Follows the rest of a key: to its footer, or to the first thing that cannot be in a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeyTail {
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
    /// How many of the bytes belong to the key, and whether it ends there.
    pub(crate) fn follow(&mut self, bytes: &[u8]) -> (usize, bool) {
        for (index, byte) in bytes.iter().enumerate() {
            match self.step(*byte) {
                Step::Inside => {}
                Step::Last => return (index + 1, true),
                Step::Outside => return (index, true),
            }
        }
        (bytes.len(), false)
    }

    fn step(&mut self, byte: u8) -> Step {
        if let Some(length) = self.footer_bytes {
            return self.step_in_footer(byte, length);
        }
        if !BODY.has(byte) {
            return Step::Outside;
        }
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
        let is_label = byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b' ';
        self.footer_bytes = Some(length + 1);
        match byte {
            b'-' if length < 2 => Step::Inside,
            b'-' => {
                self.dashes += 1;
                if self.dashes >= 5 {
                    Step::Last
                } else {
                    Step::Inside
                }
            }
            _ if is_label && self.dashes == 0 && length < END_LIMIT_BYTES => Step::Inside,
            _ => Step::Outside,
        }
    }
}

enum Step {
    Inside,
    Last,
    Outside,
}
