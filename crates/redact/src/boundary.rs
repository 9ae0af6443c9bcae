//! Where a token may start.

use crate::bytes::{DIGIT, WORD};
use crate::window::Window;

/// Whether a token may start at `position`: not inside a word, unless what looks like the end of a
/// word is the end of an escape (`\n`, `%3D`, `\u0022`, `\x1b`) or of a colour code (`ESC[93m`).
#[inline]
pub(crate) fn is_token_start(window: Window<'_>, position: usize) -> bool {
    match position
        .checked_sub(1)
        .and_then(|previous| window.bytes().get(previous))
    {
        Some(byte) if IN_WORD[usize::from(*byte)] => ends_markup(window.before(position)),
        _ => true,
    }
}

static IN_WORD: [bool; 256] = WORD.table();

#[inline]
fn ends_markup(before: &[u8]) -> bool {
    match before {
        // Most positions in words end here: what starts an escape stands at one of four places.
        [.., sixth, fifth, fourth, third, second, last]
            if *last != b'm'
                && !matches!(second, b'\\')
                && !matches!(third, b'%')
                && !matches!(fourth, b'\\')
                && !matches!(fifth, b'%')
                && !matches!(sixth, b'\\') =>
        {
            false
        }
        _ => ends_with_escape(before) || ends_with_colour(before),
    }
}

/// Whether a number may start at `position`: as a token, and not as a part of a longer number,
/// an identifier with dashes or a decimal.
pub(crate) fn is_number_start(window: Window<'_>, position: usize) -> bool {
    let before = window.before(position);
    match before {
        [.., earlier, b'.' | b'-' | b'+' | b'/'] if DIGIT.has(*earlier) => false,
        [.., earlier, b'-'] if earlier.is_ascii_hexdigit() => false,
        _ => is_token_start(window, position),
    }
}

fn ends_with_escape(before: &[u8]) -> bool {
    match before {
        [
            ..,
            b'\\',
            b'n' | b'r' | b't' | b'b' | b'f' | b'v' | b'e' | b'0' | b'a',
        ] => true,
        [.., b'%', high, low]
        | [.., b'\\', b'x', high, low]
        | [.., b'%', b'2', b'5', high, low] => are_hex(&[*high, *low]),
        _ => unicode_escape(before),
    }
}

fn unicode_escape(before: &[u8]) -> bool {
    match before.len().checked_sub(6).map(|start| &before[start..]) {
        Some([b'\\', b'u', digits @ ..]) => are_hex(digits),
        _ => false,
    }
}

fn are_hex(digits: &[u8]) -> bool {
    digits.iter().all(u8::is_ascii_hexdigit)
}

fn ends_with_colour(before: &[u8]) -> bool {
    let Some((b'm', rest)) = before.split_last() else {
        return false;
    };
    let parameters = rest
        .iter()
        .rev()
        .take_while(|byte| DIGIT.has(**byte) || **byte == b';')
        .take(16)
        .count();
    rest.len()
        .checked_sub(parameters + 1)
        .and_then(|index| rest.get(index))
        == Some(&b'[')
}

#[cfg(test)]
mod tests {
    use super::is_token_start;
    use crate::window::Window;

    #[test]
    fn tokens_start_behind_escapes_and_colours_but_not_inside_words() {
        for before in [
            "",
            " ",
            "\"",
            "=",
            r"a\n",
            r"\t",
            "a%3D",
            "%253D",
            r"\u0022",
            r"\x1b",
            "\u{1b}[93m",
            r"\u001b[38;5;9m",
            "-",
        ] {
            assert!(
                is_token_start(Window::new(before.as_bytes(), false), before.len()),
                "{before:?}"
            );
        }
        for before in ["n", "_", "0", "item", "5m", "u0022", "3D"] {
            assert!(
                !is_token_start(Window::new(before.as_bytes(), false), before.len()),
                "{before:?}"
            );
        }
    }
}
