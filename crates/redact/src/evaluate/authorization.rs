//! `Bearer …` and `Basic …`, in headers and wherever else they stand.

use super::base64;
use super::placeholder::is_placeholder;
use super::value::{LONG_VALUE_BYTES, Writing, is_secret};
use super::{NeedMore, Span, Tail, Verdict, Window};
use crate::boundary::is_token_start;
use crate::bytes::{ALPHANUMERIC, BASE64, ByteSet};
use crate::rules::ValuePolicy;

const TOKEN: ByteSet = ALPHANUMERIC
    .with(b'-')
    .with(b'.')
    .with(b'_')
    .with(b'~')
    .with(b'+')
    .with(b'/')
    .with(b'=')
    .with(b':')
    .with(b'|')
    .with(b'@')
    .with(b'!')
    .with(b'%')
    .with(b'^')
    .with(b'#');

/// Judges what follows `Bearer`.
///
/// Source: RFC 6750, section 2.1; tokens in the wild are wider than its `b64token`.
pub(super) fn bearer(window: Window<'_>, position: usize, after: usize) -> Verdict {
    let is_header = follows_header(window, position);
    Verdict::located(window, locate(window, position, after), |start| {
        let start = behind_lead(window, start)?;
        let end = window.run_end(start, TOKEN, LONG_VALUE_BYTES)?;
        let is_cut = end - start == LONG_VALUE_BYTES;
        let end = if is_cut {
            end
        } else {
            without_punctuation(window, start, end)
        };
        let token = window.slice(start, end);
        if !is_cut && matches!(window.at(end)?, Some(b'(' | b'{' | b'[')) {
            return Ok(None);
        }
        let is_token = if is_header {
            token.len() >= 4 && is_secret(ValuePolicy::Password, token, Writing::Argument)
        } else {
            token.len() >= 12 && is_secret(ValuePolicy::Secret, token, Writing::Bare)
        };
        Ok(is_token.then(|| Span {
            start,
            end,
            tail: is_cut.then_some(Tail::Bytes(TOKEN)),
        }))
    })
}

/// Judges what follows `Basic`: base64 of a user, a colon and a password.
///
/// Source: RFC 7617, section 2.
pub(super) fn basic(window: Window<'_>, position: usize, after: usize) -> Verdict {
    let is_header = follows_header(window, position);
    Verdict::located(window, locate(window, position, after), |start| {
        let start = behind_lead(window, start)?;
        let end = window.run_end(start, BASE64, LONG_VALUE_BYTES)?;
        let is_cut = end - start == LONG_VALUE_BYTES;
        let credentials = window.slice(start, end);
        let is_stand_in = is_placeholder(credentials) || is_lower_word(credentials);
        let is_found = if is_header && is_cut {
            true
        } else if credentials.len() < 6 || is_stand_in {
            false
        } else {
            holds_colon(credentials) || (is_header && credentials.len() >= 8)
        };
        Ok(is_found.then(|| Span {
            start,
            end,
            tail: is_cut.then_some(Tail::Bytes(BASE64)),
        }))
    })
}

/// Where the credentials behind the scheme start.
fn locate(window: Window<'_>, position: usize, after: usize) -> Result<Option<usize>, NeedMore> {
    if !is_token_start(window, position) {
        return Ok(None);
    }
    let colon = window.run_end(after, ByteSet::of(b":="), 1)?;
    let start = window.run_end(colon, ByteSet::of(b" \t+"), 8)?;
    Ok((start > after || window.at(start)? == Some(b'%')).then_some(start))
}

/// Behind a space in percent encoding and an opening quote. What stands there is kept back, because
/// it may belong to the credentials just as well.
fn behind_lead(window: Window<'_>, start: usize) -> Result<usize, NeedMore> {
    let is_space = window.starts_with(start, b"%20")?;
    let start = if is_space { start + 3 } else { start };
    window.run_end(start, ByteSet::of(b"\"'`"), 1)
}

/// `Authorization: `, also in quotes, right before the scheme.
fn follows_header(window: Window<'_>, position: usize) -> bool {
    let before = window.before(position);
    let between = ByteSet::of(b" :=\"'`\\,>\t({[");
    let gap = before
        .iter()
        .rev()
        .take_while(|byte| between.has(**byte))
        .count();
    let name = &before[..before.len() - gap];
    gap > 0
        && gap < 12
        && name.len() >= 8
        && name[name.len() - 8..].eq_ignore_ascii_case(b"rization")
}

fn is_lower_word(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_lowercase)
}

fn without_punctuation(window: Window<'_>, start: usize, end: usize) -> usize {
    let token = window.slice(start, end);
    end - token
        .iter()
        .rev()
        .take_while(|byte| matches!(byte, b'.' | b':' | b'!' | b','))
        .count()
}

/// Whether the base64 text decodes to printable characters with a colon among them.
fn holds_colon(credentials: &[u8]) -> bool {
    let mut has_colon = false;
    for byte in base64::decode(credentials) {
        has_colon |= byte == b':';
        if byte != 0 && byte < b' ' {
            return false;
        }
    }
    has_colon
}
