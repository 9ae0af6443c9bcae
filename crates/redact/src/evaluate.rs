//! From a candidate to a decision.
//!
//! Evaluators look forward from the candidate, through a [`Window`] that says [`NeedMore`] at the
//! end of an unfinished text. Each first finds where the secret would start, then judges it. A
//! secret never starts before its candidate.

mod assignment;
mod authorization;
mod base64;
mod body_tail;
mod card;
mod checksum;
mod iban;
mod jwt;
mod key_body;
mod line_prefix;
mod name;
mod option;
mod outcome;
mod personal;
mod placeholder;
mod private_key;
mod putty;
mod token;
mod url;
mod value;
mod word_list;

pub(crate) use assignment::sensitive_value;
pub(crate) use line_prefix::KeyLines;
pub(crate) use outcome::{Match, Matched, Outcome, Span, Tail, Verdict};

use crate::boundary::is_token_start;
use crate::bytes::ByteSet;
use crate::rules::{Rule, RuleKind, RuleSummary};
use crate::scan::{
    BEFORE_LONG_WORD, BEFORE_LONG_WORD_BYTES, Candidates, Finder, FirstByte, Head, Heads, Judge,
    LONG_WORD_BYTES, Visibility,
};
use crate::window::{NeedMore, Window};

/// Longer runs of digits start no token.
const MOST_LEAD_BYTES: usize = 48;

/// A token of which less is there is none yet.
const LEAST_DECIDED_BYTES: usize = 16;

/// What goes on a value of which only the beginning was judged.
const REST_OF_VALUE: ByteSet = ByteSet::of(b" \t\r\n\"'`<>\0\x1b").inverted();

const MARKER_START: &str = "[REDACTED:";

/// The rules that are switched on, compiled.
#[derive(Debug)]
pub(crate) struct RuleSet {
    rules: Vec<CompiledRule>,
    summaries: Vec<RuleSummary>,
    pub(crate) heads: Heads,
    finder: Finder,
}

#[derive(Debug)]
struct CompiledRule {
    id: String,
    marker: Vec<u8>,
    priority: u8,
    kind: RuleKind,
    programs: option::Programs,
}

/// Heads of what is never looked into.
const PROTECTED: [&str; 2] = [MARKER_START, "data:image/"];

impl RuleSet {
    pub(crate) fn compile(rules: &[Rule]) -> Self {
        let compiled: Vec<CompiledRule> = rules
            .iter()
            .filter(|rule| rule.is_enabled)
            .map(CompiledRule::new)
            .collect();
        let mut heads: Vec<Head> = PROTECTED
            .iter()
            .map(|literal| literal_head(literal, compiled.len()))
            .collect();
        for (index, rule) in compiled.iter().enumerate() {
            heads.extend(heads_of(&rule.kind, index));
        }
        let heads = Heads::new(heads);
        let finder = Finder::new(&heads);
        Self {
            rules: compiled,
            summaries: rules.iter().map(summary).collect(),
            heads,
            finder,
        }
    }

    pub(crate) fn id(&self, rule: usize) -> &str {
        &self.rules[rule].id
    }

    pub(crate) fn marker(&self, rule: usize) -> &[u8] {
        &self.rules[rule].marker
    }

    pub(crate) fn summaries(&self) -> Vec<RuleSummary> {
        self.summaries.clone()
    }

    /// The rules of assignments, which also judge the pairs of a JSON object.
    pub(crate) fn assignments(
        &self,
    ) -> impl Iterator<Item = (usize, &crate::rules::AssignmentRule)> {
        self.rules
            .iter()
            .enumerate()
            .filter_map(|(index, rule)| match &rule.kind {
                RuleKind::Assignment(assignment) => Some((index, assignment)),
                _ => None,
            })
    }

    /// Whether so few bytes are asked about one by one.
    #[inline]
    pub(crate) fn is_asked_directly(&self, bytes: usize) -> bool {
        Finder::is_asked_directly(&self.heads, bytes)
    }

    /// Marks the candidates of a longer `text` from `from` on.
    pub(crate) fn mark(
        &self,
        text: &[u8],
        from: usize,
        judge: &impl Judge,
        candidates: &mut Candidates,
    ) {
        self.finder.mark(&self.heads, text, from, judge, candidates);
    }

