use redact::{EscapeStripper, Redactor, StreamRedactor, Untrusted};
use runner::Block;

use super::Finished;

/// Text as it is, to a limit. Redacted first, then cut: a secret that the cut would halve is gone by
/// then. Terminal escape sequences go before both. What comes behind the cut is read and let go, so that the program can end by itself.
pub(in super::super) struct Text {
    escapes: EscapeStripper,
    redactor: StreamRedactor,
    limit_bytes: usize,
    shown: String,
    is_cut: bool,
    lost_lines: bool,
}

impl Text {
    pub(super) fn new(redactor: &Redactor, limit_bytes: usize) -> Self {
        Self {
            escapes: EscapeStripper::default(),
            redactor: redactor.stream(),
            limit_bytes,
            shown: String::new(),
            is_cut: false,
            lost_lines: false,
        }
    }

    pub(super) fn take(&mut self, block: Block) {
        if self.is_cut {
            return;
        }
        let text = match block {
            Block::Lines(lines) => String::from_utf8_lossy(&lines).into_owned(),
            Block::TooLong { bytes } => {
                self.lost_lines = true;
                removed(bytes) + "\n"
            }
        };
        let mut raw = Untrusted::new(text);
        self.escapes.strip(&mut raw);
        let shown = self.redactor.feed_untrusted(&raw);
        self.show(&shown);
    }

    pub(super) fn finish(mut self) -> Finished {
        let rest = self.redactor.finish();
        self.show(&rest);
        Finished {
            is_truncated: self.is_cut || self.lost_lines,
            redactions: self.redactor.counts(),
            output: self.shown.into(),
            ..Finished::default()
        }
    }

    fn show(&mut self, text: &str) {
        if self.is_cut {
            return;
        }
        self.shown.push_str(text);
        self.is_cut = cut(&mut self.shown, self.limit_bytes);
    }
}

/// What stands in the place of a line that was too long to be read.
pub(super) fn removed(bytes: u64) -> String {
    format!("[… a line of {bytes} bytes removed …]")
}

/// Cuts a text that is over its limit, and says so at its end.
pub(super) fn cut(text: &mut String, limit_bytes: usize) -> bool {
    if text.len() <= limit_bytes {
        return false;
    }
    let mark = format!("\n[… output ended here: limit {limit_bytes} bytes …]");
    let room = limit_bytes.saturating_sub(mark.len());
    text.truncate(text.floor_char_boundary(room));
    text.push_str(&mark);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finished(limit_bytes: usize, lines: &[&str]) -> Finished {
        let mut text = Text::new(&Redactor::with_default_rules(), limit_bytes);
        for line in lines {
            text.take(Block::Lines(format!("{line}\n").into_bytes()));
        }
        text.finish()
    }

    #[test]
    fn a_text_is_redacted_and_then_cut() {
        let whole = finished(1000, &["one", "two"]);
        assert_eq!(
            (whole.output, whole.is_truncated),
            ("one\ntwo\n".into(), false)
        );

        let token = format!("ghp_{}", "aB3dE5fG7h".repeat(4));
        for limit_bytes in 60..200 {
            let cut = finished(limit_bytes, &[&"ü".repeat(20), &token, &"x".repeat(100)]);
            let output = cut.output.as_str().unwrap();
            assert!(output.len() <= limit_bytes, "{output}");
            assert!(!output.contains("ghp_"), "{output}");
            assert_eq!(cut.is_truncated, output.contains("output ended here"));
        }
    }

    #[test]
    fn colour_in_the_middle_of_a_secret_does_not_hide_it() {
        let token = format!("ghp_aB3dE5\u{1b}[0m{}", "fG7haB3dE5".repeat(4));
        let finished = finished(1000, &[&token, "\u{1b}[1mbold\u{1b}[0m"]);
        assert_eq!(finished.output, "[REDACTED:github_token]\nbold\n");
        assert_eq!(finished.redactions.total(), 1);
    }

    #[test]
    fn a_line_without_end_is_named_and_left_out() {
        let mut text = Text::new(&Redactor::with_default_rules(), 1000);
        text.take(Block::TooLong { bytes: 7_000_000 });
        text.take(Block::Lines(b"\xff\n".to_vec()));
        let finished = text.finish();
        assert_eq!(
            finished.output,
            "[… a line of 7000000 bytes removed …]\n\u{fffd}\n"
        );
        assert!(finished.is_truncated);
    }
}
