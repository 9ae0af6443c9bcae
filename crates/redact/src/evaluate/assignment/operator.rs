//! What stands between a sensitive name and its value.

use super::super::name::{Name, Spelling};
use super::{NeedMore, Search};
use crate::bytes::{ALPHANUMERIC, ByteSet, WORD};
use crate::rules::ValuePolicy;
use crate::window::Window;

/// How a name is tied to its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    /// `=`, `:=`, `=>`, `==`, and `=` as `%3D`
    Equals,
    /// `:`, also behind a type, and as `%3A`
    Colon,
    /// `|` in a table
    Separator,
    /// `,` between the strings of a call or a tuple
    Argument,
    /// The same, with a string more in front of both
    ListItem,
    /// `>` of an XML element
    Element,
    /// `is`, `was`
    Verb,
    /// `/` of a path
    Path,
    /// Nothing but space: options, netrc, SQL
    Space,
}

/// Most words of prose between the name and its verb: `password for user 'postgres' is`.
const WORDS_BEFORE_VERB: usize = 5;
/// The same for names that are no passwords, which stand in prose more often.
const FEW_WORDS_BEFORE_VERB: usize = 3;
const WORD_LIMIT_BYTES: usize = 20;
const SPACE_LIMIT_BYTES: usize = 24;
const BLANK: ByteSet = ByteSet::of(b" \t");
const MARKS: ByteSet = ByteSet::of(b"\"'`\\");

/// Reads from the end of the name to behind the operator.
pub(super) fn find(
    search: &mut Search<'_>,
    name: &Name,
    policy: ValuePolicy,
) -> Result<Option<(Operator, usize)>, NeedMore> {
    let window = search.window;
    let (closed, has_quote) = close_name(window, name.end)?;
    let spaced = window.run_end(closed, BLANK, SPACE_LIMIT_BYTES)?;
    if spaced > closed {
        search.may_start_at(spaced);
    }
    let spaced = skip_parenthesis(window, spaced)?;
    let Some(byte) = window.at(spaced)? else {
        return Ok(None);
    };
    let found = match byte {
        b':' if has_quote && before_string(window, name).last() == Some(&b'?') => None,
        b':' if !has_quote && ends_string(window, name, spaced + 1)? => None,
        b':' => return colon(search, spaced + 1),
        b'=' => Some((Operator::Equals, equals(window, spaced)?)),
        b'-' | b'~' if window.at(spaced + 1)? == Some(b'>') => Some((Operator::Equals, spaced + 2)),
        b'%' => percent(window, spaced)?,
        b'|' => Some((Operator::Separator, spaced + 1)),
        b',' if has_quote || name.spelling == Spelling::Upper => argument(window, name, spaced)?,
        b'/' if spaced == name.end && policy == ValuePolicy::Secret => {
            Some((Operator::Path, spaced + 1))
        }
        b'>' if spaced == name.end => Some((Operator::Element, spaced + 1)),
        b'<' if window.starts_with(spaced, b"</key>")? => plist(window, spaced + 6)?,
        0xef if window.starts_with(spaced, "：".as_bytes())? => {
            Some((Operator::Colon, spaced + 3))
        }
        _ if spaced > closed => return prose(search, name, policy, spaced),
        _ => None,
    };
    Ok(found)
}

/// Skips what closes the name: quotes in all their escapes, a bracket, emphasis.
fn close_name(window: Window<'_>, start: usize) -> Result<(usize, bool), NeedMore> {
    let mut position = start;
    let mut has_quote = false;
    for _ in 0..4 {
        let Some(byte) = window.at(position)? else {
            break;
        };
        position = match byte {
            b'"' | b'\'' | b'`' => {
                has_quote = true;
                position + 1
            }
            b'\\' => match escaped_quote(window, position)? {
                Some(after) => {
                    has_quote = true;
                    after
                }
                None => break,
            },
            b'&' if window.starts_with(position, b"&quot;")? => {
                has_quote = true;
                position + 6
            }
            b'%' if window.starts_with(position, b"%22")? => {
                has_quote = true;
                position + 3
            }
            b']' if has_quote => position + 1,
            b'*' => position + 1,
            _ => break,
        };
    }
    Ok((position, has_quote))
}

/// Behind `\"`, `\\\"`, `\'`, `\u0022`, `\u0027`.
pub(super) fn escaped_quote(
    window: Window<'_>,
    position: usize,
) -> Result<Option<usize>, NeedMore> {
    let end = window.run_end(position, ByteSet::of(b"\\"), 4)?;
    if window.starts_with(end, b"u0022")? || window.starts_with(end, b"u0027")? {
        return Ok(Some(end + 5));
    }
    Ok(matches!(window.at(end)?, Some(b'"' | b'\'')).then_some(end + 1))
}

/// `Token (github): …`
fn skip_parenthesis(window: Window<'_>, position: usize) -> Result<usize, NeedMore> {
    if window.at(position)? != Some(b'(') {
        return Ok(position);
    }
    let inner = window.run_end(position + 1, WORD.with(b' ').with(b'-'), 24)?;
    if inner > position + 1 && window.at(inner)? == Some(b')') {
        return window.run_end(inner + 1, BLANK, 4);
    }
    Ok(position)
}

fn equals(window: Window<'_>, position: usize) -> Result<usize, NeedMore> {
    window.run_end(position + 1, ByteSet::of(b"=>~"), 2)
}

fn percent(window: Window<'_>, position: usize) -> Result<Option<(Operator, usize)>, NeedMore> {
    if window.starts_with_ignoring_case(position, b"%3D")? {
        return Ok(Some((Operator::Equals, position + 3)));
    }
    Ok(window
        .starts_with_ignoring_case(position, b"%3A")?
        .then_some((Operator::Colon, position + 3)))
}

