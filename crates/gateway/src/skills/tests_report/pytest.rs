use super::{PROCESS, Tally, number_before, sum};

/// `pytest --verbose`: a line for each test, short reasons, and a last line with the numbers.
#[derive(Default)]
pub(super) struct Pytest {
    lines: Tally,
    summary: Option<Tally>,
}

impl Pytest {
    pub(super) fn line(&mut self, line: &str) {
        if let Some(message) = line.find("Fatal Python error: ").map(|at| &line[at..]) {
            let name = line.split_ascii_whitespace().next().unwrap_or_default();
            let name = if name.contains("::") { name } else { PROCESS };
            self.lines.failed += 1;
            self.lines.tell(name, message);
        } else if let Some(rest) = line.strip_prefix("FAILED ").or(line.strip_prefix("ERROR ")) {
            let (name, message) = rest.split_once(" - ").unwrap_or((rest, ""));
            self.lines.explain(name.trim(), message);
        } else if line.starts_with("==") && line.contains(" in ") {
            self.last(line);
        } else if let Some((name, outcome)) = test(line) {
            match outcome {
                "PASSED" | "XPASS" => self.lines.passed += 1,
                "SKIPPED" | "XFAIL" => self.lines.skipped += 1,
                _ => {
                    self.lines.failed += 1;
                    self.lines.tell(name, "");
                }
            }
        }
    }

    pub(super) fn finish(self) -> Tally {
        match self.summary {
            Some(summary) => Tally {
                failures: self.lines.failures,
                ..summary
            },
            None => self.lines,
        }
    }

    /// `=== 1 failed, 2 passed, 1 skipped, 1 error in 0.05s ===`
    fn last(&mut self, line: &str) {
        let number = |words: &[&str]| sum(words.iter().map(|word| number_before(line, word)));
        self.summary = Some(Tally {
            passed: number(&["passed", "xpassed"]),
            failed: number(&["failed", "error", "errors"]),
            skipped: number(&["skipped", "xfailed"]),
            failures: Vec::new(),
            is_complete: true,
        });
    }
}

/// `tests/test_a.py::test_adds PASSED   [ 33%]`
fn test(line: &str) -> Option<(&str, &str)> {
    const OUTCOMES: [&str; 6] = ["PASSED", "FAILED", "SKIPPED", "ERROR", "XFAIL", "XPASS"];
    if !line.contains("::") {
        return None;
    }
    OUTCOMES.iter().find_map(|outcome| {
        let (name, rest) = line.split_once(&format!(" {outcome}"))?;
        let ends = rest.is_empty() || rest.starts_with(' ');
        ends.then_some((name.trim(), *outcome))
    })
}
