//! Personal data: e-mail addresses and telephone numbers. Both are off by default.

use super::{Head, NeedMore, Span, Visibility, Window};
use crate::boundary::is_number_start;
use crate::bytes::{ALPHANUMERIC, ANY, ByteSet, DIGIT};

const LOCAL: ByteSet = ALPHANUMERIC
    .with(b'.')
    .with(b'_')
    .with(b'%')
    .with(b'+')
    .with(b'-');
const LOCAL_LIMIT_BYTES: usize = 64;
const DOMAIN_LIMIT_BYTES: usize = 128;
const LEAST_PHONE_DIGITS: usize = 8;
const MOST_PHONE_DIGITS: usize = 15;

/// An address may start wherever a word starts, so every word is kept back while it may be one.
pub(super) fn email_heads(rule: usize) -> Vec<Head> {
    let first = (0..=u8::MAX).filter(|byte| ALPHANUMERIC.has(*byte));
    let pairs = first.flat_map(|first| {
        (0..=u8::MAX)
            .filter(|byte| LOCAL.with(b'@').has(*byte))
            .map(move |second| vec![first, second])
    });
    let heads = pairs.map(|literal| Head {
        literal,
        ignoring_case: Vec::new(),
        rule,
        is_secret: true,
        starts_token: true,
        visibility: Visibility::Direct,
        digits: None,
        followed_by: ANY,
    });
    heads.collect()
}

/// Judges an address: a local part, and a domain with a top level of letters.
pub(super) fn email(window: Window<'_>, start: usize) -> Result<Option<Span>, NeedMore> {
    let local = window.run_end(start, LOCAL, LOCAL_LIMIT_BYTES)?;
    if window.at(local)? != Some(b'@') {
        return Ok(None);
    }
    let end = window.run_end(
        local + 1,
        ALPHANUMERIC.with(b'-').with(b'.'),
        DOMAIN_LIMIT_BYTES,
    )?;
    let text = window.slice(local + 1, end);
    let end = end
        - text
            .iter()
            .rev()
            .take_while(|byte| matches!(byte, b'.' | b'-'))
            .count();
    let text = window.slice(local + 1, end);
    let is_domain = text.rsplit(|byte| *byte == b'.').next().is_some_and(|top| {
        top.len() >= 2 && top.len() < text.len() && top.iter().all(u8::is_ascii_alphabetic)
    });
    Ok(is_domain.then(|| Span::closed(start, end)))
}

/// An international number starts with a plus, a national one with a bracket or a zero.
pub(super) fn phone_heads(rule: usize) -> Vec<Head> {
    let starts = (0..10).flat_map(|digit| {
        [
            format!("+{digit}"),
            format!("0{digit}"),
            format!("({digit}"),
        ]
    });
    let heads = starts.map(|literal| Head {
        literal: literal.into_bytes(),
        ignoring_case: Vec::new(),
        rule,
        is_secret: true,
        starts_token: true,
        visibility: Visibility::Literal,
        digits: None,
        followed_by: crate::bytes::ANY,
    });
    heads.collect()
}

/// Judges a number by its count of digits and its grouping.
///
/// Source: ITU-T E.164 (at most 15 digits) and E.123 (how they are written).
pub(super) fn phone(window: Window<'_>, start: usize) -> Result<Option<Span>, NeedMore> {
    if !is_number_start(window, start) {
        return Ok(None);
    }
    let written = DIGIT
        .with(b' ')
        .with(b'-')
        .with(b'.')
        .with(b'(')
        .with(b')')
        .with(b'/')
        .with(b'+');
    let end = window.run_end(start, written, 32)?;
    let text = window.slice(start, end);
    let end = end
        - text
            .iter()
            .rev()
            .take_while(|byte| !DIGIT.has(**byte))
            .count();
    let text = window.slice(start, end);
    let digits = text.iter().filter(|byte| DIGIT.has(**byte)).count();
    let separators = ByteSet::of(b" -./()");
    let is_grouped =
        text.starts_with(b"+") || text.iter().filter(|byte| separators.has(**byte)).count() >= 2;
    let is_phone = (LEAST_PHONE_DIGITS..=MOST_PHONE_DIGITS).contains(&digits)
        && is_grouped
        && !text.contains(&b'.');
    Ok(is_phone.then(|| Span::closed(start, end)))
}
