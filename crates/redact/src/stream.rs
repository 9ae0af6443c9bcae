//! Redaction of a text that arrives in pieces. Batch redaction is one piece and a finish.

use std::sync::Arc;

use crate::evaluate::{Match, Matched, Outcome, RuleSet, Tail};
use crate::finding::{Counts, Finding, into_text};
use crate::reading::Reader;
use crate::scan::Candidates;
use crate::search::{Search, next_written_match};
use crate::untrusted::Untrusted;
use crate::window::{LOOK_BACK_BYTES, Window};

/// Large pieces are worked on in blocks that stay in the cache.
const BLOCK_BYTES: usize = 32 * 1024;

/// What was emitted long ago is dropped when it takes more than this.
const KEEP_BYTES: usize = 4 * 1024;

/// Redacts one text piece by piece.
///
/// It keeps back only what may still become a secret, at most
/// [`HOLD_BACK_LIMIT_BYTES`](crate::HOLD_BACK_LIMIT_BYTES). Once a secret is certain, its marker is
/// written and the rest of it is swallowed. It never lets a byte out before it is decided, and a
/// text is never complete without [`finish`](Self::finish).
#[derive(Debug)]
pub struct StreamRedactor {
    rules: Arc<RuleSet>,
    /// What was emitted lately, then what is kept back.
    text: Vec<u8>,
    /// Where in the whole text `text` starts.
    text_offset: u64,
    /// Up to where `text` has been emitted or swallowed.
    emitted: usize,
    /// Up to where no candidate is left.
    scanned: usize,
    mode: Mode,
    candidates: Candidates,
    reader: Reader,
    findings: Vec<RawFinding>,
}

#[derive(Debug)]
enum Mode {
    Scanning,
    /// The marker is written; the rest of the secret goes nowhere.
    Swallowing(Tail),
    /// Behind the head of an image: nothing is looked at, everything passes.
    Passing(Tail),
}

#[derive(Debug)]
struct RawFinding {
    rule: usize,
    offset_bytes: u64,
    len_bytes: u64,
}

impl StreamRedactor {
    pub(crate) fn new(rules: Arc<RuleSet>) -> Self {
        Self {
            rules,
            text: Vec::new(),
            text_offset: 0,
            emitted: 0,
            scanned: 0,
            mode: Mode::Scanning,
            candidates: Candidates::default(),
            reader: Reader::default(),
            findings: Vec::new(),
        }
    }

    /// Takes the next piece and returns what is safe to show by now.
    pub fn feed(&mut self, piece: &str) -> String {
        let mut output = Vec::with_capacity(piece.len());
        self.feed_bytes(piece.as_bytes(), &mut output);
        into_text(output)
    }

    /// Opens a raw piece, takes it and returns what is safe to show by now.
    pub fn feed_untrusted(&mut self, raw: &Untrusted) -> String {
        self.feed(raw.open())
    }

    /// Takes the next piece and appends what is safe to show to `output`. The bytes need not be
    /// UTF-8; a character may be cut anywhere.
    pub fn feed_bytes(&mut self, piece: &[u8], output: &mut Vec<u8>) {
        for block in piece.chunks(BLOCK_BYTES) {
            self.text.extend_from_slice(block);
            self.reader
                .read(block, &self.text, self.text_offset, self.scanned);
            self.advance(false, output);
            self.forget();
        }
    }

    /// Ends the text: returns what was kept back, and makes the redactor ready for another text.
    ///
    /// The findings since the last [`take_findings`](Self::take_findings) remain.
    pub fn finish(&mut self) -> String {
        let mut output = Vec::new();
        self.end_text(&mut output);
        into_text(output)
    }

    /// Ends the text: appends what was kept back to `output`, and returns the findings.
    pub fn finish_bytes(&mut self, output: &mut Vec<u8>) -> Vec<Finding> {
        self.end_text(output);
        self.take_findings()
    }

    /// The findings up to now, and forgets them. One that is still being swallowed comes later.
    pub fn take_findings(&mut self) -> Vec<Finding> {
        let open = if matches!(self.mode, Mode::Swallowing(_)) {
            self.findings.pop()
        } else {
            None
        };
        let closed = std::mem::replace(&mut self.findings, open.into_iter().collect());
        let named = closed.into_iter().map(|finding| Finding {
            rule: self.rules.id(finding.rule).to_owned(),
            offset_bytes: finding.offset_bytes,
            len_bytes: finding.len_bytes,
        });
        named.collect()
    }

