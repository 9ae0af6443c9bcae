//! What a text says to whoever decodes it.
//!
//! Between a program and its reader a text may be quoted as JSON, percent-encoded, written with the
//! character references of HTML, coloured, or filled with characters that are not to be seen, once or
//! several times over. A [`Reading`] is the text without all that, and says for each byte of it where it
//! was written. Rules look at both, the text as written and its reading.
//!
//! Quotation marks, backslashes and line breaks behind a backslash stay: rules know them, and where a
//! string ends depends on them.

mod character;
mod entity;
mod escape;
mod reader;
mod starts;
mod unit;

use std::ops::Range;

use crate::window::LOOK_BACK_BYTES;
use escape::Progress;
pub(crate) use reader::Reader;
use starts::plain_run;
pub(crate) use unit::{Unit, first_unit};

/// The longest escape that is seen through, in bytes as written.
const LONGEST_ESCAPE_BYTES: usize = 64;
/// The same for strings for the terminal, such as links.
pub(crate) const LONGEST_COMMAND_BYTES: usize = 80;

/// Escapes within escapes within escapes.
const MOST_NESTED: usize = 4;

/// How much of a reading is kept in front of what is still needed.
const KEEP_BYTES: usize = 512;

/// A place in a reading from which on the text is written otherwise than before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seam {
    /// In the reading.
    pub(crate) read: usize,
    /// Where what stands in front of it was written to.
    before: u64,
    /// Where what stands behind it was written from.
    written: u64,
}

/// The reading of a text that arrives in pieces. All places in the text are counted from its start.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    plain: Vec<u8>,
    seams: Vec<Seam>,
    /// Where `plain` starts, as long as no seam says otherwise.
    origin: u64,
    /// Up to where the text has been read.
    written_to: u64,
    /// Escapes that are not complete, each within the one before.
    open: Vec<Open>,
}

/// Where an escape begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Open {
    /// In the reading.
    read: usize,
    /// In the text.
    written: u64,
    /// Something of a secret may start with it.
    may_be_seen: bool,
}

/// Whether an escape may begin with the byte.
pub(crate) fn may_begin(byte: u8) -> bool {
    escape::may_begin(byte)
}

/// Whether an escape that begins so may stand for something that is to be seen.
pub(crate) fn may_be_seen(first: u8) -> bool {
    escape::may_be_seen(first)
}

impl Reading {
    /// Of a text of which nothing is known before `start`.
    pub(crate) fn from(start: u64) -> Self {
        let mut reading = Self::default();
        reading.restart(start);
        reading
    }

    /// Forgets all, and goes on at `start`.
    pub(crate) fn restart(&mut self, start: u64) {
        self.plain.clear();
        self.seams.clear();
        self.open.clear();
        self.origin = start;
        self.written_to = start;
    }

    /// Reads on where no escape begins.
    fn extend_plain(&mut self, written: &[u8]) {
        self.plain.extend_from_slice(written);
        self.written_to += written.len() as u64;
    }

    /// Reads on.
    pub(crate) fn extend(&mut self, written: &[u8]) {
        let mut position = 0;
        while let Some(byte) = written.get(position) {
            if self.open.is_empty() {
                let rest = &written[position..];
                if let Some(length) = self.take_whole(rest) {
                    position += length;
                    continue;
                }
                let plain = plain_run(rest);
                self.extend_plain(&rest[..plain]);
                position += plain;
                if plain > 0 {
                    continue;
                }
            }
            self.written_to += 1;
            self.push(*byte);
            position += 1;
        }
    }

    /// Takes an escape of a common kind that begins the text, when nothing of it can belong to another one,
    /// as [`push`](Self::push) would byte by byte.
    fn take_whole(&mut self, text: &[u8]) -> Option<usize> {
        let (progress, length) = escape::whole(text)?;
        let mut utf8 = [0; 4];
        let decoded: &[u8] = match progress {
            Progress::Byte(byte @ 0..=0x7f) => {
                utf8[0] = byte;
                &utf8[..1]
            }
            Progress::Character(character) => character.encode_utf8(&mut utf8).as_bytes(),
            Progress::Nothing => &[],
            _ => return None,
        };
        if decoded.last().is_some_and(|last| escape::may_begin(*last)) {
            return None;
        }
        let written = self.written_to;
        self.written_to += length as u64;
        self.append(written, decoded);
        Some(length)
    }

