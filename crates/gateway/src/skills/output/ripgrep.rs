//! The JSON lines of ripgrep (`rg --json`) as a list of matches.
//! <https://docs.rs/grep-printer/latest/grep_printer/struct.JSON.html>

mod event;

use redact::{Counts, LineRedactor, Redactor, Untrusted};
use runner::Line;
use serde_json::{Value, json};

use super::{BadOutput, Finished};
use event::{Event, FoundLine, Stats};

/// Of a longer line, a window around the match is shown.
const MAX_TEXT_CHARS: usize = 500;
const CHARS_BEFORE_MATCH: usize = 100;

/// Matches of a call that bounds them with no parameter.
const DEFAULT_LIMIT: usize = 1000;

/// What a line takes beside its text while its block is collected.
const LINE_OVERHEAD_BYTES: usize = 64;

/// Collects matches with their context. Ends the search at the first match that is not wanted any more.
pub(in super::super) struct Matches {
    redactor: Redactor,
    limit: usize,
    limit_bytes: usize,
    block: Option<Block>,
    shown: Vec<Value>,
    taken: usize,
    shown_bytes: usize,
    read_bytes: usize,
    /// Lines of ripgrep that were too long to be read.
    omitted: u64,
    is_truncated: bool,
    stats: Option<Stats>,
    bad: Option<BadOutput>,
    redactions: Counts,
}

/// Lines that follow one another in one file. They are held raw until the last of them is known, so they
/// are no more than the result may be.
struct Block {
    path: Untrusted,
    lines: LineRedactor,
    /// Of each line its number, and the column of a match.
    places: Vec<(u64, Option<usize>)>,
    raw_bytes: usize,
    /// The most that can be shown of it, but for markers.
    shown_bytes: usize,
}

impl Matches {
    pub(in super::super) fn new(
        redactor: Redactor,
        limit: Option<usize>,
        limit_bytes: usize,
    ) -> Self {
        Self {
            redactor,
            limit: limit.unwrap_or(DEFAULT_LIMIT),
            limit_bytes,
            block: None,
            shown: Vec::new(),
            taken: 0,
            shown_bytes: 0,
            read_bytes: 0,
            omitted: 0,
            is_truncated: false,
            stats: None,
            bad: None,
            redactions: Counts::default(),
        }
    }

    pub(in super::super) fn take(&mut self, line: Line) -> bool {
        let bytes = match line {
            Line::Text(bytes) => bytes,
            Line::TooLong { bytes } => {
                self.omitted += 1;
                self.read_bytes += usize::try_from(bytes).unwrap_or(usize::MAX) + 1;
                return true;
            }
        };
        let start = self.read_bytes;
        self.read_bytes += bytes.len() + 1;
        match serde_json::from_slice(&bytes) {
            Ok(Event::Match(line)) => self.line(line),
            Ok(Event::Context(line)) => self.push(line),
            Ok(Event::Begin(_) | Event::End(_)) => {
                self.end_block();
                true
            }
            Ok(Event::Summary(summary)) => {
                self.stats = Some(summary.stats);
                true
            }
            Err(error) => {
                let offset_bytes = start + error.column().saturating_sub(1);
                self.bad = Some(BadOutput::NotJson { offset_bytes });
                false
            }
        }
    }

    pub(in super::super) fn finish(mut self) -> Result<Finished, BadOutput> {
        self.end_block();
        if let Some(bad) = self.bad {
            return Err(bad);
        }
        Ok(Finished {
            is_truncated: self.is_truncated || self.omitted > 0,
            output: json!({
                "matches": self.shown,
                "omitted_lines": self.omitted,
                "stats": self.stats,
            }),
            redactions: self.redactions,
        })
    }

    fn line(&mut self, line: FoundLine) -> bool {
        if self.taken == self.limit || self.shown_bytes > self.limit_bytes {
            self.is_truncated = true;
            return false;
        }
        self.taken += 1;
        self.push(line)
    }

    fn push(&mut self, line: FoundLine) -> bool {
        let follows = self.block.as_ref().is_some_and(|block| {
            let last = block.places.last();
            last.is_some_and(|(number, _)| number + 1 == line.line_number)
        });
        if !follows {
            self.end_block();
        }
        let block = self.block.get_or_insert_with(|| Block {
            path: line.path,
            lines: self.redactor.lines(),
            places: Vec::new(),
            raw_bytes: 0,
            shown_bytes: 0,
        });
        let text_bytes = line.text.len_bytes();
        let raw_bytes = block.raw_bytes + text_bytes + LINE_OVERHEAD_BYTES;
        let shown_bytes = block.shown_bytes + text_bytes.min(MAX_TEXT_CHARS * 4);
        let is_too_much =
            raw_bytes > self.limit_bytes || self.shown_bytes + shown_bytes > self.limit_bytes;
        // A single line is never too much.
        if is_too_much && !block.places.is_empty() {
            self.is_truncated = true;
            return false;
        }
        block.raw_bytes = raw_bytes;
        block.shown_bytes = shown_bytes;
        block.lines.push(line.text);
        block.places.push((line.line_number, line.column));
        true
    }

    /// Redacts the lines of a block as the one text that they are, and makes matches of them. A context
    /// line between two matches is told once, behind the first.
    fn end_block(&mut self) {
        let Some(block) = self.block.take() else {
            return;
        };
        let path = self.redactor.redact_untrusted(&block.path);
        self.redactions.add(&path.counts());
        let file = path.text.strip_prefix("./").unwrap_or(&path.text);
        let redacted = block.lines.finish();
        self.redactions.add(&redacted.counts());
        let mut before = Vec::new();
        let first_of_block = self.shown.len();
        for (text, (number, column)) in redacted.lines.iter().zip(block.places) {
            let shown = window(text, column.unwrap_or(1));
            self.shown_bytes += shown.len() + file.len();
            if let Some(column) = column {
                let before = std::mem::take(&mut before);
                self.shown.push(json!({
                    "file": file,
                    "line": number,
                    "column": column,
                    "text": shown,
                    "before": before,
                    "after": [],
                }));
            } else if self.shown.len() == first_of_block {
                before.push(shown);
            } else if let Some(last) = self.shown.last_mut()
                && let Some(after) = last["after"].as_array_mut()
            {
                after.push(shown.into());
            }
        }
    }
}

/// A long line around its match, with marks where it was cut.
fn window(text: &str, column: usize) -> String {
    // Bytes are never fewer than characters: most lines need no count.
    if text.len() <= MAX_TEXT_CHARS {
        return text.to_owned();
    }
    let length = text.chars().count();
    if length <= MAX_TEXT_CHARS {
        return text.to_owned();
    }
    let start = column.saturating_sub(1 + CHARS_BEFORE_MATCH);
    let start = start.min(length - MAX_TEXT_CHARS);
    let shown: String = text.chars().skip(start).take(MAX_TEXT_CHARS).collect();
    let head = if start > 0 { "…" } else { "" };
    let tail = if start + MAX_TEXT_CHARS < length {
        "…"
    } else {
        ""
    };
    format!("{head}{shown}{tail}")
}

#[cfg(test)]
mod tests;
