//! What stands in front of the value itself: spaces, quotes, a call, a scheme.

use super::operator::{Operator, escaped_quote};
use super::{NeedMore, Search};
use crate::bytes::{ALPHANUMERIC, ByteSet, WORD};
use crate::rules::ValuePolicy;
use crate::window::Window;

/// How a value opens, and with that, how it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    Bare,
    Quote(u8),
    /// A quote behind backslashes: the value ends at the next backslash.
    Escaped,
    /// Text of an XML element.
    Element,
}

const BLANK: ByteSet = ByteSet::of(b" \t");
const LINE_BREAK: ByteSet = ByteSet::of(b" \t\r\n");
const SPACE_LIMIT_BYTES: usize = 32;

/// Words in front of the value of an authorization header, beside those of one to sixteen letters.
const SCHEMES: [&[u8]; 5] = [b"Bearer ", b"bearer ", b"Basic ", b"Token ", b"pass:"];

/// Reads from behind the operator to the first byte of the value.
pub(super) fn find(
    search: &mut Search<'_>,
    operator: Operator,
    policy: ValuePolicy,
    behind: usize,
) -> Result<Option<(Opening, usize)>, NeedMore> {
    let window = search.window;
    let mut start = window.run_end(behind, BLANK, SPACE_LIMIT_BYTES)?;
    search.may_start_at(start);
    if operator != Operator::Space && matches!(window.at(start)?, Some(b'\n' | b'\r')) {
        start = window.run_end(start, LINE_BREAK, SPACE_LIMIT_BYTES)?;
        if !matches!(window.at(start)?, Some(b'"' | b'\'' | b'`')) {
            return Ok(None);
        }
    }
    let start = behind_call(window, start)?;
    let (opening, start) = open_quote(window, start, operator)?;
    search.may_start_at(start);
    let start = behind_scheme(search, policy, start)?;
    Ok(Some((opening, start)))
}

/// `env('…', `, `String::from("…")`, `("…"`, `b"…"`: goes to the quote.
fn behind_call(window: Window<'_>, start: usize) -> Result<usize, NeedMore> {
    let function = window.run_end(
        start,
        WORD.with(b'.').with(b':').with(b'@').with(b'$').with(b'#'),
        28,
    )?;
    match window.at(function)? {
        Some(b'"' | b'\'' | b'`') if function - start <= 2 => Ok(function),
        Some(open @ (b'(' | b'[')) if open == b'(' || function == start => {
            let inner = window.run_end(function + 1, LINE_BREAK, 8)?;
            let has_quote = matches!(window.at(inner)?, Some(b'"' | b'\'' | b'`'));
            Ok(if has_quote { inner } else { start })
        }
        _ => Ok(start),
    }
}

fn open_quote(
    window: Window<'_>,
    start: usize,
    operator: Operator,
) -> Result<(Opening, usize), NeedMore> {
    let opened = match window.at(start)? {
        Some(quote @ (b'"' | b'\'' | b'`')) => {
            let triple = [quote; 3];
            let length = if window.starts_with(start, &triple)? {
                3
            } else {
                1
            };
            (Opening::Quote(quote), start + length)
        }
        Some(b'\\') => match escaped_quote(window, start)? {
            Some(after) => (Opening::Escaped, after),
            None => (Opening::Bare, start),
        },
        Some(0xe2) if is_curly_quote(window, start)? => (Opening::Quote(0xe2), start + 3),
        Some(b'&') if window.starts_with(start, b"&quot;")? => (Opening::Bare, start + 6),
        Some(b'%') if window.starts_with(start, b"%22")? => (Opening::Quote(b'%'), start + 3),
        Some(b'*') if window.starts_with(start, b"** ")? => (Opening::Bare, start + 3),
        Some(b'<')
            if operator == Operator::Element && window.starts_with(start, b"<![CDATA[")? =>
        {
            (Opening::Quote(b']'), start + 9)
        }
        _ if operator == Operator::Element => (Opening::Element, start),
        _ => (Opening::Bare, start),
    };
    Ok(opened)
}

fn is_curly_quote(window: Window<'_>, start: usize) -> Result<bool, NeedMore> {
    Ok(window.starts_with(start, "“".as_bytes())?
        || window.starts_with(start, "‘".as_bytes())?
        || window.starts_with(start, "„".as_bytes())?)
}

fn behind_scheme(
    search: &mut Search<'_>,
    policy: ValuePolicy,
    start: usize,
) -> Result<usize, NeedMore> {
    let window = search.window;
    let may_have_scheme = matches!(window.at(start)?, Some(b'B' | b'b' | b'T' | b'p'));
    for scheme in SCHEMES.iter().filter(|_| may_have_scheme) {
        if window.starts_with(start, scheme)? {
            return window.run_end(start + scheme.len(), BLANK, 4);
        }
    }
    if policy == ValuePolicy::Authorization {
        let scheme = window.run_end(start, ALPHANUMERIC.with(b'-'), 17)?;
        if scheme > start && scheme - start < 17 && window.at(scheme)? == Some(b' ') {
            return Ok(scheme + 1);
        }
    }
    Ok(start)
}
