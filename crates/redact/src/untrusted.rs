use std::fmt;

/// Text from a child process or a model, sealed until the redactor has seen it.
///
/// It has no `Display`, no `Serialize`, no `Deref`, and its `Debug` shows the length alone, so that
/// raw text cannot reach a client, a log or a record by accident (invariant 2).
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Untrusted(String);

impl Untrusted {
    pub fn new(text: String) -> Self {
        Self(text)
    }

    pub fn append(&mut self, other: &Self) {
        self.0.push_str(&other.0);
    }

    /// The text as it is. There is no redactor yet; when there is, this goes.
    pub fn open_unredacted(self) -> String {
        self.0
    }

    pub fn len_bytes(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Untrusted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Untrusted({} bytes)", self.0.len())
    }
}
