//! Options of command lines: `curl -u user:password`, `mysql -psecret`.

use aho_corasick::{AhoCorasick, AhoCorasickKind};

use super::value::{LONG_VALUE_BYTES, Writing, is_secret};
use super::{Head, NeedMore, Span, Tail, Verdict, Visibility, Window};
use crate::bytes::{ByteSet, DIGIT, WORD};
use crate::rules::{OptionRule, RuleKind, ValuePolicy};

const BARE_END: ByteSet = ByteSet::of(b" \t\r\n\"'`<>|;&()\\\0\x1b");

pub(super) fn heads(rule: &OptionRule, index: usize) -> Vec<Head> {
    let heads = rule.options.iter().map(|option| Head {
        literal: format!(" {option}").into_bytes(),
        ignoring_case: Vec::new(),
        rule: index,
        is_secret: false,
        starts_token: false,
        visibility: Visibility::Literal,
        digits: None,
        followed_by: crate::bytes::ANY,
    });
    heads.collect()
}

pub(super) fn verdict(
    rule: &OptionRule,
    programs: &Programs,
    window: Window<'_>,
    position: usize,
    after: usize,
) -> Verdict {
    let mut hold_from = window.bytes().len();
    match value_start(rule, window, after, &mut hold_from) {
        Err(NeedMore) => Verdict::Wait { hold_from },
        Ok(None) => Verdict::No,
        Ok(Some(_)) if !programs.has_one(window.before(position)) => Verdict::No,
        Ok(Some((start, end_set))) => Verdict::at(start, judge(window, start, end_set)),
    }
}

/// The programs of which one must stand in front of the option; none means any.
#[derive(Debug)]
pub(super) struct Programs(Option<AhoCorasick>);

impl Programs {
    pub(super) fn new(kind: &RuleKind) -> Self {
        let RuleKind::Option(rule) = kind else {
            return Self(None);
        };
        if rule.programs.is_empty() {
            return Self(None);
        }
        // One walk over the line without a branch for each byte: hostile text has an option everywhere.
        let search = AhoCorasick::builder()
            .kind(Some(AhoCorasickKind::DFA))
            .ascii_case_insensitive(true)
            .prefilter(false)
            .build(&rule.programs);
        Self(search.ok())
    }

    /// Whether one of them stands on the line that ends in `before`.
    fn has_one(&self, before: &[u8]) -> bool {
        let Self(Some(search)) = self else {
            return true;
        };
        let starts_behind =
            |index: &usize| before[*index] == b'\n' && (*index == 0 || before[*index - 1] != b'\\');
        let line_break = (0..before.len()).rev().find(starts_behind);
        let line = &before[line_break.map_or(0, |index| index + 1)..];
        // Whether any stands there is told faster than where all of them stand.
        search.is_match(line)
            && search.find_overlapping_iter(line).any(|found| {
                let previous = found.start().checked_sub(1).map(|index| line[index]);
                let next = line.get(found.end()).copied();
                [previous, next]
                    .iter()
                    .all(|byte| byte.is_none_or(|byte| !WORD.has(byte)))
            })
    }
}

type Start = Option<(usize, ByteSet)>;

fn value_start(
    rule: &OptionRule,
    window: Window<'_>,
    after: usize,
    hold_from: &mut usize,
) -> Result<Start, NeedMore> {
    let is_long = after >= 3 && rule.options.iter().any(|option| option.starts_with("--"));
    let start = window.run_end(after, ByteSet::of(b" ="), 8)?;
    if start == after && (is_long || rule.holds_user) {
        return Ok(None);
    }
    *hold_from = if rule.holds_user {
        window.bytes().len()
    } else {
        start.min(window.bytes().len())
    };
    if matches!(window.at(start)?, Some(b'-' | b'$' | b'/' | b'@') | None) {
        return Ok(None);
    }
    let (start, end_set) = match window.at(start)? {
        Some(quote @ (b'"' | b'\'')) => (start + 1, ByteSet::of(b"\r\n\\").with(quote)),
        Some(b'\\') if matches!(window.at(start + 1)?, Some(b'"' | b'\'')) => {
            (start + 2, ByteSet::of(b"\r\n\\\"'"))
        }
        _ => (start, BARE_END),
    };
    if !rule.holds_user {
        *hold_from = start.min(window.bytes().len());
        return Ok(Some((start, end_set)));
    }
    let user = window.run_end(start, end_set.with(b':').inverted(), LONG_VALUE_BYTES)?;
    if window.at(user)? != Some(b':') || window.slice(start, user).starts_with(b"$") {
        return Ok(None);
    }
    *hold_from = (user + 1).min(window.bytes().len());
    Ok(Some((user + 1, end_set)))
}

fn judge(window: Window<'_>, start: usize, end_set: ByteSet) -> Result<Option<Span>, NeedMore> {
    let end = window.run_end(start, end_set.inverted(), LONG_VALUE_BYTES)?;
    let value = window.slice(start, end);
    let is_number = value
        .iter()
        .all(|byte| DIGIT.has(*byte) || *byte == b':' || *byte == b'.');
    let is_cut = end - start == LONG_VALUE_BYTES;
    let is_found =
        (is_cut || !is_number) && is_secret(ValuePolicy::Password, value, Writing::Argument);
    Ok(is_found.then(|| Span {
        start,
        end,
        tail: is_cut.then_some(Tail::Bytes(end_set.inverted())),
    }))
}
