use std::hash::{DefaultHasher, Hasher as _};

/// The text of a message that has been queued so far, as a hash: enough to recognise it at the beginning of
/// the complete message.
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

    /// The rest of `whole`, if it begins with the queued text.
    pub(super) fn beyond<'text>(&self, whole: &'text str) -> Option<&'text str> {
        let (said, rest) = whole.split_at_checked(self.bytes)?;
        let mut digest = DefaultHasher::new();
        digest.write(said.as_bytes());
        (digest.finish() == self.digest.finish()).then_some(rest)
    }
}
