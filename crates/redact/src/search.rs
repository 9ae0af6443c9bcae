//! The search for the next secret: in a text as it was written, and in its reading.

mod repetition;

use crate::evaluate::{Outcome, RuleSet};
use crate::reading::{Reading, may_be_seen};
use crate::scan::Candidates;
use crate::window::{LOOK_BACK_BYTES, Window};

/// Within this distance, as written, a secret of the reading is certain or taken as such.
const DECIDED_WITHIN_BYTES: u64 = 320;

/// How far in front of an escape a head or a long word may begin that reaches into it, beside the head.
const LONG_WORD_REACH_BYTES: usize = 40;

/// How far behind an escape a head may begin that only the reading shows.
const REACH_BEHIND_BYTES: usize = 2;

/// A text, or the part of it that has arrived.
pub(crate) struct Search<'a> {
    pub(crate) rules: &'a RuleSet,
    pub(crate) text: &'a [u8],
    /// Where in the whole text `text` starts.
    pub(crate) offset: u64,
    /// Where it says something else than the text.
    pub(crate) reading: Option<&'a Reading>,
    /// Where an escape may begin that is not complete, when there is no reading.
    pub(crate) open: Option<usize>,
    pub(crate) is_complete: bool,
}

/// The best of the outcomes so far.
#[derive(Default)]
struct Best {
    outcome: Outcome,
    revisit: Option<usize>,
}

impl Best {
    /// Whether the match that was found starts before this candidate.
    #[inline]
    fn is_before(&self, position: usize) -> bool {
        let found = self.outcome.found.as_ref();
        found.is_some_and(|found| position > found.start)
    }

    #[inline]
    fn add(&mut self, position: usize, outcome: Outcome) {
        if let Some(hold_from) = outcome.hold_from {
            self.outcome.wait(hold_from, outcome.held_for);
            self.revisit.get_or_insert(position);
        }
        if let Some(found) = outcome.found {
            // It may have to wait for another candidate, and is then found again.
            self.revisit.get_or_insert(position);
            self.outcome.offer(found);
        }
    }
}

/// What is found, and the first candidate that has to be asked again.
type Found = (Outcome, Option<usize>);

/// The match that starts first, where the text is its own reading. Most pieces of most texts need no more, so it is apart.
#[inline]
pub(crate) fn next_written_match(
    rules: &RuleSet,
    window: Window<'_>,
    candidates: &Candidates,
    from: usize,
) -> Found {
    let mut best = Best::default();
    let mut next = from;
    while let Some(position) = candidates.next(&rules.heads, window.bytes(), next) {
        if best.is_before(position) {
            break;
        }
        best.add(position, rules.evaluate(window, position));
        next = position + 1;
    }
    (best.outcome, best.revisit)
}

