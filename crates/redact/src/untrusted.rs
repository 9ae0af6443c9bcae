//! Raw text that must not be seen before it is redacted.

use std::fmt;

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

    /// Whether there is no text at all.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub(crate) fn open(&self) -> &str {
        &self.text
    }
}

impl From<String> for Untrusted {
    fn from(text: String) -> Self {
        Self::new(text)
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
}
