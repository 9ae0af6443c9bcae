//! What test frameworks print, as numbers and names. A run that breaks off gives what it has reported so far.

mod cargo;
mod go;
mod javascript;
mod reported;

use std::collections::VecDeque;

use redact::{Counts, EscapeStripper, Redactor, StreamRedactor, Untrusted, json};
use runner::Block;
use serde_json::{Value, json};

use super::definition::TestKind;
use super::finished::{BadOutput, End, Finished};
use cargo::Cargo;
use go::{Event, Go};
use javascript::JavaScript;
use reported::{Reported, Runner};

pub(super) use reported::{environment, install, new_mark, plugins};

/// The parameter that names tests.
pub(super) const FILTER: &str = "filter";

/// Failures that are listed. The counts include the rest.
const MAX_FAILURES: usize = 100;
const MAX_NAME_CHARS: usize = 300;
const MAX_MESSAGE_CHARS: usize = 2000;

/// The end of the output, where what went wrong stands.
const MAX_TAIL_BYTES: usize = 16 * 1024;

/// Names for what is no test, and counts as one that failed.
const BUILD: &str = "(build)";
const PROCESS: &str = "(process)";

/// Runners that report by our plugin, and take a filter by it.
const JAVASCRIPT: &[Runner] = &[Runner::Jest, Runner::Mocha, Runner::Node, Runner::Vitest];

/// Reads the output of a run of tests block by block.
pub(super) struct TestsReport {
    kind: TestKind,
    redactor: Redactor,
    escapes: EscapeStripper,
    stream: StreamRedactor,
    redactions: Counts,
    /// Redacted, and not yet ended by a line break.
    pending: String,
    frameworks: Vec<Framework>,
    reported: Reported,
    /// What stands before a record.
    mark: String,
    /// Whether the tests were chosen by the caller.
    has_filter: bool,
    /// What reads events in the place of lines, if there may be any.
    go: Option<Go>,
    tail: Tail,
    lost_lines: bool,
}

enum Framework {
    Cargo(Cargo),
    JavaScript(JavaScript),
}

/// The numbers of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Tally {
    passed: u64,
    failed: u64,
    skipped: u64,
    failures: Vec<Failure>,
    /// The framework was there.
    has_begun: bool,
    /// The framework has said that it is through.
    is_complete: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Failure {
    name: String,
    message: String,
}

/// The last lines of a text.
struct Tail {
    lines: VecDeque<String>,
    bytes: usize,
    limit_bytes: usize,
    is_cut: bool,
}

impl TestsReport {
    /// `mark` stands before each record of our plugins; without one nothing is a record.
    pub(super) fn new(
        kind: TestKind,
        redactor: &Redactor,
        limit_bytes: usize,
        mark: String,
        has_filter: bool,
    ) -> Self {
        let cargo = || Framework::Cargo(Cargo::default());
        let javascript = || Framework::JavaScript(JavaScript::default());
        let is_go = matches!(kind, TestKind::Go | TestKind::Make);
        Self {
            kind,
            redactor: redactor.clone(),
            escapes: EscapeStripper::default(),
            stream: redactor.stream(),
            redactions: Counts::default(),
            pending: String::new(),
            frameworks: match kind {
                TestKind::Cargo => vec![cargo()],
                TestKind::Npm => vec![javascript()],
                TestKind::Pytest | TestKind::Go => Vec::new(),
                // Whichever of them it runs.
                TestKind::Make => vec![cargo(), javascript()],
            },
            reported: Reported::new(redactor),
            mark,
            has_filter,
            go: is_go.then(|| Go::new(redactor)),
            lost_lines: false,
            tail: Tail {
                lines: VecDeque::new(),
                bytes: 0,
                limit_bytes: limit_bytes.min(MAX_TAIL_BYTES),
                is_cut: false,
            },
        }
    }

