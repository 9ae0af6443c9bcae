//! The part of a text that an evaluator may look at.

use crate::bytes::ByteSet;

/// The answer depends on bytes that have not arrived yet.
///
/// Every look past the end of an unfinished text says this instead of "nothing there". That is what
/// makes the outcome the same for every way to cut the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NeedMore;

/// How far an evaluator may look back from where it was called; a stream keeps at least this much.
pub(crate) const LOOK_BACK_BYTES: usize = 160;

/// How far rules may look ahead from the end of their head. Held by the limits in the evaluators, which
/// add up to less, and by the one on shapes.
pub(crate) const LOOK_AHEAD_BYTES: usize = 1024;

/// A text, or the part of it that has arrived.
#[derive(Clone, Copy)]
pub(crate) struct Window<'a> {
    bytes: &'a [u8],
    is_complete: bool,
}

impl<'a> Window<'a> {
    /// `is_complete` says that no byte will ever follow `bytes`.
    pub(crate) fn new(bytes: &'a [u8], is_complete: bool) -> Self {
        Self { bytes, is_complete }
    }

    /// What has arrived.
    pub(crate) fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// The byte at `position`, or `None` behind the end of a finished text.
    #[inline]
    pub(crate) fn at(self, position: usize) -> Result<Option<u8>, NeedMore> {
        match self.bytes.get(position) {
            Some(byte) => Ok(Some(*byte)),
            None if self.is_complete => Ok(None),
            None => Err(NeedMore),
        }
    }

    /// At most [`LOOK_BACK_BYTES`] bytes right before `position`.
    #[inline]
    pub(crate) fn before(self, position: usize) -> &'a [u8] {
        let end = position.min(self.bytes.len());
        &self.bytes[end.saturating_sub(LOOK_BACK_BYTES)..end]
    }

    /// The bytes from `start` to `end`, as far as they have arrived.
    pub(crate) fn slice(self, start: usize, end: usize) -> &'a [u8] {
        let end = end.min(self.bytes.len());
        &self.bytes[start.min(end)..end]
    }

    /// Whether the text goes on with `literal` at `position`.
    #[inline]
    pub(crate) fn starts_with(self, position: usize, literal: &[u8]) -> Result<bool, NeedMore> {
        self.compare(position, literal, |left, right| left == right)
    }

    /// The same, without regard to ASCII case.
    #[inline]
    pub(crate) fn starts_with_ignoring_case(
        self,
        position: usize,
        literal: &[u8],
    ) -> Result<bool, NeedMore> {
        self.compare(position, literal, <[u8]>::eq_ignore_ascii_case)
    }

    #[inline]
    fn compare(
        self,
        position: usize,
        literal: &[u8],
        same: fn(&[u8], &[u8]) -> bool,
    ) -> Result<bool, NeedMore> {
        let arrived = self.slice(position, position + literal.len());
        if !same(arrived, &literal[..arrived.len()]) {
            return Ok(false);
        }
        if arrived.len() == literal.len() {
            return Ok(true);
        }
        if self.is_complete {
            Ok(false)
        } else {
            Err(NeedMore)
        }
    }

    /// Where the bytes of `set` that start at `position` end, looking at no more than `limit`.
    #[inline]
    pub(crate) fn run_end(
        self,
        position: usize,
        set: ByteSet,
        limit: usize,
    ) -> Result<usize, NeedMore> {
        let within = self.slice(position, position.saturating_add(limit));
        match within.iter().position(|byte| !set.has(*byte)) {
            Some(length) => Ok(position + length),
            None if within.len() == limit || self.is_complete => Ok(position + within.len()),
            None => Err(NeedMore),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{NeedMore, Window};
    use crate::bytes::DIGIT;

    #[test]
    fn an_unfinished_text_never_answers_beyond_its_end() {
        let open = Window::new(b"12", false);
        assert_eq!(open.at(2), Err(NeedMore));
        assert_eq!(open.starts_with(0, b"123"), Err(NeedMore));
        assert_eq!(open.starts_with(0, b"1x3"), Ok(false));
        assert_eq!(open.run_end(0, DIGIT, 9), Err(NeedMore));
        assert_eq!(open.run_end(0, DIGIT, 2), Ok(2));

        let whole = Window::new(b"12", true);
        assert_eq!(whole.at(2), Ok(None));
        assert_eq!(whole.starts_with(0, b"123"), Ok(false));
        assert_eq!(whole.run_end(0, DIGIT, 9), Ok(2));
    }
}
