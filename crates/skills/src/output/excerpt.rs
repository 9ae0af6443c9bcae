use std::collections::VecDeque;

use redact::{EscapeStripper, LineRedactor, Redactor, Untrusted};
use runner::Block;

use super::{Finished, text};

/// What is redacted from the text's start on, whether or not it is shown.
const FAR_BYTES: usize = 16 * 1024 * 1024;

/// Of a text whose excerpt begins later, what is redacted before it. Longer than any private key.
const NEAR_BYTES: usize = 256 * 1024;

/// Behind the excerpt, what may make a secret of its end. The engine looks no further.
const BEHIND_BYTES: usize = 4096;

/// Some lines of a text, hidden as they are in the whole of it: a name above them, or the header of a key,
/// makes a secret of what stands in them. Each line stays a line.
pub(in super::super) struct Excerpt {
    redactor: Redactor,
    lines: LineRedactor,
    escapes: EscapeStripper,
    first: u64,
    last: u64,
    limit_bytes: usize,
    /// Lines that have come.
    number: u64,
    passed_bytes: usize,
    /// What came last, of a text that is too long to be redacted up to its excerpt.
    near: VecDeque<Untrusted>,
    near_bytes: usize,
    kept_bytes: usize,
    behind_bytes: usize,
    is_cut: bool,
}

impl Excerpt {
    pub(super) fn new(redactor: Redactor, (first, last): (u64, u64), limit_bytes: usize) -> Self {
        Self {
            lines: redactor.lines(),
            redactor,
            escapes: EscapeStripper::default(),
            first,
            last,
            limit_bytes,
            number: 0,
            passed_bytes: 0,
            near: VecDeque::new(),
            near_bytes: 0,
            kept_bytes: 0,
            behind_bytes: 0,
            is_cut: false,
        }
    }

    /// Whether more is wanted.
    pub(super) fn take(&mut self, block: Block) -> bool {
        let text = match block {
            Block::Lines(lines) => lines,
            Block::TooLong { bytes } => {
                self.is_cut |= (self.first..=self.last).contains(&(self.number + 1));
                format!("{}\n", text::removed(bytes)).into_bytes()
            }
        };
        let mut rest = text.as_slice();
        while !rest.is_empty() {
            let wants_more = if self.number + 1 < self.first {
                let missing = self.first - self.number - 1;
                let (before, after) = split_behind(rest, missing);
                self.number += count_lines(before);
                rest = after;
                self.before(before);
                true
            } else if self.number < self.last && !self.is_cut {
                let (line, after) = split_behind(rest, 1);
                rest = after;
                self.number += 1;
                self.keep(line);
                true
            } else {
                let behind = self.sealed(rest);
                rest = &[];
                self.behind_bytes += behind.len_bytes();
                self.lines.pass_untrusted(&behind);
                self.behind_bytes < BEHIND_BYTES
            };
            if !wants_more {
                return false;
            }
        }
        true
    }

    pub(super) fn finish(self) -> Finished {
        let redacted = self.lines.finish();
        let mut shown = String::new();
        for line in &redacted.lines {
            shown.push_str(&line.text);
            shown.push('\n');
        }
        let is_over = text::cut(&mut shown, self.limit_bytes);
        Finished {
            is_truncated: self.is_cut || is_over,
            redactions: redacted.counts(),
            output: shown.into(),
            ..Finished::default()
        }
    }

    fn before(&mut self, text: &[u8]) {
        let text = self.sealed(text);
        if self.passed_bytes < FAR_BYTES {
            self.passed_bytes += text.len_bytes();
            return self.lines.pass_untrusted(&text);
        }
        self.near_bytes += text.len_bytes();
        self.near.push_back(text);
        while let Some(oldest) = self.near.front().map(Untrusted::len_bytes)
            && self.near_bytes - oldest >= NEAR_BYTES
        {
            self.near.pop_front();
            self.near_bytes -= oldest;
        }
    }

