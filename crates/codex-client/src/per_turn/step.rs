use crate::turn::{TurnEvent, TurnFailure};

/// The result of reading some output.
pub(crate) enum Step {
    /// There may be none.
    Events(Vec<TurnEvent>),
    /// The output has ended.
    End,
    /// The output is not worth reading further.
    GiveUp,
}

impl Step {
    pub(crate) fn events(self) -> Vec<TurnEvent> {
        match self {
            Self::Events(events) => events,
            Self::End | Self::GiveUp => Vec::new(),
        }
    }
}

/// After so many malformed lines, a process is stopped.
const MAX_MALFORMED_LINES: u64 = 16;

/// The same for well-formed lines that have no meaning here. A long turn has some hundreds.
const MAX_IDLE_LINES: u64 = 10_000;

/// Counts the useless lines of a process.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct UselessLines {
    malformed: u64,
    idle: u64,
}

impl UselessLines {
    pub(crate) fn count_malformed(&mut self) -> Step {
        self.malformed += 1;
        self.verdict()
    }

    pub(crate) fn count_idle(&mut self) -> Step {
        self.idle += 1;
        self.verdict()
    }

    fn verdict(self) -> Step {
        if self.failure().is_some() {
            Step::GiveUp
        } else {
            Step::Events(Vec::new())
        }
    }

    pub(crate) fn malformed(self) -> u64 {
        self.malformed
    }

    /// The failure of the turn, if there are too many.
    pub(crate) fn failure(self) -> Option<TurnFailure> {
        let lines = if self.malformed >= MAX_MALFORMED_LINES {
            self.malformed
        } else {
            self.idle
        };
        let is_enough = self.malformed >= MAX_MALFORMED_LINES || self.idle >= MAX_IDLE_LINES;
        is_enough.then_some(TurnFailure::Malformed { lines })
    }
}
