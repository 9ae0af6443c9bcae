//! Payment card numbers.

use super::{Head, NeedMore, Span, Visibility, Window};
use crate::boundary::is_number_start;
use crate::bytes::{DIGIT, WORD};

const MOST_DIGITS: usize = 19;
const MOST_GROUPS: usize = 5;
const LONGEST_GROUP: usize = 7;

/// First digits of an issuer's numbers, from and to, and the lengths in use.
///
/// Source: ISO/IEC 7812 and the ranges that the networks publish, as collected in
/// <https://en.wikipedia.org/wiki/Payment_card_number>.
struct Issuer {
    from: u16,
    to: u16,
    lengths: &'static [usize],
}

const fn issuer(from: u16, to: u16, lengths: &'static [usize]) -> Issuer {
    Issuer { from, to, lengths }
}

/// By the first four digits.
const ISSUERS: [Issuer; 41] = [
    issuer(4000, 4999, &[13, 16, 19]),
    issuer(5100, 5599, &[16]),
    issuer(2221, 2720, &[16]),
    issuer(3400, 3499, &[15]),
    issuer(3700, 3799, &[15]),
    issuer(3000, 3059, &[14, 16]),
    issuer(3095, 3095, &[14, 16]),
    issuer(3600, 3699, &[14, 16]),
    issuer(3800, 3999, &[14, 16]),
    issuer(6011, 6011, &[16, 19]),
    issuer(6440, 6599, &[16, 19]),
    issuer(6200, 6299, &[14, 15, 16, 17, 18, 19]),
    issuer(3528, 3589, &[16, 17, 18, 19]),
    issuer(3088, 3094, &[16]),
    issuer(3096, 3102, &[16]),
    issuer(3112, 3120, &[16]),
    issuer(3158, 3159, &[16]),
    issuer(3337, 3349, &[16]),
    issuer(1800, 1800, &[15]),
    issuer(2131, 2131, &[15]),
    issuer(5000, 5099, &[13, 15, 16, 18, 19]),
    issuer(5600, 5899, &[13, 15, 16, 18, 19]),
    issuer(6304, 6304, &[13, 15, 16, 18, 19]),
    issuer(6390, 6390, &[16, 18, 19]),
    issuer(6759, 6759, &[13, 15, 16, 18, 19]),
    issuer(6761, 6763, &[13, 15, 16, 18, 19]),
    issuer(6767, 6767, &[16, 18, 19]),
    issuer(6771, 6771, &[16]),
    issuer(6703, 6709, &[16, 17, 18, 19]),
    issuer(6333, 6334, &[16, 18, 19]),
    issuer(6331, 6331, &[16, 18, 19]),
    issuer(6370, 6389, &[16]),
    issuer(6360, 6363, &[16, 17, 18, 19]),
    issuer(6062, 6062, &[16]),
    issuer(6069, 6085, &[16]),
    issuer(6521, 6522, &[16]),
    issuer(2200, 2204, &[16, 17, 18, 19]),
    issuer(9792, 9792, &[16]),
    issuer(8600, 8600, &[16]),
    issuer(9860, 9860, &[16]),
    issuer(1200, 1299, &[15]),
];

/// A bit for each four digits that an issuer's numbers start with.
static ISSUED: [u64; 157] = issued();

const fn issued() -> [u64; 157] {
    let mut bits = [0; 157];
    let mut index = 0;
    while index < ISSUERS.len() {
        let mut leading = ISSUERS[index].from;
        while leading <= ISSUERS[index].to {
            bits[(leading / 64) as usize] |= 1 << (leading % 64);
            leading += 1;
        }
        index += 1;
    }
    bits
}

/// How the digits of a printed number are grouped.
const GROUPINGS: [&[usize]; 10] = [
    &[4, 4, 4, 4],
    &[4, 6, 5],
    &[4, 6, 4],
    &[4, 4, 4, 4, 3],
    &[4, 4, 4, 4, 2],
    &[4, 4, 4, 4, 1],
    &[4, 3, 3, 3],
    &[4, 4, 5],
    &[4, 4, 4, 3],
    &[4, 4, 4, 2],
];

/// UATP numbers share their first digits with too many counters: they need the word next to them.
const NEEDS_CONTEXT: [Issuer; 1] = [issuer(1200, 1299, &[15])];
const CONTEXT: [&[u8]; 5] = [b"pan", b"card", b"karte", b"carte", b"cc"];
/// Numbers of thirteen digits that start with 4 are also German and Japanese article numbers.
const OTHER_NUMBERS: [&[u8]; 5] = [b"ean", b"isbn", b"gtin", b"barcode", b"upc"];

pub(super) fn heads(rule: usize) -> Vec<Head> {
    let mut pairs: Vec<u16> = ISSUERS
        .iter()
        .flat_map(|issuer| issuer.from / 100..=issuer.to / 100)
        .collect();
    pairs.sort_unstable();
    pairs.dedup();
    let heads = pairs.into_iter().map(|pair| Head {
        literal: format!("{pair:02}").into_bytes(),
        ignoring_case: Vec::new(),
        rule,
        is_secret: true,
        starts_token: true,
        visibility: Visibility::LongWord,
        digits: None,
        followed_by: DIGIT,
    });
    heads.collect()
}