    fn keep(&mut self, line: &[u8]) {
        if !self.near.is_empty() {
            self.lines = self.redactor.lines();
            for text in std::mem::take(&mut self.near) {
                self.lines.pass_untrusted(&text);
            }
        }
        let mut line = self.sealed(line);
        self.kept_bytes += line.len_bytes();
        line.trim_line_break();
        self.lines.push(line);
        self.is_cut = self.kept_bytes > self.limit_bytes;
    }

    fn sealed(&mut self, text: &[u8]) -> Untrusted {
        let mut raw = Untrusted::new(String::from_utf8_lossy(text).into_owned());
        self.escapes.strip(&mut raw);
        raw
    }
}

/// Cuts a text behind so many line breaks.
fn split_behind(text: &[u8], lines: u64) -> (&[u8], &[u8]) {
    let ends = text.iter().enumerate();
    let mut ends = ends.filter(|(_, byte)| **byte == b'\n');
    let nth = usize::try_from(lines.saturating_sub(1)).unwrap_or(usize::MAX);
    let end = ends.nth(nth).map_or(text.len(), |(index, _)| index + 1);
    text.split_at(end)
}

fn count_lines(text: &[u8]) -> u64 {
    bytecount::count(text, b'\n') as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excerpt(text: &str, range: (u64, u64), block_lines: usize) -> Finished {
        let mut excerpt = Excerpt::new(Redactor::with_default_rules(), range, 64 * 1024);
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        for block in lines.chunks(block_lines) {
            if !excerpt.take(Block::Lines(block.concat().into_bytes())) {
                break;
            }
        }
        excerpt.finish()
    }

    /// Put together here, so that none stands in the source.
    fn secrets() -> String {
        let kind = "PRIVATE KEY";
        let line = "aB3dE5fG7h".repeat(7);
        let body = format!("{}\n", &line[..64]).repeat(5);
        format!(
            "api_key:\n  \"kJ8sQ2mZ7xWq4LtRv9Yp3NcB\"\n-----BEGIN {kind}-----\n{body}-----END {kind}-----\n"
        )
    }

    #[test]
    fn an_excerpt_shows_what_the_whole_text_shows() {
        let text = format!("one\n{}last\r\n", secrets());
        let count = text.lines().count();
        let excerpt = |first: usize, last: usize, block_lines| {
            let range = (first as u64, last as u64);
            excerpt(&text, range, block_lines).output
        };
        let whole = excerpt(1, count, 1000);
        let whole: Vec<&str> = whole.as_str().unwrap().lines().collect();
        assert_eq!(whole.len(), count);
        for first in 1..=count {
            for last in first..=count {
                for block_lines in [1, 2, 1000] {
                    let shown = excerpt(first, last, block_lines);
                    let lines: Vec<&str> = shown.as_str().unwrap().lines().collect();
                    let expected = &whole[first - 1..last];
                    assert_eq!(lines, expected, "{first} to {last}");
                }
            }
        }
        assert_eq!(excerpt(count + 1, count + 5, 10), "");
    }

    #[test]
    fn far_into_a_text_what_is_near_is_known() {
        let line = format!("{}\n", "x ".repeat(499));
        let mut text = line.repeat(FAR_BYTES / line.len() + 2000);
        let first = text.lines().count() as u64 + 5;
        text += &secrets();
        text += "last\n";
        let shown = excerpt(&text, (first, first + 4), 100).output;
        assert_eq!(shown, "[REDACTED:private_key]\n".repeat(5));
    }

    #[test]
    fn what_is_over_the_limit_is_cut() {
        let text = format!("{}\n", "word ".repeat(200)).repeat(200);
        let cut = excerpt(&text, (1, 400), 7);
        let shown = cut.output.as_str().unwrap();
        assert!(
            cut.is_truncated && shown.len() <= 64 * 1024,
            "{}",
            shown.len()
        );
        assert!(shown.ends_with("limit 65536 bytes …]"));
    }
}
