//! Proves that the cuts of a text do not matter, and that little is kept back.

use std::sync::LazyLock;

use proptest::prelude::*;
use redact::{HOLD_BACK_LIMIT_BYTES, Redactor};

#[path = "../benches/labelled.rs"]
#[allow(dead_code, reason = "shared with the bench, which uses all of it")]
mod labelled;

static REDACTOR: LazyLock<Redactor> = LazyLock::new(Redactor::with_default_rules);

/// Feeds the pieces and checks the bound after each.
fn in_pieces<'a>(
    redactor: &Redactor,
    pieces: impl Iterator<Item = &'a [u8]>,
) -> (Vec<u8>, Vec<redact::Finding>) {
    let mut stream = redactor.stream();
    let mut output = Vec::new();
    for piece in pieces {
        stream.feed_bytes(piece, &mut output);
        assert!(
            stream.held_bytes() <= HOLD_BACK_LIMIT_BYTES,
            "{} bytes are kept back",
            stream.held_bytes()
        );
    }
    let findings = stream.finish_bytes(&mut output);
    (output, findings)
}

fn check_all_sizes(redactor: &Redactor, text: &[u8]) {
    let mut whole = Vec::new();
    let findings = redactor.redact_bytes(text, &mut whole);
    for size in [
        1, 2, 3, 4, 5, 7, 8, 13, 16, 31, 64, 128, 200, 256, 333, 512, 1000,
    ] {
        let (output, found) = in_pieces(redactor, text.chunks(size));
        assert_eq!(
            String::from_utf8_lossy(&output),
            String::from_utf8_lossy(&whole),
            "pieces of {size}"
        );
        assert_eq!(found, findings, "findings in pieces of {size}");
        if size > text.len() {
            break;
        }
    }
}

#[test]
fn a_key_without_its_header_comes_out_the_same_in_pieces_of_every_size() {
    let line = "aB3dE5fG7h".repeat(7);
    let (first, line) = (format!("MIIEpAIBAAK{}", &line[..53]), &line[..64]);
    for line_break in ["\n", "\r\n", "\\n"] {
        let body = [first.as_str(), line, line, "aB3d=="].join(line_break);
        let text = format!("before {body}\nafter MIIEpAIBAA and {body}");
        let redacted = REDACTOR.redact(&text);
        let marker = "[REDACTED:private_key]";
        assert_eq!(
            redacted.text,
            format!("before {marker}\nafter MIIEpAIBAA and {marker}")
        );
        check_all_sizes(&REDACTOR, text.as_bytes());
    }
}

#[test]
fn every_labelled_text_comes_out_the_same_in_pieces_of_every_size() {
    let redactor = &*REDACTOR;
    for file in ["public.jsonl", "pii_optional.jsonl", "wave2.jsonl"] {
        let cases = labelled::load(file);
        for case in &cases {
            check_all_sizes(redactor, case.text.as_bytes());
        }
        // All texts in one: secrets that touch each other, and blocks instead of short pieces.
        let joined: String = cases.iter().map(|case| case.text.as_str()).collect();
        check_all_sizes(redactor, joined.as_bytes());
        let lines: Vec<&str> = cases.iter().map(|case| case.text.as_str()).collect();
        check_all_sizes(redactor, lines.join("\n").as_bytes());
    }
}

#[test]
fn every_single_cut_of_every_labelled_text_gives_the_same() {
    let redactor = &*REDACTOR;
    for case in labelled::load("public.jsonl")
        .iter()
        .filter(|case| case.text.len() < 400)
    {
        let text = case.text.as_bytes();
        let mut whole = Vec::new();
        redactor.redact_bytes(text, &mut whole);
        for cut in 1..text.len() {
            let (head, tail) = text.split_at(cut);
            let (output, _) = in_pieces(redactor, [head, tail].into_iter());
            assert_eq!(
                String::from_utf8_lossy(&output),
                String::from_utf8_lossy(&whole),
                "cut at {cut}"
            );
        }
    }
}

