//! Names that announce a secret: `password`, `api_key`, `dbPassword`, `X-Auth-Token`.

use super::word_list::WordList;
use super::{Head, NeedMore, Visibility, Window};
use crate::bytes::{ANY, ByteSet, WORD};
use crate::rules::Qualifiers;

/// How much of a stem has to be spelled in one of the three usual ways; the rest is in any case.
const SPELLED_BYTES: usize = 4;

/// What may stand behind a stem of two letters: less, because it stands in many words.
const BEHIND_SHORT_STEM: ByteSet = ByteSet::of(b":= \"");

/// How long the part of a name behind the stem may be.
const SUFFIX_LIMIT_BYTES: usize = 40;

/// Words behind a stem that make the name one of something else: `token_url`, `passwordLength`.
static HARMLESS: WordList = WordList::new(&[
    "url",
    "uri",
    "path",
    "file",
    "filename",
    "name",
    "names",
    "id",
    "ids",
    "limit",
    "limits",
    "expires",
    "expiry",
    "expiration",
    "expired",
    "count",
    "counter",
    "counts",
    "type",
    "types",
    "len",
    "length",
    "size",
    "field",
    "fields",
    "label",
    "policy",
    "regex",
    "pattern",
    "reset",
    "min",
    "max",
    "prompt",
    "hint",
    "error",
    "errors",
    "message",
    "placeholder",
    "manager",
    "service",
    "provider",
    "endpoint",
    "required",
    "enabled",
    "disabled",
    "ttl",
    "timeout",
    "version",
    "format",
    "strength",
    "rotation",
    "usage",
    "budget",
    "header",
    "headers",
    "column",
    "form",
    "class",
    "arn",
    "ref",
    "index",
    "position",
    "store",
    "helper",
    "kind",
    "mode",
    "status",
    "source",
    "location",
    "dir",
    "directory",
    "template",
    "algorithm",
    "alg",
    "rounds",
    "cost",
    "validator",
    "generator",
    "results",
    "prefix",
    "suffix",
    "schema",
    "scope",
    "scopes",
    "group",
    "groups",
    "changed",
    "created",
    "updated",
    "at",
    "is",
    "has",
    "valid",
    "validation",
    "per",
    "total",
    "used",
    "encoding",
    "encoder",
    "hasher",
    "factory",
    "builder",
    "handler",
    "callback",
    "button",
    "title",
    "description",
    "display",
    "strategy",
    "method",
    "bytes",
    "span",
    "stream",
    "kinds",
    "tree",
    "ident",
    "method2",
    "selector",
    "hook",
    "page",
    "link",
    "rule",
    "rules",
    "issuer",
    "audience",
    "subject",
    "domain",
    "host",
    "port",
    "region",
    "env",
]);

const NAME: ByteSet = WORD.with(b'-').with(b'.');

/// What may stand right behind a name that is given a value.
const BEFORE_OPERATOR: ByteSet = ByteSet::of(b":=\"'`\\&%]*|,></ \t~(\xef-");

pub(super) fn heads(stem: &str, rule: usize) -> Vec<Head> {
    let mut spellings: Vec<Vec<u8>> = Vec::new();
    let split = (0..=stem.len().min(SPELLED_BYTES))
        .rev()
        .find(|index| stem.is_char_boundary(*index))
        .unwrap_or(0);
    let split = if stem.is_ascii() { split } else { stem.len() };
    let (start, rest) = stem.as_bytes().split_at(split);
    let title = [&start[..1].to_ascii_uppercase(), &start[1..]].concat();
    for spelling in [start.to_vec(), title, start.to_ascii_uppercase()] {
        if !spellings.contains(&spelling) {
            spellings.push(spelling);
        }
    }
    let heads = spellings.into_iter().map(|literal| Head {
        literal,
        ignoring_case: rest.to_vec(),
        rule,
        is_secret: false,
        starts_token: false,
        visibility: Visibility::Literal,
        digits: None,
        followed_by: if stem.len() == 2 {
            BEHIND_SHORT_STEM
        } else {
            ANY
        },
    });
    heads.collect()
}

/// How the stem of a name is spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    /// In capitals, as in the environment.
    Upper,
    /// With a first capital, as in settings files.
    Title,
    Other,
}

/// A sensitive name in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// Where its stem starts.
    pub(super) stem: usize,
    /// Where the name ends, behind everything that belongs to it.
    pub(super) end: usize,
    pub(super) spelling: Spelling,
    /// It is a command-line option.
    pub(super) is_option: bool,
    /// A word in it says that its value is something else: `token_url`.
    pub(super) is_harmless: bool,
}