    /// Asks every rule whose head stands at `position`.
    pub(crate) fn evaluate(&self, window: Window<'_>, position: usize) -> Outcome {
        let mut outcome = Outcome::default();
        match window.bytes()[position..] {
            [first, second, ..] => self.ask_all(
                self.heads.of_pair(first, second),
                window,
                position,
                &mut outcome,
            ),
            [first] if window.at(position + 1).is_err() => match self
                .heads
                .start_with(first, is_token_start(window, position))
            {
                FirstByte::Secret => outcome.wait(position, None),
                FirstByte::Context => outcome.wait(position + 1, None),
                FirstByte::None => {}
            },
            _ => {}
        }
        outcome
    }

    /// What becomes of a candidate of the reading `read` that still waits for more, when no more will be
    /// waited for: what is there is judged as if it were all, and a token that was right so far is one, as is a
    /// password whose `@` is out of reach.
    pub(crate) fn decide(&self, read: &[u8], position: usize, waiting: &Outcome) -> Outcome {
        let mut outcome = self.evaluate(Window::new(read, true), position);
        let start = waiting.hold_from.unwrap_or(read.len());
        let is_secret_so_far = |rule: &usize| {
            let starts_here = start == position;
            let is_url = matches!(self.rules[*rule].kind, RuleKind::UrlPassword { .. });
            (starts_here || is_url) && read.len() - start >= LEAST_DECIDED_BYTES
        };
        if let Some(rule) = waiting.held_for.filter(is_secret_so_far) {
            outcome.offer(Match {
                what: Matched::Secret { rule },
                start,
                end: read.len(),
                tail: None,
                priority: self.rules[rule].priority,
            });
        }
        if let Some(found) = outcome
            .found
            .as_mut()
            .filter(|found| found.end == read.len())
        {
            found.tail.get_or_insert(Tail::Bytes(REST_OF_VALUE));
        }
        outcome
    }

    fn ask_all(&self, heads: &[Head], window: Window<'_>, position: usize, outcome: &mut Outcome) {
        let is_start = is_token_start(window, position);
        let mut lead = None;
        for head in heads.iter().filter(|head| is_start || !head.starts_token) {
            if let Some(digits) = &head.digits {
                let (length, next) = *lead.get_or_insert_with(|| lead_of_digits(window, position));
                if !digits.fits(length, next) {
                    continue;
                }
            }
            match head.stands_at(window, position) {
                Ok(false) => {}
                Ok(true) => self.ask(head, window, position, outcome),
                Err(NeedMore) if head.is_secret => outcome.wait(position, None),
                Err(NeedMore) => outcome.wait(window.bytes().len(), None),
            }
        }
    }

    fn ask(&self, head: &Head, window: Window<'_>, position: usize, outcome: &mut Outcome) {
        let Some(rule) = self.rules.get(head.rule) else {
            match protected_at(window, position, head) {
                Ok(Some(found)) => outcome.offer(found),
                Ok(None) => {}
                Err(NeedMore) => outcome.wait(position, None),
            }
            return;
        };
        match verdict(rule, head, window, position) {
            Verdict::No => {}
            Verdict::Wait { hold_from } => outcome.wait(hold_from, Some(head.rule)),
            Verdict::Found(span) => outcome.offer(Match {
                what: Matched::Secret { rule: head.rule },
                start: span.start,
                end: span.end,
                tail: span.tail,
                priority: rule.priority,
            }),
        }
    }
}

