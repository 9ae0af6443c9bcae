//! Redaction of lines that belong together and must stay lines.

use std::ops::Range;

use crate::finding::{Counts, Finding};
use crate::stream::StreamRedactor;
use crate::untrusted::Untrusted;

/// Lines after redaction, as many as were pushed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RedactedLines {
    pub lines: Vec<RedactedLine>,
    /// Each secret that reaches into one of the lines, by its place in the whole text.
    pub findings: Vec<Finding>,
}

/// One line, with markers in place of secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedactedLine {
    pub text: String,
    /// Those of [`RedactedLines::findings`] that reach into it.
    pub findings: Range<usize>,
}

impl RedactedLines {
    /// The findings of all lines, counted by rule.
    pub fn counts(&self) -> Counts {
        Counts::of_findings(&self.findings)
    }

    /// Those of some of the lines, which are given in their order. One that reaches into several counts
    /// once.
    pub fn counts_of<'lines>(&self, lines: impl Iterator<Item = &'lines RedactedLine>) -> Counts {
        let mut counts = Counts::default();
        let mut counted = 0;
        for line in lines {
            let range = line.findings.start.max(counted)..line.findings.end;
            counted = counted.max(line.findings.end);
            for finding in self.findings.get(range).unwrap_or_default() {
                counts.record(&finding.rule);
            }
        }
        counts
    }
}

impl RedactedLine {
    /// Whether something of it was replaced.
    pub fn has_findings(&self) -> bool {
        !self.findings.is_empty()
    }
}

/// Redacts lines that arrive one by one as the one text that they are: a key that runs over several
/// lines is hidden in each of them. It looks at each line as it comes, and shows none before the end.
///
/// Lines may be an excerpt. What stands around them is passed, so that what it makes of them is known:
/// a name on one line is what makes a secret of the value on the next.
#[derive(Debug)]
pub struct LineRedactor {
    stream: StreamRedactor,
    lines: Vec<PlacedLine>,
    findings: Vec<Finding>,
    /// How much of the text has come.
    text_bytes: u64,
    is_line_start: bool,
}

#[derive(Debug)]
struct PlacedLine {
    start: u64,
    line: Untrusted,
}

impl LineRedactor {
    pub(crate) fn new(stream: StreamRedactor) -> Self {
        Self {
            stream,
            lines: Vec::new(),
            findings: Vec::new(),
            text_bytes: 0,
            is_line_start: true,
        }
    }

    /// Takes the next line, in which there is no line break. It begins a line of the text.
    pub fn push(&mut self, line: Untrusted) {
        if !self.is_line_start {
            self.pass(b"\n");
        }
        let start = self.text_bytes;
        self.feed(line.open().as_bytes(), start);
        self.is_line_start = false;
        self.lines.push(PlacedLine { start, line });
    }

    /// Takes the part of the text that comes next and is no line to be shown: any bytes, line breaks
    /// included.
    pub fn pass(&mut self, bytes: &[u8]) {
        self.feed(bytes, self.text_bytes + bytes.len() as u64);
        if let Some(last) = bytes.last() {
            self.is_line_start = *last == b'\n';
        }
    }

    /// `shown_from`: where the first line to be shown begins, if there is none yet.
    fn feed(&mut self, bytes: &[u8], shown_from: u64) {
        let mut nowhere = Vec::new();
        self.stream.feed_bytes(bytes, &mut nowhere);
        self.text_bytes += bytes.len() as u64;
        let mut findings = self.stream.take_findings();
        // Of those that are over before the first line nobody asks. They might be many.
        let first = self.lines.first().map_or(shown_from, |line| line.start);
        findings.retain(|finding| finding.offset_bytes + finding.len_bytes > first);
        self.findings.append(&mut findings);
    }

    /// As [`pass`](Self::pass), of a text that is sealed.
    pub fn pass_untrusted(&mut self, raw: &Untrusted) {
        self.pass(raw.open().as_bytes());
    }