    /// The findings since they were last taken, counted by rule.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for finding in &self.findings {
            counts.record(self.rules.id(finding.rule));
        }
        counts
    }

    /// The counts of [`take_findings`](Self::take_findings): for a text without end, whose findings would
    /// pile up.
    pub fn take_counts(&mut self) -> Counts {
        Counts::of_findings(&self.take_findings())
    }

    /// How many bytes are kept back.
    pub fn held_bytes(&self) -> usize {
        self.text.len() - self.emitted
    }

    fn end_text(&mut self, output: &mut Vec<u8>) {
        self.advance(true, output);
        self.text.clear();
        self.text_offset = 0;
        self.emitted = 0;
        self.scanned = 0;
        self.mode = Mode::Scanning;
        self.reader.end_text();
    }

    fn advance(&mut self, is_complete: bool, output: &mut Vec<u8>) {
        let mut are_marked = false;
        loop {
            if !self.follow_tail(is_complete, output) {
                return;
            }
            if !are_marked {
                self.mark(is_complete);
                are_marked = true;
            }
            let (outcome, revisit) = if self.reader.is_plain() {
                let window = Window::new(&self.text, is_complete);
                next_written_match(&self.rules, window, &self.candidates, self.scanned)
            } else {
                self.next_match_of_both(is_complete)
            };
            let hold_from = outcome.hold_from.unwrap_or(self.text.len());
            match outcome.found {
                Some(found)
                    if outcome
                        .hold_from
                        .is_none_or(|hold_from| found.start < hold_from) =>
                {
                    self.commit(found, output);
                }
                _ => {
                    self.emit_to(hold_from, output);
                    self.scanned = revisit.unwrap_or(self.text.len());
                    return;
                }
            }
        }
    }

    #[inline]
    fn mark(&mut self, is_complete: bool) {
        if self.rules.is_asked_directly(self.text.len() - self.scanned) {
            self.candidates.ask_from(self.scanned);
        } else {
            self.mark_block(is_complete);
        }
    }

    #[inline(never)]
    fn mark_block(&mut self, is_complete: bool) {
        let mut candidates = std::mem::take(&mut self.candidates);
        let search = self.search(is_complete);
        self.rules
            .mark(&self.text, self.scanned, &search, &mut candidates);
        self.candidates = candidates;
    }

    #[inline(never)]
    fn next_match_of_both(&self, is_complete: bool) -> (Outcome, Option<usize>) {
        self.search(is_complete)
            .next_match(&self.candidates, self.scanned)
    }

    fn search(&self, is_complete: bool) -> Search<'_> {
        Search {
            rules: &self.rules,
            text: &self.text,
            offset: self.text_offset,
            reading: self.reader.reading(),
            open: self.reader.open(),
            is_complete,
        }
    }

    fn commit(&mut self, found: Match, output: &mut Vec<u8>) {
        self.scanned = found.end;
        let Matched::Secret { rule } = found.what else {
            self.emit_to(found.end, output);
            if let Some(tail) = found.tail {
                self.mode = Mode::Passing(tail);
            }
            return;
        };
        self.emit_to(found.start, output);
        output.extend_from_slice(self.rules.marker(rule));
        self.emitted = found.end;
        self.findings.push(RawFinding {
            rule,
            offset_bytes: self.text_offset + found.start as u64,
            len_bytes: (found.end - found.start) as u64,
        });
        if let Some(tail) = found.tail {
            self.mode = Mode::Swallowing(tail);
        }
    }

    /// Goes to the end of the current tail; `false` when the text ends before it.
    fn follow_tail(&mut self, is_complete: bool, output: &mut Vec<u8>) -> bool {
        let (tail, is_secret) = match &mut self.mode {
            Mode::Scanning => return true,
            Mode::Swallowing(tail) => (tail, true),
            Mode::Passing(tail) => (tail, false),
        };
        let (length, is_over) = tail.follow(&self.text[self.scanned..], is_complete);
        let end = self.scanned + length;
        self.scanned = end;
        if is_secret {
            self.emitted = end;
            if let Some(finding) = self.findings.last_mut() {
                finding.len_bytes += length as u64;
            }
        } else {
            self.emit_to(end, output);
        }
        if is_over {
            self.mode = Mode::Scanning;
        }
        is_over
    }

    fn emit_to(&mut self, end: usize, output: &mut Vec<u8>) {
        if end > self.emitted {
            output.extend_from_slice(&self.text[self.emitted..end]);
            self.emitted = end;
        }
    }

    fn forget(&mut self) {
        self.reader
            .rest(self.text_offset, self.scanned, self.text.len());
        let needed_from = self
            .emitted
            .min(self.scanned)
            .saturating_sub(LOOK_BACK_BYTES * 2);
        if needed_from > KEEP_BYTES {
            self.text.drain(..needed_from);
            self.text_offset += needed_from as u64;
            self.emitted -= needed_from;
            self.scanned -= needed_from;
            self.reader.forget_before(needed_from);
        }
    }
}
