//! Where in a text escapes begin.

use super::escape::{self, Progress};
use super::{LONGEST_ESCAPE_BYTES, entity, longest};
use crate::bytes::bits;

/// How much of a name tells most words of code from a character reference.
const NAME_SAMPLE_BYTES: usize = 3;

/// What a text begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// Nothing to see through.
    Plain,
    /// An escape, if more follows.
    Partial,
    Escape,
}

/// Whether an escape begins the text.
pub(super) fn start_of(text: &[u8]) -> Start {
    match text {
        [first, ..] if !escape::may_begin(*first) => return Start::Plain,
        [first, second, ..] if !escape::may_begin_with(*first, *second) => return Start::Plain,
        _ => {}
    }
    if let [b'&', name @ ..] = text
        && !name.starts_with(b"#")
        && !entity::may_begin(&name[..name.len().min(NAME_SAMPLE_BYTES)])
    {
        return Start::Plain;
    }
    let limit = text.first().map_or(0, |first| longest(*first));
    for end in 1..=text.len().min(limit) {
        match escape::progress(&text[..end]) {
            Progress::Open => {}
            Progress::None => return Start::Plain,
            _ => return Start::Escape,
        }
    }
    if text.len() > limit {
        Start::Plain
    } else {
        Start::Partial
    }
}

/// Whether an escape that began in front of `text[position..]` may go on there.
pub(super) fn is_inside(text: &[u8], position: usize) -> bool {
    let near = position.saturating_sub(LONGEST_ESCAPE_BYTES)..position;
    near.rev().any(|start| {
        escape::may_begin(text[start]) && escape::progress(&text[start..position]) == Progress::Open
    })
}

/// How many bytes stand before the first one with which an escape may begin.
pub(super) fn plain_run(text: &[u8]) -> usize {
    let (chunks, rest) = text.as_chunks::<64>();
    for (index, chunk) in chunks.iter().enumerate() {
        let mut special = special_bytes(chunk);
        while special != 0 {
            let position = index * 64 + special.trailing_zeros() as usize;
            if is_start(&text[position..]) {
                return position;
            }
            special &= special - 1;
        }
    }
    let first = text.len() - rest.len();
    let start = (first..text.len()).find(|position| is_start(&text[*position..]));
    start.unwrap_or(text.len())
}

/// The bytes with which an escape may begin, a bit each.
fn special_bytes(chunk: &[u8; 64]) -> u64 {
    // Without a branch for each byte, so that the compiler takes many of them at a time.
    let mut flags = [0; 64];
    for (flag, byte) in flags.iter_mut().zip(chunk) {
        *flag = u8::from(*byte == b'\\')
            | u8::from(*byte == b'%')
            | u8::from(*byte == b'&')
            | u8::from(*byte == b'[')
            | u8::from(*byte == b'^')
            | u8::from(*byte == 0x1b)
            | (*byte >> 7);
    }
    bits(&flags)
}

fn is_start(text: &[u8]) -> bool {
    match *text {
        [first, second, ..] => {
            MAY_BEGIN[usize::from(first)]
                && (escape::may_begin_with(first, second) || escape::may_begin(second))
        }
        [first] => MAY_BEGIN[usize::from(first)],
        [] => false,
    }
}

pub(super) static MAY_BEGIN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = u8::MAX;
    while byte > 0 {
        table[byte as usize] = escape::may_begin(byte);
        byte -= 1;
    }
    table
};