/// How many hexadecimal digits stand at `position`, and what stands behind them.
fn lead_of_digits(window: Window<'_>, position: usize) -> (usize, Option<u8>) {
    let near = window.slice(position, position + MOST_LEAD_BYTES);
    let length = near
        .iter()
        .position(|byte| !matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let length = length.unwrap_or(near.len());
    // At the end of an unfinished text, and in a run that is too long for any rule, no byte is known.
    (length, near.get(length).copied())
}

impl CompiledRule {
    fn new(rule: &Rule) -> Self {
        Self {
            marker: format!("{MARKER_START}{}]", rule.id).into_bytes(),
            id: rule.id.clone(),
            priority: rule.priority,
            kind: rule.kind.clone(),
            programs: option::Programs::new(&rule.kind),
        }
    }
}

fn summary(rule: &Rule) -> RuleSummary {
    RuleSummary {
        id: rule.id.clone(),
        description: rule.description.clone(),
        source: rule.source.clone(),
        is_enabled: rule.is_enabled,
    }
}

fn heads_of(kind: &RuleKind, rule: usize) -> Vec<Head> {
    match kind {
        RuleKind::Token(token) => token::heads(token, rule),
        RuleKind::Unanchored(token) => token::heads_without_anchor(token, rule),
        RuleKind::Prefixed(token) => token
            .anchors
            .iter()
            .map(|anchor| literal_head(anchor, rule))
            .collect(),
        RuleKind::Assignment(assignment) => assignment
            .stems
            .iter()
            .flat_map(|stem| name::heads(stem, rule))
            .collect(),
        RuleKind::Option(options) => option::heads(options, rule),
        RuleKind::UrlPassword { .. } => vec![literal_head("://", rule)],
        RuleKind::BearerToken => name::heads("bearer", rule),
        RuleKind::BasicCredentials => name::heads("basic", rule),
        RuleKind::PrivateKey => [
            private_key::heads(rule),
            key_body::heads(rule),
            vec![putty::head(rule)],
        ]
        .concat(),
        RuleKind::Jwt => jwt::heads(rule),
        RuleKind::Card => card::heads(rule),
        RuleKind::Iban => iban::heads(rule),
        RuleKind::Email => personal::email_heads(rule),
        RuleKind::Phone => personal::phone_heads(rule),
    }
}

fn verdict(rule: &CompiledRule, head: &Head, window: Window<'_>, position: usize) -> Verdict {
    let after = position + head.len();
    match &rule.kind {
        RuleKind::Token(token) => {
            Verdict::at(position, token::judge(token, window, position, after))
        }
        RuleKind::Unanchored(token) => {
            Verdict::at(position, token::judge(token, window, position, position))
        }
        RuleKind::Prefixed(token) => Verdict::at(after, token::judge(token, window, after, after)),
        RuleKind::Assignment(assignment) => {
            assignment::verdict(assignment, window, position, after)
        }
        RuleKind::Option(options) => {
            option::verdict(options, &rule.programs, window, position, after)
        }
        RuleKind::UrlPassword { schemes } => url::verdict(schemes, window, position, after),
        RuleKind::BearerToken => authorization::bearer(window, position, after),
        RuleKind::BasicCredentials => authorization::basic(window, position, after),
        RuleKind::PrivateKey if putty::is_head(head) => putty::verdict(window, position, after),
        RuleKind::PrivateKey if head.starts_token => {
            Verdict::at(position, key_body::judge(window, position))
        }
        RuleKind::PrivateKey => Verdict::at(position, private_key::judge(window, position)),
        RuleKind::Jwt => Verdict::at(position, jwt::judge(window, position)),
        RuleKind::Card => Verdict::at(position, card::judge(window, position)),
        RuleKind::Iban => iban::verdict(window, position, head),
        RuleKind::Email => Verdict::at(position, personal::email(window, position)),
        RuleKind::Phone => Verdict::at(position, personal::phone(window, position)),
    }
}

/// A head that is found by its own bytes, anywhere, and is no part of the secret.
fn literal_head(literal: &str, rule: usize) -> Head {
    Head {
        literal: literal.as_bytes().to_vec(),
        ignoring_case: Vec::new(),
        rule,
        is_secret: false,
        starts_token: false,
        visibility: Visibility::Literal,
        digits: None,
        followed_by: crate::bytes::ANY,
    }
}

fn protected_at(
    window: Window<'_>,
    position: usize,
    head: &Head,
) -> Result<Option<Match>, NeedMore> {
    let after = position + head.len();
    let (end, tail) = if head.literal == MARKER_START.as_bytes() {
        let id = ByteSet::default()
            .with_range(b'a', b'z')
            .with_range(b'0', b'9')
            .with(b'_');
        let end = window.run_end(after, id, 49)?;
        if end == after || end - after > 48 || window.at(end)? != Some(b']') {
            return Ok(None);
        }
        (end + 1, None)
    } else {
        let kind = crate::bytes::ALPHANUMERIC.with(b'.').with(b'+').with(b'-');
        let end = window.run_end(after, kind, 32)?;
        if !window.starts_with(end, b";base64,")? {
            return Ok(None);
        }
        (end + 8, Some(Tail::Bytes(crate::bytes::BASE64)))
    };
    Ok(Some(Match {
        what: Matched::Protected,
        start: position,
        end,
        tail,
        priority: u8::MAX,
    }))
}
