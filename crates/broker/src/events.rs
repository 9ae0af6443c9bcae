//! Cuts a stream into its server-sent events, however its bytes are cut.
//!
//! A client acts on an event when its blank line has come, so nothing is late that is passed on event by
//! event. Each byte is looked at once and copied once. Line ends are those of the standard (LF, CRLF, CR:
//! <https://html.spec.whatwg.org/multipage/server-sent-events.html>).

use std::borrow::Cow;
use std::ops::Range;

use bytes::{Buf as _, Bytes, BytesMut};
use memchr::memchr2;

/// `response.completed` repeats the whole answer: 400,000 characters (`CHAT_MAX_OUTPUT_CHARS`) can be
/// 2.4 MB of JSON escapes, and items, instructions and text formats come on top. Nothing longer than
/// this is an answer that anybody is waiting for.
pub(super) const MAX_EVENT_BYTES: usize = 16 * 1024 * 1024;

/// An event that is longer than any answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// The events of one stream.
#[derive(Default)]
pub(super) struct Events {
    /// What has come of the next event.
    buffer: BytesMut,
    /// Up to where line ends were looked for.
    scanned: usize,
    line_start: usize,
    /// The last line ended with a CR: an LF that follows belongs to it.
    after_return: bool,
    data: Data,
    blank_bytes: usize,
}

/// Where the data of the event stands that is being read.
#[derive(Clone, Default)]
enum Data {
    #[default]
    None,
    /// In one line, as every server writes it.
    Line(Range<usize>),
    Lines,
}

/// An event, whole, with its blank line.
pub(super) struct Event {
    pub(super) bytes: Bytes,
    data: Data,
}

impl Event {
    /// The data, its lines joined; `None` for what is a comment or nothing.
    pub(super) fn data(&self) -> Option<Cow<'_, [u8]>> {
        match &self.data {
            Data::None => None,
            Data::Line(range) => self.bytes.get(range.clone()).map(Cow::Borrowed),
            Data::Lines => {
                let lines = self.bytes.split(|byte| matches!(byte, b'\n' | b'\r'));
                let values: Vec<&[u8]> = lines.filter_map(value).collect();
                Some(Cow::Owned(values.join(&b'\n')))
            }
        }
    }
}

/// What a line of data holds.
fn value(line: &[u8]) -> Option<&[u8]> {
    let value = line.strip_prefix(b"data:")?;
    Some(value.strip_prefix(b" ").unwrap_or(value))
}

impl Events {
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next event that is whole.
    pub(super) fn next(&mut self) -> Result<Option<Event>, TooLong> {
        while let Some(end) = self.next_line_end() {
            let is_blank = end == self.line_start;
            self.note_line(end);
            self.after_return = self.buffer.get(end) == Some(&b'\r');
            self.scanned = end + 1;
            if is_blank {
                // A client that has seen a CR waits for what follows: the LF goes with it.
                self.skip_line_feed();
            }
            let is_nothing = is_blank && self.line_start == 0;
            self.line_start = self.scanned;
            if is_nothing {
                self.blank_bytes += self.scanned;
                self.buffer.advance(self.scanned);
                self.begin_event();
            } else if is_blank {
                return Ok(Some(self.cut(self.scanned)));
            }
        }
        if self.buffer.len() > MAX_EVENT_BYTES {
            return Err(TooLong);
        }
        Ok(None)
    }

    /// The stream is over: what has come of an event whose blank line never came.
    pub(super) fn finish(&mut self) -> Option<Event> {
        self.note_line(self.buffer.len());
        (!self.buffer.is_empty()).then(|| self.cut(self.buffer.len()))
    }

    /// Blank lines that belonged to no event.
    pub(super) fn blank_bytes(&self) -> usize {
        self.blank_bytes
    }

    fn next_line_end(&mut self) -> Option<usize> {
        self.skip_line_feed();
        let rest = self.buffer.get(self.scanned..)?;
        let found = memchr2(b'\n', b'\r', rest);
        if found.is_none() {
            self.scanned = self.buffer.len();
        }
        Some(self.scanned + found?)
    }

    fn skip_line_feed(&mut self) {
        if self.after_return && self.scanned < self.buffer.len() {
            self.after_return = false;
            if self.buffer.get(self.scanned) != Some(&b'\n') {
                return;
            }
            if self.scanned == 0 {
                self.buffer.advance(1);
                return;
            }
            let is_line_start = self.line_start == self.scanned;
            self.scanned += 1;
            if is_line_start {
                self.line_start = self.scanned;
            }
        }
    }

    fn note_line(&mut self, end: usize) {
        let line = self.buffer.get(self.line_start..end).unwrap_or_default();
        let Some(value) = value(line) else {
            return;
        };
        self.data = match self.data {
            Data::None => Data::Line(end - value.len()..end),
            Data::Line(_) | Data::Lines => Data::Lines,
        };
    }

    fn cut(&mut self, end: usize) -> Event {
        let bytes = self.buffer.split_to(end).freeze();
        let data = std::mem::take(&mut self.data);
        self.begin_event();
        Event { bytes, data }
    }

    fn begin_event(&mut self) {
        self.scanned = 0;
        self.line_start = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::{Events, MAX_EVENT_BYTES};

    fn data_of(pieces: &[&[u8]]) -> Vec<String> {
        let mut events = Events::default();
        let mut all = Vec::new();
        let mut take = |event: super::Event| {
            let data = event.data().unwrap_or_default();
            all.push(String::from_utf8_lossy(&data).into_owned());
        };
        for piece in pieces {
            events.feed(piece);
            while let Some(event) = events.next().unwrap() {
                take(event);
            }
        }
        events.finish().into_iter().for_each(take);
        all
    }

    /// A chunk may end anywhere: in a name, in a character, between CR and LF.
    #[test]
    fn events_are_the_same_at_every_cut() {
        for line_end in ["\n", "\r\n", "\r"] {
            let text = [
                ": a comment",
                "",
                "event: a",
                "data: one",
                "id: 7",
                "",
                "",
                "",
                "data:two",
                "data: Grüße",
                "data:",
                "",
                "retry: 3",
                "",
                "data: last",
                "",
            ]
            .join(line_end);
            let expected = ["", "one", "two\nGrüße\n", "", "last"];
            let bytes = text.as_bytes();
            for cut in 0..=bytes.len() {
                let (head, tail) = bytes.split_at(cut);
                assert_eq!(data_of(&[head, tail]), expected, "{line_end:?} {cut}");
            }
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            assert_eq!(data_of(&single), expected, "{line_end:?}");
        }
    }

    #[test]
    fn blank_lines_are_dropped_and_an_endless_event_is_refused() {
        let mut events = Events::default();
        for _ in 0..1000 {
            events.feed(b"\n\r\r\n\n");
            assert!(events.next().unwrap().is_none());
        }
        assert!(events.blank_bytes() >= 4_999, "{}", events.blank_bytes());
        assert!(events.buffer.len() <= 1);

        let mut events = Events::default();
        let piece = [b' '; 1024];
        events.feed(b"data:");
        let fed = (0..MAX_EVENT_BYTES).take_while(|_| {
            events.feed(&piece);
            events.next().is_ok()
        });
        assert_eq!(fed.count(), MAX_EVENT_BYTES / piece.len() - 1);
    }
}
