//! Where tokens and numbers may start: in and right before long words, and around groups of digits.

use std::ops::Range;

use super::byte_classes::ByteClasses;
use super::{BEFORE_LONG_WORD_BYTES, Heads, set_bit};
use crate::boundary::is_token_start;
use crate::bytes::{ByteSet, WORD};
use crate::window::Window;

/// How long a word of `A-Z a-z 0-9 _ -` must be to be looked into.
pub(crate) const LONG_WORD_BYTES: usize = 13;

/// What may stand between the start of a token and the long word in it: `SG.`, `1//0`.
pub(crate) const BEFORE_LONG_WORD: ByteSet = ByteSet::of(b".:|/");

/// How far into a long word an escape in front of a token may reach (`u0022`, `200m`).
const ESCAPE_BYTES: usize = 7;

static IN_WORD: [bool; 256] = WORD.with(b'-').table();

/// How far before the first `digit, space, digit` a number in groups may start.
const BEFORE_GROUP_BYTES: usize = 20;

/// Marks the positions at which a head that is found this way may stand.
///
/// Numbers in groups with dashes are long words; those with spaces show as `digit, space, digit`.
pub(super) fn mark(
    heads: &Heads,
    text: &[u8],
    range: Range<usize>,
    classes: &ByteClasses,
    bits: &mut [u64],
) {
    let words = &classes.words;
    mark_rest_of_word(heads, text, range.start, bits);
    let mut marked_to = 0;
    for index in range.start / 64..words.len().min(range.end / 64 + 1) {
        let long = long_words_at(words, index);
        let mut starts = long & !shifted_up(words, index, 1);
        while starts != 0 {
            mark_word(
                heads,
                text,
                index * 64 + starts.trailing_zeros() as usize,
                bits,
            );
            starts &= starts - 1;
        }
        let mut groups = classes.digits[index]
            & shifted_down(&classes.spaces, index, 1)
            & shifted_down(&classes.digits, index, 2);
        while groups != 0 {
            let group = index * 64 + groups.trailing_zeros() as usize;
            for position in group.saturating_sub(BEFORE_GROUP_BYTES).max(marked_to)..=group {
                if heads.token_may_stand_at(text, position)
                    && is_token_start(Window::new(text, false), position)
                {
                    set_bit(bits, position);
                }
            }
            marked_to = group + 1;
            groups &= groups - 1;
        }
    }
}

/// A token starts with a long word, a few bytes before it, behind an escape at its start, or behind a dash in it.
fn mark_word(heads: &Heads, text: &[u8], start: usize, bits: &mut [u64]) {
    if heads.token_may_stand_at(text, start) {
        set_bit(bits, start);
    }
    if let Some(before) = start.checked_sub(1).map(|previous| text[previous]) {
        if BEFORE_LONG_WORD.has(before) {
            mark_all(
                heads,
                text,
                start.saturating_sub(BEFORE_LONG_WORD_BYTES)..start,
                bits,
            );
        }
        if matches!(before, b'\\' | b'%' | b'[' | b';') {
            mark_all(heads, text, start + 1..start + ESCAPE_BYTES + 1, bits);
        }
    }
    mark_behind_dashes(heads, text, start, bits);
}

/// The word in which a search starts has its start behind it.
fn mark_rest_of_word(heads: &Heads, text: &[u8], from: usize, bits: &mut [u64]) {
    let is_inside = from
        .checked_sub(1)
        .is_some_and(|previous| IN_WORD[usize::from(text[previous])]);
    if is_inside {
        mark_all(heads, text, from..from + ESCAPE_BYTES + 1, bits);
        mark_behind_dashes(heads, text, from, bits);
    }
}

fn mark_behind_dashes(heads: &Heads, text: &[u8], start: usize, bits: &mut [u64]) {
    for (offset, byte) in text[start..].iter().enumerate() {
        if *byte == b'-' && heads.token_may_stand_at(text, start + offset + 1) {
            set_bit(bits, start + offset + 1);
        }
        if !IN_WORD[usize::from(*byte)] {
            break;
        }
    }
}

fn mark_all(heads: &Heads, text: &[u8], positions: std::ops::Range<usize>, bits: &mut [u64]) {
    for position in positions {
        if heads.token_may_stand_at(text, position) {
            set_bit(bits, position);
        }
    }
}

/// The bits at which [`LONG_WORD_BYTES`] bytes of a word follow, the own one included.
fn long_words_at(words: &[u64], index: usize) -> u64 {
    let two =
        u128::from(words[index]) | u128::from(words.get(index + 1).copied().unwrap_or(0)) << 64;
    let two_in_a_row = two & two >> 1;
    let four = two_in_a_row & two_in_a_row >> 2;
    let eight = four & four >> 4;
    low(eight & eight >> (LONG_WORD_BYTES - 8))
}

/// One word of the bitmap with each bit moved to higher positions.
fn shifted_up(bits: &[u64], index: usize, by: usize) -> u64 {
    let carry = if index > 0 {
        bits[index - 1] >> (64 - by)
    } else {
        0
    };
    bits[index] << by | carry
}

/// One word of the bitmap with each bit moved to lower positions.
fn shifted_down(bits: &[u64], index: usize, by: usize) -> u64 {
    let carry = bits.get(index + 1).map_or(0, |next| next << (64 - by));
    bits[index] >> by | carry
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the low half is what is wanted"
)]
fn low(bits: u128) -> u64 {
    bits as u64
}

#[cfg(test)]
mod tests {
    use super::long_words_at;

    #[test]
    fn long_words_are_those_of_thirteen_bytes() {
        assert_eq!(long_words_at(&[0x1fff << 5, 0], 0), 1 << 5);
        assert_eq!(long_words_at(&[0xfff << 5, 0], 0), 0);
        assert_eq!(long_words_at(&[0xff << 56, 0x1f], 0), 1 << 56);
    }
}
