use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{BUILD, PROCESS, Tally, append};

/// `go test -json`: one event a line (`go doc test2json`).
#[derive(Default)]
pub(super) struct Go {
    tally: Tally,
    /// What each running test, or its package, has printed.
    printed: BTreeMap<(String, String), String>,
    failed_packages: BTreeSet<String>,
    open_packages: BTreeSet<String>,
    has_ended: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Event {
    action: String,
    #[serde(default)]
    package: String,
    #[serde(default)]
    test: String,
    #[serde(default)]
    output: Option<String>,
}

impl Go {
    pub(super) fn line(&mut self, line: &str) {
        let Some(event) = read(line) else {
            return;
        };
        let key = (event.package, event.test);
        match event.action.as_str() {
            "start" | "run" => drop(self.open_packages.insert(key.0)),
            "output" | "build-output" => {
                let message = self.printed.entry(key).or_default();
                append(
                    message,
                    event.output.unwrap_or_default().trim_end_matches('\n'),
                );
            }
            "pass" | "fail" | "skip" => self.end(&event.action, key),
            _ => {}
        }
    }

    pub(super) fn finish(self) -> Tally {
        let mut tally = self.tally;
        tally.is_complete = self.has_ended && self.open_packages.is_empty();
        tally
    }

    fn end(&mut self, action: &str, (package, test): (String, String)) {
        let printed = self.printed.remove(&(package.clone(), test.clone()));
        let printed = printed.unwrap_or_default();
        if test.is_empty() {
            self.has_ended = true;
            self.open_packages.remove(&package);
            if action == "fail" && !self.failed_packages.contains(&package) {
                let is_build =
                    printed.contains("[build failed]") || printed.contains("[setup failed]");
                let name = if is_build { BUILD } else { PROCESS };
                self.tally.failed += 1;
                self.tally.tell(&format!("{package} {name}"), &printed);
            }
            return;
        }
        match action {
            "pass" => self.tally.passed += 1,
            "skip" => self.tally.skipped += 1,
            _ => {
                self.tally.failed += 1;
                self.tally.tell(&format!("{package} {test}"), &printed);
                self.failed_packages.insert(package);
            }
        }
    }
}

/// The text in an event; `None` for a line that is no event, or has none.
pub(super) fn output_of(line: &str) -> Option<String> {
    read(line)?.output
}

fn read(line: &str) -> Option<Event> {
    if !line.starts_with('{') {
        return None;
    }
    serde_json::from_str(line).ok()
}
