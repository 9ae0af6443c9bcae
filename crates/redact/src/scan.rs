//! Where in a text it is worth asking a rule.
//!
//! A candidate is a position where a rule's head stands: an anchor, a stem, the first digits of a
//! number. Two passes over a block mark candidates in a bitmap:
//!
//! - tokens with a published prefix are long words, and numbers in groups show as `digit, space,
//!   digit`: [`byte_classes`] and [`long_words`] find both with shifts of bitmaps, 64 bytes a word;
//! - what is short or starts with punctuation (`pass`, `://`) goes through SIMD literal search.
//!
//! The passes may only leave out positions at which every rule would say no; the last bytes of an
//! unfinished text and short pieces are asked about directly.

mod byte_classes;
mod heads;
mod literals;
mod long_words;
mod repetition;

use std::ops::Range;

use byte_classes::ByteClasses;
pub(crate) use heads::{FirstByte, Head, Heads, Visibility};
use literals::Literals;
pub(crate) use long_words::{BEFORE_LONG_WORD, LONG_WORD_BYTES};
pub(crate) use repetition::{Judge, Reach, Repetition};

/// Behind how many bytes a long word may start in a token that [`long_words`] has to see.
pub(crate) const BEFORE_LONG_WORD_BYTES: usize = 14;

/// Pieces shorter than this are asked about byte by byte.
const WORTH_A_PASS_BYTES: usize = 192;

/// The tail of an unfinished text in which a long word may not be long yet.
const TAIL_BYTES: usize = 64;

/// What the passes look for, compiled from the heads of all rules.
#[derive(Debug)]
pub(crate) struct Finder {
    literals: Literals,
}

/// The candidates of one block.
#[derive(Debug, Default)]
pub(crate) struct Candidates {
    bits: Vec<u64>,
    classes: ByteClasses,
    /// From here on there are no bits; every position is a candidate when a head may stand there.
    direct_from: usize,
    /// Where there is none.
    settled: Vec<Range<usize>>,
}

impl Finder {
    pub(crate) fn new(heads: &Heads) -> Self {
        Self {
            literals: Literals::new(heads.fragments()),
        }
    }

    /// Whether so few bytes are asked about one by one.
    #[inline]
    pub(crate) fn is_asked_directly(heads: &Heads, bytes: usize) -> bool {
        bytes < WORTH_A_PASS_BYTES || !heads.are_visible
    }

    /// Marks the candidates of `text` from `from` on.
    pub(crate) fn mark(
        &self,
        heads: &Heads,
        text: &[u8],
        from: usize,
        judge: &impl Judge,
        candidates: &mut Candidates,
    ) {
        let to = text.len() - TAIL_BYTES;
        candidates.direct_from = to;
        candidates.bits.clear();
        candidates.bits.resize(text.len() / 64 + 1, 0);
        candidates.classes.classify(text);
        repetition::find(text, from, judge, &mut candidates.settled);
        let mut start = from;
        for settled in &candidates.settled {
            self.mark_range(
                heads,
                text,
                start..settled.start,
                &candidates.classes,
                &mut candidates.bits,
            );
            start = settled.end;
        }
        self.mark_range(
            heads,
            text,
            start..text.len(),
            &candidates.classes,
            &mut candidates.bits,
        );
        for settled in &candidates.settled {
            clear_bits(&mut candidates.bits, settled);
        }
    }

    fn mark_range(
        &self,
        heads: &Heads,
        text: &[u8],
        range: Range<usize>,
        classes: &ByteClasses,
        bits: &mut [u64],
    ) {
        long_words::mark(heads, text, range.clone(), classes, bits);
        self.literals.mark(text, range, bits);
    }
}

impl Candidates {
    /// From a position on, each at which a head may stand.
    #[inline]
    pub(crate) fn ask_from(&mut self, position: usize) {
        self.direct_from = position;
        self.settled.clear();
    }

    /// Every position at which a head may stand.
    pub(crate) const fn everywhere() -> Self {
        Self {
            bits: Vec::new(),
            classes: ByteClasses::new(),
            direct_from: 0,
            settled: Vec::new(),
        }
    }

    /// The end of the range without a candidate in which a position is, if it is in one.
    pub(crate) fn settled_to(&self, position: usize) -> Option<usize> {
        let range = self.settled.iter().find(|range| range.contains(&position));
        range.map(|range| range.end)
    }

    /// The first candidate at `from` or behind it.
    #[inline]
    pub(crate) fn next(&self, heads: &Heads, text: &[u8], from: usize) -> Option<usize> {
        if from < self.direct_from
            && let Some(position) = self.next_bit(from)
        {
            return Some(position);
        }
        (from.max(self.direct_from)..text.len())
            .find(|position| heads.may_stand_at(text, *position))
    }

    fn next_bit(&self, from: usize) -> Option<usize> {
        let mut index = from / 64;
        let last = (self.direct_from - 1) / 64;
        let mut word = self.bits.get(index)? & (u64::MAX << (from % 64));
        loop {
            if word != 0 {
                let position = index * 64 + word.trailing_zeros() as usize;
                return (position < self.direct_from).then_some(position);
            }
            if index >= last {
                return None;
            }
            index += 1;
            word = *self.bits.get(index)?;
        }
    }
}

#[inline]
fn set_bit(bits: &mut [u64], position: usize) {
    if let Some(word) = bits.get_mut(position / 64) {
        *word |= 1 << (position % 64);
    }
}

fn clear_bits(bits: &mut [u64], range: &Range<usize>) {
    for index in range.start / 64..=range.end / 64 {
        let Some(word) = bits.get_mut(index) else {
            return;
        };
        let before = ones_from(range.start.saturating_sub(index * 64));
        let behind = ones_from(range.end - index * 64);
        *word &= !before | behind;
    }
}

/// The bits from `bit` on, of which there may be none.
fn ones_from(bit: usize) -> u64 {
    if bit < 64 { u64::MAX << bit } else { 0 }
}
