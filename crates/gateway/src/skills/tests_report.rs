//! What test frameworks print, as numbers and names. A run that breaks off gives what was told so far.

mod cargo;
mod go;
mod javascript;
mod pytest;

use std::collections::VecDeque;

use redact::{Counts, Redactor, StreamRedactor, Untrusted, json};
use runner::Line;
use serde_json::{Value, json};

use super::definition::TestKind;
use super::output::{End, Finished};
use cargo::Cargo;
use go::Go;
use javascript::JavaScript;
use pytest::Pytest;

/// Failures that are told one by one; the count goes on.
const MAX_FAILURES: usize = 100;
const MAX_NAME_CHARS: usize = 300;
const MAX_MESSAGE_CHARS: usize = 2000;

/// The end of the output, where what went wrong stands.
const MAX_TAIL_BYTES: usize = 16 * 1024;

/// Names for what is no test, and counts as one that failed.
const BUILD: &str = "(build)";
const PROCESS: &str = "(process)";

/// Reads the output of a run of tests line by line.
pub(super) struct TestsReport {
    kind: TestKind,
    redactor: Redactor,
    stream: StreamRedactor,
    redactions: Counts,
    /// Redacted, and not yet ended by a line break.
    pending: String,
    frameworks: Vec<Framework>,
    tail: Tail,
}

enum Framework {
    Cargo(Cargo),
    JavaScript(JavaScript),
    Pytest(Pytest),
    Go(Go),
}

/// The numbers of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Tally {
    passed: u64,
    failed: u64,
    skipped: u64,
    failures: Vec<Failure>,
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
    pub(super) fn new(kind: TestKind, redactor: &Redactor, limit_bytes: usize) -> Self {
        let cargo = || Framework::Cargo(Cargo::default());
        let javascript = || Framework::JavaScript(JavaScript::default());
        let pytest = || Framework::Pytest(Pytest::default());
        let go = || Framework::Go(Go::default());
        Self {
            kind,
            redactor: redactor.clone(),
            stream: redactor.stream(),
            redactions: Counts::default(),
            pending: String::new(),
            frameworks: match kind {
                TestKind::Cargo => vec![cargo()],
                TestKind::Npm => vec![javascript()],
                TestKind::Pytest => vec![pytest()],
                TestKind::Go => vec![go()],
                // Whichever of them it runs.
                TestKind::Make => vec![cargo(), javascript(), pytest(), go()],
            },
            tail: Tail {
                lines: VecDeque::new(),
                bytes: 0,
                limit_bytes: limit_bytes.min(MAX_TAIL_BYTES),
                is_cut: false,
            },
        }
    }

    pub(super) fn take(&mut self, line: Line) {
        let text = match line {
            Line::Text(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Line::TooLong { bytes } => format!("[… a line of {bytes} bytes removed …]"),
        };
        let is_event = text.starts_with('{') && matches!(self.kind, TestKind::Go | TestKind::Make);
        let raw = Untrusted::new(text);
        // In an event the secrets are escaped, and only the door for JSON sees through that.
        if is_event && let Ok(event) = json::redact_untrusted(&self.redactor, &raw) {
            self.redactions.add(&event.counts());
            return self.line(&event.text);
        }
        let mut raw = raw;
        raw.append(&Untrusted::new("\n".to_owned()));
        let shown = self.stream.feed_untrusted(&raw);
        self.pending.push_str(&shown);
        self.pass_on_lines();
    }

    /// A run that says that it failed, and of which no failed test is known, counts as one.
    pub(super) fn finish(mut self, end: End) -> Finished {
        let rest = self.stream.finish();
        self.pending.push_str(&rest);
        self.pending.push('\n');
        self.pass_on_lines();
        self.redactions.add(&self.stream.counts());
        let tallies = self.frameworks.into_iter().map(Framework::finish);
        let tally = tallies.max_by_key(|tally| tally.passed + tally.failed + tally.skipped);
        let mut tally = tally.unwrap_or_default();
        if end == End::Failed && tally.failed == 0 {
            tally.failed = 1;
            let mut lines = self.tail.lines.iter().rev();
            let last = lines.find(|line| !line.trim().is_empty());
            tally.tell(PROCESS, last.map_or("", String::as_str));
        }
        let failures: Vec<Value> = tally
            .failures
            .into_iter()
            .map(|failure| json!({ "name": failure.name, "message": failure.message }))
            .collect();
        Finished {
            output: json!({
                "framework": self.kind.as_str(),
                "passed": tally.passed,
                "failed": tally.failed,
                "skipped": tally.skipped,
                "complete": tally.is_complete,
                "failures": failures,
                "tail": Vec::from(self.tail.lines).join("\n"),
            }),
            is_truncated: self.tail.is_cut,
            redactions: self.redactions,
        }
    }

    fn pass_on_lines(&mut self) {
        let text = std::mem::take(&mut self.pending);
        let mut rest = text.as_str();
        while let Some((line, after)) = rest.split_once('\n') {
            self.line(&without_colour(line));
            rest = after;
        }
        rest.clone_into(&mut self.pending);
    }

    fn line(&mut self, line: &str) {
        for framework in &mut self.frameworks {
            framework.line(line);
        }
        match go::output_of(line).filter(|_| matches!(self.kind, TestKind::Go | TestKind::Make)) {
            Some(output) => output.lines().for_each(|line| self.tail.push(line)),
            None if line.starts_with('{') && self.kind == TestKind::Go => {}
            None => self.tail.push(line),
        }
    }
}

