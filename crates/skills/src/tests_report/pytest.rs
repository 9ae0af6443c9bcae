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
        } else if let Some(last) = last_words(line) {
            self.last(last);
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

    fn last(&mut self, line: &str) {
        let number = |words: &[&str]| sum(words.iter().map(|word| number_before(line, word)));
        let mut run = Tally {
            passed: number(&["passed", "xpassed"]),
            failed: number(&["failed", "error", "errors"]),
            skipped: number(&["skipped", "xfailed"]),
            has_begun: true,
            is_complete: true,
            ..Tally::default()
        };
        if let Some(earlier) = self.summary.take() {
            run.add(earlier);
        }
        self.summary = Some(run);
    }
}

/// `=== 1 failed, 2 passed, 1 skipped, 1 error in 0.05s ===`, without the signs where it is quiet.
fn last_words(line: &str) -> Option<&str> {
    const WORDS: [&str; 10] = [
        "passed",
        "xpassed",
        "failed",
        "error",
        "errors",
        "skipped",
        "xfailed",
        "deselected",
        "warning",
        "warnings",
    ];
    let words = line.trim_matches(['=', ' ']);
    let (numbers, _) = words.rsplit_once(" in ")?;
    let is_number = |part: &str| {
        let part = part.split_once(' ');
        part.is_some_and(|(number, word)| number.parse::<u64>().is_ok() && WORDS.contains(&word))
    };
    numbers.split(", ").all(is_number).then_some(numbers)
}

/// `tests/test_a.py::test_adds PASSED   [ 33%]`
fn test(line: &str) -> Option<(&str, &str)> {
    const OUTCOMES: [&str; 6] = ["PASSED", "FAILED", "SKIPPED", "ERROR", "XFAIL", "XPASS"];
    // Not of another runner: cargo's names have colons too.
    if !line.contains(".py::") {
        return None;
    }
    OUTCOMES.iter().find_map(|outcome| {
        let (name, rest) = line.split_once(&format!(" {outcome}"))?;
        let ends = rest.is_empty() || rest.starts_with(' ');
        ends.then_some((name.trim(), *outcome))
    })
}
