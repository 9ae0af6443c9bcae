//! Which bytes of a block are of which class, as bitmaps: one bit a byte.
//!
//! Eight bytes are classified at a time in one 64-bit word (no SIMD intrinsics, which would need
//! `unsafe`), and eight such masks make one word of the bitmap.

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

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
        let (mut words, mut any_digits) = (0, 0);
        for (index, eight) in block.as_chunks::<8>().0.iter().enumerate() {
            let word = u64::from_le_bytes(*eight);
            let seven = word & !HIGH;
            let digits = between(seven, b'0', b'9');
            let letters = between(seven | (LOW * 0x20), b'a', b'z');
            let found = (digits | letters | equal(seven, b'-') | equal(seven, b'_')) & !word;
            any_digits |= digits;
            words |= gather(found) << (index * 8);
        }
        self.words.push(words);
        let (digits, spaces) = if any_digits == 0 {
            (0, 0)
        } else {
            digits_and_spaces(block)
        };
        self.digits.push(digits);
        self.spaces.push(spaces);
    }
}

fn digits_and_spaces(block: &[u8; 64]) -> (u64, u64) {
    let (mut digits, mut spaces) = (0, 0);
    for (index, eight) in block.as_chunks::<8>().0.iter().enumerate() {
        let word = u64::from_le_bytes(*eight);
        let seven = word & !HIGH;
        digits |= gather(between(seven, b'0', b'9') & !word) << (index * 8);
        spaces |= gather(equal(seven, b' ') & !word) << (index * 8);
    }
    (digits, spaces)
}

/// The high bit of each byte from `first` to `last`; the bytes are below 128.
#[inline]
const fn between(seven: u64, first: u8, last: u8) -> u64 {
    let reaches_first = seven + LOW * (0x80 - first as u64);
    let exceeds_last = seven + LOW * (0x7f - last as u64);
    reaches_first & !exceeds_last & HIGH
}

/// The high bit of each byte that equals `byte`; the bytes are below 128.
#[inline]
const fn equal(seven: u64, byte: u8) -> u64 {
    !((seven ^ (LOW * byte as u64)) + LOW * 0x7f) & HIGH
}

/// The high bits of eight bytes as eight bits.
#[inline]
const fn gather(high_bits: u64) -> u64 {
    (high_bits >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
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
