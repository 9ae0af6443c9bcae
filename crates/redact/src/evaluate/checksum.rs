//! Checksums that vendors put into their tokens.

/// GitHub's and npm's tokens end in six base62 digits of the CRC32 of what stands before them.
///
/// Source: <https://github.blog/engineering/platform-security/behind-githubs-new-authentication-token-formats/>
pub(crate) fn is_valid_github_checksum(body: &[u8]) -> bool {
    let Some((random, checksum)) = body
        .len()
        .checked_sub(6)
        .map(|length| body.split_at(length))
    else {
        return false;
    };
    base62(crc32(random)) == checksum
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |state: u32| {
        (0..8).fold(state, |state, _| {
            if state & 1 == 1 {
                state >> 1 ^ 0xedb8_8320
            } else {
                state >> 1
            }
        })
    };
    !bytes.iter().fold(u32::MAX, |state, byte| {
        state >> 8 ^ step((state ^ u32::from(*byte)) & 0xff)
    })
}

fn base62(mut number: u32) -> [u8; 6] {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut text = [b'0'; 6];
    for place in text.iter_mut().rev() {
        *place = DIGITS[(number % 62) as usize];
        number /= 62;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::crc32;

    #[test]
    fn the_checksum_is_the_usual_crc32() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }
}
