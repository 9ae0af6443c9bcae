//! A secret is hidden however its text is written, and only what is written otherwise is read otherwise.

use std::sync::LazyLock;

use proptest::prelude::*;
use redact::Redactor;

static REDACTOR: LazyLock<Redactor> = LazyLock::new(Redactor::with_default_rules);

const ALPHANUMERIC: &str = "aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vWxY0zA2bC4dD6eF8gH";

/// What stands in front of a secret and behind it, with the secret between; put together here, so that
/// none stands in the source.
fn secrets() -> Vec<(String, String, &'static str)> {
    let alphanumeric = |length: usize| ALPHANUMERIC.repeat(4)[..length].to_owned();
    let token = |prefix: &str, length| {
        (
            String::new(),
            format!("{prefix}{}", alphanumeric(length)),
            "",
        )
    };
    let value = |before: &str, length, after| (before.to_owned(), alphanumeric(length), after);
    vec![
        token("ghp_", 36),
        token("glpat-", 20),
        token("hf_", 34),
        token("npm_", 36),
        token("AIza", 35),
        token("sk-ant-api03-", 95),
        (String::new(), format!("AKIA{}", "Q3EG5AZ2".repeat(2)), ""),
        (String::new(), String::from("4111 1111 1111 1111"), ""),
        (
            String::new(),
            String::from("GB29 NWBK 6016 1331 9268 19"),
            "",
        ),
        (
            String::new(),
            format!(
                "eyJhbGciOiJIUzI1NiJ9.{}.{}",
                alphanumeric(60),
                alphanumeric(43)
            ),
            "",
        ),
        value("AccountKey=", 86, "==;x"),
        value("postgres://app:", 14, "@db.example/x"),
        value("\"password\":\"", 14, "\""),
        value("api_key = \"", 32, "\""),
        value("PASSWORD=", 12, "\n"),
        value("Authorization: Bearer ", 40, "\n"),
        value("curl -u admin:", 12, " https://example.com/"),
    ]
}

/// One way to write a text; `chosen` says of each character whether it is written otherwise.
type Encoding = fn(&str, &dyn Fn(usize) -> bool) -> String;

/// With some characters written otherwise, and all backslashes, percent signs and ampersands so that they stay
/// what they are.
fn each(text: &str, chosen: &dyn Fn(usize) -> bool, write: impl Fn(u32) -> String) -> String {
    let introducer = write(0).chars().next();
    let characters = text.chars().enumerate();
    let written = characters.map(|(index, character)| match character {
        '\\' if introducer == Some('\\') => String::from("\\\\"),
        _ if introducer == Some(character) => write(u32::from(character)),
        _ if chosen(index) && character.is_ascii() => write(u32::from(character)),
        _ => String::from(character),
    });
    written.collect()
}

fn behind_each(text: &str, chosen: &dyn Fn(usize) -> bool, inserted: &str) -> String {
    let characters = text.chars().enumerate();
    let written = characters.map(|(index, character)| {
        let inserted = if chosen(index) { inserted } else { "" };
        format!("{character}{inserted}")
    });
    written.collect()
}

/// Those that may be used one upon the other.
const ENCODINGS: [Encoding; 9] = [
    |text, chosen| each(text, chosen, |code| format!("\\u{code:04x}")),
    |text, chosen| each(text, chosen, |code| format!("%{code:02X}")),
    |text, chosen| each(text, chosen, |code| format!("&#{code};")),
    |text, chosen| each(text, chosen, |code| format!("&#x{code:x};")),
    |text, chosen| each(text, chosen, |code| format!("\\x{code:02x}")),
    |text, chosen| each(text, chosen, |code| format!("\\{code:03o}")),
    |text, _| text.replace('\\', "\\\\").replace('/', "\\/"),
    |text, _| {
        let named = text
            .replace('&', "&amp;")
            .replace('"', "&quot;")
            .replace('=', "&equals;");
        named.replace(':', "&colon;").replace('/', "&sol;")
    },
    |text, _| text.replace('\\', "\\\\").replace('"', "\\\""),
];

/// What is not to be seen, in its spellings.
const INVISIBLE: [&str; 14] = [
    "\u{1b}[0m",
    "\u{1b}[38;5;208m",
    "\\u001b[1m",
    "\\x1b[0m",
    "\\033[31m",
    "\\e[0m",
    "^[[0m",
    "\u{1b}]8;;x\u{7}",
    "\u{200b}",
    "\u{feff}",
    "\u{ad}",
    "\u{2066}",
    "%E2%80%8B",
    "&shy;",
];

