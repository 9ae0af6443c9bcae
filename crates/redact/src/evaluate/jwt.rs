//! JSON Web Tokens.

use super::base64;
use super::placeholder::contains;
use super::{Head, LONG_WORD_BYTES, NeedMore, Span, Tail, Visibility, Window};
use crate::bytes::{ALPHANUMERIC, ByteSet, WORD};

const SEGMENT: ByteSet = ALPHANUMERIC.with(b'-').with(b'_').with(b'=');
/// How much of the header is looked at; a longer one with certificates in it counts by its start.
const HEADER_LIMIT_BYTES: usize = 300;
const PAYLOAD_LIMIT_BYTES: usize = 64;
const LEAST_HEADER_BYTES: usize = 15;
const LEAST_PAYLOAD_BYTES: usize = 8;

/// Base64 of an opening brace and a quote, a space or a line break.
const STARTS: [&str; 6] = ["eyJ", "ewog", "ewoJ", "ew0K", "eyAi", "ewoi"];

pub(super) fn heads(rule: usize) -> Vec<Head> {
    let heads = STARTS.iter().map(|start| Head {
        literal: start.as_bytes().to_vec(),
        ignoring_case: Vec::new(),
        rule,
        is_secret: true,
        starts_token: true,
        visibility: Visibility::LongWord,
        digits: None,
        followed_by: crate::bytes::ANY,
    });
    heads.collect()
}

/// Judges a token: a header, a payload, and whatever follows.
///
/// Source: RFC 7519, section 3, and RFC 7516 for the encrypted kind with five parts.
pub(super) fn judge(window: Window<'_>, start: usize) -> Result<Option<Span>, NeedMore> {
    // What the block passes look for; without it a token would be found in short pieces only.
    let word = window.run_end(start, WORD.with(b'-'), LONG_WORD_BYTES)?;
    if word - start < LONG_WORD_BYTES {
        return Ok(None);
    }
    let header = window.run_end(start, SEGMENT, HEADER_LIMIT_BYTES)?;
    let is_cut = header - start == HEADER_LIMIT_BYTES;
    if header - start < LEAST_HEADER_BYTES || (!is_cut && window.at(header)? != Some(b'.')) {
        return Ok(None);
    }
    if is_cut {
        let is_header = has_header_name(window.slice(start, header));
        return Ok(is_header.then(|| Span {
            start,
            end: header,
            tail: Some(Tail::Bytes(SEGMENT.with(b'.'))),
        }));
    }
    let payload = window.run_end(header + 1, SEGMENT, PAYLOAD_LIMIT_BYTES)?;
    if payload - (header + 1) < LEAST_PAYLOAD_BYTES || is_filler(window.slice(start + 3, header)) {
        return Ok(None);
    }
    let tail =
        (payload - (header + 1) == PAYLOAD_LIMIT_BYTES).then_some(Tail::Bytes(SEGMENT.with(b'.')));
    if tail.is_some() || window.at(payload)? != Some(b'.') {
        return Ok(Some(Span {
            start,
            end: payload,
            tail,
        }));
    }
    if !window
        .at(payload + 1)?
        .is_some_and(|byte| SEGMENT.has(byte))
    {
        return Ok(Some(Span::closed(start, payload)));
    }
    Ok(Some(Span {
        start,
        end: payload + 1,
        tail: Some(Tail::Bytes(SEGMENT.with(b'.'))),
    }))
}

const NAMES: [&[u8]; 9] = [
    b"typ", b"kid", b"enc", b"x5c", b"x5t", b"x5u", b"cty", b"jku", b"jwk",
];

fn is_filler(header: &[u8]) -> bool {
    super::placeholder::is_placeholder(header)
}

/// Whether it names the algorithm, as each header does somewhere, or begins with another registered name.
///
/// Source: RFC 7515, section 4.1, and RFC 7516, section 4.1.
fn has_header_name(start: &[u8]) -> bool {
    let header: Vec<u8> = base64::decode(start).collect();
    let first = header.split(|byte| *byte == b'"').nth(1);
    first.is_some_and(|first| NAMES.contains(&first)) || contains(&header, b"\"alg\"")
}
