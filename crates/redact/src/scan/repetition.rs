//! Text that repeats a short unit, where one negative answer a unit holds for all of it.
//!
//! What the rules say of a position depends on the bytes near it and on nothing else. In a text that
//! repeats a unit, every position has the neighbourhood of the one a unit earlier; when no rule wants
//! any position of one unit, none is wanted until the neighbourhood changes. Without this, filler made
//! of a near-miss (`password: password: …`) would be judged again and again.

use std::ops::Range;

use crate::window::{LOOK_AHEAD_BYTES, LOOK_BACK_BYTES};

/// The longest unit that is recognised, and the longest one at the start of a large block, where it
/// is worth a longer look.
const LONGEST_UNIT_BYTES: usize = 128;
const LONGEST_UNIT_OF_BLOCK_BYTES: usize = 1024;
const LARGE_BLOCK_BYTES: usize = 16 * 1024;

/// How often a text is looked at for a unit; a shorter repetition may go unseen.
const EVERY_BYTES: usize = 4 * 1024;

/// Less than this is not worth the trouble.
const LEAST_SAVED_BYTES: usize = 1024;

/// Adds the ranges of `text` behind `from` in which there is no candidate, in order.
///
/// `is_nothing` says of a repetition whether all rules say no in a sample of it, by all that they look at; it
/// is asked where the answer does not depend on what comes behind `text`. `longest_head` is added to how far
/// rules look ahead.
pub(super) fn find(
    text: &[u8],
    from: usize,
    longest_head: usize,
    is_nothing: impl Fn(Range<usize>, Range<usize>) -> bool,
    settled: &mut Vec<Range<usize>>,
) {
    settled.clear();
    let mut probe = from;
    while probe + EVERY_BYTES / 2 < text.len() {
        let longest = if probe == from && text.len() - from >= LARGE_BLOCK_BYTES {
            LONGEST_UNIT_OF_BLOCK_BYTES
        } else {
            LONGEST_UNIT_BYTES
        };
        let Some(unit) = unit_at(text, probe, longest) else {
            probe += EVERY_BYTES;
            continue;
        };
        let end = repeats_to(text, probe, unit);
        let start = repeats_from(text, probe, unit, from.saturating_sub(LOOK_BACK_BYTES));
        let sample =
            (start + LOOK_BACK_BYTES).max(from)..(start + LOOK_BACK_BYTES).max(from) + unit;
        let range = sample.end..end.saturating_sub(LOOK_AHEAD_BYTES + longest_head);
        if range.len() >= LEAST_SAVED_BYTES
            && range.start < range.end
            && is_nothing(start..end, sample)
        {
            settled.push(range);
        }
        probe = end.max(probe + EVERY_BYTES);
    }
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
    use super::{LOOK_AHEAD_BYTES, LOOK_BACK_BYTES, find};

    #[test]
    fn only_the_inside_of_a_repetition_is_settled() {
        let lead = "what stands before it: ".repeat(8).into_bytes();
        let words: Vec<u8> = (0..1500_u32)
            .flat_map(|number| (number * 7919).to_le_bytes())
            .collect();
        let text = [&lead[..1], &words, &b"key key_".repeat(2000), &words].concat();
        let mut settled = Vec::new();
        find(&text, 0, 10, |_, _| true, &mut settled);
        let (start, end) = (1 + words.len(), 1 + words.len() + 16_000);
        assert_eq!(settled.len(), 1);
        assert!(
            settled[0].start >= start + LOOK_BACK_BYTES
                && settled[0].start <= start + 4096 + LOOK_BACK_BYTES + 8
        );
        assert!(settled[0].end == end - LOOK_AHEAD_BYTES - 10);

        find(
            &text,
            0,
            10,
            |_, sample| !text[sample].contains(&b'_'),
            &mut settled,
        );
        assert!(settled.is_empty(), "one candidate a unit is enough");
    }
}
