//! International bank account numbers.

use super::{Head, NeedMore, Span, Verdict, Visibility, Window};
use crate::bytes::{ALPHANUMERIC, DIGIT};

/// Countries and the length of their numbers.
///
/// Source: ISO 13616, the IBAN registry of SWIFT, with the countries that use the form without
/// being in it (`DZ`, `AO`, `BJ`, `BF`, `BI`, `CV`, `CM`, `CF`, `TD`, `KM`, `CG`, `GA`, `GQ`, `GW`, `HN`, `IR`,
/// `CI`, `MG`, `ML`, `MA`, `MZ`, `NE`, `SN`, `TG`).
const COUNTRIES: &str = "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 \
    EE20 EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 \
    LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 \
    RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30 DZ26 AO25 BJ28 BF28 CV25 CM27 \
    CF27 TD27 KM27 CG27 GA27 GQ27 GW25 IR26 CI28 MG27 ML28 MA28 MZ25 NE28 SN28 TG28";

const LONGEST: usize = 33;

pub(super) fn heads(rule: usize) -> Vec<Head> {
    let countries = COUNTRIES
        .split_ascii_whitespace()
        .map(|entry| &entry.as_bytes()[..2]);
    let head = |literal: Vec<u8>, is_secret: bool| Head {
        literal,
        ignoring_case: Vec::new(),
        rule,
        is_secret,
        starts_token: true,
        visibility: Visibility::LongWord,
        digits: None,
        followed_by: DIGIT,
    };
    countries
        .flat_map(|country| {
            [
                head(country.to_vec(), true),
                head(country.to_ascii_lowercase(), false),
            ]
        })
        .collect()
}

/// Judges a number: country, length, check digits.
///
/// In lower case the country stays and the digits behind it start the secret, because too many words
/// of prose start like a country.
pub(super) fn verdict(window: Window<'_>, start: usize, head: &Head) -> Verdict {
    if head.is_secret {
        return Verdict::at(start, judge(window, start, start, false));
    }
    let digits = start + 2;
    Verdict::at(
        digits.min(window.bytes().len()),
        judge(window, start, digits, true),
    )
}

fn judge(
    window: Window<'_>,
    start: usize,
    secret: usize,
    is_lower: bool,
) -> Result<Option<Span>, NeedMore> {
    let has_check_digits = window.at(start + 2)?.is_some_and(|byte| DIGIT.has(byte))
        && window.at(start + 3)?.is_some_and(|byte| DIGIT.has(byte));
    if !has_check_digits {
        return Ok(None);
    }
    let Some(length) = country_length(window.slice(start, start + 2)) else {
        return Ok(None);
    };
    let Some((number, end)) = read(window, start, length, is_lower)? else {
        return Ok(None);
    };
    let is_whole = !window.at(end)?.is_some_and(|byte| ALPHANUMERIC.has(byte));
    Ok((is_whole && remainder_of_97(&number) == 1).then(|| Span::closed(secret, end)))
}

fn country_length(country: &[u8]) -> Option<usize> {
    let entry = COUNTRIES
        .split_ascii_whitespace()
        .find(|entry| entry.as_bytes()[..2].eq_ignore_ascii_case(country))?;
    entry[2..].parse().ok()
}

/// Reads `length` characters, with single spaces or dashes anywhere behind the check digits.
fn read(
    window: Window<'_>,
    start: usize,
    length: usize,
    is_lower: bool,
) -> Result<Option<(Vec<u8>, usize)>, NeedMore> {
    let mut number = Vec::with_capacity(LONGEST);
    let mut position = start;
    let mut separator = None;
    let mut has_spaced_digits = false;
    while number.len() < length {
        let Some(byte) = window.at(position)? else {
            return Ok(None);
        };
        let is_expected = match number.len() {
            0 | 1 => byte.is_ascii_alphabetic(),
            2 | 3 => DIGIT.has(byte),
            _ if is_lower => byte.is_ascii_lowercase() || DIGIT.has(byte),
            _ => byte.is_ascii_uppercase() || DIGIT.has(byte),
        };
        if is_expected {
            number.push(byte.to_ascii_uppercase());
        } else if matches!(byte, b' ' | b'-')
            && number.len() >= 4
            && *separator.get_or_insert(byte) == byte
        {
            let next = window.at(position + 1)?;
            if !next.is_some_and(|next| ALPHANUMERIC.has(next)) {
                return Ok(None);
            }
            let is_near = position - start < 20;
            has_spaced_digits |= is_near
                && number.last().is_some_and(|last| DIGIT.has(*last))
                && next.is_some_and(|next| DIGIT.has(next));
        } else {
            return Ok(None);
        }
        position += 1;
    }
    // What the block passes look for; without it a number would be found in short pieces only.
    let is_visible = separator != Some(b' ') || has_spaced_digits;
    Ok(is_visible.then_some((number, position)))
}

/// Source: ISO 7064, MOD 97-10, with the first four characters moved to the end.
fn remainder_of_97(number: &[u8]) -> u32 {
    let (head, tail) = number.split_at(4);
    tail.iter()
        .chain(head)
        .fold(0, |remainder, byte| match byte {
            b'0'..=b'9' => (remainder * 10 + u32::from(byte - b'0')) % 97,
            letter => (remainder * 100 + u32::from(letter - b'A') + 10) % 97,
        })
}

#[cfg(test)]
mod tests {
    use super::{COUNTRIES, LONGEST, remainder_of_97};

    #[test]
    fn the_registry_parses() {
        for entry in COUNTRIES.split_ascii_whitespace() {
            let length: usize = entry[2..].parse().unwrap();
            assert!((15..=LONGEST).contains(&length), "{entry}");
        }
    }

    #[test]
    fn the_registrys_own_example_checks() {
        assert_eq!(remainder_of_97(b"GB29NWBK60161331926819"), 1);
    }
}