impl Framework {
    fn line(&mut self, line: &str) {
        match self {
            Self::Cargo(cargo) => cargo.line(line),
            Self::JavaScript(javascript) => javascript.line(line),
            Self::Pytest(pytest) => pytest.line(line),
            Self::Go(go) => go.line(line),
        }
    }

    fn finish(self) -> Tally {
        match self {
            Self::Cargo(cargo) => cargo.finish(),
            Self::JavaScript(javascript) => javascript.finish(),
            Self::Pytest(pytest) => pytest.finish(),
            Self::Go(go) => go.finish(),
        }
    }
}

impl Tally {
    /// Tells a failure without counting it.
    fn tell(&mut self, name: &str, message: &str) {
        if self.failures.len() < MAX_FAILURES {
            self.failures.push(Failure {
                name: name.chars().take(MAX_NAME_CHARS).collect(),
                message: message.trim().chars().take(MAX_MESSAGE_CHARS).collect(),
            });
        }
    }

    /// Tells the message of a failure that was told without one, or the failure itself.
    fn explain(&mut self, name: &str, message: &str) {
        let mut known = self.failures.iter_mut();
        match known.find(|failure| failure.name == name) {
            Some(failure) => {
                failure.message = message.trim().chars().take(MAX_MESSAGE_CHARS).collect();
            }
            None => self.tell(name, message),
        }
    }
}

impl Tail {
    fn push(&mut self, line: &str) {
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

/// Adds a line to a message that is being collected, as long as it is not too long.
fn append(message: &mut String, line: &str) {
    // A character has four bytes at most.
    if message.len() < MAX_MESSAGE_CHARS * 4 {
        message.push_str(line);
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

/// Without the escape sequences that colour a terminal (ECMA-48, SGR).
fn without_colour(line: &str) -> String {
    let line = line.strip_suffix('\r').unwrap_or(line);
    if !line.contains('\u{1b}') {
        return line.to_owned();
    }
    let mut pieces = line.split("\u{1b}[");
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let end = piece.find(|character: char| character.is_ascii_alphabetic());
        plain.push_str(end.and_then(|end| piece.get(end + 1..)).unwrap_or_default());
    }
    plain
}

#[cfg(test)]
mod tests;
