use redact::{Counts, EscapeStripper, Redactor, Untrusted};
use runner::Exit;

use super::super::result::Unread;

/// The exit code of ripgrep where something went wrong, whatever it found.
const ERROR: i32 = 2;

/// How many of the messages are listed. The count includes the rest.
const MAX_MESSAGES: usize = 20;

/// What a program that looks through files could not read, and went on without; and what was replaced in
/// that.
///
/// By the program's own words: a line for each file, `rg: NAME: Permission denied (os error 13)`. None if it
/// said anything else, such as what is wrong with a pattern. `tail` is the end of its standard error, of
/// which the first line may be half.
pub(in super::super) fn unread(
    exit: &Exit,
    tail: &[u8],
    redactor: &Redactor,
) -> Option<(Unread, Counts)> {
    if exit.code != Some(ERROR) {
        return None;
    }
    let text = String::from_utf8_lossy(tail);
    let is_whole = exit.stderr_bytes == tail.len() as u64;
    let lines = text.lines().skip(usize::from(!is_whole));
    let mut messages = Vec::new();
    let mut redactions = Counts::default();
    for line in lines {
        if !is_of_a_file(line) {
            return None;
        }
        let line = line.strip_prefix("rg: ").unwrap_or(line);
        let line = line.strip_prefix("./").unwrap_or(line);
        let mut raw = Untrusted::new(line.to_owned());
        EscapeStripper::default().strip(&mut raw);
        let redacted = redactor.redact_untrusted(&raw);
        if messages.len() < MAX_MESSAGES && !messages.contains(&redacted.text) {
            redactions.add(&redacted.counts());
            messages.push(redacted.text);
        }
    }
    let count = exit.stderr_lines;
    (!messages.is_empty()).then_some((Unread { count, messages }, redactions))
}

/// Whether it ends with what the system said.
fn is_of_a_file(line: &str) -> bool {
    let said = line.strip_suffix(')');
    let number = said.and_then(|said| said.rsplit_once(" (os error "));
    number.is_some_and(|(_, number)| number.parse::<u32>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unread_of(code: i32, text: &str, cut_bytes: usize) -> Option<Unread> {
        let exit = Exit {
            code: Some(code),
            stderr_bytes: text.len() as u64,
            stderr_lines: text.lines().count() as u64,
            ..Exit::default()
        };
        let tail = &text.as_bytes()[cut_bytes..];
        unread(&exit, tail, &Redactor::with_default_rules()).map(|(unread, _)| unread)
    }

    #[test]
    fn only_what_the_system_refused_is_left_unread() {
        let one = "rg: ./a b: Permission denied (os error 13)\n";
        let messages = vec!["a b: Permission denied (os error 13)".to_owned()];
        assert_eq!(unread_of(2, one, 0), Some(Unread { count: 1, messages }));
        assert_eq!(unread_of(1, one, 0), None);
        assert_eq!(unread_of(2, "", 0), None);
        let pattern = "rg: regex parse error:\n    (?:(a)\n    ^\nerror: unclosed group\n";
        assert_eq!(unread_of(2, pattern, 0), None);
        assert_eq!(unread_of(2, &format!("{one}{pattern}"), 0), None);
        let many: Vec<String> = (0..100)
            .map(|number| format!("rg: {number}: Input/output error (os error 5)\n"))
            .collect();
        let many = many.concat();
        let listed = unread_of(2, &many, 7).unwrap();
        assert_eq!(listed.count, 100);
        assert_eq!(listed.messages.len(), MAX_MESSAGES);
        assert_eq!(listed.messages[0], "1: Input/output error (os error 5)");
    }
}