#[test]
fn what_the_fuzzer_found_stays_found() {
    let texts = [
        " Authorization ~r:izat0U-=+&",
        "Authorization: Bearer -----BEGIN 0[",
        "Bearer %21U411data:image/png;bas2D\n,1 0555imaapi\0key~",
        // Escapes that are not complete, within escapes, too long, and in front of a footer.
        "mysql -p%26e%71%75al\\u0073%3bhLu\\C",
        "비번:@&#1;D ",
        "비번:a:비번:비번:비번:비번:69OmdsyA8k26rjb71twlpocHTBj2SWPwL\\&#117;&#48;062",
        "%E2\\u0067hp_0670067h067hp67hp_0067h067hp67hph",
        "[%35&#53;&#53;\\u0035&#32;\\u0035\\u0035\\u00355\\u0020%355&#53;&#53;&#32;\\u0034\\u0034\\u0034%34<",
    ];
    let words = "nothing to see here ".repeat(20);
    check_all_sizes(
        &REDACTOR,
        format!("{words} eyJp-qpass=ordet-ap1-eyJp-qpass=orde.e-cdef0061728394abcdef {words}")
            .as_bytes(),
    );
    for text in texts {
        check_all_sizes(&REDACTOR, text.as_bytes());
    }
    for invisible in ["\\u200b", "%E2%80%8B", "\u{1b}]8;;x\u{7}", "\u{1b}]8;;"] {
        for start in [
            "19",
            "ghp_aB3dE5",
            "password=hu",
            "&qu",
            "-----BEGIN PRIVATE KEY-----\n",
        ] {
            let text = format!("{start}{}nter2 67hp_0067h067hp67hph", invisible.repeat(60));
            check_all_sizes(&REDACTOR, text.as_bytes());
        }
    }
    // Repetitions: of what only the reading shows, and of a key whose line may have a prefix.
    let key = "aB3dE5fG7h".repeat(6);
    let options = format!("password{}", format!("%3Dmysql -p{key}data").repeat(150));
    assert!(!REDACTOR.redact(&options).text.contains(&key));
    check_all_sizes(&REDACTOR, options.as_bytes());
    let lines = format!("tokenPrivate-Lines: 2\n{}", &key[..16]).repeat(300);
    check_all_sizes(&REDACTOR, format!("password{lines}password").as_bytes());
    // The search goes on in the middle of a long word.
    let text = format!(" mysql -p{}", "glpat-".repeat(100));
    check_all_sizes(&REDACTOR, text.as_bytes());
    let long_value = format!(" mysql -p{} db", "aB3dE5f!".repeat(60));
    assert_eq!(
        REDACTOR.redact(&long_value).text,
        " mysql -p[REDACTED:pwd_option] db"
    );
}

