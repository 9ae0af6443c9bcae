use std::hash::{DefaultHasher, Hasher as _};

/// What was said of a message: enough to know it again at the beginning of the whole.
#[derive(Debug)]
pub(super) struct SaidMessage {
    id: String,
    bytes: usize,
    digest: DefaultHasher,
}

impl SaidMessage {
    pub(super) fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            bytes: 0,
            digest: DefaultHasher::new(),
        }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn say(&mut self, text: &str) {
        self.bytes += text.len();
        self.digest.write(text.as_bytes());
    }

    /// The rest of `whole`, if it begins with what was said.
    pub(super) fn beyond<'text>(&self, whole: &'text str) -> Option<&'text str> {
        let (said, rest) = whole.split_at_checked(self.bytes)?;
        let mut digest = DefaultHasher::new();
        digest.write(said.as_bytes());
        (digest.finish() == self.digest.finish()).then_some(rest)
    }
}
