//! What a value looks like: a placeholder, code, a plain word, a password, something random.

use super::placeholder::{contains, is_placeholder};
use super::word_list::WordList;
use crate::bytes::{ALPHANUMERIC, ByteSet, DIGIT};
use crate::rules::ValuePolicy;

/// How a value was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writing {
    /// In quotes, in an XML element, or as a JSON string.
    Quoted,
    /// Bare, behind a name in `CAPITALS=` or at the start of a line: a settings file.
    Setting,
    /// Bare, as the value of a command-line option.
    Argument,
    /// Bare, behind a colon or a verb: `password: hunter2`, `the password is hunter2`.
    Prose,
    /// Bare, anywhere else: it may be code or prose.
    Bare,
}

/// Words that stand where a value would, in documentation, schemas and code.
static NOT_VALUES: WordList = WordList::new(&[
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "key",
    "apikey",
    "null",
    "none",
    "nil",
    "true",
    "false",
    "undefined",
    "string",
    "str",
    "text",
    "bytes",
    "int",
    "integer",
    "number",
    "bool",
    "boolean",
    "object",
    "array",
    "any",
    "required",
    "optional",
    "invalid",
    "incorrect",
    "wrong",
    "missing",
    "empty",
    "hidden",
    "yes",
    "no",
    "bearer",
    "basic",
    "credentials",
    "username",
    "user",
    "email",
    "value",
    "default",
    "function",
    "return",
    "void",
    "input",
    "self",
    "this",
    "const",
    "let",
    "static",
    "final",
    "public",
    "private",
    "readonly",
    "write",
    "read",
    "env",
    "prompt",
    "plain",
    "plaintext",
    "encrypted",
    "hashed",
    "digest",
    "expired",
    "reset",
    "change",
    "forgot",
    "enter",
    "not",
    "the",
    "your",
    "set",
    "and",
    "for",
    "with",
    "uint64",
    "uint32",
    "float32",
    "float64",
    "sha256",
    "sha512",
    "base64",
    "string1",
    "string2",
    "argon2",
]);

/// From this length on, a value is no word, and no stand-in for one. No value is looked at further.
pub(super) const LONG_VALUE_BYTES: usize = 200;

/// Whether a value is a secret, by what the name in front of it promises.
pub(crate) fn is_secret(policy: ValuePolicy, value: &[u8], writing: Writing) -> bool {
    if value.len() >= LONG_VALUE_BYTES && policy != ValuePolicy::Random {
        return !is_text_or_code(value) && !is_long_path_or_url(value);
    }
    if value.len() < 3 || is_stop_word(value) || is_placeholder(value) || is_option(value) {
        return false;
    }
    match policy {
        ValuePolicy::Password => is_password(value, writing),
        ValuePolicy::Secret | ValuePolicy::Authorization => is_strong(value),
        ValuePolicy::Random => looks_random(value),
    }
}

/// Whether a value is random beyond doubt, whatever its name says: long and of three kinds.
pub(crate) fn is_surely_random(value: &[u8]) -> bool {
    value.len() >= 32
        && value.iter().any(u8::is_ascii_uppercase)
        && value.iter().any(u8::is_ascii_lowercase)
        && looks_random(value)
}

/// A sentence, a template, an element.
fn is_text_or_code(value: &[u8]) -> bool {
    matches!(value, [b'<', ..] | [b'$' | b'{', b'{' | b'(', ..]) || value.contains(&b' ')
}

/// Unlike a short one, a long path has a name between any two of its slashes: base64 may start with one.
fn is_long_path_or_url(value: &[u8]) -> bool {
    let is_path = value.contains(&b'/')
        && value
            .split(|byte| *byte == b'/')
            .all(|part| part.len() < 40 && is_name(part));
    is_path || contains(value, b"://")
}

fn is_stop_word(value: &[u8]) -> bool {
    NOT_VALUES.has(value)
}

fn is_password(value: &[u8], writing: Writing) -> bool {
    let has_space = value.contains(&b' ');
    let words = Words::of(value);
    match writing {
        Writing::Quoted if matches!(value.last(), Some(b'[' | b'(' | b'{')) => false,
        Writing::Quoted if has_space => {
            words.digits > 0 && words.spaces < 3 && !value.ends_with(b":")
        }
        Writing::Quoted => {
            !is_path_or_url(value)
                && (!words.is_title() || words.digits > 0)
                && !is_dotted_name(value)
                && !is_constant_name(value)
        }
        Writing::Setting | Writing::Argument => !is_path_or_url(value) && !is_dotted_name(value),
        Writing::Prose => {
            (value.len() >= 6 || (value.len() == 5 && words.digits > 0 && words.turns > 1))
                && (words.digits > 0 || words.symbols > 0)
                && !is_joined_name(value)
                && !is_path_or_url(value)
        }
        Writing::Bare => {
            value.len() >= 5
                && (words.digits > 0 || words.symbols > 0)
                && !is_name(value)
                && !is_path_or_url(value)
        }
    }
}

/// Letters and digits that do not make a name.
fn is_strong(value: &[u8]) -> bool {
    let words = Words::of(value);
    let has_both = words.digits > 0 && words.letters > 0;
    value.len() >= 8
        && words.spaces == 0
        && !is_name(value)
        && !is_path_or_url(value)
        && (has_both
            || (value.len() >= 20 && words.turns * 3 >= value.len())
            || (words.symbols >= 2 && words.letters > 3 && words.digits > 0))
}

