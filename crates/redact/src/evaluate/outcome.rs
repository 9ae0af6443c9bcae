//! What evaluators answer, and what becomes of their answers.

use super::key_body::BodyTail;
use super::private_key::KeyTail;
use crate::bytes::ByteSet;
use crate::window::{NeedMore, Window};

/// A secret, or a place that is to be left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Match {
    pub(crate) what: Matched,
    pub(crate) start: usize,
    /// As far as it was looked at.
    pub(crate) end: usize,
    /// How it goes on behind `end`.
    pub(crate) tail: Option<Tail>,
    pub(super) priority: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Matched {
    Secret {
        rule: usize,
    },
    /// One of our markers, or an image: nothing in it is looked at.
    Protected,
}

/// What still belongs to a match behind the part that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tail {
    /// All bytes of a set. A `.` belongs to it only in front of another byte of the set.
    Bytes(ByteSet),
    /// The rest of a PEM block.
    Key(KeyTail),
    /// The rest of one whose header is not there.
    Body(BodyTail),
}

/// What an evaluator found, before it is known by whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) tail: Option<Tail>,
}

impl Span {
    pub(crate) fn closed(start: usize, end: usize) -> Self {
        Self {
            start,
            end,
            tail: None,
        }
    }
}

/// The answer of one evaluator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    No,
    /// Ask again; if it becomes a secret, it starts at `hold_from` or behind it.
    Wait {
        hold_from: usize,
    },
    Found(Span),
}

impl Verdict {
    /// For a secret that starts at `start`, if it is one.
    pub(super) fn at(start: usize, judged: Result<Option<Span>, NeedMore>) -> Self {
        match judged {
            Ok(Some(span)) => Self::Found(span),
            Ok(None) => Self::No,
            Err(NeedMore) => Self::Wait { hold_from: start },
        }
    }

    /// For an evaluator that finds the start first; as long as it is not there, nothing is held.
    pub(super) fn located(
        window: Window<'_>,
        start: Result<Option<usize>, NeedMore>,
        judge: impl FnOnce(usize) -> Result<Option<Span>, NeedMore>,
    ) -> Self {
        match start {
            Ok(Some(start)) => Self::at(start, judge(start)),
            Ok(None) => Self::No,
            Err(NeedMore) => Self::Wait {
                hold_from: window.bytes().len(),
            },
        }
    }
}

/// What all rules together say of one candidate.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) found: Option<Match>,
    pub(crate) hold_from: Option<usize>,
}

impl Outcome {
    pub(super) fn is_nothing(&self) -> bool {
        self.found.is_none() && self.hold_from.is_none()
    }

    pub(crate) fn wait(&mut self, hold_from: usize) {
        self.hold_from = Some(
            self.hold_from
                .map_or(hold_from, |earlier| earlier.min(hold_from)),
        );
    }

    pub(crate) fn offer(&mut self, offered: Match) {
        let is_better = self.found.as_ref().is_none_or(|best| {
            (offered.start, u8::MAX - offered.priority) < (best.start, u8::MAX - best.priority)
        });
        if is_better {
            self.found = Some(offered);
        }
    }
}
