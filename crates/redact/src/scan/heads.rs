//! The literals that rules start with, and a table that finds them by two bytes.

use crate::boundary::is_token_start;
use crate::bytes::ByteSet;
use crate::rules::DigitRun;
use crate::window::{NeedMore, Window};

/// How much of a literal the SIMD search looks for.
pub(super) const FRAGMENT_BYTES: usize = 8;

/// Kinds of bytes, a bit each: close enough to tell most words from most heads.
static KINDS: [u8; 256] = kinds();

const fn kinds() -> [u8; 256] {
    let mut kinds = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        kinds[byte] = match byte {
            0x30..=0x39 => 1,
            0x41..=0x4d => 2,
            0x4e..=0x5a => 4,
            0x61..=0x66 => 8,
            0x67..=0x6d => 16,
            0x6e..=0x73 => 32,
            0x74..=0x7a => 64,
            _ => 128,
        };
        byte += 1;
    }
    kinds
}

/// How the block passes see a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Visibility {
    /// By the long word in or behind it, or by the group of digits.
    LongWord,
    /// By its own bytes.
    Literal,
    /// By none of them: while such a head is in use, every byte is asked about.
    Direct,
}

/// What a rule starts with.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    /// At least two bytes.
    pub(crate) literal: Vec<u8>,
    /// What follows, in any case of letters.
    pub(crate) ignoring_case: Vec<u8>,
    pub(crate) rule: usize,
    /// Whether the secret starts with the head, so that half of it must not leave.
    pub(crate) is_secret: bool,
    /// Whether the head stands at the start of a token only.
    pub(crate) starts_token: bool,
    pub(crate) visibility: Visibility,
    /// The hexadecimal digits that must stand here for the rule to have anything to say.
    pub(crate) digits: Option<DigitRun>,
    /// What may stand behind the literal and the letters in any case.
    pub(crate) followed_by: ByteSet,
}

/// What heads start with a byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FirstByte {
    #[default]
    None,
    /// Only such that are no part of a secret.
    Context,
    /// At least one that is the start of a secret.
    Secret,
}

/// All heads, by their first two bytes.
#[derive(Debug)]
pub(crate) struct Heads {
    /// For each pair of bytes the bucket, 0 for none.
    buckets_by_pair: Vec<u16>,
    buckets: Vec<Vec<Head>>,
    /// Of heads that may stand inside a word, and of those that may not.
    first_bytes: [[FirstByte; 2]; 256],
    /// Length of the longest head.
    pub(crate) longest: usize,
    /// Whether the block passes see all heads.
    pub(crate) are_visible: bool,
    /// For each pair the kinds of third bytes, of heads that are found by long words.
    thirds_of_long_words: Vec<u8>,
    /// The same of all heads.
    thirds: Vec<u8>,
    /// Pairs of heads that may stand inside a word.
    pairs_anywhere: Vec<u64>,
}

impl Heads {
    pub(crate) fn new(heads: Vec<Head>) -> Self {
        let mut table = Self {
            buckets_by_pair: vec![0; 1 << 16],
            buckets: vec![Vec::new()],
            first_bytes: [[FirstByte::None; 2]; 256],
            longest: 0,
            are_visible: true,
            thirds_of_long_words: vec![0; 1 << 16],
            thirds: vec![0; 1 << 16],
            pairs_anywhere: vec![0; (1 << 16) / 64],
        };
        for head in heads {
            table.add(head);
        }
        table
    }

    fn add(&mut self, head: Head) {
        let [first, second, ..] = head.literal[..] else {
            return;
        };
        let pair = pair_index(first, second);
        let of_byte = &mut self.first_bytes[usize::from(first)][usize::from(head.starts_token)];
        *of_byte = (*of_byte).max(if head.is_secret {
            FirstByte::Secret
        } else {
            FirstByte::Context
        });
        self.longest = self.longest.max(head.len());
        self.are_visible &= head.visibility != Visibility::Direct;
        let kinds = head.kinds_of_third();
        self.thirds[pair] |= kinds;
        if head.visibility == Visibility::LongWord {
            self.thirds_of_long_words[pair] |= kinds;
        }
        if !head.starts_token {
            self.pairs_anywhere[pair / 64] |= 1 << (pair % 64);
        }
        let bucket = usize::from(self.buckets_by_pair[pair]);
        if bucket == 0 {
            self.buckets_by_pair[pair] = u16::try_from(self.buckets.len()).unwrap_or(0);
            self.buckets.push(vec![head]);
        } else {
            self.buckets[bucket].push(head);
        }
    }

