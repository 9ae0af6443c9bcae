//! What can be wrong with a rules file.

use std::fmt;

use thiserror::Error;

/// One thing that is wrong with one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleProblem {
    /// The file, by the name that the caller gave.
    pub file: String,
    /// Id of the rule, or its number in the file, or empty when the file itself is at fault.
    pub rule: String,
    /// What is wrong and what would be right.
    pub reason: String,
}

impl fmt::Display for RuleProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rule.is_empty() {
            write!(formatter, "{}: {}", self.file, self.reason)
        } else {
            write!(
                formatter,
                "{}: rule {}: {}",
                self.file, self.rule, self.reason
            )
        }
    }
}

/// A rules file was refused; every problem is listed, not only the first.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}", list(.problems))]
pub struct RulesError {
    /// In the order of the file; never empty.
    pub problems: Vec<RuleProblem>,
}

fn list(problems: &[RuleProblem]) -> String {
    problems
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}