impl Search<'_> {
    /// The match that starts first, and the first candidate that has to be asked again.
    pub(crate) fn next_match(&self, candidates: &Candidates, from: usize) -> Found {
        let mut best = Best::default();
        let mut written = self.next_written(candidates, from);
        let mut read = self.next_read(candidates, self.read_from(from));
        loop {
            let read_at = read.map(|read| self.position(self.written_from(read)));
            let position = match (written, read_at) {
                (Some(written), Some(read)) => written.min(read),
                (Some(position), None) | (None, Some(position)) => position,
                (None, None) => break,
            };
            if best.is_before(position) {
                break;
            }
            let mut outcome = Outcome::default();
            if written == Some(position) {
                outcome = self.ask_written(position);
                written = self.next_written(candidates, position + 1);
            }
            if let Some(index) = read.filter(|_| read_at == Some(position)) {
                outcome = self.joined(outcome, index);
                read = self.next_read(candidates, index + 1);
            }
            best.add(position, outcome);
        }
        if let Some(open) = self.open_escape() {
            let open = open.max(from);
            best.revisit = Some(best.revisit.map_or(open, |revisit| revisit.min(open)));
        }
        if let Some(open) = self.open_character() {
            best.outcome.wait(open, None);
        }
        (best.outcome, best.revisit)
    }

    #[inline(never)]
    fn next_written(&self, candidates: &Candidates, from: usize) -> Option<usize> {
        candidates.next(&self.rules.heads, self.text, from)
    }

    /// Asks about a position of the text as written.
    fn ask_written(&self, position: usize) -> Outcome {
        let open = self.open_escape();
        if open.is_some_and(|open| position >= open) {
            // Whether it stands in an escape will show.
            let mut outcome = Outcome::default();
            outcome.wait(position, None);
            return outcome;
        }
        let written = self.offset + position as u64;
        let read = self.reading.map(|reading| reading.read_from(written));
        let next = self
            .reading
            .and_then(|reading| reading.next_escape(written))
            .map(|written| self.position(written));
        let is_near = |read| {
            self.reading
                .is_some_and(|reading| !reading.is_plain_before(read, LOOK_BACK_BYTES))
        };
        let Some(end) = next.into_iter().chain(open).min() else {
            let outcome = self.evaluate(position);
            return match read.filter(|read| is_near(*read)) {
                Some(read) if self.written_from(read) == written => self.joined(outcome, read),
                _ => outcome,
            };
        };
        if !read.is_some_and(is_near) {
            let outcome = self
                .rules
                .evaluate(Window::new(&self.text[..end], false), position);
            // What is decided before the escape is the same with it and without it.
            if outcome.hold_from.is_none() || self.reading.is_none() {
                return outcome;
            }
        }
        let outcome = self.evaluate(position);
        match read {
            Some(read) if self.written_from(read) == written => self.joined(outcome, read),
            _ => outcome,
        }
    }

    #[inline]
    fn evaluate(&self, position: usize) -> Outcome {
        self.rules
            .evaluate(Window::new(self.text, self.is_complete), position)
    }

    /// With what the reading says of the same candidate. Neither is enough while the other waits.
    fn joined(&self, mut outcome: Outcome, read: usize) -> Outcome {
        let found_at = outcome
            .found
            .as_ref()
            .map(|found| self.offset + found.start as u64);
        outcome.join(self.ask_read(read, found_at));
        if let (Some(found), Some(_)) = (&outcome.found, outcome.hold_from) {
            let start = found.start;
            outcome.wait(start, None);
        }
        outcome
    }

    /// Asks about a position of the reading. `found_at` is where the same candidate has its secret in the text
    /// as written.
    fn ask_read(&self, read: usize, found_at: Option<u64>) -> Outcome {
        let Some(reading) = self.reading else {
            let before = &self.text[..self.open.unwrap_or(self.text.len())];
            return self.rules.evaluate(Window::new(before, false), read);
        };
        let certain = reading.certain(self.is_complete);
        if read >= certain.len() {
            return Outcome::default();
        }
        let mut limit = reading.written_from(read) + DECIDED_WITHIN_BYTES;
        loop {
            let end = reading.read_from(limit).min(certain.len());
            let is_all = reading.certain_to(self.is_complete) < limit;
            let window = Window::new(&certain[..end], is_all && self.is_complete);
            let outcome = self.rules.evaluate(window, read);
            let Some(hold_from) = outcome.hold_from.filter(|_| !is_all) else {
                return self.as_written(reading, outcome);
            };
            let start = reading.written_from(hold_from);
            let next =
                found_at.map_or(start, |found_at| found_at.min(start)) + DECIDED_WITHIN_BYTES;
            if next <= limit {
                let decided = self.rules.decide(&certain[..end], read, &outcome);
                return self.as_written(reading, decided);
            }
            limit = next;
        }
    }

    /// The same outcome, by places in the text as written.
    fn as_written(&self, reading: &Reading, mut outcome: Outcome) -> Outcome {
        let certain = reading.certain(self.is_complete).len();
        outcome.hold_from = outcome.hold_from.map(|read| {
            if read >= certain {
                self.open_escape().unwrap_or(self.text.len())
            } else {
                self.position(reading.written_from(read))
            }
        });
        // What a reading shows is not left alone for that: it is not what will be read.
        outcome.found = outcome.found.filter(crate::evaluate::Match::is_secret);
        if let Some(found) = &mut outcome.found {
            found.start = self.position(reading.written_from(found.start));
            found.end = self.position(reading.written_to(found.end));
        }
        outcome
    }

    /// The next position of the reading, from `from` on, at which only the reading may have a head: near
    /// an escape, and in front of one that is not complete.
    fn next_read(&self, candidates: &Candidates, mut from: usize) -> Option<usize> {
        loop {
            let read = self.next_near_escape(from)?;
            match candidates.settled_to(self.position(self.written_from(read))) {
                Some(end) => from = self.read_from(end),
                None => return Some(read),
            }
        }
    }

    fn next_near_escape(&self, mut from: usize) -> Option<usize> {
        let open = self.open_escape();
        let (certain, seams) = match self.reading {
            Some(reading) => (reading.certain(self.is_complete), reading.seams()),
            None => (&self.text[..open?], &[][..]),
        };
        let reach = self.rules.heads.longest + LONG_WORD_REACH_BYTES;
        let first = seams.partition_point(|seam| seam.read + REACH_BEHIND_BYTES < from);
        let near = seams[first..].iter().map(|seam| seam.read);
        for seam in near.chain(open.map(|_| certain.len())) {
            let start = from.max(seam.saturating_sub(reach));
            let end = (seam + REACH_BEHIND_BYTES).min(certain.len());
            let mut positions = start..end;
            let found = positions.find(|read| self.rules.heads.may_stand_at(certain, *read));
            if found.is_some() {
                return found;
            }
            from = from.max(end);
        }
        None
    }

    fn read_from(&self, position: usize) -> usize {
        let written = self.offset + position as u64;
        self.reading
            .map_or(position, |reading| reading.read_from(written))
    }

    fn written_from(&self, read: usize) -> u64 {
        self.reading.map_or(self.offset + read as u64, |reading| {
            reading.written_from(read)
        })
    }

    fn position(&self, written: u64) -> usize {
        usize::try_from(written.saturating_sub(self.offset)).unwrap_or(self.text.len())
    }

    /// Where an escape begins that is not complete.
    fn open_escape(&self) -> Option<usize> {
        match self.reading {
            _ if self.is_complete => None,
            Some(reading) => Some(self.position(reading.open_escape()?)),
            None => self.open,
        }
    }

    /// From where on something of a secret may stand in it.
    fn open_character(&self) -> Option<usize> {
        match self.reading {
            _ if self.is_complete => None,
            Some(reading) => Some(self.position(reading.open_character()?)),
            None => {
                let open = self.open?;
                Some(open + usize::from(!may_be_seen(self.text[open])))
            }
        }
    }
}
