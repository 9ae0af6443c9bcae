use super::{Tally, append, cut_name, number_before};

/// Runners of JavaScript by what they print: the TAP and the last words of Node's, the last words of Jest,
/// Vitest and Mocha. Of those that report by our plugin nothing of this is asked.
///
/// Last words are believed as a whole alone: what a test prints is seldom all of them.
#[derive(Default)]
pub(super) struct JavaScript {
    total: Tally,
    /// Of the run that is read: what its lines say, until its last words say it better.
    lines: Tally,
    /// What a TAP promises (`1..4`).
    planned: Option<u64>,
    /// Tests that the filter left out; Node counts them as skipped.
    left_out: u64,
    /// The test that failed last, and what is said about it.
    failure: Option<(String, String)>,
    last_words: NodesLastWords,
    /// Suites that did not load, of Jest or Vitest.
    broken_suites: u64,
    has_told_files: bool,
    /// Behind Mocha's `2 passing`.
    is_mocha: bool,
    runs: u64,
    complete_runs: u64,
}

/// `# tests 4` to `# duration_ms 50` at the end of Node's TAP, with `ℹ` in the place of `#` where people
/// read it: these words, in this order.
#[derive(Default)]
struct NodesLastWords {
    numbers: Vec<u64>,
}

const NODES_WORDS: [&str; 7] = [
    "tests",
    "suites",
    "pass",
    "fail",
    "cancelled",
    "skipped",
    "todo",
];

impl NodesLastWords {
    /// The numbers, when the last of them has come and they agree.
    fn take(&mut self, text: &str) -> Option<[u64; 7]> {
        let (word, number) = text.split_once(' ').unwrap_or_default();
        if word == "duration_ms" {
            let numbers = <[u64; 7]>::try_from(std::mem::take(&mut self.numbers)).ok()?;
            let [tests, _, pass, fail, cancelled, skipped, todo] = numbers;
            let parts = [pass, fail, cancelled, skipped, todo];
            let sum = parts.into_iter().fold(0, u64::saturating_add);
            return (sum == tests).then_some(numbers);
        }
        let is_next = NODES_WORDS.get(self.numbers.len()) == Some(&word);
        match number.trim().parse() {
            Ok(number) if is_next => self.numbers.push(number),
            Ok(number) if word == NODES_WORDS[0] => self.numbers = vec![number],
            _ => self.numbers.clear(),
        }
        None
    }
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
        } else if line.starts_with("TAP version ") {
            self.end_run();
        } else if let Some(rest) = line.strip_prefix("# ").or(line.strip_prefix("ℹ ")) {
            self.end_failure();
            if let Some(numbers) = self.last_words.take(rest) {
                self.nodes(numbers);
            }
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
            self.others(trimmed);
        }
    }

    pub(super) fn finish(mut self) -> Tally {
        self.end_run();
        self.total.has_begun = self.runs > 0;
        self.total.is_complete = self.runs > 0 && self.complete_runs == self.runs;
        self.total
    }

    fn nodes(&mut self, [_, _, passed, fail, cancelled, skipped, todo]: [u64; 7]) {
        self.end_failure();
        let skipped = skipped.saturating_sub(self.left_out);
        self.last_words(
            passed,
            fail.saturating_add(cancelled),
            skipped.saturating_add(todo),
        );
    }

    /// Jest: `Test Suites: …`, then `Tests:  1 failed, 2 passed, 3 total`. Vitest: `Test Files  …`, then
    /// `Tests  1 failed | 2 passed (3)`. Mocha: `2 passing (3ms)`, then `1 pending`, `1 failing`.
    fn others(&mut self, line: &str) {
        if line.starts_with("● Test suite failed to run") {
            self.broken_suites += 1;
        } else if line.contains(" Failed Suites ") && line.starts_with('⎯') {
            self.broken_suites += number_after(line, "Suites").unwrap_or_default();
        } else if line.starts_with("Test Suites:") || line.starts_with("Test Files  ") {
            self.has_told_files = true;
        } else if std::mem::take(&mut self.has_told_files)
            && (line.starts_with("Tests:") || line.starts_with("Tests  "))
        {
            let number = |word| number_before(line, word).unwrap_or_default();
            let skipped = ["skipped", "todo", "pending"].map(number);
            let skipped = skipped.into_iter().fold(0, u64::saturating_add);
            let failed = number("failed").saturating_add(self.broken_suites);
            self.last_words(number("passed"), failed, skipped);
        } else if line.starts_with(|first: char| first.is_ascii_digit()) {
            self.mochas(line);
        }
    }

    fn mochas(&mut self, line: &str) {
        let mut words = line.split_ascii_whitespace();
        let number = words.next().and_then(|number| number.parse().ok());
        let Some(number) = number else { return };
        match words.next() {
            Some("passing") if words.next().is_some_and(|time| time.starts_with('(')) => {
                self.last_words(number, 0, 0);
                self.is_mocha = true;
            }
            Some("failing") if self.is_mocha => {
                self.total.failed = self.total.failed.saturating_add(number);
            }
            Some("pending") if self.is_mocha => {
                self.total.skipped = self.total.skipped.saturating_add(number);
            }
            _ => {}
        }
    }

    /// A run that has said all.
    fn last_words(&mut self, passed: u64, failed: u64, skipped: u64) {
        self.lines.passed = passed;
        self.lines.failed = failed;
        self.lines.skipped = skipped;
        self.lines.is_complete = true;
        self.end_run();
    }

    /// What is read next is of another run.
    fn end_run(&mut self) {
        self.end_failure();
        let mut run = std::mem::take(&mut self.lines);
        let told = run
            .told()
            .saturating_add(std::mem::take(&mut self.left_out));
        let keeps_plan = self.planned.take().is_some_and(|planned| planned <= told);
        run.is_complete |= keeps_plan;
        self.broken_suites = 0;
        self.is_mocha = false;
        if told > 0 || run.is_complete {
            self.runs += 1;
            self.complete_runs += u64::from(run.is_complete);
            self.total.add(run);
        }
    }

    fn end_failure(&mut self) {
        if let Some((name, message)) = self.failure.take() {
            self.lines.tell(&name, &message);
        }
    }
}

/// `1 - adds # SKIP why` → `adds`
fn name(rest: &str) -> &str {
    let (_, name) = rest.split_once(" - ").unwrap_or(("", rest));
    name.split(" # ").next().unwrap_or(name).trim()
}

/// The number behind a word: `Failed Suites 1`.
fn number_after(line: &str, word: &str) -> Option<u64> {
    let (_, rest) = line.split_once(word)?;
    rest.split_ascii_whitespace().next()?.parse().ok()
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
