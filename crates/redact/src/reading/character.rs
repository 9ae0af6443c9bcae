//! Characters that stand for another one, or for none.

/// What a reader makes of a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    Itself,
    /// A plain character instead of a special one.
    As(char),
    /// Nothing: it is not to be seen.
    Nothing,
}

/// Source: Unicode, `DerivedCoreProperties` (`Default_Ignorable_Code_Point`), the bidirectional controls of
/// UAX 9, the space separators (Zs), and the full-width forms of ASCII. Full-width punctuation of prose
/// stays, because it separates there.
pub(super) fn reading(character: char) -> Reading {
    match character {
        '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => {
            Reading::As(' ')
        }
        '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{115f}'..='\u{1160}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}' => Reading::Nothing,
        '！' | '（' | '）' | '，' | '：' | '；' | '？' | '．' => Reading::Itself,
        '\u{ff01}'..='\u{ff5e}' => {
            char::from_u32(u32::from(character) - 0xfee0).map_or(Reading::Itself, Reading::As)
        }
        _ => Reading::Itself,
    }
}

/// The first bytes of those characters in UTF-8, and of the control characters U+0080 to U+009F.
pub(super) const fn may_begin(byte: u8) -> bool {
    matches!(byte, 0xc2 | 0xcd | 0xd8 | 0xe1 | 0xe2 | 0xe3 | 0xef | 0xf3)
}

/// The same by the first two bytes.
pub(super) const fn may_begin_with(first: u8, second: u8) -> bool {
    match first {
        0xc2 => matches!(second, 0x90 | 0x98 | 0x9b..=0x9f | 0xa0 | 0xad),
        0xcd => second == 0x8f,
        0xd8 => second == 0x9c,
        0xe1 => matches!(second, 0x85 | 0x9a | 0xa0),
        0xe2 => matches!(second, 0x80 | 0x81),
        0xe3 => matches!(second, 0x80 | 0x85),
        0xef => matches!(second, 0xb8 | 0xbb..=0xbf),
        0xf3 => second == 0xa0,
        _ => false,
    }
}
