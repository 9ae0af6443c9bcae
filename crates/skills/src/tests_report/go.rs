use std::collections::{BTreeMap, BTreeSet};

use redact::{Counts, EscapeStripper, Redactor, StreamRedactor, Untrusted};
use serde::Deserialize;

use super::{BUILD, PROCESS, Tally, append, cut_name};

/// Tests and packages whose output is kept apart at one time. The output of others is only shown.
const MAX_PRINTING: usize = 512;

/// Packages that are kept in mind by their names.
const MAX_PACKAGES: usize = 8192;

/// A longer line is shown as several.
const MAX_LINE_BYTES: usize = 16 * 1024;

/// `go test -json`: one event a line (`go doc test2json`). What a test prints comes in as many events as
/// it has lines, so each test's output is redacted as the one text that it is.
pub(super) struct Go {
    redactor: Redactor,
    redactions: Counts,
    tally: Tally,
    /// What each running test, or its package, prints.
    printing: BTreeMap<(String, String), Printed>,
    failed_packages: BTreeSet<String>,
    open_packages: BTreeSet<String>,
    has_ended: bool,
    is_truncated: bool,
}

/// An event, of which nothing is open but what it is.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Event {
    action: Action,
    #[serde(default)]
    package: Untrusted,
    #[serde(default)]
    test: Untrusted,
    #[serde(default)]
    output: Untrusted,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum Action {
    Start,
    Run,
    Output,
    BuildOutput,
    Pass,
    Fail,
    Skip,
    #[serde(other)]
    Other,
}

/// The output of one test.
struct Printed {
    escapes: EscapeStripper,
    stream: StreamRedactor,
    /// Redacted, and not yet ended by a line break.
    line: String,
    message: String,
}

impl Event {
    pub(super) fn read(line: &str) -> Option<Self> {
        if !line.starts_with('{') {
            return None;
        }
        serde_json::from_str(line).ok()
    }
}

impl Go {
    pub(super) fn new(redactor: &Redactor) -> Self {
        Self {
            redactor: redactor.clone(),
            redactions: Counts::default(),
            tally: Tally::default(),
            printing: BTreeMap::new(),
            failed_packages: BTreeSet::new(),
            open_packages: BTreeSet::new(),
            has_ended: false,
            is_truncated: false,
        }
    }

    /// Gives the lines that can be shown by now.
    pub(super) fn event(&mut self, event: Event) -> Vec<String> {
        let key = (self.name(event.package), self.name(event.test));
        match event.action {
            Action::Start | Action::Run => {
                if self.open_packages.len() < MAX_PACKAGES {
                    self.open_packages.insert(key.0);
                } else {
                    self.is_truncated = true;
                }
                Vec::new()
            }
            Action::Output | Action::BuildOutput => self.output(key, event.output),
            Action::Pass | Action::Fail | Action::Skip => self.end(event.action, key),
            Action::Other => Vec::new(),
        }
    }

    /// Ends the output of all that has not ended: gives its last lines.
    pub(super) fn flush(&mut self) -> Vec<String> {
        let printing = std::mem::take(&mut self.printing);
        let mut lines = Vec::new();
        for mut printed in printing.into_values() {
            lines.extend(printed.end(&mut self.redactions));
        }
        lines
    }

    pub(super) fn redactions(&self) -> &Counts {
        &self.redactions
    }

    /// Whether more was printed than can be kept apart.
    pub(super) fn is_truncated(&self) -> bool {
        self.is_truncated
    }

    pub(super) fn finish(self) -> Tally {
        let mut tally = self.tally;
        tally.has_begun = self.has_ended || !self.open_packages.is_empty();
        tally.is_complete = self.has_ended && self.open_packages.is_empty() && !self.is_truncated;
        tally
    }

    fn name(&mut self, mut raw: Untrusted) -> String {
        EscapeStripper::default().strip(&mut raw);
        let redacted = self.redactor.redact_untrusted(&raw);
        self.redactions.add(&redacted.counts());
        cut_name(&redacted.text)
    }