    pub(super) fn take(&mut self, block: Block) {
        let text = match block {
            Block::Lines(lines) => String::from_utf8_lossy(&lines).into_owned(),
            Block::TooLong { bytes } => {
                self.lost_lines = true;
                format!("[… a line of {bytes} bytes removed …]\n")
            }
        };
        let may_hold_events = self.go.is_some() && (text.starts_with('{') || text.contains("\n{"));
        let may_hold_records = !self.mark.is_empty() && text.contains(&self.mark);
        if !may_hold_events && !may_hold_records {
            return self.text(Untrusted::new(text));
        }
        for line in text.split_inclusive('\n') {
            if let Some((before, record)) = line.split_once(&self.mark).filter(|_| may_hold_records)
            {
                self.reported.record(record);
                // A line whose end comes behind the record.
                self.text(Untrusted::new(before.to_owned()));
            } else if let Some(go) = &mut self.go
                && let Some(event) = Event::read(line)
            {
                let lines = go.event(event);
                self.tail.extend(&lines);
            } else {
                let raw = self.without_hidden_secrets(line.to_owned());
                self.text(raw);
            }
        }
    }

    fn text(&mut self, mut raw: Untrusted) {
        self.escapes.strip(&mut raw);
        let shown = self.stream.feed_untrusted(&raw);
        self.redactions.add(&self.stream.take_counts());
        self.pending.push_str(&shown);
        self.pass_on_lines();
    }

    /// A run that says that it failed, and of which no failed test is known, counts as one.
    pub(super) fn finish(mut self, end: End) -> Result<Finished, BadOutput> {
        let rest = self.stream.finish();
        self.redactions.add(&self.stream.take_counts());
        self.pending.push_str(&rest);
        self.pending.push('\n');
        self.pass_on_lines();
        let mut is_truncated = self.lost_lines;
        if let Some(go) = &mut self.go {
            let lines = go.flush();
            self.tail.extend(&lines);
            self.redactions.add(go.redactions());
            is_truncated |= go.is_truncated();
        }
        let takes_filter = self.reported.has(JAVASCRIPT);
        if self.kind == TestKind::Npm && self.has_filter && !takes_filter && end != End::CutOff {
            return Err(BadOutput::FilterNotTaken);
        }
        self.redactions.add(&self.reported.redactions);
        let mut lines = self.tail.lines.iter().rev();
        let last_line = lines.find(|line| !line.trim().is_empty());
        let last_line = last_line.map_or("", String::as_str);
        let mut tally = Tally::sum(
            self.frameworks
                .into_iter()
                .filter(|framework| match framework {
                    Framework::Cargo(_) => true,
                    Framework::JavaScript(_) => !takes_filter,
                })
                .map(Framework::finish)
                .chain(self.go.map(Go::finish))
                .chain([self.reported.finish(end == End::CutOff, last_line)]),
        );
        if end == End::Failed && tally.failed == 0 {
            tally.failed = 1;
            tally.tell(PROCESS, last_line);
        }
        let failures: Vec<Value> = tally
            .failures
            .into_iter()
            .map(|failure| json!({ "name": failure.name, "message": failure.message }))
            .collect();
        Ok(Finished {
            output: json!({
                "framework": self.kind.as_str(),
                "passed": tally.passed,
                "failed": tally.failed,
                "skipped": tally.skipped,
                "complete": tally.is_complete,
                "failures": failures,
                "tail": Vec::from(self.tail.lines).join("\n"),
            }),
            is_truncated: is_truncated || self.tail.is_cut,
            redactions: self.redactions,
            ..Finished::default()
        })
    }

    /// In JSON that is no event secrets are escaped, and only the door for JSON sees through that.
    fn without_hidden_secrets(&mut self, text: String) -> Untrusted {
        let is_json = text.starts_with('{');
        let raw = Untrusted::new(text);
        if is_json && let Ok(document) = json::redact_untrusted(&self.redactor, &raw) {
            self.redactions.add(&document.counts());
            return Untrusted::new(document.text);
        }
        raw
    }

