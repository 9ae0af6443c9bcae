//! `scheme://user:password@host`

use super::placeholder::is_placeholder;
use super::{NeedMore, Span, Tail, Verdict, Window};
use crate::bytes::{ALPHANUMERIC, ByteSet};

/// RFC 3986 gives the user information no limit; nearly all are far below these.
const USER_LIMIT_BYTES: usize = 256;
const PASSWORD_LIMIT_BYTES: usize = 256;

const SCHEME: ByteSet = ALPHANUMERIC.with(b'+').with(b'-').with(b'.');
const OUTSIDE: ByteSet = ByteSet::of(b" \t\r\n\"'`<>\\/?,;()\0\x1b");

/// Judges the user information behind `://`.
///
/// Source: RFC 3986, section 3.2.1.
pub(super) fn verdict(
    schemes: &[String],
    window: Window<'_>,
    position: usize,
    after: usize,
) -> Verdict {
    let before = window.before(position);
    let name = before
        .iter()
        .rev()
        .take_while(|byte| SCHEME.has(**byte))
        .count();
    let scheme = &before[before.len() - name..];
    if !schemes.is_empty()
        && !schemes
            .iter()
            .any(|known| scheme.eq_ignore_ascii_case(known.as_bytes()))
    {
        return Verdict::No;
    }
    Verdict::located(window, password_start(window, after), |start| {
        password(window, start)
    })
}

fn password_start(window: Window<'_>, after: usize) -> Result<Option<usize>, NeedMore> {
    let end = window.run_end(
        after,
        OUTSIDE.with(b':').with(b'@').inverted(),
        USER_LIMIT_BYTES,
    )?;
    Ok((window.at(end)? == Some(b':')).then_some(end + 1))
}

/// The password ends at the last `@` of the authority. Where none is in reach, it ends at the first.
fn password(window: Window<'_>, start: usize) -> Result<Option<Span>, NeedMore> {
    let limit = window.run_end(start, OUTSIDE.inverted(), PASSWORD_LIMIT_BYTES)?;
    let authority = window.slice(start, limit);
    let is_cut = limit - start == PASSWORD_LIMIT_BYTES;
    if is_cut && !matches!(authority, [b'$' | b'{', ..]) {
        return Ok(Some(Span {
            start,
            end: limit,
            tail: Some(Tail::Bytes(OUTSIDE.with(b'@').inverted())),
        }));
    }
    let Some(end) = authority
        .iter()
        .rposition(|byte| *byte == b'@')
        .map(|index| start + index)
    else {
        return Ok(None);
    };
    let has_host = window.at(end + 1)?.is_some_and(|byte| {
        ALPHANUMERIC.has(byte) || matches!(byte, b'[' | b'_' | b'$' | b'{' | b'%')
    });
    let secret = window.slice(start, end);
    if !has_host
        || is_placeholder(secret)
        || secret.starts_with(b"$")
        || secret.starts_with(b"{")
        || secret == b"x-oauth-basic"
    {
        return Ok(None);
    }
    Ok(Some(Span::closed(start, end)))
}
