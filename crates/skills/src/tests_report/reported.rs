//! What runners of tests report by our own plugins of them, each test in a record: it is the same whatever
//! reporter a suite names, and whatever its tests print.
//!
//! A record is JSON in a line behind a mark. The mark is new for each run and known to the plugin alone, so
//! no test prints one by chance.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use redact::{Counts, EscapeStripper, Redactor, Untrusted};
use serde::Deserialize;

use super::{PROCESS, Tally, cut_name};

/// The plugins, by their files.
const PLUGINS: [(&str, &str); 7] = [
    ("javascript.cjs", include_str!("reporters/javascript.cjs")),
    ("jest.cjs", include_str!("reporters/jest.cjs")),
    ("mocha.cjs", include_str!("reporters/mocha.cjs")),
    ("node.mjs", include_str!("reporters/node.mjs")),
    (
        "portcullis_report.py",
        include_str!("reporters/portcullis_report.py"),
    ),
    ("record.cjs", include_str!("reporters/record.cjs")),
    ("vitest.mjs", include_str!("reporters/vitest.mjs")),
];

/// Tests that run at once, kept in mind by their names.
const MAX_RUNNING: usize = 1024;

/// Writes the plugins to a directory of the gateway's, where a test run can be shown them. Blocks.
pub(in super::super) fn install(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    for (name, text) in PLUGINS {
        let path = directory.join(name);
        fs::write(&path, text)?;
        // In the sandbox it is somebody else who reads it.
        fs::set_permissions(path, Permissions::from_mode(0o644))?;
    }
    Ok(())
}

/// The names of the plugins' files.
pub(in super::super) fn plugins() -> impl Iterator<Item = &'static str> {
    PLUGINS.iter().map(|(name, _)| *name)
}

/// What makes the runners load the plugins, which lie in `directory`.
pub(in super::super) fn environment(
    directory: &Path,
    mark: &str,
    filter: Option<&str>,
) -> Vec<(&'static str, String)> {
    let directory = directory.display();
    let mut variables = vec![
        (
            "NODE_OPTIONS",
            format!("--require=\"{directory}/javascript.cjs\""),
        ),
        ("PORTCULLIS_REPORT", mark.to_owned()),
        ("PYTEST_PLUGINS", "portcullis_report".to_owned()),
        ("PYTHONPATH", directory.to_string()),
    ];
    variables.extend(filter.map(|filter| ("PORTCULLIS_TEST_FILTER", filter.to_owned())));
    variables
}

/// A mark for one run.
pub(in super::super) fn new_mark() -> String {
    let mut random = [0_u8; 16];
    // Without random numbers nothing is reported by chance either: see `Reported::record`.
    if getrandom::fill(&mut random).is_err() {
        return String::new();
    }
    format!("<portcullis-{:032x}>", u128::from_le_bytes(random))
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Runner {
    Jest,
    Mocha,
    Node,
    Pytest,
    Vitest,
}

#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum Record {
    Begin {
        runner: Runner,
    },
    Start {
        name: Untrusted,
    },
    Test {
        name: Untrusted,
        outcome: TestOutcome,
        message: Untrusted,
    },
    End {
        complete: bool,
    },
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum TestOutcome {
    Passed,
    Failed,
    Skipped,
}

/// The sum of what is reported.
pub(super) struct Reported {
    redactor: Redactor,
    pub(super) redactions: Counts,
    tally: Tally,
    runners: Vec<Runner>,
    begun: u64,
    ended: u64,
    completed: u64,
    running: BTreeSet<String>,
}

impl Reported {
    pub(super) fn new(redactor: &Redactor) -> Self {
        Self {
            redactor: redactor.clone(),
            redactions: Counts::default(),
            tally: Tally::default(),
            runners: Vec::new(),
            begun: 0,
            ended: 0,
            completed: 0,
            running: BTreeSet::new(),
        }
    }

    /// Takes what stands behind a mark.
    pub(super) fn record(&mut self, text: &str) {
        // One that is none was cut by the end of the run.
        let Ok(record) = serde_json::from_str(text) else {
            return;
        };
        match record {
            Record::Begin { runner } => {
                self.begun += 1;
                if !self.runners.contains(&runner) {
                    self.runners.push(runner);
                }
            }
            Record::Start { name } => {
                let name = cut_name(&self.redacted(name));
                if self.running.len() < MAX_RUNNING {
                    self.running.insert(name);
                }
            }
            Record::Test {
                name,
                outcome,
                message,
            } => {
                let name = cut_name(&self.redacted(name));
                self.running.remove(&name);
                match outcome {
                    TestOutcome::Passed => self.tally.passed += 1,
                    TestOutcome::Skipped => self.tally.skipped += 1,
                    TestOutcome::Failed => {
                        self.tally.failed += 1;
                        let message = self.redacted(message);
                        self.tally.tell(&name, &message);
                    }
                }
            }
            Record::End { complete } => {
                self.running.clear();
                self.ended += 1;
                self.completed += u64::from(complete);
            }
        }
    }

    /// Whether one of these has reported.
    pub(super) fn has(&self, runners: &[Runner]) -> bool {
        self.runners.iter().any(|runner| runners.contains(runner))
    }

    /// Of a run that was not cut off, each runner that did not come to its end has died. So have the tests
    /// that it ran.
    pub(super) fn finish(mut self, is_cut_off: bool, last_line: &str) -> Tally {
        let died = self.begun.saturating_sub(self.ended);
        if died > 0 && !is_cut_off {
            if self.running.is_empty() {
                self.tally.failed += died;
                self.tally.tell(PROCESS, last_line);
            }
            for name in &self.running {
                self.tally.failed += 1;
                self.tally.tell(name, last_line);
            }
        }
        self.tally.has_begun = self.begun > 0;
        self.tally.is_complete = self.begun > 0 && self.completed >= self.begun;
        self.tally
    }

    fn redacted(&mut self, mut raw: Untrusted) -> String {
        EscapeStripper::default().strip(&mut raw);
        let redacted = self.redactor.redact_untrusted(&raw);
        self.redactions.add(&redacted.counts());
        redacted.text
    }
}