/// Text made of whole, half and adjacent secrets, names, quotes and what stands between them.
#[expect(clippy::too_many_lines, reason = "a list")]
fn fragments() -> impl Strategy<Value = Vec<u8>> {
    let alphabet = prop::sample::select(vec![
        "password",
        "Password=",
        "PASSWORD: ",
        "token",
        "api_key",
        "secret",
        " is ",
        "=",
        ": ",
        " = \"",
        "\"",
        "'",
        "\\n",
        "\\\"",
        "\n",
        " ",
        "  ",
        "ghp_",
        "sk-",
        "sk-proj-",
        "AKIA",
        "xoxb-",
        "eyJhbGciOiJIUzI1NiJ9",
        ".",
        "-",
        "_",
        "glpat-",
        "AIza",
        "SG.",
        "s.",
        "$2a$12$",
        "Q~",
        "8Q~",
        "-----BEGIN ",
        "-----BEGIN PRIVATE KEY-----",
        "-----END PRIVATE KEY-----",
        "\nVersion: GnuPG v2\n",
        "\\nComment: \"x\" \\\\\\n",
        "\n12:01 app | ",
        "Private-Lines: 2\n",
        "\\u0041",
        "\\u00",
        "\\",
        "\\\\\\",
        "\\x70",
        "\\101",
        "\\/",
        "\\e[0m",
        "\\u001b[0m",
        "^[[0m",
        "[31m",
        "%41",
        "%2541",
        "%E2%80%8B",
        "%5Cu0041",
        "&quot;",
        "&#65;",
        "&amp;#65;",
        "&",
        "%",
        "[",
        "\u{1b}",
        "\u{1b}]8;;x\u{7}",
        "\u{200b}",
        "\u{a0}",
        "ｐａｓｓword",
        "p\\u0061ssword",
        "\\u0067hp_",
        "-----",
        "://",
        "https://",
        "user:",
        "@host",
        "postgres://u:",
        "Authorization: ",
        "Bearer ",
        "Basic ",
        "dXNlcjpwYXNzd29yZA==",
        "[REDACTED:jwt]",
        "[REDACTED:",
        "]",
        "data:image/png;base64,",
        "4111",
        " 1111",
        "4111111111111111",
        "5555 5555 5555 4444",
        "GB29",
        " NWBK",
        " 6016 1331 9268 19",
        "DE89370400440532013000",
        "mc5811222000010123456789030",
        "is",
        "me",
        "Zx8Kq2",
        "aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW",
        "0123456789abcdef0123456789abcdef",
        "-us5",
        "NRAL",
        "1234567890",
        ":AA",
        "xxxxxxxx",
        "hunter2!",
        "curl -u ",
        "mysql -p",
        "--password ",
        "%3D",
        "\u{1b}[31m",
        "\\u0022",
        "é",
        "“",
        "비번:",
        "<password>",
        "</",
        "|",
        "{",
        "}",
        "(",
        ")",
        ",",
        ";",
        "&",
        "$",
        "${X}",
        "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "                                        ",
    ]);
    let piece = prop_oneof![
        8 => alphabet.prop_map(|text| text.as_bytes().to_vec()),
        1 => "[A-Za-z0-9]{1,40}".prop_map(String::into_bytes),
        1 => "[0-9 ]{1,24}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 1..6),
    ];
    prop::collection::vec(piece, 1..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6000, ..ProptestConfig::default() })]

    #[test]
    fn any_cuts_of_any_fragments_give_the_same(text in fragments(), cuts in prop::collection::vec(1_usize..24, 1..80)) {
        let redactor = &*REDACTOR;
        let mut whole = Vec::new();
        let findings = redactor.redact_bytes(&text, &mut whole);
        let mut pieces = Vec::new();
        let mut rest = &text[..];
        for size in cuts.iter().cycle() {
            if rest.is_empty() { break; }
            let (piece, after) = rest.split_at((*size).min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        let (output, found) = in_pieces(redactor, pieces.into_iter());
        prop_assert_eq!(String::from_utf8_lossy(&output), String::from_utf8_lossy(&whole));
        prop_assert_eq!(found, findings);
    }

    #[test]
    fn blocks_find_what_short_pieces_find(parts in prop::collection::vec(fragments(), 1..6), size in 1_usize..40) {
        let redactor = &*REDACTOR;
        let text = parts.join(&b" some words in between that are nothing at all \n"[..]);
        let mut whole = Vec::new();
        redactor.redact_bytes(&text, &mut whole);
        let (output, _) = in_pieces(redactor, text.chunks(size));
        prop_assert_eq!(String::from_utf8_lossy(&output), String::from_utf8_lossy(&whole));
    }

    #[test]
    fn repetitions_find_what_short_pieces_find(
        lead in prop::collection::vec(fragments(), 1..3), unit in fragments(), end in fragments(), unit_bytes in 1_usize..140, size in 1_usize..40
    ) {
        let redactor = &*REDACTOR;
        let unit = &unit[..unit_bytes.min(unit.len())];
        // Long enough for the block passes to take it as a repetition.
        let text = [lead.concat(), unit.repeat(12_000 / unit.len().max(1)), end].concat();
        let mut whole = Vec::new();
        let findings = redactor.redact_bytes(&text, &mut whole);
        let (output, found) = in_pieces(redactor, text.chunks(size));
        prop_assert_eq!(String::from_utf8_lossy(&output), String::from_utf8_lossy(&whole));
        prop_assert_eq!(found, findings);
    }

    #[test]
    fn any_bytes_in_any_pieces_give_the_same(text in prop::collection::vec(any::<u8>(), 0..600), size in 1_usize..64) {
        let redactor = &*REDACTOR;
        let mut whole = Vec::new();
        redactor.redact_bytes(&text, &mut whole);
        let (output, _) = in_pieces(redactor, text.chunks(size));
        prop_assert_eq!(output, whole);
    }

    #[test]
    fn markers_are_never_altered(text in fragments()) {
        let redactor = &*REDACTOR;
        let once = redactor.redact(&String::from_utf8_lossy(&text)).text;
        let markers = |text: &str| text.matches("[REDACTED:").count();
        let twice = redactor.redact(&once).text;
        prop_assert!(markers(&twice) >= markers(&once));
    }
}

#[test]
fn a_string_for_the_terminal_without_an_end_leaves_no_secret_in_a_stream() {
    let filler = format!("{}\u{1b}]8;", "a".repeat(40));
    let text = format!(
        "password{}0aAAaAapostgres://u:Authorization: \\u0041aa0000a",
        filler.repeat(272)
    );
    check_all_sizes(&REDACTOR, text.as_bytes());
}
