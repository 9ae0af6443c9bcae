//! The first byte seeds the cuts and says what the rest is: a text, or a list of pieces and of how each is
//! written. Pieces must give what the whole gives.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use redact::{HOLD_BACK_LIMIT_BYTES, Redactor, json};

static REDACTOR: LazyLock<Redactor> = LazyLock::new(Redactor::with_default_rules);

/// What secrets are made of, and what stands around them.
const PIECES: [&str; 40] = [
    "password", "=", ": ", "\"", "'", " ", "\n", "\\", "ghp_", "aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vWxY0z", "sk-", "AKIA",
    "Q3EG5AZ2Q3EG5AZ2", "eyJhbGciOiJIUzI1NiJ9", ".", "-", "4111 1111 1111 1111", "GB29 NWBK 6016 1331 9268 19",
    "postgres://app:", "hunter2!", "@db.example/x", "AccountKey=", "/+", "==", ";", "-----BEGIN ", "PRIVATE KEY-----",
    "-----END ", "MIIEpAIBAAK", "Authorization: Bearer ", " mysql -p", "curl -u admin:", "[REDACTED:", "api_key", "%", "&",
    "\u{1b}[", "m", "\u{200b}", "the words between ",
];

/// How a piece may be written.
const SPELLINGS: u8 = 10;

fn write(piece: &str, spelling: u8, text: &mut Vec<u8>) {
    let every = usize::from(spelling / SPELLINGS) % 4 + 1;
    for (index, character) in piece.chars().enumerate() {
        let (plain, code) = (String::from(character), u32::from(character));
        let written = match spelling % SPELLINGS {
            _ if index % every != 0 => plain,
            1 => format!("\\u{code:04x}"),
            2 => format!("%{code:02X}"),
            3 => format!("&#{code};"),
            4 => format!("\\\\u{code:04X}"),
            5 => format!("%25{code:02x}"),
            6 => format!("\u{1b}[1;31m{plain}\u{1b}[0m"),
            7 => format!("{plain}\u{200b}"),
            8 => format!("{plain}\\u001b[0m&shy;"),
            9 => format!("&#x{code:x};"),
            _ => plain,
        };
        text.extend_from_slice(written.as_bytes());
    }
}

fn written(plan: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    for pair in plan.chunks(2) {
        let piece = PIECES[usize::from(pair[0]) % PIECES.len()];
        write(piece, pair.get(1).copied().unwrap_or(0), &mut text);
    }
    text
}

fuzz_target!(|data: &[u8]| {
    let Some((seed, rest)) = data.split_first() else { return };
    let text = if seed % 2 == 0 { rest.to_vec() } else { written(rest) };
    let mut whole = Vec::new();
    let findings = REDACTOR.redact_bytes(&text, &mut whole);

    let (mut stream, mut output, mut rest, mut state) = (REDACTOR.stream(), Vec::new(), &text[..], usize::from(*seed) + 1);
    while !rest.is_empty() {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        let (piece, after) = rest.split_at((1 + (state >> 33) % (1 + usize::from(*seed))).min(rest.len()));
        stream.feed_bytes(piece, &mut output);
        assert!(stream.held_bytes() <= HOLD_BACK_LIMIT_BYTES);
        rest = after;
    }
    assert_eq!(stream.finish_bytes(&mut output), findings);
    assert_eq!(output, whole);

    if let Ok(document) = std::str::from_utf8(&text)
        && let Ok(redacted) = json::redact(&REDACTOR, document)
    {
        assert!(json::redact(&REDACTOR, &redacted.text).is_ok(), "the output is not JSON");
    }
});
