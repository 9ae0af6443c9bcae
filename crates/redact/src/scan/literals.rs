//! SIMD search for short literals.

use std::ops::Range;

use aho_corasick::packed::{Config, MatchKind, Searcher};
use aho_corasick::{AhoCorasick, Span};

use super::heads::FRAGMENT_BYTES;
use super::set_bit;

/// From this length on, the SIMD search compares as much of a literal as it ever does.
const LONG_BYTES: usize = 4;

/// The most literals that one SIMD searcher takes.
const LONG_PER_SEARCHER: usize = 32;

/// Short literals find too much by accident when many of them are searched for together.
const SHORT_PER_SEARCHER: usize = 16;

/// The literals, in groups that the SIMD search can take.
#[derive(Debug)]
pub(super) struct Literals {
    groups: Vec<Group>,
}

#[derive(Debug)]
enum Group {
    Packed(Searcher),
    /// Where the processor or the literals do not allow SIMD search.
    Automaton(AhoCorasick),
}

impl Literals {
    /// Literals that start with another one are left out: the shorter one finds them too.
    pub(super) fn new(mut literals: Vec<Vec<u8>>) -> Self {
        literals.sort();
        literals.dedup_by(|later, earlier| later.starts_with(earlier));
        // Short literals apart: the shortest one of a group decides how well it filters.
        let (long, short): (Vec<_>, Vec<_>) = literals
            .into_iter()
            .partition(|literal| literal.len() >= LONG_BYTES);
        let groups = long
            .chunks(LONG_PER_SEARCHER)
            .chain(short.chunks(SHORT_PER_SEARCHER))
            .filter_map(Group::new)
            .collect();
        Self { groups }
    }

    /// Marks every position at which a literal starts, also where two of them overlap.
    pub(super) fn mark(&self, text: &[u8], range: Range<usize>, bits: &mut [u64]) {
        // A literal at the end of the range may reach beyond it.
        let text = &text[..text.len().min(range.end + FRAGMENT_BYTES)];
        for group in &self.groups {
            let mut next = range.start;
            while let Some(position) = group.find(text, next) {
                set_bit(bits, position);
                next = position + 1;
            }
        }
    }
}

impl Group {
    fn new(literals: &[Vec<u8>]) -> Option<Self> {
        let mut builder = Config::new().match_kind(MatchKind::LeftmostFirst).builder();
        builder.extend(literals);
        builder
            .build()
            .map(Self::Packed)
            .or_else(|| AhoCorasick::new(literals).ok().map(Self::Automaton))
    }

    fn find(&self, text: &[u8], from: usize) -> Option<usize> {
        match self {
            Self::Packed(searcher) => searcher
                .find_in(
                    text,
                    Span {
                        start: from,
                        end: text.len(),
                    },
                )
                .map(|found| found.start()),
            Self::Automaton(automaton) => automaton
                .find(aho_corasick::Input::new(text).span(from..text.len()))
                .map(|found| found.start()),
        }
    }
}
