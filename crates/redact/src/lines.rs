//! Redaction of lines that belong together and must stay lines.

use crate::finding::{Counts, Finding};
use crate::stream::StreamRedactor;
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

/// Redacts lines that arrive one by one as the one text that they are: a key that runs over several
/// lines is hidden in each of them. It looks at each line as it comes, and shows none before the end.
#[derive(Debug)]
pub struct LineRedactor {
    stream: StreamRedactor,
    lines: Vec<Untrusted>,
    findings: Vec<Finding>,
}

impl LineRedactor {
    pub(crate) fn new(stream: StreamRedactor) -> Self {
        Self {
            stream,
            lines: Vec::new(),
            findings: Vec::new(),
        }
    }

    /// Takes the next line, in which there is no line break.
    pub fn push(&mut self, line: Untrusted) {
        if !self.lines.is_empty() {
            self.stream.feed("\n");
        }
        self.stream.feed_untrusted(&line);
        self.findings.append(&mut self.stream.take_findings());
        self.lines.push(line);
    }

    /// All lines, with markers in place of secrets.
    pub fn finish(mut self) -> RedactedLines {
        self.stream.finish();
        self.findings.append(&mut self.stream.take_findings());
        let mut start = 0;
        let shown = self.lines.iter().map(|line| {
            let shown = show(line.open(), start, &self.findings);
            start += line.len_bytes() + 1;
            shown
        });
        RedactedLines {
            lines: shown.collect(),
            findings: self.findings,
        }
    }
}

/// The line that begins at `start` in the text, with a marker for each finding that reaches into it.
fn show(line: &str, start: usize, findings: &[Finding]) -> String {
    let end = start + line.len();
    let place = |finding: &Finding| {
        let first = usize::try_from(finding.offset_bytes).unwrap_or(usize::MAX);
        let length = usize::try_from(finding.len_bytes).unwrap_or(usize::MAX);
        (first, first.saturating_add(length))
    };
    // They are in the order of the text, and none reaches into another.
    let before = findings.partition_point(|finding| place(finding).1 <= start);
    let mut shown = String::new();
    let mut position = 0;
    for finding in findings.get(before..).unwrap_or_default() {
        let (first, last) = place(finding);
        if first >= end {
            break;
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
    use crate::redactor::Redactor;

    fn shown(redactor: &Redactor, lines: Vec<Untrusted>) -> RedactedLines {
        let mut redacted = redactor.lines();
        for line in lines {
            redacted.push(line);
        }
        redacted.finish()
    }

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
        let redacted = shown(&redactor, lines(&format!("before\n{}\nafter", key())));
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
        let redacted = shown(&redactor, lines(&text));
        let whole = redactor.redact(&text).text;
        assert_eq!(redacted.lines.join("\n"), whole);
        assert_eq!(redacted.lines.len(), 3);
        assert_eq!(shown(&redactor, Vec::new()).lines, [""; 0]);
    }
}
