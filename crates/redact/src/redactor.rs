//! The compiled rule set.

use std::fmt;
use std::sync::Arc;

use crate::evaluate::RuleSet;
use crate::finding::{Redacted, into_text};
use crate::lines::LineRedactor;
use crate::rules::{
    Rule, RuleProblem, RuleSummary, RulesError, built_in, check_examples, merge_file,
};
use crate::stream::StreamRedactor;
use crate::untrusted::Untrusted;

/// The compiled rules: the engine that finds and replaces secrets.
///
/// Cloning shares the rules. It never fails on a text, never looks at a text twice, and takes time
/// in proportion to its length.
#[derive(Clone)]
pub struct Redactor {
    rules: Arc<RuleSet>,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Redactor({} rules)", self.rules().len())
    }
}

impl Redactor {
    /// The rules that ship with the crate.
    pub fn with_default_rules() -> Self {
        let (rules, _) = built_in();
        Self::compile(&rules)
    }

    /// The default rules, changed by a TOML file. `file` is its name, for messages; this crate reads
    /// no file.
    ///
    /// # Errors
    /// Every problem of the file at once, each with file, rule and reason.
    pub fn with_rules_file(file: &str, text: &str) -> Result<Self, RulesError> {
        let (mut rules, _) = built_in();
        let shipped: Vec<Rule> = rules.clone();
        let mut problems = merge_file(&mut rules, file, text);
        if problems.is_empty() {
            let redactor = Self::compile(&rules);
            problems = redactor.failing_examples(file, &shipped, &rules);
            if problems.is_empty() {
                return Ok(redactor);
            }
        }
        Err(RulesError { problems })
    }

    /// Redacts a whole text.
    pub fn redact(&self, text: &str) -> Redacted {
        let mut stream = self.stream();
        let mut output = Vec::with_capacity(text.len() + 64);
        stream.feed_bytes(text.as_bytes(), &mut output);
        let findings = stream.finish_bytes(&mut output);
        Redacted {
            text: into_text(output),
            findings,
        }
    }

    /// Redacts bytes that need not be UTF-8, behind what `output` holds already.
    pub fn redact_bytes(&self, bytes: &[u8], output: &mut Vec<u8>) -> Vec<crate::Finding> {
        let mut stream = self.stream();
        stream.feed_bytes(bytes, output);
        stream.finish_bytes(output)
    }

    /// Opens a raw text and redacts it.
    pub fn redact_untrusted(&self, raw: &Untrusted) -> Redacted {
        self.redact(raw.open())
    }

    /// A redactor for lines of one text, which must stay lines.
    pub fn lines(&self) -> LineRedactor {
        LineRedactor::new(self.stream())
    }

    /// A redactor for one text that arrives in pieces.
    pub fn stream(&self) -> StreamRedactor {
        StreamRedactor::new(Arc::clone(&self.rules))
    }

    /// All rules, in the order of the rules files.
    pub fn rules(&self) -> Vec<RuleSummary> {
        self.rules.summaries()
    }

    pub(crate) fn compile(rules: &[Rule]) -> Self {
        Self {
            rules: Arc::new(RuleSet::compile(rules)),
        }
    }

    pub(crate) fn rule_set(&self) -> &RuleSet {
        &self.rules
    }

    /// Examples of new and changed rules must hold with all the other rules in place.
    fn failing_examples(&self, file: &str, shipped: &[Rule], rules: &[Rule]) -> Vec<RuleProblem> {
        let is_new = |rule: &&Rule| {
            shipped
                .iter()
                .find(|old| old.id == rule.id)
                .is_none_or(|old| old.positive != rule.positive || old.negative != rule.negative)
        };
        let mut problems = Vec::new();
        for rule in rules.iter().filter(is_new).filter(|rule| rule.is_enabled) {
            let redact = |text: &str| self.redact(text).text;
            for reason in check_examples(redact, &rule.id, &rule.positive, &rule.negative) {
                problems.push(RuleProblem {
                    file: file.to_owned(),
                    rule: rule.id.clone(),
                    reason,
                });
            }
        }
        problems
    }
}
