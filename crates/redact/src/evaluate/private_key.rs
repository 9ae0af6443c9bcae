//! PEM private keys.

mod armour;
mod tail;

use super::line_prefix::LinePrefix;
use super::placeholder::contains;
use super::{Head, NeedMore, Span, Tail, Visibility, Window};
use crate::bytes::{ALPHANUMERIC, BASE64, ByteSet};
pub(crate) use tail::KeyTail;

const BEGINNINGS: [&str; 2] = ["-----BEGIN ", "---- BEGIN "];
const LABEL_LIMIT_BYTES: usize = 48;
/// How much may stand between the header and the first line: quotes, escapes, indentation.
const GAP_LIMIT_BYTES: usize = 96;
const LEAST_LINE_BYTES: usize = 16;
const BETWEEN: ByteSet = ByteSet::of(b" \t\r\"'`+\\,.;:|#>*/");
/// What the labels of private keys have in them, and no other.
///
/// Source: RFC 7468; RFC 9580, section 6.2, and RFC 4716 for other labels; `OpenVPN` for the last.
const PRIVATE: [&[u8]; 2] = [b"PRIVATE KEY", b"OpenVPN Static key"];

pub(super) fn heads(rule: usize) -> Vec<Head> {
    let heads = BEGINNINGS.iter().map(|beginning| Head {
        literal: beginning.as_bytes().to_vec(),
        ignoring_case: Vec::new(),
        rule,
        is_secret: true,
        starts_token: false,
        visibility: Visibility::Literal,
        digits: None,
        followed_by: crate::bytes::ANY,
    });
    heads.collect()
}

/// Judges a header: it names a private key, and key material follows.
pub(super) fn judge(window: Window<'_>, start: usize) -> Result<Option<Span>, NeedMore> {
    let label = start + BEGINNINGS[0].len();
    let end = window.run_end(label, ALPHANUMERIC.with(b' '), LABEL_LIMIT_BYTES)?;
    let text = window.slice(label, end);
    let is_private = PRIVATE.iter().any(|name| contains(text, name));
    if !is_private || !window.starts_with(end, b"----")? {
        return Ok(None);
    }
    let header = window.run_end(end, ByteSet::of(b"-"), 5)?;
    let prefix = LinePrefix::before(window, start);
    if !has_material(window, &prefix, header)? {
        return Ok(None);
    }
    Ok(Some(Span {
        start,
        end: header,
        tail: Some(Tail::Key(Box::new(KeyTail::new(prefix)))),
    }))
}

/// Whether key material follows, and not a sentence about the header.
fn has_material(window: Window<'_>, prefix: &LinePrefix, from: usize) -> Result<bool, NeedMore> {
    let mut position = from;
    let limit = from + GAP_LIMIT_BYTES + prefix.most_bytes();
    while position < limit {
        let end = window.run_end(position, BETWEEN, limit - position)?;
        if window.at(end)? == Some(b'\n') {
            position = prefix.end(window, end + 1)?;
            continue;
        }
        // The `n` of an escaped line break stands right behind its backslash.
        let is_escape = end > position
            && window.slice(end - 1, end) == b"\\"
            && matches!(window.at(end)?, Some(b'n' | b'r' | b't'));
        if is_escape {
            position = end + 1;
            continue;
        }
        let word = window.run_end(end, BASE64, LEAST_LINE_BYTES)?;
        return Ok(word - end >= LEAST_LINE_BYTES || armour::is_header(window, end)?);
    }
    Ok(false)
}
