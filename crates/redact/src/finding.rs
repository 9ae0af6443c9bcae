//! What was found: which rule, where, how long; never the value.

use std::collections::BTreeMap;

use serde::Serialize;

/// One secret that was replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Id of the rule that found it.
    pub rule: String,
    /// Where it started in the input, in bytes from the start of the text.
    pub offset_bytes: u64,
    /// How long it was in the input, in bytes.
    pub len_bytes: u64,
}

/// How many secrets each rule replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Counts {
    by_rule: BTreeMap<String, u64>,
}

impl Counts {
    /// Counts of all rules together.
    pub fn total(&self) -> u64 {
        self.by_rule.values().sum()
    }

    /// Count of one rule.
    pub fn of(&self, rule: &str) -> u64 {
        self.by_rule.get(rule).copied().unwrap_or(0)
    }

    /// Whether nothing was replaced.
    pub fn is_empty(&self) -> bool {
        self.by_rule.is_empty()
    }

    /// Rules with their counts, by id.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.by_rule
            .iter()
            .map(|(rule, count)| (rule.as_str(), *count))
    }

    /// Adds the counts of another text.
    pub fn add(&mut self, other: &Self) {
        for (rule, count) in &other.by_rule {
            *self.by_rule.entry(rule.clone()).or_default() += count;
        }
    }

    pub(crate) fn of_findings(findings: &[Finding]) -> Self {
        let mut counts = Self::default();
        for finding in findings {
            counts.record(&finding.rule);
        }
        counts
    }

    pub(crate) fn record(&mut self, rule: &str) {
        *self.by_rule.entry(rule.to_owned()).or_default() += 1;
    }
}

/// A text that was redacted as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redacted {
    /// The text with markers in place of secrets.
    pub text: String,
    /// Each secret, in the order of the text.
    pub findings: Vec<Finding>,
}

impl Redacted {
    /// The findings, counted by rule.
    pub fn counts(&self) -> Counts {
        Counts::of_findings(&self.findings)
    }
}

/// Redaction cuts a text at ASCII bytes only, so what was UTF-8 still is.
pub(crate) fn into_text(output: Vec<u8>) -> String {
    String::from_utf8(output)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
