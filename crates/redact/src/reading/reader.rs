//! Reads along with a stream, as long as the reading says something else than the text.

use super::Reading;
use super::starts::{MAY_BEGIN, Start, first_start, is_inside};
use crate::window::LOOK_BACK_BYTES;

/// Of fewer bytes each is looked at by itself.
const SHORT_BYTES: usize = 32;

/// Most texts have no escape in them: they are their own reading, and nothing is copied.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    reading: Reading,
    is_reading: bool,
    /// Up to where in the text no escape begins, while there is no reading.
    sought: usize,
    /// Up to where the text had been read when it was its own reading again.
    read_to: usize,
    /// Where one may begin, at the end of the text.
    open: Option<usize>,
}

impl Reader {
    /// Reads the `piece` at the end of `text`, which starts at `offset`. Up to `scanned` it is done with.
    #[inline]
    pub(crate) fn read(&mut self, piece: &[u8], text: &[u8], offset: u64, scanned: usize) {
        // The piece, and not the end of the text, which was written a moment ago and is not in reach yet.
        let is_plain = !self.is_reading
            && piece.len() < SHORT_BYTES
            && self.sought + piece.len() == text.len()
            && !piece
                .iter()
                .fold(false, |any, byte| any | MAY_BEGIN[usize::from(*byte)]);
        if is_plain {
            self.sought = text.len();
            self.open = None;
            return;
        }
        self.read_escapes(text, offset, scanned);
    }

    /// The same, where there may be escapes.
    #[inline(never)]
    fn read_escapes(&mut self, text: &[u8], offset: u64, scanned: usize) {
        if !self.is_reading {
            let Some(first) = self.find_start(text) else {
                return;
            };
            let start = scanned.min(first).saturating_sub(LOOK_BACK_BYTES * 2);
            self.reading.restart(offset + start as u64);
            // To read again from the middle could open an escape within another one that was given up.
            self.reading
                .extend_plain(&text[start..self.read_to.max(start)]);
            self.is_reading = true;
        }
        let from = self.reading.written_so_far().saturating_sub(offset);
        let from = usize::try_from(from).unwrap_or(text.len());
        self.reading.extend(&text[from..]);
    }

    /// The first escape, from where none has been found yet.
    fn find_start(&mut self, text: &[u8]) -> Option<usize> {
        self.open = None;
        let Some((position, start)) = first_start(&text[self.sought..]) else {
            self.sought = text.len();
            return None;
        };
        self.sought += position;
        if start == Start::Partial && !is_inside(text, self.sought) {
            self.open = Some(self.sought);
            return None;
        }
        Some(self.sought)
    }

    /// The reading, if it may say something else than the text.
    pub(crate) fn reading(&self) -> Option<&Reading> {
        self.is_reading.then_some(&self.reading)
    }

    /// Whether the text is its own reading.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        !self.is_reading && self.open.is_none()
    }

    /// Where in the text an escape begins that is not complete, when there is no reading.
    pub(crate) fn open(&self) -> Option<usize> {
        self.open.filter(|_| !self.is_reading)
    }

    /// Stops to read when the text, of `length` bytes, is its own reading again from `scanned` on.
    #[inline]
    pub(crate) fn rest(&mut self, offset: u64, scanned: usize, length: usize) {
        if self.is_reading {
            let written = offset + scanned as u64;
            if self.reading.is_plain_at(written) {
                self.is_reading = false;
                self.sought = length;
                self.read_to = length;
            } else {
                self.reading.forget_before(written);
            }
        }
    }

    /// The first bytes of the text are gone.
    pub(crate) fn forget_before(&mut self, position: usize) {
        self.sought = self.sought.saturating_sub(position);
        self.read_to = self.read_to.saturating_sub(position);
        self.open = self.open.map(|open| open.saturating_sub(position));
    }

    pub(crate) fn end_text(&mut self) {
        self.is_reading = false;
        self.sought = 0;
        self.read_to = 0;
        self.open = None;
    }
}
