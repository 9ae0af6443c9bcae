//! What rules say of a text that repeats itself, as it was written and as it is read.

use std::ops::Range;

use super::{DECIDED_WITHIN_BYTES, Search};
use crate::reading::LONGEST_COMMAND_BYTES;
use crate::scan::{Candidates, Judge, Reach, Repetition};
use crate::window::{LOOK_AHEAD_BYTES, LOOK_BACK_BYTES};

static EVERYWHERE: Candidates = Candidates::everywhere();

impl Judge for Search<'_> {
    /// Rules look as far in a reading as in a text, and there a unit may be shorter: each byte of the reading
    /// counts for as many as it was written with.
    fn reach(&self, repetition: &Repetition) -> Option<Reach> {
        let ahead = LOOK_AHEAD_BYTES + self.rules.heads.longest;
        let Some(reading) = self.reading else {
            return Some(Reach {
                before: LOOK_BACK_BYTES,
                behind: ahead,
            });
        };
        let Range { start, end } = repetition.range;
        // An escape from in front of the repetition may reach into it, and one at its end may go on.
        let inside = start + LONGEST_COMMAND_BYTES..end.saturating_sub(LONGEST_COMMAND_BYTES);
        let written = self.offset + inside.start as u64..self.offset + inside.end as u64;
        let unit_bytes = repetition.unit_bytes;
        let read_bytes = reading.repeated_bytes(written, unit_bytes)?;
        let as_written = |bytes: usize| match read_bytes {
            // Nothing of it is read, so rules look past it.
            0 => bytes,
            read_bytes => bytes.max((bytes / read_bytes + 1) * unit_bytes),
        };
        let decided = usize::try_from(DECIDED_WITHIN_BYTES).unwrap_or(usize::MAX);
        Some(Reach {
            before: LONGEST_COMMAND_BYTES + as_written(LOOK_BACK_BYTES),
            behind: LONGEST_COMMAND_BYTES + as_written(ahead) + 2 * decided,
        })
    }

    fn is_nothing_in(&self, sample: Range<usize>) -> bool {
        let mut written = self.next_written(&EVERYWHERE, sample.start);
        while let Some(position) = written.filter(|position| sample.contains(position)) {
            if !self.ask_written(position).is_nothing() {
                return false;
            }
            written = self.next_written(&EVERYWHERE, position + 1);
        }
        let mut read = self.next_read(&EVERYWHERE, self.read_from(sample.start));
        while let Some(index) = read {
            if self.position(self.written_from(index)) >= sample.end {
                return true;
            }
            if !self.ask_read(index, None).is_nothing() {
                return false;
            }
            read = self.next_read(&EVERYWHERE, index + 1);
        }
        true
    }
}
