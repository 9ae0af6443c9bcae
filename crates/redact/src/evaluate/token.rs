//! Tokens with a published prefix and shape.

use super::checksum::is_valid_github_checksum;
use super::placeholder::is_placeholder;
use super::{Head, LONG_WORD_BYTES, NeedMore, Span, Tail, Visibility, Window};
use crate::boundary::is_number_start;
use crate::bytes::{ALPHANUMERIC, ByteSet, DIGIT, WORD};
use crate::rules::{TokenRule, Validator};

/// What a long word is made of.
const IN_WORD: ByteSet = WORD.with(b'-');

/// Behind an anchor, a run of this many of the shape's bytes is a secret, whatever it looks like: it is too
/// long to wait for its end, and no stand-in is that long.
const OVERLONG_BYTES: usize = 400;

pub(super) fn heads(token: &TokenRule, rule: usize) -> Vec<Head> {
    let heads = token.anchors.iter().map(|anchor| Head {
        literal: anchor.as_bytes().to_vec(),
        ignoring_case: Vec::new(),
        rule,
        is_secret: true,
        starts_token: !token.starts_anywhere,
        visibility: visibility(token, anchor),
        digits: None,
        followed_by: token.shape.first_set(),
    });
    heads.collect()
}

/// Every pair of bytes that the shape may start with.
pub(super) fn heads_without_anchor(token: &TokenRule, rule: usize) -> Vec<Head> {
    let first = token.shape.first_set();
    let lead = token.shape.lead();
    let members: Vec<u8> = (0..=u8::MAX).filter(|byte| first.has(*byte)).collect();
    let pairs = members
        .iter()
        .flat_map(|one| members.iter().map(move |other| vec![*one, *other]));
    let heads = pairs.map(|literal| Head {
        literal,
        ignoring_case: Vec::new(),
        rule,
        is_secret: true,
        starts_token: true,
        visibility: Visibility::LongWord,
        digits: Some(lead),
        followed_by: DIGIT.with_range(b'a', b'f'),
    });
    heads.collect()
}

/// A token is seen by its long word when one must start near enough behind the anchor.
fn visibility(token: &TokenRule, anchor: &str) -> Visibility {
    let word_starts_at = last_word(anchor.as_bytes());
    let before = word_starts_at
        .checked_sub(1)
        .map(|index| anchor.as_bytes()[index]);
    let is_near = word_starts_at <= super::BEFORE_LONG_WORD_BYTES
        && before.is_none_or(|byte| super::BEFORE_LONG_WORD.has(byte));
    let least_bytes = anchor.len() - word_starts_at + token.shape.least_run_of(IN_WORD);
    let is_long = least_bytes >= LONG_WORD_BYTES;
    if is_near && is_long && !token.starts_anywhere {
        Visibility::LongWord
    } else {
        Visibility::Literal
    }
}

/// Where the word that ends the anchor starts in it.
fn last_word(anchor: &[u8]) -> usize {
    let before = anchor.iter().rposition(|byte| !IN_WORD.has(*byte));
    before.map_or(0, |index| index + 1)
}

/// Judges a token whose anchor ends at `body`.
pub(super) fn judge(
    token: &TokenRule,
    window: Window<'_>,
    start: usize,
    body: usize,
) -> Result<Option<Span>, NeedMore> {
    match judge_shape(token, window, start, body)? {
        None if !token.anchors.is_empty() => overlong(token, window, start, body),
        judged => Ok(judged),
    }
}

fn overlong(
    token: &TokenRule,
    window: Window<'_>,
    start: usize,
    body: usize,
) -> Result<Option<Span>, NeedMore> {
    // What the block passes look for; without it a token would be found in short pieces only. It is asked
    // first: what waits for more is a token so far.
    let word = start + last_word(window.slice(start, body));
    if window.run_end(word, IN_WORD, LONG_WORD_BYTES)? - word < LONG_WORD_BYTES {
        return Ok(None);
    }
    let bytes = token.shape.all_sets();
    let end = window.run_end(body, bytes, OVERLONG_BYTES)?;
    Ok((end - body == OVERLONG_BYTES).then_some(Span {
        start,
        end,
        tail: Some(Tail::Bytes(bytes)),
    }))
}

fn judge_shape(
    token: &TokenRule,
    window: Window<'_>,
    start: usize,
    body: usize,
) -> Result<Option<Span>, NeedMore> {
    if token.anchors.is_empty()
        && window
            .bytes()
            .get(start)
            .is_some_and(|byte| DIGIT.has(*byte))
        && !is_number_start(window, start)
    {
        return Ok(None);
    }
    let Some(found) = token.shape.find(window, body)? else {
        return Ok(None);
    };
    let secret = window.slice(body, found.end);
    // What is enough for a token decides: one may be followed by filler, and no stand-in starts as a token.
    let enough = &secret[..secret.len().min(token.shape.least_bytes())];
    let is_valid = match token.validator {
        Validator::NotPlaceholder => !is_placeholder(enough),
        Validator::Mixed => has_letters_and_digits(secret) && !is_placeholder(enough),
        Validator::Crc32Base62 => is_valid_github_checksum(secret) || !is_placeholder(enough),
    };
    if !is_valid {
        return Ok(None);
    }
    let end = match found.goes_on_with {
        Some(_) => found.end,
        None => without_final_dots(window, body, found.end),
    };
    Ok(Some(Span {
        start,
        end,
        tail: found.goes_on_with.map(Tail::Bytes),
    }))
}

fn has_letters_and_digits(secret: &[u8]) -> bool {
    let letters = ALPHANUMERIC.inverted();
    secret.iter().any(|byte| DIGIT.has(*byte))
        && secret
            .iter()
            .any(|byte| !DIGIT.has(*byte) && !letters.has(*byte))
}

/// The full stop of a sentence is not a part of the token.
fn without_final_dots(window: Window<'_>, start: usize, end: usize) -> usize {
    let final_dots = ByteSet::of(b".,:");
    let secret = window.slice(start, end);
    end - secret
        .iter()
        .rev()
        .take_while(|byte| final_dots.has(**byte))
        .count()
}
