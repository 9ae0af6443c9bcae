//! Which bytes of a block are of which class, as bitmaps: one bit a byte.
//!
//! No branch depends on a byte, so the compiler classifies many of them at a time (SIMD intrinsics would
//! need `unsafe`).

use crate::bytes::bits;

/// Bitmaps of a text; the bits behind its end are clear.
#[derive(Debug, Default)]
pub(super) struct ByteClasses {
    /// `A-Z a-z 0-9 _ -`
    pub(super) words: Vec<u64>,
    pub(super) digits: Vec<u64>,
    /// Spaces, where there are digits within the same 64 bytes.
    pub(super) spaces: Vec<u64>,
}

impl ByteClasses {
    pub(super) const fn new() -> Self {
        Self {
            words: Vec::new(),
            digits: Vec::new(),
            spaces: Vec::new(),
        }
    }

    /// Classifies `text`.
    pub(super) fn classify(&mut self, text: &[u8]) {
        self.words.clear();
        self.digits.clear();
        self.spaces.clear();
        let (blocks, rest) = text.as_chunks::<64>();
        for block in blocks {
            self.push(block);
        }
        let mut last = [0; 64];
        last[..rest.len()].copy_from_slice(rest);
        self.push(&last);
    }

    #[inline]
    fn push(&mut self, block: &[u8; 64]) {
        let mut flags = [0; 64];
        let mut any_digit = 0;
        for (flag, byte) in flags.iter_mut().zip(block) {
            let digit = u8::from(byte.is_ascii_digit());
            any_digit |= digit;
            *flag = digit
                | u8::from((byte | 0x20).is_ascii_lowercase())
                | u8::from(*byte == b'-')
                | u8::from(*byte == b'_');
        }
        self.words.push(bits(&flags));
        let (digits, spaces) = if any_digit == 0 {
            (0, 0)
        } else {
            (
                bits(&block.map(|byte| u8::from(byte.is_ascii_digit()))),
                bits(&block.map(|byte| u8::from(byte == b' '))),
            )
        };
        self.digits.push(digits);
        self.spaces.push(spaces);
    }
}

#[cfg(test)]
mod tests {
    use super::ByteClasses;

    #[test]
    fn every_byte_at_every_place_is_of_the_right_class() {
        for byte in 0..=u8::MAX {
            for place in [0, 1, 7, 8, 63, 64, 70] {
                let mut text = vec![b'7'; 71];
                text[place] = byte;
                let mut classes = ByteClasses::default();
                classes.classify(&text);
                let bit = |bits: &[u64]| bits[place / 64] >> (place % 64) & 1 == 1;
                assert_eq!(
                    bit(&classes.words),
                    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-',
                    "{byte}"
                );
                assert_eq!(bit(&classes.digits), byte.is_ascii_digit(), "{byte}");
                assert_eq!(bit(&classes.spaces), byte == b' ', "{byte}");
            }
        }
    }
}
