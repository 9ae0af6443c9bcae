/// Text that comes in pieces. A piece may end in the middle of a character.
///
/// Line breaks at the end are held back until more text follows, because a program ends its output with a
/// line break that is not part of the answer.
#[derive(Debug, Default)]
pub(super) struct Text {
    /// The first bytes of an incomplete character.
    unfinished: Vec<u8>,
    breaks: String,
}

/// If there are more line breaks than this, they are passed on.
const MAX_HELD_BREAKS_BYTES: usize = 1024;

impl Text {
    /// Adds a piece, and returns the text that is complete. Invalid UTF-8 becomes U+FFFD.
    pub(super) fn add(&mut self, piece: &[u8]) -> String {
        let mut bytes = std::mem::take(&mut self.unfinished);
        bytes.extend_from_slice(piece);
        let mut text = std::mem::take(&mut self.breaks);
        let mut rest = bytes.as_slice();
        while let Err(error) = std::str::from_utf8(rest) {
            let (valid, behind) = rest.split_at(error.valid_up_to());
            text.push_str(&String::from_utf8_lossy(valid));
            // Without a length, the piece ends in the middle of a character.
            let Some(length) = error.error_len() else {
                self.unfinished = behind.to_vec();
                rest = &[];
                break;
            };
            text.push(char::REPLACEMENT_CHARACTER);
            rest = behind.get(length..).unwrap_or_default();
        }
        text.push_str(&String::from_utf8_lossy(rest));
        let end = text.trim_end_matches(['\r', '\n']).len();
        if text.len() - end <= MAX_HELD_BREAKS_BYTES {
            self.breaks = text.split_off(end);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(pieces: &[&[u8]]) -> Vec<String> {
        let mut text = Text::default();
        pieces.iter().map(|piece| text.add(piece)).collect()
    }

    #[test]
    fn a_character_cut_in_two_arrives_whole() {
        assert_eq!(pieces(&[b"a\xe2\x82", b"\xac!"]), ["a", "€!"]);
    }

    #[test]
    fn what_is_no_text_is_marked() {
        assert_eq!(
            pieces(&[b"a\xffb\xfe\xe2\x82", b"c"]),
            ["a\u{fffd}b\u{fffd}", "\u{fffd}c"]
        );
    }

    #[test]
    fn a_line_break_waits_for_what_follows() {
        assert_eq!(pieces(&[b"one\n", b"two\r\n"]), ["one", "\ntwo"]);
    }
}
