//! The JSON lines of ripgrep (`rg --json`) as a list of matches.
//! <https://docs.rs/grep-printer/latest/grep_printer/struct.JSON.html>

mod event;
mod source;

use std::path::PathBuf;

use redact::{Counts, RedactedLine, Redactor};
use serde_json::{Value, json};

use super::{BadOutput, Finished};
use event::{Event, FoundLine, Stats};
use source::{Excerpt, Source};

/// Of a longer line, a window around the match is shown.
const MAX_TEXT_CHARS: usize = 500;
const CHARS_BEFORE_MATCH: usize = 100;

/// Matches of a call that bounds them with no parameter.
const DEFAULT_LIMIT: usize = 1000;

/// What a line takes beside its text while it is held.
const LINE_OVERHEAD_BYTES: usize = 64;

/// Exit codes of ripgrep.
const FOUND: i32 = 0;
const NOTHING_FOUND: i32 = 1;

/// What a search may show, and how it is to be shown.
pub(in super::super) struct SearchRules {
    pub(in super::super) limit: Option<usize>,
    pub(in super::super) limit_bytes: usize,
    /// Lines around each match.
    pub(in super::super) context: u64,
    /// Whether a match on a line of which something is hidden is left out, as if it were none.
    pub(in super::super) drops_hidden: bool,
    /// Where the files lie.
    pub(in super::super) root: Option<PathBuf>,
}

/// Collects matches with their context. Ends the search at the first match that is not wanted any more.
pub(in super::super) struct Matches {
    redactor: Redactor,
    source: Source,
    limit: usize,
    limit_bytes: usize,
    context: u64,
    drops_hidden: bool,
    found: Found,
    shown: Vec<Value>,
    /// Matches that are shown or held.
    taken: usize,
    shown_bytes: usize,
    read_bytes: usize,
    /// Lines that were too long to be read, or are not in their file any more.
    omitted: u64,
    is_truncated: bool,
    stats: Option<Stats>,
    bad: Option<BadOutput>,
    redactions: Counts,
}

/// Lines of one file, held raw until they are redacted together. They are no more than the result may be.
#[derive(Default)]
struct Found {
    lines: Vec<FoundLine>,
    raw_bytes: usize,
    /// The most that can be shown of it, but for markers.
    shown_bytes: usize,
}