    /// The literals that the block passes have to search for.
    pub(crate) fn fragments(&self) -> Vec<Vec<u8>> {
        let all = self.buckets.iter().flatten();
        let literals = all.filter(|head| head.visibility == Visibility::Literal);
        literals.flat_map(Head::fragments).collect()
    }

    /// Whether any head may stand at `position`, as far as three bytes and the start of a token tell.
    #[inline]
    pub(crate) fn may_stand_at(&self, text: &[u8], position: usize) -> bool {
        match text[position..] {
            [first, second, third, ..] => {
                let pair = pair_index(first, second);
                self.thirds[pair] & KINDS[usize::from(third)] != 0
                    && (has_bit(&self.pairs_anywhere, pair) || is_start(text, position))
            }
            [first, second] => self.thirds[pair_index(first, second)] != 0,
            [first] => self.first_bytes[usize::from(first)] != [FirstByte::None; 2],
            [] => false,
        }
    }

    /// The same for heads that are found by long words.
    #[inline]
    pub(crate) fn token_may_stand_at(&self, text: &[u8], position: usize) -> bool {
        let Some([first, second, third]) = text.get(position..).and_then(<[u8]>::first_chunk::<3>)
        else {
            return false;
        };
        self.thirds_of_long_words[pair_index(*first, *second)] & KINDS[usize::from(*third)] != 0
    }

    /// The heads whose first two bytes stand at `position`.
    #[inline]
    pub(crate) fn of_pair(&self, first: u8, second: u8) -> &[Head] {
        &self.buckets[usize::from(self.buckets_by_pair[pair_index(first, second)])]
    }

    /// What the last byte of an unfinished text may start.
    #[inline]
    pub(crate) fn start_with(&self, first: u8, is_start: bool) -> FirstByte {
        let [inside, at_start] = self.first_bytes[usize::from(first)];
        if is_start {
            at_start.max(inside)
        } else {
            inside
        }
    }
}

impl Head {
    /// Whether this head stands at `position`, where a token starts or not.
    #[inline]
    pub(crate) fn stands_at(&self, window: Window<'_>, position: usize) -> Result<bool, NeedMore> {
        // The pair of its first two bytes led here; the third one rules out most heads of a bucket.
        if let (Some(third), Some(found)) = (self.literal.get(2), window.bytes().get(position + 2))
            && third != found
        {
            return Ok(false);
        }
        Ok(
            (self.literal.len() == 2 || window.starts_with(position + 2, &self.literal[2..])?)
                && (self.ignoring_case.is_empty()
                    || window.starts_with_ignoring_case(
                        position + self.literal.len(),
                        &self.ignoring_case,
                    )?),
        )
    }

    /// What the SIMD search looks for. Two bytes would find too much: a third one is added.
    fn fragments(&self) -> Vec<Vec<u8>> {
        let literal = &self.literal[..self.literal.len().min(FRAGMENT_BYTES)];
        if literal.len() > 2 {
            return vec![literal.to_vec()];
        }
        let thirds = (0..=u8::MAX).filter(|byte| self.followed_by.has(*byte));
        thirds.map(|third| [literal, &[third]].concat()).collect()
    }

    /// The kinds of bytes that may stand third.
    fn kinds_of_third(&self) -> u8 {
        let third = self.literal.get(2).or_else(|| self.ignoring_case.first());
        match third {
            Some(byte) if self.literal.len() < 3 => {
                KINDS[usize::from(*byte)] | KINDS[usize::from(byte.to_ascii_uppercase())]
            }
            Some(byte) => KINDS[usize::from(*byte)],
            None => (0..=u8::MAX)
                .filter(|byte| self.followed_by.has(*byte))
                .fold(0, |kinds, byte| kinds | KINDS[usize::from(byte)]),
        }
    }

    /// Length of the whole head in bytes.
    pub(crate) fn len(&self) -> usize {
        self.literal.len() + self.ignoring_case.len()
    }
}

fn pair_index(first: u8, second: u8) -> usize {
    usize::from(first) << 8 | usize::from(second)
}

#[inline]
fn has_bit(bits: &[u64], index: usize) -> bool {
    bits[index / 64] >> (index % 64) & 1 == 1
}

#[inline]
fn is_start(text: &[u8], position: usize) -> bool {
    is_token_start(Window::new(text, false), position)
}
