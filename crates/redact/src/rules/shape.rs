//! The shape that follows an anchor: byte classes with bounded lengths.

use crate::bytes::{ALPHANUMERIC, ByteSet, DIGIT, WORD};
use crate::window::{NeedMore, Window};

/// How many bytes of one piece are looked at before a token counts as found; the rest of a longer
/// token is swallowed without looking back.
const DECIDE_WITHIN_BYTES: usize = 160;

/// A sequence of pieces, each taking as many bytes as it can and giving none back.
///
/// Written like a small regular expression without groups or alternatives: literals, `\d`, `\w`,
/// classes such as `[A-Za-z0-9_-]`, and the counts `{n}`, `{n,}`, `{n,m}`, `?`, `+`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Piece {
    set: ByteSet,
    least: usize,
    most: Option<usize>,
}

/// The run of hexadecimal digits that a shape without an anchor starts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DigitRun {
    pub(crate) least: usize,
    pub(crate) most: usize,
    /// What may stand behind the run.
    pub(crate) then: ByteSet,
}

impl DigitRun {
    /// Whether a run of this length, with this byte behind it if there is one yet, may be the one.
    #[inline]
    pub(crate) fn fits(&self, length: usize, next: Option<u8>) -> bool {
        match next {
            Some(byte) => (self.least..=self.most).contains(&length) && self.then.has(byte),
            None => true,
        }
    }
}

/// Where a shape ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ShapeMatch {
    pub(crate) end: usize,
    /// The class that may go on behind `end`, when the shape has no upper bound.
    pub(crate) goes_on_with: Option<ByteSet>,
}

impl Shape {
    pub(crate) fn parse(source: &str) -> Result<Self, String> {
        let mut rest = source.as_bytes();
        let mut pieces = Vec::new();
        while !rest.is_empty() {
            let (set, after_set) = parse_set(rest)?;
            let ((least, most), after_count) = parse_count(after_set)?;
            pieces.push(Piece { set, least, most });
            rest = after_count;
        }
        let bounded: usize = pieces
            .iter()
            .map(|piece| piece.most.unwrap_or(piece.least).min(DECIDE_WITHIN_BYTES))
            .sum();
        if bounded > 400 {
            return Err(String::from(
                "the shape needs more than 400 bytes to be recognised",
            ));
        }
        Ok(Self { pieces })
    }

    /// The fewest bytes of `set` that the shape starts with, without a break.
    pub(crate) fn least_run_of(&self, set: ByteSet) -> usize {
        self.pieces
            .iter()
            .take_while(|piece| set.covers(piece.set))
            .map(|piece| piece.least)
            .sum()
    }

    /// The fewest bytes that a token has.
    pub(crate) fn least_bytes(&self) -> usize {
        self.pieces.iter().map(|piece| piece.least).sum()
    }

    /// The bytes that may stand anywhere in a token.
    pub(crate) fn all_sets(&self) -> ByteSet {
        let sets = self.pieces.iter().map(|piece| piece.set);
        sets.fold(ByteSet::default(), ByteSet::union)
    }

    /// The bytes that the shape may start with.
    pub(crate) fn first_set(&self) -> ByteSet {
        self.pieces
            .first()
            .map(|piece| piece.set)
            .unwrap_or_default()
    }

    /// The first piece, and what may follow it.
    pub(crate) fn lead(&self) -> DigitRun {
        let (mut least, mut most, mut then) = (0, 0, ByteSet::default());
        if let Some((first, rest)) = self.pieces.split_first() {
            (least, most) = (first.least, first.most.unwrap_or(usize::MAX));
            for piece in rest {
                then = then.union(piece.set);
                if piece.least > 0 {
                    break;
                }
            }
        }
        DigitRun { least, most, then }
    }

    /// Whether the shape starts with bytes that few words of prose start with.
    pub(crate) fn starts_with_hexadecimal(&self) -> bool {
        self.pieces
            .first()
            .is_some_and(|piece| piece.least >= 8 && DIGIT.with_range(b'a', b'f').covers(piece.set))
    }

    /// Looks for the shape at `position`.
    pub(crate) fn find(
        &self,
        window: Window<'_>,
        position: usize,
    ) -> Result<Option<ShapeMatch>, NeedMore> {
        let mut end = position;
        let mut goes_on_with = None;
        for (index, piece) in self.pieces.iter().enumerate() {
            let is_last = index + 1 == self.pieces.len();
            let limit = piece
                .most
                .unwrap_or(usize::MAX)
                .min(DECIDE_WITHIN_BYTES.max(piece.least));
            let piece_end = window.run_end(end, piece.set, limit)?;
            if piece_end - end < piece.least {
                return Ok(None);
            }
            let is_cut = piece.most.is_none() && piece_end - end == limit;
            if is_cut && !is_last {
                return Ok(None);
            }
            if is_last {
                goes_on_with = is_cut.then_some(piece.set);
            }
            end = piece_end;
        }
        if let Some(piece) = self.pieces.last()
            && piece.most.is_some()
            && let Some(next) = window.at(end)?
            && piece.set.has(next)
            && ALPHANUMERIC.has(next)
        {
            return Ok(None);
        }
        Ok(Some(ShapeMatch { end, goes_on_with }))
    }
}