    fn output(&mut self, mut key: (String, String), raw: Untrusted) -> Vec<String> {
        if self.printing.len() >= MAX_PRINTING && !self.printing.contains_key(&key) {
            self.is_truncated = true;
            key = (String::new(), String::new());
        }
        let printed = self.printing.entry(key);
        let printed = printed.or_insert_with(|| Printed::new(&self.redactor));
        printed.take(raw, &mut self.redactions)
    }

    fn end(&mut self, action: Action, (package, test): (String, String)) -> Vec<String> {
        let key = (package, test);
        let (lines, message) = match self.printing.remove(&key) {
            Some(mut printed) => (printed.end(&mut self.redactions), printed.message),
            None => (Vec::new(), String::new()),
        };
        let (package, test) = key;
        if test.is_empty() {
            self.end_package(action, &package, &message);
            return lines;
        }
        match action {
            Action::Pass => self.tally.passed += 1,
            Action::Skip => self.tally.skipped += 1,
            _ => {
                self.tally.failed += 1;
                self.tally.tell(&format!("{package} {test}"), &message);
                if self.failed_packages.len() < MAX_PACKAGES {
                    self.failed_packages.insert(package);
                } else {
                    self.is_truncated = true;
                }
            }
        }
        lines
    }

    /// A package that fails without a test that does did not build, or its process died.
    fn end_package(&mut self, action: Action, package: &str, message: &str) {
        self.has_ended = true;
        self.open_packages.remove(package);
        if action != Action::Fail || self.failed_packages.contains(package) {
            return;
        }
        let is_build = message.contains("[build failed]") || message.contains("[setup failed]");
        let name = if is_build { BUILD } else { PROCESS };
        self.tally.failed += 1;
        self.tally.tell(&format!("{package} {name}"), message);
    }
}

impl Printed {
    fn new(redactor: &Redactor) -> Self {
        Self {
            escapes: EscapeStripper::default(),
            stream: redactor.stream(),
            line: String::new(),
            message: String::new(),
        }
    }

    fn take(&mut self, mut raw: Untrusted, redactions: &mut Counts) -> Vec<String> {
        self.escapes.strip(&mut raw);
        let shown = self.stream.feed_untrusted(&raw);
        redactions.add(&self.stream.take_counts());
        self.lines(&shown)
    }

    fn end(&mut self, redactions: &mut Counts) -> Vec<String> {
        let shown = self.stream.finish();
        redactions.add(&self.stream.take_counts());
        let mut lines = self.lines(&shown);
        if !self.line.is_empty() {
            lines.extend(self.lines("\n"));
        }
        lines
    }

    /// The lines that end in the next piece of the redacted text.
    fn lines(&mut self, shown: &str) -> Vec<String> {
        let mut lines = Vec::new();
        for piece in shown.split_inclusive('\n') {
            self.line.push_str(piece);
            if piece.ends_with('\n') || self.line.len() > MAX_LINE_BYTES {
                let line = std::mem::take(&mut self.line);
                let line = line.trim_end_matches(['\n', '\r']).to_owned();
                append(&mut self.message, &line);
                lines.push(line);
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::super::{MAX_MESSAGE_CHARS, MAX_NAME_CHARS};
    use super::*;

    #[test]
    fn a_suite_without_end_takes_no_memory_without_end() {
        let mut go = Go::new(&Redactor::with_default_rules());
        let long = "x".repeat(400);
        for number in 0..10_000 {
            // Enough of each to be over its bound.
            let actions = if number < 1000 {
                &["start", "output"][..]
            } else {
                &["start"]
            };
            for action in actions {
                let event = format!(
                    r#"{{"Action":"{action}","Package":"{number}{long}","Test":"{long}","Output":"{long}"}}"#
                );
                go.event(Event::read(&event).unwrap());
            }
        }
        assert!(go.is_truncated);
        assert!(go.printing.len() <= MAX_PRINTING + 1);
        assert_eq!(go.open_packages.len(), MAX_PACKAGES);
        assert!(
            go.open_packages
                .iter()
                .all(|name| name.len() == MAX_NAME_CHARS)
        );
        for printed in go.printing.values() {
            assert!(printed.line.len() <= MAX_LINE_BYTES);
            assert!(printed.message.len() <= MAX_MESSAGE_CHARS * 4 + 1);
        }
        assert!(!go.finish().is_complete);
    }
}