/// No run of the secret's characters, as they are written, may be left. Nothing of it is `inserted`.
fn check(before: &str, secret: &str, after: &str, inserted: &str) {
    let text = format!("see {before}{secret}{after} and more");
    let redacted = REDACTOR.redact(&text).text;
    let without = |text: &str| {
        if inserted.is_empty() {
            text.to_owned()
        } else {
            text.replace(inserted, "")
        }
    };
    let (shown, secret) = (without(&redacted), without(secret));
    let around = without(&format!("see {before} {after} and more"));
    let characters: Vec<char> = secret.chars().collect();
    // In front of a prefix may stay what its first character is not a part of.
    let run = (characters.len() * 2 / 5).max(12).min(characters.len());
    for window in characters.windows(run) {
        let window: String = window.iter().collect();
        // Parts of escapes may also stand around the secret.
        let count = |text: &str| text.matches(&window).count();
        assert!(count(&shown) <= count(&around), "{text}\n{redacted}");
    }
    for size in [1, 5, 64] {
        let (mut stream, mut output) = (REDACTOR.stream(), Vec::new());
        for piece in text.as_bytes().chunks(size) {
            stream.feed_bytes(piece, &mut output);
        }
        stream.finish_bytes(&mut output);
        assert_eq!(String::from_utf8_lossy(&output), redacted, "{text}");
    }
}

#[test]
fn a_secret_is_hidden_in_every_encoding() {
    for (before, secret, after) in secrets() {
        for encode in ENCODINGS {
            for chosen in [
                &(|_| true) as &dyn Fn(usize) -> bool,
                &|index| index == 0,
                &|index| index % 3 == 1,
            ] {
                check(
                    &encode(&before, chosen),
                    &encode(&secret, chosen),
                    &encode(after, chosen),
                    "",
                );
            }
        }
    }
}

#[test]
fn what_is_not_to_be_seen_hides_nothing() {
    for (before, secret, after) in secrets() {
        for invisible in INVISIBLE {
            for chosen in [
                &(|index: usize| index == 0) as &dyn Fn(usize) -> bool,
                &|index| index % 7 == 2,
            ] {
                let write = |text: &str| behind_each(text, chosen, invisible);
                check(
                    &format!("{}{invisible}", write(&before)),
                    &write(&secret),
                    &write(after),
                    invisible,
                );
            }
        }
    }
}

#[test]
fn a_space_is_a_space_whatever_its_width() {
    for space in [
        "\u{a0}", "\u{2009}", "\u{202f}", "\u{3000}", "&nbsp;", "%C2%A0", "%20", "\\u00a0",
    ] {
        let with_space = |text: &str| text.replace(' ', space);
        for (before, secret, after) in secrets() {
            check(&with_space(&before), &with_space(&secret), after, "");
        }
    }
}

#[test]
fn what_a_text_says_in_the_end_decides() {
    for text in [
        "api_key = \\u003cyour key\\u003e",
        "&lt;password&gt;",
        "C:\\users\\x41\\0\\new",
        "100%25 of the keys, 50%20off",
        "a\u{1b}[1mbold\u{1b}[0m b\u{200b}c &amp; d &nbsp; [0m [31m é ’ 密码",
    ] {
        assert_eq!(REDACTOR.redact(text).text, text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn a_secret_is_hidden_in_a_stack_of_encodings(
        which in 0_usize..17, stack in prop::collection::vec(0_usize..9, 1..3), chosen in prop::collection::vec(prop::bool::weighted(0.25), 97)
    ) {
        let (before, secret, after) = &secrets()[which];
        let write = |text: &str| stack.iter().fold(text.to_owned(), |text, encoding| {
            ENCODINGS[*encoding](&text, &|index| chosen[index % 97])
        });
        check(&write(before), &write(secret), &write(after), "");
    }

    /// No word has a `w`: of `%61pw word`, the engine takes `pw` for a name (docs/redaction.md, "Weak spots").
    #[test]
    fn a_text_without_a_secret_stays(words in prop::collection::vec("[a-vx-z]{1,8}", 1..30), stack in prop::collection::vec(0_usize..9, 1..4), chosen in prop::collection::vec(any::<bool>(), 97)) {
        let text = words.join(" ");
        let written = stack.iter().fold(text.clone(), |text, encoding| {
            ENCODINGS[*encoding](&text, &|index| chosen[index % 97])
        });
        if REDACTOR.redact(&text).text == text {
            prop_assert_eq!(&REDACTOR.redact(&written).text, &written);
        }
    }
}