    /// Takes the last byte that was written.
    fn push(&mut self, byte: u8) {
        self.plain.push(byte);
        self.close_long();
        let mut last = byte;
        while let Some(Open { read: start, .. }) = self.open.last().copied() {
            let escape = &self.plain[start..];
            let mut utf8 = [0; 4];
            let decoded: &[u8] = match escape::progress(escape) {
                Progress::Open => return,
                Progress::None if is_run_of_backslashes(escape) => {
                    // Only the last ones can belong to an escape.
                    self.open.pop();
                    self.open_at(start + 1);
                    return;
                }
                // It may go on behind an escape in it.
                Progress::None if escape::may_begin(last) && escape.len() > 1 => break,
                Progress::None => {
                    self.open.pop();
                    continue;
                }
                Progress::Byte(byte) if !self.is_read(byte) => {
                    self.open.pop();
                    continue;
                }
                Progress::Byte(byte) => {
                    utf8[0] = byte;
                    &utf8[..1]
                }
                Progress::Character(character) => character.encode_utf8(&mut utf8).as_bytes(),
                Progress::Nothing => &[],
            };
            let kept = escaped_backslashes(escape);
            if kept == 0 {
                self.open.pop();
            }
            self.replace(start + kept, decoded);
            let Some(decoded_last) = decoded.last().copied() else {
                return;
            };
            last = decoded_last;
        }
        if escape::may_begin(last) {
            if self.open.len() == MOST_NESTED {
                self.open.remove(0);
            }
            self.open_at(self.plain.len() - 1);
        }
    }

    /// Whether an escaped byte is read as such: any of ASCII, and those of the characters that are not to be
    /// seen.
    fn is_read(&self, byte: u8) -> bool {
        let outer = self.open.iter().rev().nth(1);
        match byte {
            0..=0x7f => true,
            0x80..=0xbf => outer.is_some_and(|open| self.plain[open.read] >= 0xc2),
            _ => escape::may_begin(byte),
        }
    }

    fn open_at(&mut self, read: usize) {
        self.open.push(Open {
            read,
            written: self.written_from(read),
            may_be_seen: escape::may_be_seen(self.plain[read]),
        });
    }

    /// Gives up what became too long for an escape.
    fn close_long(&mut self) {
        while let Some(first) = self.open.first() {
            let limit = longest(self.plain[first.read]) as u64;
            if self.written_to - first.written <= limit {
                return;
            }
            self.open.remove(0);
        }
    }

    /// Puts what an escape stands for in its place. It goes from `start` to the end of what was read.
    fn replace(&mut self, start: usize, decoded: &[u8]) {
        let written = self.written_from(start);
        let kept = self.seams.partition_point(|seam| seam.read <= start);
        self.seams.truncate(kept);
        self.plain.truncate(start);
        self.append(written, decoded);
    }

    /// Adds what the escape stands for that was written from `written` to the end of what was written.
    fn append(&mut self, written: u64, decoded: &[u8]) {
        let start = self.plain.len();
        if self.seams.last().is_none_or(|seam| seam.read < start) {
            self.seams.push(Seam {
                read: start,
                before: written,
                written,
            });
        }
        self.plain.extend_from_slice(decoded);
        if decoded.is_empty() {
            if let Some(seam) = self.seams.last_mut() {
                seam.written = self.written_to;
            }
            return;
        }
        for inside in 1..decoded.len() {
            self.seams.push(Seam {
                read: start + inside,
                before: self.written_to,
                written,
            });
        }
        self.seams.push(Seam {
            read: self.plain.len(),
            before: self.written_to,
            written: self.written_to,
        });
    }

    /// Where the byte at `read` was written from.
    pub(crate) fn written_from(&self, read: usize) -> u64 {
        let behind = self.seams.partition_point(|seam| seam.read <= read);
        match behind.checked_sub(1).map(|index| self.seams[index]) {
            Some(seam) => seam.written + (read - seam.read) as u64,
            None => self.origin + read as u64,
        }
    }

    /// Where the byte before `read` was written to.
    pub(crate) fn written_to(&self, read: usize) -> u64 {
        let behind = self.seams.partition_point(|seam| seam.read <= read);
        match behind.checked_sub(1).map(|index| self.seams[index]) {
            Some(seam) if seam.read == read => seam.before,
            Some(seam) => seam.written + (read - seam.read) as u64,
            None => self.origin + read as u64,
        }
    }

    /// The first byte of the reading that was written from `written` or from behind it.
    pub(crate) fn read_from(&self, written: u64) -> usize {
        let next = self.seams.partition_point(|seam| seam.written < written);
        let limit = match self.seams.get(next) {
            Some(seam) if seam.written == written => return seam.read,
            Some(seam) => seam.read,
            None => self.plain.len(),
        };
        let (read, from) = match next.checked_sub(1).map(|index| self.seams[index]) {
            Some(seam) => (seam.read, seam.written),
            None => (0, self.origin),
        };
        let distance = usize::try_from(written.saturating_sub(from)).unwrap_or(limit);
        read.saturating_add(distance).min(limit)
    }

