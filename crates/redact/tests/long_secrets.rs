//! A secret that is longer than what is kept back is hidden as a whole, however it goes on.

use std::sync::LazyLock;

use proptest::prelude::*;
use redact::{HOLD_BACK_LIMIT_BYTES, Redactor};

static REDACTOR: LazyLock<Redactor> = LazyLock::new(Redactor::with_default_rules);

const DIGITS: &[u8] = b"aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vWxY0zA2bC4dD6eF8gH";

/// What stands in front of a secret, the part of it that no filler may replace, and what stands behind it. Put
/// together here, so that none stands in the source.
fn starts() -> Vec<(&'static str, String, &'static str)> {
    let digits = |length: usize| String::from_utf8_lossy(&DIGITS[..length]).into_owned();
    let token = |prefix: &str, length| ("see ", format!("{prefix}{}", digits(length)), " end");
    vec![
        token("ghp_", 0),
        token("ghp_", 36),
        token("sk-", 0),
        token("sk-proj-", 0),
        token("sk-ant-api03-", 40),
        token("glpat-", 20),
        token("hf_", 0),
        token("npm_", 36),
        token("AIza", 35),
        token("xoxb-", 10),
        token("sk_live_", 0),
        ("see Bearer ", digits(12), " end"),
        ("see ", format!("AKIA{}", "Q3EG5AZ2".repeat(80)), " end"),
        ("see ", format!("dapi{}", "0123abcd".repeat(80)), " end"),
        ("see ", format!("SG.{}", digits(40).repeat(6)), " end"),
        (
            "see ",
            format!("eyJhbGciOiJIUzI1NiJ9.{}", digits(9)),
            " end",
        ),
        // The name of the algorithm stands behind another one.
        (
            "see ",
            format!("eyJ4IjoxLCJhbGciOiJIUzI1NiIs{}", digits(48).repeat(8)),
            " end",
        ),
        ("password=", String::new(), "\n"),
        ("password: ", String::new(), "\n"),
        ("password = \"", String::new(), "\"\n"),
        ("token=", String::new(), "\n"),
        ("{\"api_key\":\"", String::new(), "\"}"),
        ("Authorization: Bearer ", String::new(), "\n"),
        ("Authorization: Basic ", String::new(), "\n"),
        ("Cookie: session=", String::new(), "; theme=dark"),
        ("Cookie: PHPSESSID=", String::new(), "; theme=dark"),
        ("https://app:", String::new(), "@host.example/x"),
        ("postgres://app:", String::new(), "@host.example/x"),
        ("mysql -p", String::new(), " db"),
        ("curl -u app:", String::new(), " https://example.com/"),
    ]
}

fn in_pieces(text: &str, size: usize) -> String {
    let mut stream = REDACTOR.stream();
    let mut output = Vec::new();
    for piece in text.as_bytes().chunks(size) {
        stream.feed_bytes(piece, &mut output);
        assert!(stream.held_bytes() <= HOLD_BACK_LIMIT_BYTES);
    }
    stream.finish_bytes(&mut output);
    String::from_utf8_lossy(&output).into_owned()
}

/// Nothing but a marker stands where the secret was.
fn check(before: &str, secret: &str, after: &str) {
    let text = format!("{before}{secret}{after}");
    let redacted = REDACTOR.redact(&text).text;
    let shown: String = text.chars().take(60).collect();
    let (head, rest) = redacted.split_once("[REDACTED:").unwrap_or_default();
    let (_, rest) = rest.split_once(']').unwrap_or_default();
    assert!(
        head.starts_with(before) && rest.ends_with(after) && rest.len() <= after.len(),
        "{shown}: {redacted}"
    );
    for size in [1, 3, 7, 64, 500] {
        assert_eq!(
            in_pieces(&text, size),
            redacted,
            "{shown} in pieces of {size}"
        );
    }
}

#[test]
fn a_secret_of_any_length_and_any_filler_is_hidden_from_its_start_to_its_end() {
    for (before, start, after) in starts() {
        for filler in [
            "a",
            "x",
            "0",
            "abcdefghijklmnopqrstuvwxyz",
            "aB3dE5fG7h",
            "Lorem",
        ] {
            // A card, an id of AWS and hexadecimal digits have an alphabet of their own.
            let is_bounded = ["AKIA", "dapi"]
                .iter()
                .any(|prefix| start.starts_with(prefix));
            let bytes = if is_bounded { 0 } else { 600 };
            for bytes in [bytes, bytes * 12] {
                check(
                    before,
                    &format!("{start}{}", &filler.repeat(bytes)[..bytes]),
                    after,
                );
            }
        }
    }
}

#[test]
fn what_only_holds_the_start_of_a_token_stays() {
    let blob =
        "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0NTY3ODkr"
            .repeat(20);
    for text in [
        format!("x{}{blob}", "ghp_"),
        format!("QUJD{}{blob}", "AKIA"),
        format!("data:text/javascript;base64,{blob}"),
        format!("data:font/woff2;base64,d09G{}{blob}", "AIza"),
        format!("data:application/json;base64,eyJ2ZXJzaW9uIjoz{blob}"),
        format!("eyJ2ZXJzaW9uIjozLCJzb3VyY2VzIjpb{blob}"),
        "var n=e.sk-t.length,r=s.fc-1;function key(e){return e.token-e.pass};".repeat(20),
        format!("https://example.com/{}", "a-long-path/".repeat(80)),
        format!("https://example.com:8080/{}", "aB3dE5fG7h".repeat(80)),
        format!("{{\"license_key_url\":\"{}\"}}", "docs/license/".repeat(40)),
        format!("password: \"{}\"", "the words of a sentence ".repeat(20)),
    ] {
        assert_eq!(REDACTOR.redact(&text).text, text);
        for size in [1, 7, 64] {
            assert_eq!(in_pieces(&text, size), text);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn long_secrets_are_hidden_in_any_pieces(
        index in 0..starts().len(), filler in "[a-z]{1,12}|[A-Za-z0-9]{1,40}", bytes in 400_usize..3000, size in 1_usize..700
    ) {
        let (before, start, after) = starts().swap_remove(index);
        prop_assume!(!start.starts_with("AKIA") && !start.starts_with("dapi"));
        let secret = format!("{start}{}", &filler.repeat(bytes)[..bytes]);
        check(before, &secret, after);
        let text = format!("{before}{secret}{after}");
        prop_assert_eq!(in_pieces(&text, size), REDACTOR.redact(&text).text);
    }
}

/// Nothing of it is long enough for a token, wherever a piece ends.
#[test]
fn a_prefix_that_repeats_is_the_same_in_pieces() {
    let redactor = redact::Redactor::with_default_rules();
    let text = format!("A{}\\\\\\", "%sk-xoxb-".repeat(2_000));
    let whole = redactor.redact(&text).text;
    assert_eq!(whole, text);
    for size in [1, 7, 22, 64] {
        let mut stream = redactor.stream();
        let mut output = Vec::new();
        for piece in text.as_bytes().chunks(size) {
            stream.feed_bytes(piece, &mut output);
        }
        stream.finish_bytes(&mut output);
        assert!(output == whole.as_bytes(), "in pieces of {size}");
    }
}