/// Judges a number: issuer, length, grouping, Luhn. The issuer comes first, because it rules out
/// nearly every other number after four digits.
pub(super) fn judge(window: Window<'_>, start: usize) -> Result<Option<Span>, NeedMore> {
    if !is_number_start(window, start) {
        return Ok(None);
    }
    let mut number = Number {
        digits: [0; MOST_DIGITS],
        count: 0,
    };
    let first = number.take_group(window, start, 4)?;
    let leading = number.digits[..4]
        .iter()
        .fold(0_u16, |value, digit| value * 10 + u16::from(*digit));
    if number.count < 4 || ISSUED[usize::from(leading / 64)] >> (leading % 64) & 1 == 0 {
        return Ok(None);
    }
    let is_issuer = |issuer: &&Issuer| (issuer.from..=issuer.to).contains(&leading);
    let separator = window.at(first)?;
    let is_grouped = matches!(separator, Some(b' ' | b'-'));
    let end = match separator {
        Some(separator @ (b' ' | b'-')) => {
            grouped_end(window, start, first, separator, &mut number)?
        }
        Some(byte) if DIGIT.has(byte) => compact_end(window, first, &mut number)?,
        _ => None,
    };
    let Some(end) = end else {
        return Ok(None);
    };
    let has_length = ISSUERS
        .iter()
        .filter(is_issuer)
        .any(|issuer| issuer.lengths.contains(&number.count));
    let needs_context = NEEDS_CONTEXT.iter().any(|issuer| is_issuer(&issuer));
    let is_card = has_length
        && (is_grouped || number.passes_luhn())
        && (!needs_context || follows(window, start, &CONTEXT))
        && (number.count != 13 || !follows(window, start, &OTHER_NUMBERS));
    Ok(is_card.then(|| Span::closed(start, end)))
}

fn follows(window: Window<'_>, start: usize, words: &[&[u8]]) -> bool {
    let before = window.before(start);
    let near = before[before.len().saturating_sub(24)..].to_ascii_lowercase();
    words
        .iter()
        .any(|word| near.windows(word.len()).any(|part| part == *word))
}

fn compact_end(
    window: Window<'_>,
    from: usize,
    number: &mut Number,
) -> Result<Option<usize>, NeedMore> {
    let end = number.take_group(window, from, MOST_DIGITS - 4)?;
    Ok(is_right_end(window, end)?.then_some(end))
}

/// The first grouping that fits and passes; a number behind the card may look like a group of it.
fn grouped_end(
    window: Window<'_>,
    start: usize,
    first: usize,
    separator: u8,
    number: &mut Number,
) -> Result<Option<usize>, NeedMore> {
    if !has_digits_around_space(window, start, separator) {
        return Ok(None);
    }
    let (mut lengths, mut ends) = ([4; MOST_GROUPS], [first; MOST_GROUPS]);
    let mut count = 1;
    while count < MOST_GROUPS && window.at(ends[count - 1])? == Some(separator) {
        let group = ends[count - 1] + 1;
        ends[count] = number.take_group(window, group, LONGEST_GROUP)?;
        lengths[count] = ends[count] - group;
        if lengths[count] == 0 {
            break;
        }
        count += 1;
    }
    for grouping in GROUPINGS
        .iter()
        .filter(|grouping| lengths[..count].starts_with(grouping))
    {
        let end = ends[grouping.len() - 1];
        number.count = grouping.iter().sum();
        if number.passes_luhn() && is_right_end(window, end)? {
            return Ok(Some(end));
        }
    }
    Ok(None)
}

/// What the block passes look for; without it a number would be found in short pieces only.
fn has_digits_around_space(window: Window<'_>, start: usize, separator: u8) -> bool {
    separator == b'-' || window.slice(start + 4, start + 5) == b" "
}

fn is_right_end(window: Window<'_>, end: usize) -> Result<bool, NeedMore> {
    match window.at(end)? {
        Some(byte) if WORD.has(byte) => Ok(false),
        Some(b'.' | b',') => Ok(!window.at(end + 1)?.is_some_and(|byte| DIGIT.has(byte))),
        _ => Ok(true),
    }
}

struct Number {
    digits: [u8; MOST_DIGITS],
    count: usize,
}

impl Number {
    /// Takes at most `limit` digits and returns where they end.
    fn take_group(
        &mut self,
        window: Window<'_>,
        start: usize,
        limit: usize,
    ) -> Result<usize, NeedMore> {
        let room = limit.min(MOST_DIGITS - self.count);
        let end = window.run_end(start, DIGIT, room)?;
        for byte in window.slice(start, end) {
            self.digits[self.count] = byte - b'0';
            self.count += 1;
        }
        Ok(end)
    }

    /// Source: ISO/IEC 7812-1, annex B.
    fn passes_luhn(&self) -> bool {
        let doubled = |digit: u8| if digit > 4 { digit * 2 - 9 } else { digit * 2 };
        let digits = self.digits[..self.count].iter().rev().enumerate();
        let sum: u32 = digits
            .map(|(index, digit)| {
                u32::from(if index % 2 == 1 {
                    doubled(*digit)
                } else {
                    *digit
                })
            })
            .sum();
        sum.is_multiple_of(10)
    }
}
