//! One escape: `\u0041`, `\/`, `%41`, `&quot;`, a colour code, a character that is not to be seen.

use super::character::{self, Reading};
use super::entity;

/// What an escape has come to by its last byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// More may follow.
    Open,
    /// It is none.
    None,
    /// It is complete and stands for a byte of UTF-8,
    Byte(u8),
    /// for a character,
    Character(char),
    /// or for nothing.
    Nothing,
}

/// Backslashes in front of one escape: one, and what each level of quoting adds.
pub(super) const MOST_BACKSLASHES: usize = 8;

const MOST_PARAMETERS_BYTES: usize = 24;

/// Of a numbered character reference.
const MOST_DIGITS: usize = 7;

/// Longer than the longest name of a character.
const LONGEST_NAME_BYTES: usize = 20;

/// Whether an escape may begin with the byte.
pub(super) const fn may_begin(byte: u8) -> bool {
    matches!(byte, b'\\' | b'%' | b'&' | b'[' | b'^' | 0x1b) || character::may_begin(byte)
}

/// Whether an escape that begins with the first byte may go on with the second.
pub(super) const fn may_begin_with(first: u8, second: u8) -> bool {
    match first {
        b'\\' => matches!(
            second,
            b'u' | b'U' | b'x' | b'/' | b'0'..=b'3' | b'e' | b'E'
        ),
        b'%' => second.is_ascii_hexdigit() || second == b'u',
        b'&' => second.is_ascii_alphabetic() || second == b'#',
        b'[' => second.is_ascii_digit(),
        b'^' => second == b'[',
        0x1b => true,
        _ => character::may_begin_with(first, second),
    }
}

/// Whether an escape with this first byte stands for a character that may be seen. Nothing of a secret can
/// start with any other.
pub(super) const fn may_be_seen(first: u8) -> bool {
    matches!(first, b'\\' | b'%' | b'&' | 0xef)
}

/// What a whole escape of a common kind stands for, and how long it is, when the text begins with one.
///
/// It says the same as [`progress`] of one byte more each time: what is no escape yet is one that is open.
pub(super) fn whole(text: &[u8]) -> Option<(Progress, usize)> {
    let length = match text {
        [b'%' | b'\\', b'u', ..] => 6,
        [b'%', ..] => 3,
        [b'\\', b'/', ..] | [0xc2, 0xa0 | 0xad, ..] => 2,
        [b'\\', b'x' | b'0'..=b'3', ..] => 4,
        [b'&', b'#', b'x' | b'X', digits @ ..] => 4 + digits_before(digits, b';')?,
        [b'&', b'#', digits @ ..] => 3 + digits_before(digits, b';')?,
        [b'&', name @ ..] => {
            2 + run_before(name, b';', LONGEST_NAME_BYTES, u8::is_ascii_alphabetic)?
        }
        [0x1b, b'[', rest @ ..] => {
            3 + run_of(rest, MOST_PARAMETERS_BYTES, |byte| {
                matches!(byte, b' '..=b'?')
            })
        }
        [b'[', rest @ ..] => {
            2 + run_before(rest, b'm', MOST_PARAMETERS_BYTES, |byte| *byte <= b';')?
        }
        [0xc2, ..] => return None,
        [first, second, ..] if character::may_begin_with(*first, *second) => encoded_length(*first),
        _ => return None,
    };
    let progress = progress(text.get(..length)?);
    match progress {
        Progress::Open | Progress::None => None,
        _ => Some((progress, length)),
    }
}

/// How many of the first bytes, at most `limit`, are of a kind.
fn run_of(text: &[u8], limit: usize, is_in: impl Fn(&u8) -> bool) -> usize {
    text.iter()
        .take(limit)
        .take_while(|byte| is_in(byte))
        .count()
}

/// The same, when `end` stands behind them.
fn run_before(text: &[u8], end: u8, limit: usize, is_in: impl Fn(&u8) -> bool) -> Option<usize> {
    let length = run_of(text, limit, is_in);
    (text.get(length) == Some(&end)).then_some(length)
}

fn digits_before(text: &[u8], end: u8) -> Option<usize> {
    run_before(text, end, MOST_DIGITS, u8::is_ascii_hexdigit)
}

/// Looks at an escape from its first byte to the last one that is known.
pub(super) fn progress(escape: &[u8]) -> Progress {
    match escape {
        [b'\\', ..] => behind_backslashes(escape),
        [b'%', rest @ ..] => percent(rest),
        [b'&', b'#', rest @ ..] => numbered(rest),
        [b'&', rest @ ..] => named(rest),
        [0x1b, rest @ ..] => terminal(rest),
        [b'^'] => Progress::Open,
        [b'^', b'[', rest @ ..] => caret(rest),
        [b'[', rest @ ..] => colour(rest),
        // CSI, and the controls that begin a string, as single characters.
        [0xc2, 0x9b, rest @ ..] => parameters(rest),
        [0xc2, 0x90 | 0x98 | 0x9d..=0x9f, rest @ ..] => command(rest),
        [first, ..] if *first >= 0xc2 => encoded(escape),
        _ => Progress::None,
    }
}

