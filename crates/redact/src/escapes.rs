//! Terminal escape sequences, taken out of a text before it is redacted.

use crate::untrusted::Untrusted;

/// Takes the escape sequences (ECMA-48) out of one raw text that arrives in pieces.
///
/// A sequence in the middle of a secret hides it from every rule, and a terminal, or whoever takes the
/// colour away later, puts it together again. So they go first, while the text is still sealed.
#[derive(Clone, Copy, Debug, Default)]
pub struct EscapeStripper {
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    /// Behind ESC.
    Escape,
    /// In a control sequence (CSI), such as a colour.
    Control,
    /// In a string for the terminal (OSC, DCS, APC, PM, SOS), such as a title or a link.
    Command,
}

impl EscapeStripper {
    /// Takes the sequences out of the next piece. One that a piece cuts is over in the next.
    pub fn strip(&mut self, raw: &mut Untrusted) {
        // ESC, or the first byte of a control character of the upper half (U+0080 to U+009F).
        let may_begin = |byte| matches!(byte, 0x1b | 0xc2);
        if self.state == State::Text && !raw.open().bytes().any(may_begin) {
            return;
        }
        raw.retain(|character| self.is_kept(character));
    }

    fn is_kept(&mut self, character: char) -> bool {
        let (next, is_kept) = match self.state {
            State::Text => in_text(character),
            State::Escape => behind_escape(character),
            State::Control => match character {
                ' '..='?' => (State::Control, false),
                '@'..='~' => (State::Text, false),
                _ => in_text(character),
            },
            State::Command => match character {
                '\u{7}' | '\u{9c}' => (State::Text, false),
                // Of the end of the string, or of another sequence.
                '\u{1b}' => (State::Escape, false),
                // One without an end would take all the rest with it.
                '\n' => (State::Text, true),
                _ => (State::Command, false),
            },
        };
        self.state = next;
        is_kept
    }
}

fn in_text(character: char) -> (State, bool) {
    match character {
        '\u{1b}' => (State::Escape, false),
        '\u{9b}' => (State::Control, false),
        '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}' => (State::Command, false),
        _ => (State::Text, true),
    }
}

fn behind_escape(character: char) -> (State, bool) {
    match character {
        '[' => (State::Control, false),
        ']' | 'P' | 'X' | '^' | '_' => (State::Command, false),
        ' '..='/' => (State::Escape, false),
        '0'..='~' => (State::Text, false),
        _ => in_text(character),
    }
}

#[cfg(test)]
mod tests {
    use super::EscapeStripper;
    use crate::untrusted::Untrusted;

    fn stripped(pieces: &[&str]) -> String {
        let mut stripper = EscapeStripper::default();
        let mut whole = Untrusted::default();
        for piece in pieces {
            let mut raw = Untrusted::new((*piece).to_owned());
            stripper.strip(&mut raw);
            whole.append(&raw);
        }
        whole.open().to_owned()
    }

    #[test]
    fn sequences_go_and_the_text_around_them_stays() {
        for (text, plain) in [
            ("plain é\tü\r\n", "plain é\tü\r\n"),
            ("a\u{1b}[0mb\u{1b}[38;5;1mc", "abc"),
            ("a\u{9b}31mb", "ab"),
            ("a\u{1b}]0;title\u{7}b", "ab"),
            (
                "a\u{1b}]8;;https://x/\u{1b}\\link\u{1b}]8;;\u{1b}\\b",
                "alinkb",
            ),
            ("a\u{1b}Pq#0\u{9c}b\u{1b}(Bc\u{1b}7d", "abcd"),
            ("a\u{1b}[31\u{1b}[32mb\u{1b}\u{1b}[1mc", "abc"),
            ("a\u{1b}]no end\nb", "a\nb"),
            ("a\u{1b}\nb\u{1b}[3\nc\u{1b}[3éd", "a\nb\ncéd"),
            ("end\u{1b}", "end"),
        ] {
            assert_eq!(stripped(&[text]), plain, "{text:?}");
            let pieces: Vec<String> = text.chars().map(String::from).collect();
            let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
            assert_eq!(stripped(&pieces), plain, "{text:?} in pieces");
        }
    }
}
