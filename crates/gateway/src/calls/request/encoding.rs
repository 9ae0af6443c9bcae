//! From the bytes of a body to its text.

use bounded_json::Position;

use crate::error::{ErrorCode, Problem};

/// What compressed bodies begin with: gzip, zstd.
const COMPRESSED: [&[u8]; 2] = [b"\x1f\x8b", b"\x28\xb5\x2f\xfd"];
const UTF_16: [&[u8]; 2] = [b"\xff\xfe", b"\xfe\xff"];

/// JSON travels in UTF-8 without a byte order mark (RFC 8259, section 8.1). Where the first bytes show another encoding, the problem names it.
pub(super) fn text_of(body: &[u8]) -> Result<&str, Problem> {
    let begins_with = |marks: &[&[u8]]| marks.iter().any(|mark| body.starts_with(mark));
    if begins_with(&COMPRESSED) {
        return Err(unsupported(
            "The body is compressed. Send it as it is, without Content-Encoding.",
        ));
    }
    if begins_with(&UTF_16) {
        return Err(unsupported("The body is in UTF-16. Send it in UTF-8."));
    }
    std::str::from_utf8(body).map_err(|error| {
        let valid = body.get(..error.valid_up_to()).unwrap_or_default();
        super::malformed::malformed(Position::after(valid))
    })
}

fn unsupported(detail: &str) -> Problem {
    Problem::new(ErrorCode::UnsupportedMediaType, detail)
}