fn behind_backslashes(escape: &[u8]) -> Progress {
    let backslashes = escape.iter().take_while(|byte| **byte == b'\\').count();
    match &escape[backslashes..] {
        _ if backslashes > MOST_BACKSLASHES => Progress::None,
        [] => Progress::Open,
        [b'/'] => Progress::Character('/'),
        [b'u' | b'x', b'{', rest @ ..] => in_braces(rest),
        [b'u', rest @ ..] => hexadecimal(rest, 4),
        [b'U', rest @ ..] => hexadecimal(rest, 8),
        [b'x', rest @ ..] => byte(rest),
        [b'0'..=b'3', rest @ ..] => octal(escape[backslashes], rest),
        [b'e' | b'E', rest @ ..] => introduced(rest),
        _ => Progress::None,
    }
}

/// `{1F600}`, `{41}`
fn in_braces(rest: &[u8]) -> Progress {
    match rest {
        [digits @ .., b'}'] if !digits.is_empty() => character_of(digits, 16),
        digits if digits.len() <= 6 && are_hexadecimal(digits) => Progress::Open,
        _ => Progress::None,
    }
}

fn hexadecimal(digits: &[u8], length: usize) -> Progress {
    if !are_hexadecimal(digits) {
        Progress::None
    } else if digits.len() < length {
        Progress::Open
    } else {
        character_of(digits, 16)
    }
}

fn byte(digits: &[u8]) -> Progress {
    match digits {
        [high, low] if are_hexadecimal(digits) => Progress::Byte(nibble(*high) << 4 | nibble(*low)),
        [] | [_] if are_hexadecimal(digits) => Progress::Open,
        _ => Progress::None,
    }
}

fn octal(first: u8, rest: &[u8]) -> Progress {
    let is_octal = rest.iter().all(|digit| matches!(digit, b'0'..=b'7'));
    match rest {
        [second, third] if is_octal => {
            Progress::Byte((first & 3) << 6 | (second & 7) << 3 | third & 7)
        }
        [] | [_] if is_octal => Progress::Open,
        _ => Progress::None,
    }
}

/// `%41`, `%u0041`
fn percent(rest: &[u8]) -> Progress {
    match rest {
        [b'u', digits @ ..] => hexadecimal(digits, 4),
        digits => byte(digits),
    }
}

/// `&#65;`, `&#x41;`
fn numbered(rest: &[u8]) -> Progress {
    let (digits, radix) = match rest {
        [b'x' | b'X', digits @ ..] => (digits, 16),
        digits => (digits, 10),
    };
    match digits {
        [digits @ .., b';'] if !digits.is_empty() => character_of(digits, radix),
        digits
            if digits.len() <= MOST_DIGITS
                && digits
                    .iter()
                    .all(|digit| char::from(*digit).is_digit(radix)) =>
        {
            Progress::Open
        }
        _ => Progress::None,
    }
}

fn named(rest: &[u8]) -> Progress {
    match rest {
        [name @ .., b';'] => entity::named(name).map_or(Progress::None, seen),
        name if entity::is_start_of_name(name) => Progress::Open,
        _ => Progress::None,
    }
}

/// Behind ESC.
///
/// Source: ECMA-48, sections 5.3 to 5.6 and 8.3.
fn terminal(rest: &[u8]) -> Progress {
    match rest {
        [] => Progress::Open,
        [b'[', rest @ ..] => parameters(rest),
        [b']' | b'P' | b'X' | b'^' | b'_', rest @ ..] => command(rest),
        [intermediate @ .., last]
            if intermediate.iter().all(|byte| matches!(byte, b' '..=b'/')) =>
        {
            match last {
                b' '..=b'/' if rest.len() < 4 => Progress::Open,
                b'0'..=b'~' => Progress::Nothing,
                _ => Progress::None,
            }
        }
        _ => Progress::None,
    }
}

/// Behind CSI.
fn parameters(rest: &[u8]) -> Progress {
    match rest {
        [parameters @ .., b'@'..=b'~']
            if parameters.iter().all(|byte| matches!(byte, b' '..=b'?')) =>
        {
            Progress::Nothing
        }
        _ if rest.len() <= MOST_PARAMETERS_BYTES
            && rest.iter().all(|byte| matches!(byte, b' '..=b'?')) =>
        {
            Progress::Open
        }
        _ => Progress::None,
    }
}