    /// All lines, with markers in place of secrets.
    pub fn finish(mut self) -> RedactedLines {
        self.stream.finish();
        self.findings.append(&mut self.stream.take_findings());
        let mut redacted = RedactedLines::default();
        for placed in &self.lines {
            let end = placed.start + placed.line.len_bytes() as u64;
            // They are in the order of the text, and none reaches into another.
            let first = self
                .findings
                .partition_point(|one| one.offset_bytes + one.len_bytes <= placed.start);
            let within = self.findings.get(first..).unwrap_or_default();
            let count = within.partition_point(|one| one.offset_bytes < end);
            let within = within.get(..count).unwrap_or_default();
            let known = redacted.findings.last() == within.first() && !within.is_empty();
            let from = redacted.findings.len() - usize::from(known);
            let new = within.get(usize::from(known)..).unwrap_or_default();
            redacted.findings.extend_from_slice(new);
            redacted.lines.push(RedactedLine {
                text: show(placed.line.open(), placed.start, within),
                findings: from..redacted.findings.len(),
            });
        }
        redacted
    }
}

/// The line that begins at `start` in the text, with a marker for each finding, all of which reach into it.
fn show(line: &str, start: u64, findings: &[Finding]) -> String {
    let end = start + line.len() as u64;
    let within = |place: u64| {
        let place = place.clamp(start, end) - start;
        usize::try_from(place).unwrap_or(line.len())
    };
    let mut shown = String::new();
    let mut position = 0;
    for finding in findings {
        let first = within(finding.offset_bytes).max(position);
        // Secrets begin and end at ASCII bytes; a cut anywhere else shows nothing of the rest.
        shown.push_str(line.get(position..first).unwrap_or_default());
        shown.push_str("[REDACTED:");
        shown.push_str(&finding.rule);
        shown.push(']');
        position = within(finding.offset_bytes + finding.len_bytes);
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

    fn texts(redacted: &RedactedLines) -> Vec<&str> {
        redacted
            .lines
            .iter()
            .map(|line| line.text.as_str())
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
        assert_eq!(texts(&redacted), expected);
        assert_eq!(redacted.counts().of("private_key"), 1);
    }

    #[test]
    fn what_stands_beside_a_secret_stays() {
        let redactor = Redactor::with_default_rules();
        let token = format!("ghp_{}", "aB3dE5fG7h".repeat(4));
        let text = format!("é {token} ü {token}\n\nplain");
        let redacted = shown(&redactor, lines(&text));
        let whole = redactor.redact(&text).text;
        assert_eq!(texts(&redacted).join("\n"), whole);
        assert_eq!(redacted.lines.len(), 3);
        assert_eq!(shown(&redactor, Vec::new()).lines, []);
    }

    /// Every excerpt of a text shows of it what the whole text shows.
    #[test]
    fn an_excerpt_is_hidden_as_the_whole_text_is() {
        let redactor = Redactor::with_default_rules();
        let value = "aB3dE5fG7h".repeat(3);
        let text = format!(
            "first\napi_key:\n  \"{value}\"\nbetween\n{}\npassword = {value}\nlast é",
            key()
        );
        let all = lines(&text);
        let whole = shown(&redactor, all.clone());
        assert_eq!(whole.counts().total(), 3);
        for from in 0..all.len() {
            for to in from..all.len() {
                let mut excerpt = redactor.lines();
                for (index, line) in all.iter().enumerate() {
                    if (from..=to).contains(&index) {
                        excerpt.push(line.clone());
                    } else {
                        if !excerpt.is_line_start {
                            excerpt.pass(b"\n");
                        }
                        excerpt.pass_untrusted(line);
                        excerpt.pass(b"\n");
                    }
                }
                let excerpt = excerpt.finish();
                assert_eq!(texts(&excerpt), texts(&whole)[from..=to], "{from} to {to}");
                let counts = whole.counts_of(whole.lines[from..=to].iter());
                assert_eq!(excerpt.counts(), counts, "{from} to {to}");
            }
        }
    }
}
