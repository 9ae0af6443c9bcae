use redact::{Counts, EscapeStripper, Redactor, Untrusted};
use runner::Exit;
use serde_json::{Value, json};

/// The exit code of ripgrep where something went wrong, whatever it found.
const ERROR: i32 = 2;

/// Of what could not be read, so much is told by its name.
const MAX_TOLD: usize = 20;

/// What a program that looks through files could not read, and went on without.
pub(in super::super) struct Unread {
    pub(in super::super) told: Value,
    pub(in super::super) redactions: Counts,
}

impl Unread {
    /// By the program's own words: a line for each file, `rg: NAME: Permission denied (os error 13)`. None
    /// if it said anything else, such as what is wrong with a pattern. `tail` is the end of its standard
    /// error, of which the first line may be half.
    pub(in super::super) fn of(exit: &Exit, tail: &[u8], redactor: &Redactor) -> Option<Self> {
        if exit.code != Some(ERROR) {
            return None;
        }
        let text = String::from_utf8_lossy(tail);
        let is_whole = exit.stderr_bytes == tail.len() as u64;
        let lines = text.lines().skip(usize::from(!is_whole));
        let mut told = Vec::new();
        let mut redactions = Counts::default();
        for line in lines {
            if !is_of_a_file(line) {
                return None;
            }
            let line = line.strip_prefix("rg: ").unwrap_or(line);
            let line = line.strip_prefix("./").unwrap_or(line);
            let mut raw = Untrusted::new(line.to_owned());
            EscapeStripper::default().strip(&mut raw);
            let redacted = redactor.redact_untrusted(&raw).text;
            if told.len() < MAX_TOLD && !told.contains(&redacted) {
                redactions.add(&redactor.redact_untrusted(&raw).counts());
                told.push(redacted);
            }
        }
        (!told.is_empty()).then(|| Self {
            told: json!({ "count": exit.stderr_lines, "messages": told }),
            redactions,
        })
    }
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

    fn unread(code: i32, text: &str, cut_bytes: usize) -> Option<Value> {
        let exit = Exit {
            code: Some(code),
            stderr_bytes: text.len() as u64,
            stderr_lines: text.lines().count() as u64,
            ..Exit::default()
        };
        let tail = &text.as_bytes()[cut_bytes..];
        let unread = Unread::of(&exit, tail, &Redactor::with_default_rules());
        unread.map(|unread| unread.told)
    }

    #[test]
    fn only_what_the_system_refused_is_left_unread() {
        let one = "rg: ./a b: Permission denied (os error 13)\n";
        let told = json!({ "count": 1, "messages": ["a b: Permission denied (os error 13)"] });
        assert_eq!(unread(2, one, 0), Some(told));
        assert_eq!(unread(1, one, 0), None);
        assert_eq!(unread(2, "", 0), None);
        let pattern = "rg: regex parse error:\n    (?:(a)\n    ^\nerror: unclosed group\n";
        assert_eq!(unread(2, pattern, 0), None);
        assert_eq!(unread(2, &format!("{one}{pattern}"), 0), None);
        let many: Vec<String> = (0..100)
            .map(|number| format!("rg: {number}: Input/output error (os error 5)\n"))
            .collect();
        let many = many.concat();
        let told = unread(2, &many, 7).unwrap();
        assert_eq!(told["count"], 100);
        assert_eq!(told["messages"].as_array().unwrap().len(), MAX_TOLD);
        assert_eq!(told["messages"][0], "1: Input/output error (os error 5)");
    }
}
