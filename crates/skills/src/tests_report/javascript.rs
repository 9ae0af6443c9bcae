use super::{Tally, append, cut_name};

/// TAP, and the summary that Node's own runner prints behind it. Jest, Vitest, Mocha and `node --test` report
/// by our plugins, and then nothing of this is asked.
///
/// The summary is believed as a whole alone: what a test prints is seldom all of it.
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
    summary: NodeSummary,
    runs: u64,
    complete_runs: u64,
}

/// `# tests 4` to `# duration_ms 50` at the end of Node's TAP, with `ℹ` in the place of `#` where people
/// read it: these words, in this order.
#[derive(Default)]
struct NodeSummary {
    numbers: Vec<u64>,
}

const SUMMARY_WORDS: [&str; 7] = [
    "tests",
    "suites",
    "pass",
    "fail",
    "cancelled",
    "skipped",
    "todo",
];

impl NodeSummary {
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
        let is_next = SUMMARY_WORDS.get(self.numbers.len()) == Some(&word);
        match number.trim().parse() {
            Ok(number) if is_next => self.numbers.push(number),
            Ok(number) if word == SUMMARY_WORDS[0] => self.numbers = vec![number],
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
            if let Some(numbers) = self.summary.take(rest) {
                self.node_summary(numbers);
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
        }
    }

    pub(super) fn finish(mut self) -> Tally {
        self.end_run();
        self.total.has_begun = self.runs > 0;
        self.total.is_complete = self.runs > 0 && self.complete_runs == self.runs;
        self.total
    }

    fn node_summary(&mut self, [_, _, passed, fail, cancelled, skipped, todo]: [u64; 7]) {
        self.end_failure();
        self.lines.passed = passed;
        self.lines.failed = fail.saturating_add(cancelled);
        let skipped = skipped.saturating_sub(self.left_out);
        self.lines.skipped = skipped.saturating_add(todo);
        self.lines.is_complete = true;
        self.end_run();
    }

    /// What is read next is of another run.
    fn end_run(&mut self) {
        self.end_failure();
        let mut run = std::mem::take(&mut self.lines);
        let reported = run
            .reported()
            .saturating_add(std::mem::take(&mut self.left_out));
        let keeps_plan = self
            .planned
            .take()
            .is_some_and(|planned| planned <= reported);
        run.is_complete |= keeps_plan;
        if reported > 0 || run.is_complete {
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
