//! The private half of a key in `PuTTY`'s own format.

use super::key_body::BodyTail;
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
    Verdict::located(window, first_line(window, position, after), |start| {
        let end = window.run_end(start, BASE64, FIRST_LINE_BYTES)?;
        let prefix = LinePrefix::before(window, position);
        Ok((end - start >= LEAST_LINE_BYTES).then(|| Span {
            start,
            end,
            tail: Some(Tail::Body(Box::new(BodyTail::new(end - start, prefix)))),
        }))
    })
}

fn first_line(
    window: Window<'_>,
    position: usize,
    after: usize,
) -> Result<Option<usize>, NeedMore> {
    let count = window.run_end(after, DIGIT, 4)?;
    let end = window.run_end(count, ByteSet::of(b" \r\\rn"), 8)?;
    let start = if window.at(end)? == Some(b'\n') {
        LinePrefix::before(window, position).end(window, end + 1)?
    } else {
        end
    };
    let start = window.run_end(start, ByteSet::of(b" \t"), 16)?;
    Ok((count > after && end > count || start > end).then_some(start))
}