    /// What is certain of the reading; all of it when the text is complete.
    pub(crate) fn certain(&self, is_complete: bool) -> &[u8] {
        match self.open.first() {
            Some(open) if !is_complete => &self.plain[..open.read],
            _ => &self.plain,
        }
    }

    /// Where in the text that ends.
    pub(crate) fn certain_to(&self, is_complete: bool) -> u64 {
        match self.open.first() {
            Some(open) if !is_complete => open.written,
            _ => self.written_to,
        }
    }

    /// Where in the text an escape begins that is not complete.
    pub(crate) fn open_escape(&self) -> Option<u64> {
        self.open.first().map(|open| open.written)
    }

    /// From where on something of a secret may stand in it.
    pub(crate) fn open_character(&self) -> Option<u64> {
        let first = self.open.first()?;
        Some(first.written + u64::from(!first.may_be_seen))
    }

    pub(crate) fn seams(&self) -> &[Seam] {
        &self.seams
    }

    /// Where in the text the first escape behind `written` begins.
    pub(crate) fn next_escape(&self, written: u64) -> Option<u64> {
        let next = self.seams.partition_point(|seam| seam.before <= written);
        self.seams.get(next).map(|seam| seam.before)
    }

    /// How many bytes of the reading each unit of a text stands for that repeats itself within a range; nothing
    /// when the reading does not repeat itself there.
    pub(crate) fn repeated_bytes(&self, range: Range<u64>, unit_bytes: usize) -> Option<usize> {
        let unit = unit_bytes as u64;
        if range.start + 2 * unit > range.end {
            return None;
        }
        let read = self.read_from(range.start)..self.read_from(range.end);
        let read_bytes = self.read_from(range.start + unit) - read.start;
        let plain = &self.plain[read];
        let seams = self.seams_between(range.start, range.end);
        let unit_seams = self.seams_between(range.start, range.start + unit).len();
        let later = seams.iter().skip(unit_seams);
        let is_repeated = plain.get(read_bytes..)? == &plain[..plain.len() - read_bytes]
            && seams.iter().zip(later).all(|(one, next)| {
                *next
                    == Seam {
                        read: one.read + read_bytes,
                        before: one.before + unit,
                        written: one.written + unit,
                    }
            });
        is_repeated.then_some(read_bytes)
    }

    /// Those behind what was written within a range.
    fn seams_between(&self, start: u64, end: u64) -> &[Seam] {
        let first = self.seams.partition_point(|seam| seam.before < start);
        let behind = self.seams.partition_point(|seam| seam.before < end);
        &self.seams[first..behind]
    }

    /// Whether what stands at `read` and up to `distance` in front of it was written as it is read.
    pub(crate) fn is_plain_before(&self, read: usize, distance: usize) -> bool {
        let behind = self.seams.partition_point(|seam| seam.read <= read);
        behind
            .checked_sub(1)
            .is_none_or(|index| self.seams[index].read + distance < read)
    }

    /// Up to where the text has been read.
    fn written_so_far(&self) -> u64 {
        self.written_to
    }

    /// Whether what stands at `written` and behind it is written as it is read, and so is enough in front
    /// of it.
    fn is_plain_at(&self, written: u64) -> bool {
        let last = self.seams.last();
        let read = self.read_from(written);
        self.open.is_empty() && last.is_none_or(|seam| seam.read + LOOK_BACK_BYTES < read)
    }

    /// Forgets what is not needed for looking at the text from `written` on.
    pub(crate) fn forget_before(&mut self, written: u64) {
        let keep = self.read_from(written).saturating_sub(KEEP_BYTES);
        if keep < KEEP_BYTES * 4 {
            return;
        }
        self.origin = self.written_from(keep);
        let first = self.seams.partition_point(|seam| seam.read <= keep);
        self.seams.drain(..first);
        for seam in &mut self.seams {
            seam.read -= keep;
        }
        for open in &mut self.open {
            open.read -= keep;
        }
        self.plain.drain(..keep);
    }
}

/// Of an odd number of backslashes the last one belongs to the escape, and the others to each other.
fn escaped_backslashes(escape: &[u8]) -> usize {
    let backslashes = escape.iter().take_while(|byte| **byte == b'\\').count();
    if backslashes % 2 == 1 {
        backslashes - 1
    } else {
        0
    }
}

fn is_run_of_backslashes(escape: &[u8]) -> bool {
    escape.len() > escape::MOST_BACKSLASHES && escape.iter().all(|byte| *byte == b'\\')
}

/// The most bytes, as written, of an escape with this first byte.
fn longest(first: u8) -> usize {
    match first {
        0x1b | 0xc2 => LONGEST_COMMAND_BYTES,
        _ => LONGEST_ESCAPE_BYTES,
    }
}
