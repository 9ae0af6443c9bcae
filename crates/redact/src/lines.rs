//! Redaction of lines that belong together and must stay lines.

use crate::finding::{Counts, Finding};
use crate::redactor::Redactor;
use crate::untrusted::Untrusted;

/// The lines of a text after redaction, as many as there were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RedactedLines {
    pub lines: Vec<String>,
    /// Each secret, by its place in the lines joined with line breaks.
    pub findings: Vec<Finding>,
}

impl RedactedLines {
    /// The findings, counted by rule.
    pub fn counts(&self) -> Counts {
        Counts::of_findings(&self.findings)
    }
}

pub(crate) fn redact(redactor: &Redactor, lines: &[Untrusted]) -> RedactedLines {
    let text = lines.iter().map(Untrusted::open).collect::<Vec<_>>();
    let findings = redactor.redact(&text.join("\n")).findings;
    let mut start = 0;
    let shown = text.iter().map(|line| {
        let shown = show(line, start, &findings);
        start += line.len() + 1;
        shown
    });
    RedactedLines {
        lines: shown.collect(),
        findings,
    }
}

/// The line that begins at `start` in the text, with a marker for each finding that reaches into it.
fn show(line: &str, start: usize, findings: &[Finding]) -> String {
    let end = start + line.len();
    let mut shown = String::new();
    let mut position = 0;
    for finding in findings {
        let first = usize::try_from(finding.offset_bytes).unwrap_or(usize::MAX);
        let length = usize::try_from(finding.len_bytes).unwrap_or(usize::MAX);
        let last = first.saturating_add(length);
        if last <= start || first >= end {
            continue;
        }
        let first = first.saturating_sub(start).max(position);
        // Secrets begin and end at ASCII bytes; a cut anywhere else shows nothing of the rest.
        shown.push_str(line.get(position..first).unwrap_or_default());
        shown.push_str("[REDACTED:");
        shown.push_str(&finding.rule);
        shown.push(']');
        position = last.min(end) - start;
    }
    shown.push_str(line.get(position..).unwrap_or_default());
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<Untrusted> {
        text.split('\n')
            .map(|line| Untrusted::new(line.to_owned()))
            .collect()
    }

    /// Put together here, so that none stands in the source.
    fn key() -> String {
        let kind = "PRIVATE KEY";
        let body = ["MIIEvQIBADANBgkqhkiG9w0BAQEFAASC"; 3].join("\n");
        format!("-----BEGIN {kind}-----\n{body}\n-----END {kind}-----")
    }

    #[test]
    fn a_key_over_several_lines_is_hidden_in_each() {
        let redactor = Redactor::with_default_rules();
        let redacted = redactor.redact_lines(&lines(&format!("before\n{}\nafter", key())));
        let marker = "[REDACTED:private_key]";
        let mut expected = vec!["before"];
        expected.extend([marker; 5]);
        expected.push("after");
        assert_eq!(redacted.lines, expected);
        assert_eq!(redacted.counts().of("private_key"), 1);
    }

    #[test]
    fn what_stands_beside_a_secret_stays() {
        let redactor = Redactor::with_default_rules();
        let token = format!("ghp_{}", "aB3dE5fG7h".repeat(4));
        let text = format!("é {token} ü {token}\n\nplain");
        let redacted = redactor.redact_lines(&lines(&text));
        let whole = redactor.redact(&text).text;
        assert_eq!(redacted.lines.join("\n"), whole);
        assert_eq!(redacted.lines.len(), 3);
        assert_eq!(redactor.redact_lines(&[]).lines, [""; 0]);
    }
}
