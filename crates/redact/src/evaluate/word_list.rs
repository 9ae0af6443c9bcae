//! Lists of words that nearly every word asked about is not in.

/// Words of ASCII, with tables that rule out most others by length, first and last letter.
pub(super) struct WordList {
    words: &'static [&'static str],
    /// For each length the first letters, a bit each.
    firsts: [u32; LENGTHS],
    lasts: [u32; LENGTHS],
}

/// No word of a list is longer than this, less one.
const LENGTHS: usize = 16;

impl WordList {
    /// `words` are in lower case.
    pub(super) const fn new(words: &'static [&'static str]) -> Self {
        let (mut firsts, mut lasts) = ([0; LENGTHS], [0; LENGTHS]);
        let mut index = 0;
        while index < words.len() {
            let word = words[index].as_bytes();
            firsts[word.len()] |= letter(word[0]);
            lasts[word.len()] |= letter(word[word.len() - 1]);
            index += 1;
        }
        Self {
            words,
            firsts,
            lasts,
        }
    }

    /// Whether the list has the word, in any case of letters.
    pub(super) fn has(&self, word: &[u8]) -> bool {
        let (Some(first), Some(last)) = (word.first(), word.last()) else {
            return false;
        };
        word.len() < LENGTHS
            && self.firsts[word.len()] & letter(*first) != 0
            && self.lasts[word.len()] & letter(*last) != 0
            && self
                .words
                .iter()
                .any(|known| word.eq_ignore_ascii_case(known.as_bytes()))
    }
}

/// The same bit for a letter in both cases.
const fn letter(byte: u8) -> u32 {
    1 << (byte & 31)
}

#[cfg(test)]
mod tests {
    use super::WordList;

    #[test]
    fn a_list_has_its_words_in_any_case_and_no_other() {
        const LIST: WordList = WordList::new(&["url", "sha256", "x"]);
        for word in ["url", "URL", "Sha256", "x"] {
            assert!(LIST.has(word.as_bytes()), "{word}");
        }
        for word in [
            "",
            "u",
            "ural",
            "sha255",
            "uql",
            "a word that is far too long",
        ] {
            assert!(!LIST.has(word.as_bytes()), "{word}");
        }
    }
}
