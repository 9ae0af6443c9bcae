//! What base64 stands for, in either alphabet.

/// The bytes of all whole groups; padding and what is not base64 count as zeros.
pub(super) fn decode(text: &[u8]) -> impl Iterator<Item = u8> {
    text.chunks_exact(4).flat_map(|group| {
        let values = group.iter().map(|byte| sextet(*byte));
        let bits = values.fold(0, |bits, value| bits << 6 | value);
        let [_, bytes @ ..] = u32::to_be_bytes(bits);
        bytes
    })
}

fn sextet(byte: u8) -> u32 {
    u32::from(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => 0,
    })
}
