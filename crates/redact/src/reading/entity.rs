//! Character references of HTML and XML by name.

/// Names, in the order of bytes, and what they stand for.
///
/// Source: <https://html.spec.whatwg.org/multipage/named-characters.html>, the names of ASCII, of spaces
/// and of what is not to be seen.
const NAMES: [(&str, char); 60] = [
    ("AMP", '&'),
    ("GT", '>'),
    ("Hat", '^'),
    ("LT", '<'),
    ("NewLine", '\n'),
    ("NoBreak", '\u{2060}'),
    ("NonBreakingSpace", ' '),
    ("QUOT", '"'),
    ("Tab", '\t'),
    ("ThinSpace", ' '),
    ("UnderBar", '_'),
    ("VerticalLine", '|'),
    ("ZeroWidthSpace", '\u{200b}'),
    ("amp", '&'),
    ("apos", '\''),
    ("ast", '*'),
    ("bsol", '\\'),
    ("colon", ':'),
    ("comma", ','),
    ("commat", '@'),
    ("dollar", '$'),
    ("emsp", ' '),
    ("ensp", ' '),
    ("equals", '='),
    ("excl", '!'),
    ("grave", '`'),
    ("gt", '>'),
    ("hairsp", ' '),
    ("lbrace", '{'),
    ("lbrack", '['),
    ("lcub", '{'),
    ("lowbar", '_'),
    ("lpar", '('),
    ("lrm", '\u{200e}'),
    ("lsqb", '['),
    ("lt", '<'),
    ("midast", '*'),
    ("nbsp", ' '),
    ("num", '#'),
    ("numsp", ' '),
    ("percnt", '%'),
    ("period", '.'),
    ("plus", '+'),
    ("puncsp", ' '),
    ("quest", '?'),
    ("quot", '"'),
    ("rbrace", '}'),
    ("rbrack", ']'),
    ("rcub", '}'),
    ("rlm", '\u{200f}'),
    ("rpar", ')'),
    ("rsqb", ']'),
    ("semi", ';'),
    ("shy", '\u{ad}'),
    ("sol", '/'),
    ("thinsp", ' '),
    ("verbar", '|'),
    ("vert", '|'),
    ("zwj", '\u{200d}'),
    ("zwnj", '\u{200c}'),
];

/// Where the names begin that begin with a letter, and those that begin with a later one.
static BY_LETTER: [u8; 129] = {
    let mut starts = [0; 129];
    let mut letter = 0;
    while letter < 128 {
        let mut index = starts[letter];
        while (index as usize) < NAMES.len()
            && NAMES[index as usize].0.as_bytes()[0] as usize == letter
        {
            index += 1;
        }
        letter += 1;
        starts[letter] = index;
    }
    starts
};

/// The names that begin with the same letter.
fn alike(name: &[u8]) -> &'static [(&'static str, char)] {
    match name.first().map(|first| usize::from(*first)) {
        None => &NAMES,
        Some(letter @ 0..128) => {
            &NAMES[usize::from(BY_LETTER[letter])..usize::from(BY_LETTER[letter + 1])]
        }
        Some(_) => &[],
    }
}

/// The character of a name.
pub(super) fn named(name: &[u8]) -> Option<char> {
    let known = alike(name)
        .iter()
        .find(|(known, _)| known.as_bytes() == name);
    known.map(|(_, character)| *character)
}

/// Whether any name starts so.
pub(super) fn is_start_of_name(start: &[u8]) -> bool {
    alike(start)
        .iter()
        .any(|(known, _)| known.as_bytes().starts_with(start))
}

/// The same for a reference, which may end in it.
pub(super) fn may_begin(start: &[u8]) -> bool {
    match start {
        [name @ .., b';'] | [name @ .., b';', _] => named(name).is_some(),
        name => is_start_of_name(name),
    }
}

#[cfg(test)]
mod tests {
    use super::{NAMES, is_start_of_name, named};

    #[test]
    fn names_are_found_by_their_first_letter() {
        assert!(NAMES.is_sorted());
        for (name, character) in NAMES {
            assert_eq!(named(name.as_bytes()), Some(character));
            assert!((0..=name.len()).all(|end| is_start_of_name(&name.as_bytes()[..end])));
        }
        for other in ["", "self", "am", "ampx", "zzz"] {
            assert_eq!(named(other.as_bytes()), None);
        }
        assert!(!is_start_of_name(b"self") && !is_start_of_name(b"zzz"));
    }
}
