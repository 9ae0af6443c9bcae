//! The private half of a key in `PuTTY`'s own format.

use super::body_tail::BodyTail;
use super::line_prefix::LinePrefix;
use super::{Head, NeedMore, Span, Tail, Verdict, Visibility, Window};
use crate::bytes::{ANY, BASE64, ByteSet, DIGIT};

const HEAD: &str = "Private-Lines: ";
const LEAST_LINE_BYTES: usize = 16;
const FIRST_LINE_BYTES: usize = 64;

pub(super) fn head(rule: usize) -> Head {
    Head {
        literal: HEAD.as_bytes().to_vec(),
        ignoring_case: Vec::new(),
        rule,
        is_secret: false,
        starts_token: false,
        visibility: Visibility::Literal,
        digits: None,
        followed_by: ANY,
    }
}

/// Whether this is the head above, of the several that the rule for private keys has.
pub(super) fn is_head(head: &Head) -> bool {
    head.literal == HEAD.as_bytes()
}

/// Judges what follows: a number of lines, and the lines.
///
/// Source: `PuTTY`'s manual, appendix C.
pub(super) fn verdict(window: Window<'_>, position: usize, after: usize) -> Verdict {
    // Where the key starts on its line shows late, so all of the line is kept back until then.
    Verdict::located(window, behind_number(window, after), |behind| {
        let prefix = LinePrefix::before(window, position);
        let start = first_line(window, &prefix, behind)?;
        let end = window.run_end(start, BASE64, FIRST_LINE_BYTES)?;
        Ok((end - start >= LEAST_LINE_BYTES).then(|| Span {
            start,
            end,
            tail: Some(Tail::Body(Box::new(BodyTail::new(end - start, prefix)))),
        }))
    })
}

/// Where the number ends, if anything parts it from what follows.
fn behind_number(window: Window<'_>, after: usize) -> Result<Option<usize>, NeedMore> {
    let number = window.run_end(after, DIGIT, 4)?;
    let end = window.run_end(number, ByteSet::of(b" \r\\rn"), 8)?;
    let is_parted =
        (number > after && end > number) || matches!(window.at(end)?, Some(b'\n' | b' ' | b'\t'));
    Ok(is_parted.then_some(end))
}

fn first_line(window: Window<'_>, prefix: &LinePrefix, behind: usize) -> Result<usize, NeedMore> {
    let start = if window.at(behind)? == Some(b'\n') {
        prefix.end(window, behind + 1)?
    } else {
        behind
    };
    window.run_end(start, ByteSet::of(b" \t"), 16)
}
