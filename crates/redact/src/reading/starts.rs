//! Where in a text escapes begin.

use super::escape::{self, Progress};
use super::{LONGEST_ESCAPE_BYTES, entity, longest};
use crate::bytes::bits;

/// How much of a name tells most words of code from a character reference.
const NAME_SAMPLE_BYTES: usize = 3;

/// Where escapes are dense, the next one is near.
const NEAR_BYTES: usize = 4;

/// What a text begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// An escape, if more follows.
    Partial,
    Escape,
}

/// The first place where an escape begins.
pub(super) fn first_start(text: &[u8]) -> Option<(usize, Start)> {
    first_special(text, |position| {
        start_of(&text[position..]).map(|start| (position, start))
    })
}

/// How an escape begins the text, if one does.
fn start_of(text: &[u8]) -> Option<Start> {
    match text {
        [first, second, ..] if !escape::may_begin_with(*first, *second) => return None,
        [first, ..] if !MAY_BEGIN[usize::from(*first)] => return None,
        _ => {}
    }
    if let [b'&', name @ ..] = text
        && !name.starts_with(b"#")
        && !entity::may_begin(&name[..name.len().min(NAME_SAMPLE_BYTES)])
    {
        return None;
    }
    let limit = text.first().map_or(0, |first| longest(*first));
    for end in 1..=text.len().min(limit) {
        match escape::progress(&text[..end]) {
            Progress::Open => {}
            Progress::None => return None,
            _ => return Some(Start::Escape),
        }
    }
    (text.len() <= limit).then_some(Start::Partial)
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
    let is_start = |position: usize| is_start(&text[position..]).then_some(position);
    let near = (0..text.len().min(NEAR_BYTES)).find_map(is_start);
    near.or_else(|| first_special(text, is_start))
        .unwrap_or(text.len())
}

/// The first answer that `ask` has for the place of a byte with which an escape may begin.
fn first_special<T>(text: &[u8], ask: impl Fn(usize) -> Option<T>) -> Option<T> {
    let (chunks, rest) = text.as_chunks::<64>();
    for (index, chunk) in chunks.iter().enumerate() {
        let mut special = special_bytes(chunk);
        while special != 0 {
            let answer = ask(index * 64 + special.trailing_zeros() as usize);
            if answer.is_some() {
                return answer;
            }
            special &= special - 1;
        }
    }
    (text.len() - rest.len()..text.len())
        .filter(|position| MAY_BEGIN[usize::from(text[*position])])
        .find_map(ask)
}

/// The bytes with which an escape may begin, a bit each.
fn special_bytes(chunk: &[u8; 64]) -> u64 {
    // Without a branch for each byte, so that the compiler takes many of them at a time.
    let mut flags = [0; 64];
    let mut any = 0;
    for (flag, byte) in flags.iter_mut().zip(chunk) {
        // ESC, `[`, `\` and `^`, with what lies between them; `%` and `&`; all beyond ASCII.
        let is_special =
            (byte & !0x40).wrapping_sub(0x1b) < 4 || byte.wrapping_sub(b'%') < 2 || *byte >= 0x80;
        *flag = u8::from(is_special);
        any |= *flag;
    }
    if any == 0 { 0 } else { bits(&flags) }
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

#[cfg(test)]
mod tests {
    use super::{MAY_BEGIN, special_bytes};

    #[test]
    fn no_byte_with_which_an_escape_may_begin_is_passed_over() {
        for byte in 0..=u8::MAX {
            let mut chunk = [b'a'; 64];
            chunk[13] = byte;
            let may_begin = MAY_BEGIN[usize::from(byte)];
            assert!(!may_begin || special_bytes(&chunk) == 1 << 13, "{byte}");
        }
    }
}
