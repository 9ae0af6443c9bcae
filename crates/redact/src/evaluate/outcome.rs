//! What evaluators answer, and what becomes of their answers.

use super::body_tail::BodyTail;
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

impl Match {
    pub(crate) fn is_secret(&self) -> bool {
        self.what != Matched::Protected
    }

    /// One match of two of the same candidate: named by the better one, as long as both together.
    fn joined(self, other: Self) -> Self {
        let (better, other) = if other.is_before(&self) {
            (other, self)
        } else {
            (self, other)
        };
        let goes_on = (other.end, other.tail.is_some()) > (better.end, better.tail.is_some());
        if !better.is_secret() || !goes_on {
            return better;
        }
        Self {
            end: other.end,
            tail: other.tail,
            ..better
        }
    }

    fn is_before(&self, other: &Self) -> bool {
        (self.start, u8::MAX - self.priority) < (other.start, u8::MAX - other.priority)
    }
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
    Key(Box<KeyTail>),
    /// The rest of one whose header is not there.
    Body(Box<BodyTail>),
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
    /// The rule that holds first, if one does.
    pub(crate) held_for: Option<usize>,
}

impl Outcome {
    pub(crate) fn is_nothing(&self) -> bool {
        self.found.is_none() && self.hold_from.is_none()
    }

    pub(crate) fn wait(&mut self, hold_from: usize, rule: Option<usize>) {
        if self.hold_from.is_none_or(|earlier| hold_from < earlier) {
            self.hold_from = Some(hold_from);
            self.held_for = rule;
        }
    }

    pub(crate) fn offer(&mut self, offered: Match) {
        if self
            .found
            .as_ref()
            .is_none_or(|best| offered.is_before(best))
        {
            self.found = Some(offered);
        }
    }

    /// Adds what was said of the same candidate in another reading of the text.
    pub(crate) fn join(&mut self, other: Self) {
        if let Some(hold_from) = other.hold_from {
            self.wait(hold_from, other.held_for);
        }
        self.found = match (self.found.take(), other.found) {
            (Some(one), Some(other)) => Some(one.joined(other)),
            (one, other) => one.or(other),
        };
    }
}
