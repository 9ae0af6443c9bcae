//! What stands where a secret would, without being one: `xxxx`, `${VAR}`, `<token>`.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

use crate::bytes::{ALPHANUMERIC, DIGIT};

/// Fragments, in lower case, that only a stand-in for a value has.
const STAND_INS: &[&[u8]] = &[
    b"xxxx",
    b"****",
    b"your_",
    b"your-",
    b"yourp",
    b"yourapi",
    b"yourkey",
    b"yourtoken",
    b"yoursecret",
    b"<your",
    b"not_a_",
    b"not-a-",
    b"placeholder",
    b"redacted",
    b"exampleexample",
    b"testtest",
    b"replace_",
    b"replace-",
    b"replaceme",
    b"insert_",
    b"insert-",
    b"goes here",
    b"goes_here",
    b"goes-here",
    b"_here",
    b"-here",
    b"...",
    b"\xe2\x80\xa6",
    b"process.env",
    b"os.environ",
    b"#{",
    b"${",
    b"{{",
    b"$(",
    b"key goes",
    b"$env:",
    b"secrets.",
    b"&lt;",
];

/// Whether a value stands for a secret without being one.
pub(crate) fn is_placeholder(value: &[u8]) -> bool {
    if value.is_empty() || is_variable(value) {
        return true;
    }
    STAND_IN_SEARCH
        .as_ref()
        .is_some_and(|search| search.is_match(value))
        || is_filler(value)
}

static STAND_IN_SEARCH: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .build(STAND_INS)
        .ok()
});

pub(super) fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// `$NAME`, `%NAME%`, `<name>`, `{name}`, `[name]`, `:name`, our marker.
fn is_variable(value: &[u8]) -> bool {
    let name = ALPHANUMERIC
        .with(b'_')
        .with(b'-')
        .with(b'.')
        .with(b' ')
        .with(b':');
    let all_name = |inner: &[u8]| inner.iter().all(|byte| name.has(*byte));
    match value {
        [b'$', first, rest @ ..] => {
            (first.is_ascii_alphabetic() || *first == b'_' || DIGIT.has(*first))
                && all_name(rest)
                && !rest.contains(&b' ')
                && rest.iter().filter(|byte| DIGIT.has(**byte)).count() < 3
        }
        [b'%', inner @ .., b'%'] | [b'[', inner @ .., b']'] | [b'{', inner @ .., b'}'] => {
            all_name(inner)
        }
        [b'<', ..]
        | [b'{', b'{' | b'%', ..]
        | [b'[', b'R', b'E', b'D', ..]
        | [b'%', b's' | b'd' | b'v' | b'('] => true,
        _ => false,
    }
}

/// `0000…`, `ffff…`, `sss-888-hhh`: characters that repeat what stands before them.
fn is_filler(value: &[u8]) -> bool {
    let (mut letters, mut repeats, mut previous) = (0, 0, 0);
    for byte in value
        .iter()
        .filter(|byte| ALPHANUMERIC.has(**byte))
        .map(u8::to_ascii_lowercase)
    {
        letters += 1;
        repeats += usize::from(byte == previous);
        previous = byte;
    }
    if letters >= 3 && repeats + 1 == letters {
        return true;
    }
    if letters < 6 {
        letters == 0 && value.len() < 4
    } else {
        repeats * 4 >= letters * 3
    }
}

#[cfg(test)]
mod tests {
    use super::is_placeholder;

    #[test]
    fn placeholders_are_seen_through() {
        for value in [
            "xxxxxxxx",
            "********",
            "${VAR}",
            "<token>",
            "{{x}}",
            "process.env.X",
            "$TOKEN",
            "%TOKEN%",
            "00000000-0000-0000",
            "your-key-here",
            "[REDACTED:jwt]",
        ] {
            assert!(is_placeholder(value.as_bytes()), "{value}");
        }
        for value in [
            "hunter2",
            "P@ss$word",
            "$2a$10$abc",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        ] {
            assert!(!is_placeholder(value.as_bytes()), "{value}");
        }
    }
}
