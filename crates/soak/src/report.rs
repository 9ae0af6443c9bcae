//! What a run looked like from outside, and the verdict.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Instant;

use crate::gateway::Sample;
use crate::verdict::Verdict;

/// At rest, the number of descriptors is exact for a number of Codex processes: 12 and 9 for each in the
/// sandbox, 13 and 6 without. This much may come and go with a connection that is just closing.
const DESCRIPTORS_SLACK: usize = 2;

/// From 11 MiB, the resident memory was seen to grow by 0.5 MiB in 800 turns, and to stand still at the
/// end; the kernel itself counts to within 0.3 MiB. What is over this is more than 2.5 kB a turn.
const RSS_GROWTH_PER_CENT: usize = 10;
const RSS_SLACK_BYTES: usize = 1024 * 1024;

const MAX_VIOLATIONS_SHOWN: usize = 40;
const MAX_VIOLATION_CHARS: usize = 400;

/// The run so far.
pub(crate) struct Course {
    begun: Instant,
    turns: usize,
    /// Those from when on nothing may grow.
    warm: Vec<Sample>,
    pub(crate) violations: Vec<String>,
}

impl Course {
    pub(crate) fn new(turns: usize) -> Self {
        Self {
            begun: Instant::now(),
            turns,
            warm: Vec::new(),
            violations: Vec::new(),
        }
    }

    /// A line about it.
    pub(crate) fn sampled(&mut self, done: usize, sample: Sample, is_warm: bool) -> String {
        let line = format!(
            "{done:>6} of {} turns  {:>4} descriptors  {:>6.1} MiB  {} Codex processes  {:>4} s\n",
            self.turns,
            sample.descriptors,
            mebibytes(sample.rss_bytes),
            sample.codex_processes,
            self.begun.elapsed().as_secs(),
        );
        if is_warm {
            self.warm.push(sample);
        }
        line
    }

    /// What has grown that must not.
    fn growth(&self) -> Vec<String> {
        let (Some(first), Some(last)) = (self.warm.first(), self.warm.last()) else {
            return vec!["the gateway was never seen at rest".to_owned()];
        };
        let mut grown = Vec::new();
        let limit = first.rss_bytes + first.rss_bytes * RSS_GROWTH_PER_CENT / 100 + RSS_SLACK_BYTES;
        if last.rss_bytes > limit {
            grown.push(format!(
                "memory grew from {:.1} to {:.1} MiB, over {:.1}",
                mebibytes(first.rss_bytes),
                mebibytes(last.rss_bytes),
                mebibytes(limit)
            ));
        }
        let mut descriptors: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for sample in &self.warm {
            let alike = descriptors.entry(sample.codex_processes).or_default();
            alike.push(sample.descriptors);
        }
        for (processes, seen) in descriptors {
            if seen.last() > seen.first().map(|first| first + DESCRIPTORS_SLACK).as_ref() {
                grown.push(format!(
                    "descriptors grew, with {processes} Codex processes: {seen:?}"
                ));
            }
        }
        grown
    }
}

fn mebibytes(bytes: usize) -> f64 {
    let kibibytes = u32::try_from(bytes / 1024).unwrap_or(u32::MAX);
    f64::from(kibibytes) / 1024.0
}

pub(crate) fn conclude(course: Course, verdict: &Verdict, crashes: usize) -> io::Result<ExitCode> {
    let mut violations = course.growth();
    violations.extend(course.violations);
    violations.extend(verdict.violations.iter().cloned());
    let text = render(verdict, crashes, &violations).map_err(io::Error::other)?;
    print(&text)?;
    Ok(if violations.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn render(verdict: &Verdict, crashes: usize, violations: &[String]) -> Result<String, fmt::Error> {
    let mut text = String::new();
    writeln!(text, "\n{:<24} {:<20} {:>6}", "turns", "outcome", "count")?;
    for ((fate, outcome), count) in &verdict.outcomes {
        writeln!(text, "{fate:<24} {outcome:<20} {count:>6}")?;
    }
    writeln!(
        text,
        "{crashes} processes killed; the provider saw the end of an abandoned turn within {} ms",
        verdict.slowest_upstream_close.as_millis()
    )?;
    for violation in violations.iter().take(MAX_VIOLATIONS_SHOWN) {
        let shown: String = violation.chars().take(MAX_VIOLATION_CHARS).collect();
        writeln!(text, "VIOLATION: {shown}")?;
    }
    match violations.len() {
        0 => writeln!(text, "soak passed")?,
        count => writeln!(text, "soak FAILED: {count} violations")?,
    }
    Ok(text)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test program may wait for the reader of its report"
)]
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
