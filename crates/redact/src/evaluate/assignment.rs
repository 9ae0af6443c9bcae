//! A sensitive name, something that assigns, a value: in code, settings, shell, tables and prose.

mod opening;
mod operator;

use super::name::{self, Name, Spelling};
use super::value::{self, LONG_VALUE_BYTES, Writing};
use super::{NeedMore, RuleSet, Span, Tail, Verdict, Window};
use crate::bytes::ByteSet;
use crate::rules::{AssignmentRule, ValuePolicy};
use opening::Opening;
use operator::Operator;

/// What ends a bare value.
const BARE_END: ByteSet = ByteSet::of(b" \t\r\n\"'`<>,;()[]{}|&\\\0\x1b");

pub(super) fn verdict(
    rule: &AssignmentRule,
    window: Window<'_>,
    start: usize,
    after: usize,
) -> Verdict {
    let mut search = Search {
        window,
        hold_from: window.bytes().len(),
    };
    match search.place(rule, start, after) {
        Err(NeedMore) => Verdict::Wait {
            hold_from: search.hold_from,
        },
        Ok(None) => Verdict::No,
        Ok(Some(place)) => Verdict::at(place.start, judge(rule.value, window, &place)),
    }
}

/// The rule that hides a string under this key of a JSON object, if one does.
pub(crate) fn sensitive_value(rules: &RuleSet, key: &[u8], text: &[u8]) -> Option<usize> {
    let found = rules.assignments().find(|(_, rule)| {
        rule.stems
            .iter()
            .any(|stem| name::is_sensitive_key(key, &rule.qualifiers, stem))
            && value::is_secret(rule.value, text, Writing::Quoted)
    });
    found.map(|(index, _)| index)
}

/// Where a value stands and how it is written.
struct Place {
    start: usize,
    writing: Writing,
    /// What ends it.
    end_set: ByteSet,
    /// Only a strong value counts, because nothing but a space stands before it.
    must_be_strong: bool,
    /// Only a random value counts, because it is a part of a path.
    must_be_random: bool,
    /// Only what is random beyond doubt counts, because the name speaks against it.
    is_harmless: bool,
    operator: Operator,
}

/// The search for the value behind a name.
struct Search<'a> {
    window: Window<'a>,
    /// From where on the bytes may belong to the value, as far as is known.
    hold_from: usize,
}

impl Search<'_> {
    fn place(
        &mut self,
        rule: &AssignmentRule,
        start: usize,
        after: usize,
    ) -> Result<Option<Place>, NeedMore> {
        let policy = rule.value;
        let Some(name) = name::read(self.window, &rule.qualifiers, start, after)? else {
            return Ok(None);
        };
        let Some((operator, behind)) = operator::find(self, &name, policy)? else {
            return Ok(None);
        };
        self.may_start_at(behind);
        let Some((opening, start)) = opening::find(self, operator, policy, behind)? else {
            return Ok(None);
        };
        self.may_start_at(start);
        let writing = self.writing(&name, operator, opening, start, after);
        let end_set = match opening {
            Opening::Bare => BARE_END,
            Opening::Quote(quote) => ByteSet::of(b"\r\n\x1b").with(quote),
            Opening::Escaped => ByteSet::of(b"\"'\r\n\\\x1b"),
            Opening::Element => ByteSet::of(b"<\r\n"),
        };
        let must_be_strong =
            operator == Operator::Space && opening == Opening::Bare && !name.is_option;
        Ok(Some(Place {
            start,
            writing,
            end_set,
            must_be_strong,
            must_be_random: operator == Operator::Path,
            is_harmless: name.is_harmless || is_test_result(self.window, &name, operator),
            operator,
        }))
    }

    /// From now on, bytes from `position` on are kept back while more is needed.
    fn may_start_at(&mut self, position: usize) {
        self.hold_from = position.min(self.window.bytes().len());
    }

    fn writing(
        &self,
        name: &Name,
        operator: Operator,
        opening: Opening,
        start: usize,
        after: usize,
    ) -> Writing {
        if opening != Opening::Bare {
            return Writing::Quoted;
        }
        if name.is_option {
            return Writing::Argument;
        }
        let is_tight = start == name.end + 1;
        let before = self.window.before(after);
        let name_part = before
            .iter()
            .rev()
            .take_while(|byte| crate::bytes::WORD.has(**byte) || matches!(**byte, b'.' | b'-'))
            .count();
        let lead = before.len() - name_part;
        let starts_line = lead == 0 && after < before.len() + 1
            || lead > 0 && matches!(before[lead - 1], b'\n' | b'?' | b'&' | b';');
        match operator {
            Operator::Equals if is_tight && (name.spelling != Spelling::Other || starts_line) => {
                Writing::Setting
            }
            Operator::Colon if name.spelling == Spelling::Upper => Writing::Setting,
            Operator::Colon | Operator::Verb => Writing::Prose,
            _ => Writing::Bare,
        }
    }
}