/// Reads the name around the stem that stands from `start` to `after`.
pub(super) fn read(
    window: Window<'_>,
    qualifiers: &Qualifiers,
    start: usize,
    after: usize,
) -> Result<Option<Name>, NeedMore> {
    let stem = window.slice(start, after);
    let before = window.before(start);
    let is_upper = stem.iter().all(|byte| !byte.is_ascii_lowercase());
    // Most names are followed by nothing that assigns; the cheap question comes first.
    if window
        .at(after)?
        .is_some_and(|next| next.is_ascii_lowercase() && !is_upper)
    {
        return Ok(None);
    }
    let end = window.run_end(after, NAME, SUFFIX_LIMIT_BYTES)?;
    if !window
        .at(end)?
        .is_some_and(|next| BEFORE_OPERATOR.has(next))
    {
        return Ok(None);
    }
    if stem.len() == 2
        && !window
            .at(after)?
            .is_some_and(|next| BEHIND_SHORT_STEM.has(next))
    {
        return Ok(None);
    }
    let is_short = stem.len() <= 4 && !stem.eq_ignore_ascii_case(b"pwd");
    let is_refused = if qualifiers.is_empty() {
        is_short && continues_a_word(before, stem)
    } else {
        !is_qualified(before, qualifiers)
    };
    if is_refused {
        return Ok(None);
    }
    let suffix = window.slice(after, end);
    let end = end
        - suffix
            .iter()
            .rev()
            .take_while(|byte| matches!(byte, b'.' | b'-'))
            .count();
    let suffix = window.slice(after, end);
    if suffix.len() >= SUFFIX_LIMIT_BYTES - 1 || goes_on_as_a_word(suffix, is_upper) {
        return Ok(None);
    }
    let spelling = match stem.first() {
        _ if is_upper => Spelling::Upper,
        Some(first) if first.is_ascii_uppercase() => Spelling::Title,
        _ => Spelling::Other,
    };
    Ok(Some(Name {
        stem: start,
        end,
        spelling,
        is_option: is_option(before),
        is_harmless: has_harmless_word(suffix),
    }))
}

/// `api_key`, `apiKey`, `API KEY`: one of the words stands right before the stem.
fn is_qualified(before: &[u8], qualifiers: &Qualifiers) -> bool {
    let joint = usize::from(matches!(before.last(), Some(b'_' | b'-' | b' ' | b'.')));
    let name = &before[..before.len() - joint];
    let Some(last) = name
        .last()
        .map(u8::to_ascii_lowercase)
        .filter(u8::is_ascii_lowercase)
    else {
        return false;
    };
    qualifiers.ending_with(last).iter().any(|word| {
        let start = name.len().checked_sub(word.len());
        start.is_some_and(|start| name[start..].eq_ignore_ascii_case(word.as_bytes()))
    })
}

/// Whether the value under this JSON key or behind this name is sensitive, by the stem at `start`.
pub(super) fn is_sensitive_key(key: &[u8], qualifiers: &Qualifiers, stem: &str) -> bool {
    let lower = key.to_ascii_lowercase();
    let plain = stem.as_bytes();
    let found = (0..=lower.len().saturating_sub(plain.len()))
        .find(|start| lower[*start..].starts_with(plain));
    let Some(start) = found else {
        return false;
    };
    let named = [key, b":"].concat();
    let window = Window::new(&named, true);
    matches!(read(window, qualifiers, start, start + plain.len()), Ok(Some(name)) if name.end == key.len() && !name.is_harmless)
}

/// `bypass`, `monkey`: the stem is the end of another word.
fn continues_a_word(before: &[u8], stem: &[u8]) -> bool {
    let (Some(previous), Some(first)) = (before.last(), stem.first()) else {
        return false;
    };
    let is_escape = matches!(before, [.., b'\\', b'n' | b't' | b'r']);
    previous.is_ascii_alphabetic()
        && first.is_ascii_alphabetic()
        && !is_escape
        && (previous.is_ascii_lowercase() == first.is_ascii_lowercase())
}

/// `passed`, `tokenizer`: the stem is the start of another word. `passwordHash` and `token2` are not.
fn goes_on_as_a_word(suffix: &[u8], is_upper: bool) -> bool {
    match suffix.first() {
        Some(next) if is_upper => next.is_ascii_alphabetic(),
        Some(next) => next.is_ascii_lowercase(),
        None => false,
    }
}

fn has_harmless_word(suffix: &[u8]) -> bool {
    let mut start = 0;
    for (index, byte) in suffix.iter().enumerate() {
        let is_hump =
            byte.is_ascii_uppercase() && index > 0 && suffix[index - 1].is_ascii_lowercase();
        if is_hump || !byte.is_ascii_alphabetic() {
            if HARMLESS.has(&suffix[start..index]) {
                return true;
            }
            start = if is_hump { index } else { index + 1 };
        }
    }
    HARMLESS.has(&suffix[start..])
}

/// `--db-password`, `-Password`: dashes, then perhaps words, right before the stem.
fn is_option(before: &[u8]) -> bool {
    let name = before
        .iter()
        .rev()
        .take_while(|byte| WORD.has(**byte) || **byte == b'-')
        .count();
    let start = before.len() - name;
    let preceded = start == 0
        || matches!(
            before[start - 1],
            b' ' | b'\t' | b'\n' | b'"' | b'\'' | b'`' | b',' | b'['
        );
    preceded && before.get(start) == Some(&b'-') && name < 40
}
