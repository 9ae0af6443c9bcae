use super::{Tally, append, cut_name, number_before, sum};

/// `npm test`: the TAP of Node's own runner, and the last words of Jest, Vitest and Mocha.
#[derive(Default)]
pub(super) struct JavaScript {
    lines: Tally,
    passed: Option<u64>,
    failed: Option<u64>,
    skipped: Option<u64>,
    /// What a TAP promises (`1..4`).
    planned: Option<u64>,
    /// Tests that the filter left out; Node counts them as skipped.
    left_out: u64,
    /// The test that failed last, and what is said about it.
    failure: Option<(String, String)>,
}

impl JavaScript {
    pub(super) fn line(&mut self, line: &str) {
        let trimmed = line.trim_start();
        if let Some(rest) = trimmed.strip_prefix("not ok ") {
            self.end_failure();
            if is_directive(rest, "todo") {
                self.lines.skipped += 1;
            } else {
                self.lines.failed += 1;
                self.failure = Some((cut_name(name(rest)), String::new()));
            }
        } else if let Some(rest) = trimmed.strip_prefix("ok ") {
            self.end_failure();
            if rest.contains("# SKIP test name does not match pattern") {
                self.left_out += 1;
            } else if is_directive(rest, "skip") || is_directive(rest, "todo") {
                self.lines.skipped += 1;
            } else if rest.starts_with(|first: char| first.is_ascii_digit()) {
                self.lines.passed += 1;
            }
        } else if let Some(rest) = trimmed.strip_prefix("# ") {
            self.end_failure();
            self.summary(rest);
        } else if let Some(planned) = line.strip_prefix("1..") {
            self.end_failure();
            self.planned = planned.trim().parse().ok();
        } else if let Some((_, message)) = &mut self.failure {
            if trimmed == "..." {
                self.end_failure();
            } else if is_of_message(trimmed) {
                append(message, trimmed);
            }
        } else {
            self.last_words(trimmed);
        }
    }

    pub(super) fn finish(mut self) -> Tally {
        self.end_failure();
        let mut tally = self.lines;
        let told = tally.told().saturating_add(self.left_out);
        let keeps_plan = self.planned.is_some_and(|planned| planned <= told);
        tally.is_complete = self.passed.is_some() || self.failed.is_some() || keeps_plan;
        tally.passed = self.passed.unwrap_or(tally.passed);
        tally.failed = self.failed.unwrap_or(tally.failed);
        let skipped = self.skipped.map(|all| all.saturating_sub(self.left_out));
        tally.skipped = skipped.unwrap_or(tally.skipped);
        tally
    }

    /// `# pass 3`, at the end of Node's TAP.
    fn summary(&mut self, rest: &str) {
        let Some((word, number)) = rest.split_once(' ') else {
            return;
        };
        let Ok(number) = number.trim().parse::<u64>() else {
            return;
        };
        match word {
            "pass" => self.passed = Some(number),
            "fail" | "cancelled" => add(&mut self.failed, number),
            "skipped" | "todo" => add(&mut self.skipped, number),
            _ => {}
        }
    }

    /// Jest: `Tests:  1 failed, 2 passed, 3 total`. Vitest: `Tests  1 failed | 2 passed (3)`.
    /// Mocha: `2 passing (3ms)`, `1 failing`, `1 pending`.
    fn last_words(&mut self, line: &str) {
        if line.starts_with("Tests:") || line.starts_with("Tests  ") {
            self.passed = Some(number_before(line, "passed").unwrap_or_default());
            self.failed = Some(number_before(line, "failed").unwrap_or_default());
            let skipped = ["skipped", "todo", "pending"].map(|word| number_before(line, word));
            self.skipped = Some(sum(skipped));
        } else if line.starts_with(|first: char| first.is_ascii_digit()) {
            let mut words = line.split_ascii_whitespace();
            let number = words.next().and_then(|number| number.parse().ok());
            match (number, words.next()) {
                (Some(number), Some("passing")) => self.passed = Some(number),
                (Some(number), Some("failing")) => self.failed = Some(number),
                (Some(number), Some("pending")) => self.skipped = Some(number),
                _ => {}
            }
        }
    }

    fn end_failure(&mut self) {
        if let Some((name, message)) = self.failure.take() {
            self.lines.tell(&name, &message);
        }
    }
}

/// A program may say any number.
fn add(total: &mut Option<u64>, number: u64) {
    *total = Some(total.unwrap_or_default().saturating_add(number));
}

/// `1 - adds # SKIP why` → `adds`
fn name(rest: &str) -> &str {
    let (_, name) = rest.split_once(" - ").unwrap_or(("", rest));
    name.split(" # ").next().unwrap_or(name).trim()
}

fn is_directive(rest: &str, directive: &str) -> bool {
    let Some((_, words)) = rest.rsplit_once(" # ") else {
        return false;
    };
    words
        .get(..directive.len())
        .is_some_and(|word| word.eq_ignore_ascii_case(directive))
}

/// Of the YAML block of a failure, what a person wants to read.
fn is_of_message(line: &str) -> bool {
    let noise = [
        "---",
        "duration_ms:",
        "type:",
        "location:",
        "failureType:",
        "stack:",
    ];
    !noise.iter().any(|noise| line.starts_with(noise))
}