/// `--- PASS: TestName`, `=== PASS: name`: what a test runner says of a test.
fn is_test_result(window: Window<'_>, name: &Name, operator: Operator) -> bool {
    let before = window.before(name.stem);
    operator == Operator::Colon
        && window.slice(name.stem, name.end) == b"PASS"
        && (before.ends_with(b"--- ") || before.ends_with(b"=== "))
}

/// An escaped quote may stand in the value, or be the end of it: the longer value that is a secret is taken.
fn judge(policy: ValuePolicy, window: Window<'_>, place: &Place) -> Result<Option<Span>, NeedMore> {
    let first = window.run_end(place.start, place.end_set.inverted(), LONG_VALUE_BYTES)?;
    let last = value_end(window, place, first)?;
    match judge_to(last, policy, window, place)? {
        None if first < last => judge_to(first, policy, window, place),
        judged => Ok(judged),
    }
}

fn judge_to(
    end: usize,
    policy: ValuePolicy,
    window: Window<'_>,
    place: &Place,
) -> Result<Option<Span>, NeedMore> {
    let is_cut = end - place.start == LONG_VALUE_BYTES;
    if !is_cut
        && place.writing != Writing::Quoted
        && matches!(window.at(end)?, Some(b'(' | b'[' | b'{'))
    {
        return Ok(None);
    }
    let end = if is_cut {
        end
    } else {
        without_punctuation(window, place, end)
    };
    let text = window.slice(place.start, end);
    let is_weak =
        place.must_be_strong && !value::is_secret(ValuePolicy::Secret, text, place.writing);
    let is_ordinary = place.must_be_random && (text.len() < 24 || !value::looks_random(text));
    let is_harmless = place.is_harmless && !value::is_surely_random(text);
    if is_weak || is_harmless || is_ordinary || !value::is_secret(policy, text, place.writing) {
        return Ok(None);
    }
    if !is_cut && is_other_item(window, place, text, end)? {
        return Ok(None);
    }
    let tail = is_cut.then(|| Tail::Bytes(place.end_set.inverted()));
    Ok(Some(Span {
        start: place.start,
        end,
        tail,
    }))
}

/// Whether the string behind a comma is the next key of an object, or a word in a list of words.
fn is_other_item(
    window: Window<'_>,
    place: &Place,
    text: &[u8],
    end: usize,
) -> Result<bool, NeedMore> {
    if !matches!(place.operator, Operator::Argument | Operator::ListItem) {
        return Ok(false);
    }
    let closed = window.run_end(end, ByteSet::of(b"\\\"'`"), 8)?;
    let next = window.at(window.run_end(closed, ByteSet::of(b" \t\r\n"), 8)?)?;
    let is_word = text
        .iter()
        .all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'-' | b' '));
    let is_list = place.operator == Operator::ListItem || next == Some(b',');
    Ok(matches!(next, Some(b':' | b'=')) || (is_list && is_word))
}

/// Where the value ends, if no escaped quote is the end of it. `first` is the first quote.
fn value_end(window: Window<'_>, place: &Place, first: usize) -> Result<usize, NeedMore> {
    let belongs = place.end_set.inverted();
    let mut end = first;
    // A backslash in front of anything but an escape or a quote belongs to a quoted value.
    while place.writing == Writing::Quoted
        && end > place.start
        && end - place.start < LONG_VALUE_BYTES
        && !place.end_set.has(b'\\')
        && window.slice(end - 1, end) == b"\\"
        && matches!(window.at(end)?, Some(b'"' | b'\''))
    {
        let limit = LONG_VALUE_BYTES - (end + 1 - place.start);
        end = window.run_end(end + 1, belongs, limit)?;
    }
    Ok(end)
}

/// The full stop of the sentence, or a comma in quotes, is not a part of the value.
fn without_punctuation(window: Window<'_>, place: &Place, end: usize) -> usize {
    let text = window.slice(place.start, end);
    if place.writing == Writing::Quoted {
        return end - text.iter().rev().take_while(|byte| **byte == b'\\').count();
    }
    end - text
        .iter()
        .rev()
        .take_while(|byte| matches!(byte, b'.' | b':' | b'?'))
        .count()
}