/// Long, of the letters of base64 and hex, and without the regularity of words.
pub(crate) fn looks_random(value: &[u8]) -> bool {
    let allowed = ALPHANUMERIC
        .with(b'+')
        .with(b'/')
        .with(b'=')
        .with(b'_')
        .with(b'-')
        .with(b'.')
        .with(b'~');
    let words = Words::of(value);
    let is_hex = value.iter().all(u8::is_ascii_hexdigit);
    value.len() >= 16
        && value.iter().all(|byte| allowed.has(*byte))
        && !is_name(value)
        && !is_path_or_url(value)
        && words.letters > 0
        && ((is_hex && value.len() >= 20 && words.digits >= 3)
            || (words.digits >= 2 && words.turns * 6 >= value.len())
            || (value.len() >= 24
                && words.turns * if words.digits > 0 { 4 } else { 3 } >= value.len()))
}

/// Names of code: words, joined by `_`, `-`, `.` or humps, each with at most two digits at its end.
fn is_name(value: &[u8]) -> bool {
    let separators = ByteSet::of(b"_-.:/@\\");
    value.split(|byte| separators.has(*byte)).all(is_word)
}

fn is_word(part: &[u8]) -> bool {
    let letters = part
        .iter()
        .take_while(|byte| byte.is_ascii_alphabetic())
        .count();
    let digits = part.len() - letters;
    let (word, number) = part.split_at(letters);
    if !number.iter().all(|byte| DIGIT.has(*byte)) {
        return false;
    }
    if letters == 0 {
        return digits <= 4;
    }
    let humps = word
        .windows(2)
        .filter(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase())
        .count();
    digits <= 2 && humps * 5 <= letters && has_vowels(word)
}

/// Words of more than a few letters have vowels; what is random often goes long without.
fn has_vowels(word: &[u8]) -> bool {
    let vowels = ByteSet::of(b"aeiouyAEIOUY");
    let count = word.iter().filter(|byte| vowels.has(**byte)).count();
    word.len() <= 4 || (count * 6 >= word.len() && word.len() <= 24)
}

/// `DB_PASSWORD`: the name of a variable, not its value.
fn is_constant_name(value: &[u8]) -> bool {
    value.contains(&b'_')
        && value
            .iter()
            .all(|byte| byte.is_ascii_uppercase() || *byte == b'_')
}

fn is_joined_name(value: &[u8]) -> bool {
    value.iter().any(|byte| matches!(byte, b'.' | b'_' | b':')) && is_name(value)
}

/// `--lib`, which a program is to be passed.
fn is_option(value: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_lowercase() || *byte == b'-';
    let name = value.strip_prefix(b"--");
    name.is_some_and(|name| name.iter().all(plain) && is_name(name))
}

fn is_dotted_name(value: &[u8]) -> bool {
    value.contains(&b'.') && is_name(value)
}

fn is_path_or_url(value: &[u8]) -> bool {
    let slashes = value.split(|byte| *byte == b'/').count() - 1;
    matches!(value, [b'/' | b'~', ..] | [b'.', b'/' | b'.', ..]) && (slashes > 1 || is_name(value))
        || contains(value, b"://")
        || (slashes > 1
            && value
                .split(|byte| *byte == b'/')
                .all(|part| part.len() < 20 && is_name(part)))
        || matches!(value, [drive, b':', b'\\', ..] if drive.is_ascii_alphabetic())
}

/// Counts of what a value is made of.
struct Words {
    letters: usize,
    digits: usize,
    symbols: usize,
    spaces: usize,
    /// How often one kind of character follows another.
    turns: usize,
    is_title: bool,
}

impl Words {
    fn of(value: &[u8]) -> Self {
        let kind = |byte: u8| match byte {
            b'a'..=b'z' => 0,
            b'A'..=b'Z' => 1,
            b'0'..=b'9' => 2,
            _ => 3,
        };
        let count = |wanted: fn(u8) -> bool| value.iter().filter(|byte| wanted(**byte)).count();
        Self {
            letters: count(|byte| byte.is_ascii_alphabetic()),
            digits: count(|byte| byte.is_ascii_digit()),
            symbols: count(|byte| {
                byte.is_ascii_punctuation() && byte != b'_' && byte != b'-' && byte != b'.'
            }),
            spaces: count(|byte| byte == b' '),
            turns: value
                .windows(2)
                .filter(|pair| kind(pair[0]) != kind(pair[1]))
                .count(),
            is_title: matches!(value, [first, rest @ ..] if first.is_ascii_uppercase() && rest.iter().all(u8::is_ascii_lowercase)),
        }
    }

    fn is_title(&self) -> bool {
        self.is_title
    }
}

#[cfg(test)]
mod tests {
    use super::{Writing, is_secret, looks_random};
    use crate::rules::ValuePolicy;

    #[test]
    fn policies_ask_for_more_the_less_the_name_promises() {
        let password =
            |value: &str, writing| is_secret(ValuePolicy::Password, value.as_bytes(), writing);
        assert!(password("hunter2", Writing::Prose) && password("whiteduke", Writing::Setting));
        assert!(!password("incorrect", Writing::Bare) && !password("user_input", Writing::Bare));
        let secret =
            |value: &str| is_secret(ValuePolicy::Secret, value.as_bytes(), Writing::Quoted);
        assert!(
            secret("AIhq5Xyb1Gga9Q19")
                && !secret("created_at_descending")
                && !secret("CancellationToken")
        );
        assert!(
            !looks_random(b"user_profile_settings")
                && looks_random(b"8f14e45fceea167a5a36dedd4bea2543")
        );
    }
}