    fn pass_on_lines(&mut self) {
        let text = std::mem::take(&mut self.pending);
        let mut rest = text.as_str();
        while let Some((line, after)) = rest.split_once('\n') {
            let line = line.strip_suffix('\r').unwrap_or(line);
            for framework in &mut self.frameworks {
                framework.line(line);
            }
            self.tail.push(line);
            rest = after;
        }
        rest.clone_into(&mut self.pending);
    }
}

impl Framework {
    fn line(&mut self, line: &str) {
        match self {
            Self::Cargo(cargo) => cargo.line(line),
            Self::JavaScript(javascript) => javascript.line(line),
        }
    }

    fn finish(self) -> Tally {
        match self {
            Self::Cargo(cargo) => cargo.finish(),
            Self::JavaScript(javascript) => javascript.finish(),
        }
    }
}

impl Tally {
    fn reported(&self) -> u64 {
        self.passed
            .saturating_add(self.failed)
            .saturating_add(self.skipped)
    }

    /// Of several runs. Complete if each that was there is.
    fn sum(runs: impl Iterator<Item = Self>) -> Self {
        let mut sum = Self::default();
        let mut are_complete = true;
        for run in runs.filter(|run| run.has_begun || run.reported() > 0) {
            are_complete &= run.is_complete;
            sum.has_begun = true;
            sum.add(run);
        }
        sum.is_complete = are_complete && sum.has_begun;
        sum
    }

    fn add(&mut self, other: Self) {
        self.passed = self.passed.saturating_add(other.passed);
        self.failed = self.failed.saturating_add(other.failed);
        self.skipped = self.skipped.saturating_add(other.skipped);
        let room = MAX_FAILURES.saturating_sub(self.failures.len());
        self.failures.extend(other.failures.into_iter().take(room));
    }

    /// Tells a failure without counting it.
    fn tell(&mut self, name: &str, message: &str) {
        if self.failures.len() < MAX_FAILURES {
            self.failures.push(Failure {
                name: cut_name(name),
                message: message.trim().chars().take(MAX_MESSAGE_CHARS).collect(),
            });
        }
    }

    /// Adds the message to a failure that was reported without one, or adds the failure.
    fn explain(&mut self, name: &str, message: &str) {
        let name = &cut_name(name);
        let mut known = self.failures.iter_mut();
        match known.find(|failure| failure.name == *name) {
            Some(failure) => {
                failure.message = message.trim().chars().take(MAX_MESSAGE_CHARS).collect();
            }
            None => self.tell(name, message),
        }
    }
}

impl Tail {
    fn extend(&mut self, lines: &[String]) {
        for line in lines {
            self.push(line);
        }
    }

    fn push(&mut self, line: &str) {
        // One that does not fit is shown from its beginning, and not left out with all before it.
        let fitting = line.floor_char_boundary(self.limit_bytes.saturating_sub(1));
        self.is_cut |= fitting < line.len();
        let line = &line[..fitting];
        self.bytes += line.len() + 1;
        self.lines.push_back(line.to_owned());
        while self.bytes > self.limit_bytes
            && let Some(first) = self.lines.pop_front()
        {
            self.bytes -= first.len() + 1;
            self.is_cut = true;
        }
    }
}

/// Names are kept, and a program chooses them.
fn cut_name(name: &str) -> String {
    name.chars().take(MAX_NAME_CHARS).collect()
}

/// Adds a line to a message that is being collected, as far as it is not too long.
fn append(message: &mut String, line: &str) {
    // A character has four bytes at most.
    let room = (MAX_MESSAGE_CHARS * 4).saturating_sub(message.len());
    if room > 0 {
        message.push_str(&line[..line.floor_char_boundary(room)]);
        message.push('\n');
    }
}

/// The number in front of a word: `3 passed`.
fn number_before(text: &str, word: &str) -> Option<u64> {
    let mut words = text.split(|character: char| !character.is_alphanumeric());
    let mut last = None;
    words.find_map(|this| {
        if this == word {
            return last;
        }
        if !this.is_empty() {
            last = this.parse().ok();
        }
        None
    })
}

#[cfg(test)]
mod tests;
