//! Sets of bytes, the letters of every shape.

/// A set of bytes: one bit for each of the 256.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct ByteSet([u64; 4]);

impl ByteSet {
    /// The set of the bytes in `members`.
    pub(crate) const fn of(members: &[u8]) -> Self {
        let mut set = Self([0; 4]);
        let mut index = 0;
        while index < members.len() {
            set = set.with(members[index]);
            index += 1;
        }
        set
    }

    /// This set and one byte more.
    pub(crate) const fn with(mut self, byte: u8) -> Self {
        self.0[(byte >> 6) as usize] |= 1 << (byte & 63);
        self
    }

    /// This set and every byte from `first` to `last`, both included.
    pub(crate) const fn with_range(mut self, first: u8, last: u8) -> Self {
        let mut byte = first;
        while byte < last {
            self = self.with(byte);
            byte += 1;
        }
        self.with(last)
    }

    /// Every byte that this set lacks.
    pub(crate) const fn inverted(self) -> Self {
        Self([!self.0[0], !self.0[1], !self.0[2], !self.0[3]])
    }

    /// The bytes of either set.
    pub(crate) const fn union(self, other: Self) -> Self {
        let (one, other) = (self.0, other.0);
        Self([
            one[0] | other[0],
            one[1] | other[1],
            one[2] | other[2],
            one[3] | other[3],
        ])
    }

    /// Whether the byte belongs to the set.
    #[inline]
    pub(crate) const fn has(self, byte: u8) -> bool {
        self.0[(byte >> 6) as usize] >> (byte & 63) & 1 == 1
    }

    /// The set as a table, for the loops in which a shift more counts.
    pub(crate) const fn table(self) -> [bool; 256] {
        let mut table = [false; 256];
        let mut byte = u8::MAX;
        loop {
            table[byte as usize] = self.has(byte);
            if byte == 0 {
                return table;
            }
            byte -= 1;
        }
    }

    /// Whether every byte of `other` belongs to the set.
    pub(crate) fn covers(self, other: Self) -> bool {
        self.0
            .iter()
            .zip(other.0)
            .all(|(mine, theirs)| theirs & !mine == 0)
    }
}

/// Flags of 0 and 1 as bits.
#[inline]
pub(crate) fn bits(flags: &[u8; 64]) -> u64 {
    let eights = flags.as_chunks::<8>().0;
    let gathered = eights.iter().enumerate().map(|(index, eight)| {
        // Multiplied, the flag of each byte comes to stand in the highest one.
        (u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56) << (index * 8)
    });
    gathered.fold(0, |all, eight| all | eight)
}

/// Every byte.
pub(crate) const ANY: ByteSet = ByteSet([u64::MAX; 4]);
/// `0-9`
pub(crate) const DIGIT: ByteSet = ByteSet([0; 4]).with_range(b'0', b'9');
/// `A-Z a-z 0-9`
pub(crate) const ALPHANUMERIC: ByteSet = DIGIT.with_range(b'A', b'Z').with_range(b'a', b'z');
/// What a name is made of; a token never starts right behind one of these.
pub(crate) const WORD: ByteSet = ALPHANUMERIC.with(b'_');
/// Base64, base64url and padding.
pub(crate) const BASE64: ByteSet = ALPHANUMERIC
    .with(b'+')
    .with(b'/')
    .with(b'=')
    .with(b'-')
    .with(b'_');

#[cfg(test)]
mod tests {
    use super::{ALPHANUMERIC, ByteSet, DIGIT};

    #[test]
    fn ranges_take_both_ends() {
        assert!(DIGIT.has(b'0') && DIGIT.has(b'9') && !DIGIT.has(b':') && !DIGIT.has(b'/'));
        assert!(ByteSet::of(b"").with_range(250, 255).has(255));
        assert!(ALPHANUMERIC.covers(DIGIT) && !DIGIT.covers(ALPHANUMERIC));
        assert!(DIGIT.inverted().has(b'x') && !DIGIT.inverted().has(b'5'));
    }
}
