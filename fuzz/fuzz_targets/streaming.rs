//! The first byte seeds the cuts, the rest is the text: pieces must give what the whole gives.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use redact::{HOLD_BACK_LIMIT_BYTES, Redactor, json};

static REDACTOR: LazyLock<Redactor> = LazyLock::new(Redactor::with_default_rules);

fuzz_target!(|data: &[u8]| {
    let Some((seed, text)) = data.split_first() else { return };
    let mut whole = Vec::new();
    let findings = REDACTOR.redact_bytes(text, &mut whole);

    let (mut stream, mut output, mut rest, mut state) = (REDACTOR.stream(), Vec::new(), text, usize::from(*seed) + 1);
    while !rest.is_empty() {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        let (piece, after) = rest.split_at((1 + (state >> 33) % (1 + usize::from(*seed))).min(rest.len()));
        stream.feed_bytes(piece, &mut output);
        assert!(stream.held_bytes() <= HOLD_BACK_LIMIT_BYTES);
        rest = after;
    }
    assert_eq!(stream.finish_bytes(&mut output), findings);
    assert_eq!(output, whole);

    if let Ok(document) = std::str::from_utf8(text)
        && let Ok(redacted) = json::redact(&REDACTOR, document)
    {
        assert!(json::redact(&REDACTOR, &redacted.text).is_ok(), "the output is not JSON");
    }
});