fn parse_set(source: &[u8]) -> Result<(ByteSet, &[u8]), String> {
    match source {
        [b'[', rest @ ..] => parse_class(rest),
        [b'\\', byte, rest @ ..] => Ok((escaped(*byte), rest)),
        [b'(' | b')' | b'|' | b'*' | b'.' | b'^' | b'$', ..] => Err(format!(
            "`{}` has no meaning here; write `\\{0}` for the character itself",
            char::from(source[0])
        )),
        [byte, rest @ ..] => Ok((ByteSet::default().with(*byte), rest)),
        [] => Err(String::from("a shape ends too early")),
    }
}

fn parse_class(source: &[u8]) -> Result<(ByteSet, &[u8]), String> {
    let mut set = ByteSet::default();
    let mut rest = source;
    loop {
        rest = match rest {
            [b']', after @ ..] => return Ok((set, after)),
            [first, b'-', last, after @ ..] if *last != b']' && *first != b'\\' => {
                if first > last {
                    return Err(format!(
                        "the range {}-{} is empty",
                        char::from(*first),
                        char::from(*last)
                    ));
                }
                set = set.with_range(*first, *last);
                after
            }
            [b'\\', byte, after @ ..] => {
                set = set.union(escaped(*byte));
                after
            }
            [byte, after @ ..] => {
                set = set.with(*byte);
                after
            }
            [] => return Err(String::from("a class is not closed by `]`")),
        };
    }
}

fn escaped(byte: u8) -> ByteSet {
    match byte {
        b'd' => DIGIT,
        b'w' => WORD,
        other => ByteSet::default().with(other),
    }
}

type Count = (usize, Option<usize>);

fn parse_count(source: &[u8]) -> Result<(Count, &[u8]), String> {
    match source {
        [b'?', rest @ ..] => Ok(((0, Some(1)), rest)),
        [b'+', rest @ ..] => Ok(((1, None), rest)),
        [b'{', rest @ ..] => {
            let close = rest
                .iter()
                .position(|byte| *byte == b'}')
                .ok_or("a count is not closed by `}`")?;
            let text = String::from_utf8_lossy(&rest[..close]).into_owned();
            Ok((read_count(&text)?, &rest[close + 1..]))
        }
        _ => Ok(((1, Some(1)), source)),
    }
}

fn read_count(text: &str) -> Result<Count, String> {
    let number = |part: &str| {
        part.parse::<usize>()
            .map_err(|_| format!("`{{{text}}}` is not a count"))
    };
    let count = match text.split_once(',') {
        None => (number(text)?, Some(number(text)?)),
        Some((least, "")) => (number(least)?, None),
        Some((least, most)) => (number(least)?, Some(number(most)?)),
    };
    if count.1.is_some_and(|most| most < count.0) {
        return Err(format!("`{{{text}}}` has its ends the wrong way round"));
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::Shape;
    use crate::window::{NeedMore, Window};

    fn end_of(shape: &str, text: &str) -> Option<usize> {
        let shape = Shape::parse(shape).unwrap();
        shape
            .find(Window::new(text.as_bytes(), true), 0)
            .unwrap()
            .map(|found| found.end)
    }

    #[test]
    fn pieces_take_as_much_as_they_can() {
        assert_eq!(end_of(r"\d{2,3}-[a-z]+", "123-abc!"), Some(7));
        assert_eq!(end_of(r"\d{2,3}-[a-z]+", "1-abc"), None);
        assert_eq!(
            end_of("[a-z]{3}", "abcd"),
            None,
            "a bounded shape ends where its class ends"
        );
        assert_eq!(end_of("[a-z]{3}", "abc-d"), Some(3));
    }

    #[test]
    fn an_open_end_waits() {
        let shape = Shape::parse("[a-z]{3}").unwrap();
        assert_eq!(shape.find(Window::new(b"abc", false), 0), Err(NeedMore));
    }

    #[test]
    fn bad_shapes_are_refused_with_a_reason() {
        for bad in ["[a-z", "a{", "a{2,1}", "(a)", "a*", "[z-a]", "a{x}"] {
            assert!(Shape::parse(bad).is_err(), "{bad}");
        }
    }
}