impl Matches {
    pub(in super::super) fn new(redactor: Redactor, rules: SearchRules) -> Self {
        Self {
            redactor,
            source: Source::new(rules.root),
            limit: rules.limit.unwrap_or(DEFAULT_LIMIT),
            limit_bytes: rules.limit_bytes,
            context: rules.context,
            drops_hidden: rules.drops_hidden,
            found: Found::default(),
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

    pub(in super::super) fn take_too_long(&mut self, bytes: u64) {
        self.omitted += 1;
        self.read_bytes = usize::try_from(bytes)
            .unwrap_or(usize::MAX)
            .saturating_add(self.read_bytes + 1);
    }

    pub(in super::super) fn take(&mut self, bytes: &[u8]) -> bool {
        let start = self.read_bytes;
        self.read_bytes += bytes.len() + 1;
        match serde_json::from_slice(bytes) {
            Ok(Event::Match(line)) => self.line(line),
            Ok(Event::Context(line)) => self.hold(line),
            Ok(Event::Begin(_) | Event::End(_)) => {
                self.show_held();
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
        self.show_held();
        if let Some(bad) = self.bad {
            return Err(bad);
        }
        let mut finished = Finished {
            is_truncated: self.is_truncated || self.omitted > 0,
            redactions: self.redactions,
            ..Finished::default()
        };
        if self.drops_hidden {
            // What is not shown is not counted either: a number would tell of a match as well as a line.
            self.omitted = 0;
            self.stats = None;
            finished.is_truncated = self.is_truncated;
            let is_found = !self.shown.is_empty();
            finished.exit_code = Some(if is_found { FOUND } else { NOTHING_FOUND });
        }
        finished.output = json!({
            "matches": self.shown,
            "omitted_lines": self.omitted,
            "stats": self.stats,
        });
        Ok(finished)
    }

    fn line(&mut self, line: FoundLine) -> bool {
        if self.is_full() && self.drops_hidden {
            // Some of them may be none.
            self.show_held();
        }
        if self.is_full() {
            self.is_truncated = true;
            return false;
        }
        self.taken += 1;
        self.hold(line)
    }

    fn is_full(&self) -> bool {
        self.taken >= self.limit || self.shown_bytes > self.limit_bytes
    }

    fn hold(&mut self, line: FoundLine) -> bool {
        let text_bytes = line.text.len_bytes();
        let line_bytes = text_bytes + LINE_OVERHEAD_BYTES;
        let is_other_file = self
            .found
            .lines
            .first()
            .is_some_and(|first| first.name != line.name);
        if is_other_file || self.found.raw_bytes + line_bytes > self.limit_bytes {
            self.show_held();
        }
        let can_be_shown = text_bytes.min(MAX_TEXT_CHARS * 4) + LINE_OVERHEAD_BYTES;
        let shown_bytes = self.found.shown_bytes + can_be_shown;
        // A single line is never too much.
        let is_first = self.shown.is_empty() && self.found.lines.is_empty();
        if self.shown_bytes + shown_bytes > self.limit_bytes && !is_first {
            self.is_truncated = true;
            return false;
        }
        self.found.raw_bytes += line_bytes;
        self.found.shown_bytes = shown_bytes;
        self.found.lines.push(line);
        true
    }

    /// Redacts the lines that are held as parts of their file, and makes matches of them. A context line
    /// between two matches is given once, behind the first.
    fn show_held(&mut self) {
        let lines = std::mem::take(&mut self.found).lines;
        let Some(first) = lines.first() else {
            return;
        };
        let path = self.redactor.redact_untrusted(&first.path);
        let file = path.text.strip_prefix("./").unwrap_or(&path.text);
        let excerpt = self.source.redact(&self.redactor, &lines);
        let shown = self.choose(&lines, &excerpt);
        if !shown.is_empty() {
            self.redactions.add(&path.counts());
        }
        for part in &excerpt.parts {
            let of_part = shown.iter().map(|shown| shown.redacted);
            let of_part =
                of_part.filter(|line| part.lines.iter().any(|one| std::ptr::eq(one, *line)));
            self.redactions.add(&part.counts_of(of_part));
        }
        let mut before = Vec::new();
        let mut last_number = None;
        let mut follows_match = false;
        for Shown {
            line,
            redacted,
            is_match,
        } in shown
        {
            let number = line.line_number;
            if last_number.is_none_or(|last: u64| last + 1 != number) {
                before.clear();
                follows_match = false;
            }
            last_number = Some(number);
            let text = window(&redacted.text, line.column.unwrap_or(1));
            self.shown_bytes += text.len() + file.len();
            if is_match {
                self.shown.push(json!({
                    "file": file,
                    "line": number,
                    "column": line.column,
                    "text": text,
                    "before": std::mem::take(&mut before),
                    "after": [],
                }));
                follows_match = true;
            } else if !follows_match {
                before.push(text);
            } else if let Some(last) = self.shown.last_mut()
                && let Some(after) = last["after"].as_array_mut()
            {
                after.push(text.into());
            }
        }
    }

    /// What is shown of the lines that are held.
    fn choose<'held>(
        &mut self,
        lines: &'held [FoundLine],
        excerpt: &'held Excerpt,
    ) -> Vec<Shown<'held>> {
        let mut all = Vec::new();
        for (index, line) in lines.iter().enumerate() {
            let is_found = line.column.is_some();
            let Some(redacted) = excerpt.line(index) else {
                self.omitted += 1;
                self.taken -= usize::from(is_found);
                continue;
            };
            let is_match = is_found && !(self.drops_hidden && redacted.has_findings());
            self.taken -= usize::from(is_found && !is_match);
            all.push(Shown {
                line,
                redacted,
                is_match,
            });
        }
        if self.drops_hidden {
            // The context of a match that is none would tell of it.
            let matches = all.iter().filter(|one| one.is_match);
            let numbers: Vec<u64> = matches.map(|one| one.line.line_number).collect();
            all.retain(|one| {
                let number = one.line.line_number;
                let near = number.saturating_sub(self.context);
                let next = numbers.get(numbers.partition_point(|other| *other < near));
                next.is_some_and(|next| next.abs_diff(number) <= self.context)
            });
        }
        all
    }
}

/// One line of the result.
struct Shown<'held> {
    line: &'held FoundLine,
    redacted: &'held RedactedLine,
    is_match: bool,
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
