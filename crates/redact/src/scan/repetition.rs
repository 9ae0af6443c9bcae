//! Text that repeats a short unit, where one negative answer a unit holds for all of it.
//!
//! What the rules say of a position depends on the bytes near it and on nothing else. In a text that
//! repeats a unit, every position has the neighbourhood of the one a unit earlier; when no rule wants
//! any position of one unit, none is wanted until the neighbourhood changes. Without this, filler made
//! of a near-miss (`password: password: …`) would be judged again and again.
//!
//! Both is so of what a text says as well as of what is written: see [`Judge`].

use std::ops::Range;

use crate::window::LOOK_BACK_BYTES;

/// The longest unit that is recognised, and the longest one at the start of a large block, where it
/// is worth a longer look.
const LONGEST_UNIT_BYTES: usize = 128;
const LONGEST_UNIT_OF_BLOCK_BYTES: usize = 1024;
const LARGE_BLOCK_BYTES: usize = 16 * 1024;

/// How often a text is looked at for a unit; a shorter repetition may go unseen.
const EVERY_BYTES: usize = 4 * 1024;

/// Less than this is not worth the trouble.
const LEAST_SAVED_BYTES: usize = 1024;

/// A part of a text that repeats itself.
#[derive(Clone, Debug)]
pub(crate) struct Repetition {
    pub(crate) range: Range<usize>,
    /// After how many bytes it does.
    pub(crate) unit_bytes: usize,
}

/// How far rules look from a position in a repetition, in bytes as written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reach {
    /// From the start of the repetition on, for what is written there to be all that they look at.
    pub(crate) before: usize,
    /// The same to its end.
    pub(crate) behind: usize,
}

/// What rules say of a repetition.
pub(crate) trait Judge {
    /// How far they look in it; nothing when what it says does not repeat itself.
    fn reach(&self, repetition: &Repetition) -> Option<Reach>;

    /// Whether all of them say no at each position of a sample.
    fn is_nothing_in(&self, sample: Range<usize>) -> bool;
}

/// Adds the ranges of `text` behind `from` in which there is no candidate, in order.
pub(super) fn find(text: &[u8], from: usize, judge: &impl Judge, settled: &mut Vec<Range<usize>>) {
    settled.clear();
    let mut probe = from;
    while probe + EVERY_BYTES / 2 < text.len() {
        let longest = if probe == from && text.len() - from >= LARGE_BLOCK_BYTES {
            LONGEST_UNIT_OF_BLOCK_BYTES
        } else {
            LONGEST_UNIT_BYTES
        };
        let Some(unit_bytes) = unit_at(text, probe, longest) else {
            probe += EVERY_BYTES;
            continue;
        };
        let end = repeats_to(text, probe, unit_bytes);
        let start = repeats_from(
            text,
            probe,
            unit_bytes,
            from.saturating_sub(LOOK_BACK_BYTES),
        );
        let repetition = Repetition {
            range: start..end,
            unit_bytes,
        };
        settled.extend(settled_in(&repetition, from, judge));
        probe = end.max(probe + EVERY_BYTES);
    }
}

/// The positions behind one unit of a repetition in which there is no candidate, when there is none in that one.
fn settled_in(repetition: &Repetition, from: usize, judge: &impl Judge) -> Option<Range<usize>> {
    let Range { start, end } = repetition.range;
    if end - start < LEAST_SAVED_BYTES {
        return None;
    }
    let reach = judge.reach(repetition)?;
    let first = (start + reach.before).max(from);
    let sample = first..first + repetition.unit_bytes;
    let range = sample.end..end.saturating_sub(reach.behind);
    let is_worth_it = range.start + LEAST_SAVED_BYTES <= range.end;
    (is_worth_it && judge.is_nothing_in(sample)).then_some(range)
}

/// After how many bytes, at most `longest`, the text at `position` comes again.
fn unit_at(text: &[u8], position: usize, longest: usize) -> Option<usize> {
    let near = text.get(position..position + longest * 2)?;
    let first = near.first_chunk::<8>()?;
    // Within a unit the same eight bytes may stand more than once.
    (1..=longest).find(|unit| {
        near[*unit..].first_chunk::<8>() == Some(first)
            && near[*unit..*unit + longest] == near[..longest]
    })
}

/// The end of the text that repeats itself after `unit` bytes from `position` on.
fn repeats_to(text: &[u8], position: usize, unit: usize) -> usize {
    let (earlier, later) = (&text[position..text.len() - unit], &text[position + unit..]);
    let (earlier_blocks, later_blocks) = (earlier.as_chunks::<64>().0, later.as_chunks::<64>().0);
    let same = earlier_blocks
        .iter()
        .zip(later_blocks)
        .take_while(|(one, other)| one == other)
        .count()
        * 64;
    let rest = earlier[same..]
        .iter()
        .zip(&later[same..])
        .take_while(|(one, other)| one == other)
        .count();
    position + unit + same + rest
}

/// The start of it, not before `least`.
fn repeats_from(text: &[u8], position: usize, unit: usize, least: usize) -> usize {
    let (earlier, later) = (&text[least..position], &text[least + unit..position + unit]);
    let same = earlier
        .iter()
        .rev()
        .zip(later.iter().rev())
        .take_while(|(one, other)| one == other)
        .count();
    position - same
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::{Judge, LOOK_BACK_BYTES, Reach, Repetition, find};

    const BEHIND_BYTES: usize = 1034;

    /// Says no but where a byte stands.
    struct AllBut<'a>(&'a [u8], u8);

    impl Judge for AllBut<'_> {
        fn reach(&self, _: &Repetition) -> Option<Reach> {
            Some(Reach {
                before: LOOK_BACK_BYTES,
                behind: BEHIND_BYTES,
            })
        }

        fn is_nothing_in(&self, sample: Range<usize>) -> bool {
            !self.0[sample].contains(&self.1)
        }
    }

    #[test]
    fn only_the_inside_of_a_repetition_is_settled() {
        let lead = "what stands before it: ".repeat(8).into_bytes();
        let words: Vec<u8> = (0..1500_u32)
            .flat_map(|number| (number * 7919).to_le_bytes())
            .collect();
        let text = [&lead[..1], &words, &b"key key_".repeat(2000), &words].concat();
        let mut settled = Vec::new();
        find(&text, 0, &AllBut(&text, b'!'), &mut settled);
        let (start, end) = (1 + words.len(), 1 + words.len() + 16_000);
        assert_eq!(settled.len(), 1);
        assert!(
            settled[0].start >= start + LOOK_BACK_BYTES
                && settled[0].start <= start + 4096 + LOOK_BACK_BYTES + 8
        );
        assert!(settled[0].end == end - BEHIND_BYTES);

        find(&text, 0, &AllBut(&text, b'_'), &mut settled);
        assert!(settled.is_empty(), "one candidate a unit is enough");
    }
}