/// A string for the terminal, such as a title or a link. Its length is bounded by whoever reads.
fn command(rest: &[u8]) -> Progress {
    match rest {
        [.., 0x07] | [.., 0x1b, b'\\'] | [.., 0xc2, 0x9c] => Progress::Nothing,
        [.., b'\n'] => Progress::None,
        _ => Progress::Open,
    }
}

/// Behind ESC in another spelling: only a control sequence is taken for one.
fn introduced(rest: &[u8]) -> Progress {
    match rest {
        [] => Progress::Open,
        [b'[', rest @ ..] => parameters(rest),
        _ => Progress::None,
    }
}

/// Behind `^[`.
fn caret(rest: &[u8]) -> Progress {
    introduced(rest)
}

/// `[31m`, of which ESC was lost.
fn colour(rest: &[u8]) -> Progress {
    let is_parameter = |byte: &u8| matches!(byte, b'0'..=b'9' | b';' | b':');
    match rest {
        [parameters @ .., b'm'] if !parameters.is_empty() => {
            if parameters.iter().all(is_parameter) {
                Progress::Nothing
            } else {
                Progress::None
            }
        }
        _ if rest.len() <= MOST_PARAMETERS_BYTES && rest.iter().all(is_parameter) => Progress::Open,
        _ => Progress::None,
    }
}

fn encoded_length(first: u8) -> usize {
    match first {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        _ => 4,
    }
}

/// A character in UTF-8.
fn encoded(bytes: &[u8]) -> Progress {
    let length = encoded_length(bytes[0]);
    if bytes.len() < length {
        let is_open = bytes.len() < 2 || character::may_begin_with(bytes[0], bytes[1]);
        return if is_open {
            Progress::Open
        } else {
            Progress::None
        };
    }
    let Some(character) = std::str::from_utf8(bytes)
        .ok()
        .and_then(|text| text.chars().next())
    else {
        return Progress::None;
    };
    match character::reading(character) {
        Reading::Itself => Progress::None,
        Reading::As(other) => Progress::Character(other),
        Reading::Nothing => Progress::Nothing,
    }
}

fn character_of(digits: &[u8], radix: u32) -> Progress {
    let number = std::str::from_utf8(digits)
        .ok()
        .and_then(|digits| u32::from_str_radix(digits, radix).ok());
    number.and_then(char::from_u32).map_or(Progress::None, seen)
}

/// A character that an escape stands for.
fn seen(character: char) -> Progress {
    match character::reading(character) {
        Reading::Itself => Progress::Character(character),
        Reading::As(other) => Progress::Character(other),
        Reading::Nothing => Progress::Nothing,
    }
}

fn are_hexadecimal(digits: &[u8]) -> bool {
    digits.iter().all(u8::is_ascii_hexdigit)
}

fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Progress, progress, whole};

    fn step_by_step(text: &[u8]) -> Option<(Progress, usize)> {
        for end in 1..=text.len() {
            match progress(&text[..end]) {
                Progress::Open => {}
                Progress::None => return None,
                complete => return Some((complete, end)),
            }
        }
        None
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 20_000, ..ProptestConfig::default() })]

        #[test]
        fn a_whole_escape_is_what_its_bytes_come_to_one_by_one(
            pieces in prop::collection::vec(prop::sample::select(vec![
                "%", "\\", "u", "x", "&", "#", ";", "[", "m", "\u{1b}", "\u{200b}", "\u{a0}", "\u{feff}", "\u{e0001}", "\u{9b}",
                "ｐ", "41", "0041", "quot", "amp", "lt;", "1;31m", "00000", "{", "}", "/", "e", "é", " ", "G",
            ]), 1..9)
        ) {
            let text = pieces.concat();
            if let Some(found) = whole(text.as_bytes()) {
                prop_assert_eq!(Some(found), step_by_step(text.as_bytes()));
            }
        }
    }

    #[test]
    fn common_escapes_are_seen_as_a_whole() {
        for text in [
            "%3D",
            "%u003d",
            "\\u003d",
            "\\x3d",
            "\\075",
            "\\/",
            "&#61;",
            "&#x3d;",
            "&equals;",
            "\u{1b}[0;31m",
            "\u{1b}[K",
            "[31m",
            "\u{200b}",
            "\u{a0}",
            "\u{feff}",
            "＝",
        ] {
            let found = whole(text.as_bytes());
            assert_eq!(
                found.map(|(_, length)| length),
                Some(text.len()),
                "{text:?}"
            );
            assert_eq!(found, step_by_step(text.as_bytes()));
        }
    }
}