/// `("password", "hunter2")`: a string behind another one, which is no value itself.
fn argument(
    window: Window<'_>,
    name: &Name,
    comma: usize,
) -> Result<Option<(Operator, usize)>, NeedMore> {
    let value = window.run_end(comma + 1, BLANK, 8)?;
    let is_quote = matches!(window.at(value)?, Some(b'"' | b'\'' | b'`' | b'\\'));
    Ok(match before_string(window, name).last() {
        _ if !is_quote => None,
        Some(b':' | b'=') => None,
        Some(b',') => Some((Operator::ListItem, value)),
        _ => Some((Operator::Argument, value)),
    })
}

/// Whether what stands behind the colon closes the string that the name is in: `label: "Password:"`.
fn ends_string(window: Window<'_>, name: &Name, behind: usize) -> Result<bool, NeedMore> {
    let Some(quote) = before_name(window, name)
        .last()
        .filter(|byte| MARKS.has(**byte))
    else {
        return Ok(false);
    };
    let end = window.run_end(behind, BLANK, 1)?;
    Ok(window.at(end)? == Some(*quote))
}

/// What stands in front of the string that a name ends: without its quote and the space before that.
fn before_string<'a>(window: Window<'a>, name: &Name) -> &'a [u8] {
    without_end(before_name(window, name), MARKS).trim_ascii_end()
}

/// What stands in front of a name and the words before it.
fn before_name<'a>(window: Window<'a>, name: &Name) -> &'a [u8] {
    without_end(
        window.before(name.stem),
        WORD.with(b'-').with(b'.').with(b' '),
    )
}

fn without_end(text: &[u8], set: ByteSet) -> &[u8] {
    let end = text.iter().rposition(|byte| !set.has(*byte));
    &text[..end.map_or(0, |index| index + 1)]
}

/// `<key>Password</key>` and then `<string>`.
fn plist(window: Window<'_>, position: usize) -> Result<Option<(Operator, usize)>, NeedMore> {
    let element = window.run_end(position, BLANK.with(b'\n').with(b'\r'), SPACE_LIMIT_BYTES)?;
    Ok(window
        .starts_with(element, b"<string>")?
        .then_some((Operator::Element, element + 8)))
}

/// `:`, `:=`, `::` (which is a path), or `: Type =`.
fn colon(search: &mut Search<'_>, behind: usize) -> Result<Option<(Operator, usize)>, NeedMore> {
    let window = search.window;
    search.may_start_at(behind);
    match window.at(behind)? {
        Some(b':') => return Ok(None),
        Some(b'=') => return Ok(Some((Operator::Equals, behind + 1))),
        _ => {}
    }
    let start = window.run_end(behind, BLANK, SPACE_LIMIT_BYTES)?;
    search.may_start_at(start);
    if !window
        .at(start)?
        .is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'&')
    {
        return Ok(Some((Operator::Colon, behind)));
    }
    let annotation = ALPHANUMERIC
        .with(b'_')
        .with(b'&')
        .with(b'\'')
        .with(b'<')
        .with(b'>')
        .with(b'[')
        .with(b']')
        .with(b'?')
        .with(b'|')
        .with(b' ')
        .with(b':');
    let end = window.run_end(start, annotation, 40)?;
    let has_space = window.slice(start, end).last() == Some(&b' ');
    if has_space
        && end - start < 40
        && window.at(end)? == Some(b'=')
        && window.at(end + 1)? == Some(b' ')
    {
        return Ok(Some((Operator::Equals, end + 1)));
    }
    Ok(Some((Operator::Colon, behind)))
}

/// `password for user 'postgres' is …`, `password hunter2`
fn prose(
    search: &mut Search<'_>,
    name: &Name,
    policy: ValuePolicy,
    first: usize,
) -> Result<Option<(Operator, usize)>, NeedMore> {
    let window = search.window;
    let mut position = first;
    let most = if policy == ValuePolicy::Password {
        WORDS_BEFORE_VERB
    } else {
        FEW_WORDS_BEFORE_VERB
    };
    for index in 0..most {
        search.may_start_at(position);
        if index == 0 && matches!(window.at(position)?, Some(b'"' | b'\'')) {
            return Ok((policy == ValuePolicy::Password || name.is_option)
                .then_some((Operator::Space, position)));
        }
        if index == 0 && name.is_option {
            return Ok(Some((Operator::Space, position)));
        }
        let end = window.run_end(
            position,
            ALPHANUMERIC.with(b'\'').with(b'"').with(b'_').with(b'`'),
            WORD_LIMIT_BYTES,
        )?;
        let next = window.at(end)?;
        let word = window.slice(position, end);
        if matches!(word, b"is" | b"was" | b"ist" | b"est" | b"es") && next == Some(b' ') {
            return Ok(Some((Operator::Verb, end + 1)));
        }
        let is_value =
            index == 0 && (word.iter().any(u8::is_ascii_digit) || !matches!(next, Some(b' ')));
        if is_value {
            return Ok(Some((Operator::Space, position)));
        }
        if word.is_empty() {
            return Ok(index.gt(&0).then_some(()).and(match next {
                Some(b'=' | b':') => Some((Operator::Verb, end + 1)),
                _ => None,
            }));
        }
        if next != Some(b' ') {
            return Ok((index > 0 && next == Some(b':')).then_some((Operator::Verb, end + 1)));
        }
        position = end + 1;
    }
    Ok(None)
}
