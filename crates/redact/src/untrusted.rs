//! Raw text that must not be seen before it is redacted.

use std::fmt;

use serde::{Deserialize, Deserializer};

/// Text from a child process or a model, which nobody may print, log, serialise or borrow.
///
/// It has no `Display`, no `Serialize`, no `AsRef` and no `Deref`, and its `Debug` shows a length.
/// Only [`Redactor::redact_untrusted`](crate::Redactor::redact_untrusted) and
/// [`StreamRedactor::feed_untrusted`](crate::StreamRedactor::feed_untrusted) open it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Untrusted {
    text: String,
}

impl Untrusted {
    /// Closes a raw text in.
    pub fn new(text: String) -> Self {
        Self { text }
    }

    /// Adds another raw text behind this one.
    pub fn append(&mut self, other: &Self) {
        self.text.push_str(&other.text);
    }

    /// Length in bytes of UTF-8.
    pub fn len_bytes(&self) -> usize {
        self.text.len()
    }

    /// Length in Unicode scalar values, the unit of the gateway's caps.
    pub fn chars(&self) -> usize {
        self.text.chars().count()
    }

    /// How many Unicode scalar values begin within the first `bytes` bytes.
    pub fn chars_within(&self, bytes: usize) -> usize {
        let starts = self.text.char_indices();
        starts.take_while(|(offset, _)| *offset < bytes).count()
    }

    /// Takes the line break at the end away, if there is one.
    pub fn trim_line_break(&mut self) {
        let kept = self.text.strip_suffix('\n').unwrap_or(&self.text);
        let kept = kept.strip_suffix('\r').unwrap_or(kept).len();
        self.text.truncate(kept);
    }

    /// Whether there is no text at all.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub(crate) fn open(&self) -> &str {
        &self.text
    }

    pub(crate) fn retain(&mut self, is_kept: impl FnMut(char) -> bool) {
        self.text.retain(is_kept);
    }
}

impl From<String> for Untrusted {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

/// What is read out of a child's protocol is sealed as it is read.
impl<'de> Deserialize<'de> for Untrusted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

impl fmt::Debug for Untrusted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Untrusted")
            .field("len_bytes", &self.len_bytes())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::Untrusted;

    #[test]
    fn debug_shows_the_length_and_nothing_of_the_text() {
        let mut raw = Untrusted::new(String::from("straße"));
        raw.append(&Untrusted::new(String::from("!")));
        assert_eq!(format!("{raw:?}"), "Untrusted { len_bytes: 8, .. }");
        assert_eq!(raw.chars(), 7);
    }

    #[test]
    fn what_may_be_known_of_a_line_is_where_its_characters_stand() {
        let mut line = Untrusted::new(String::from("aß€b\r\n"));
        line.trim_line_break();
        let known = [0, 1, 3, 6, 100].map(|bytes| line.chars_within(bytes));
        assert_eq!((known, line.chars()), ([0, 1, 2, 3, 4], 4));
    }
}
