use crate::turn::{TurnEvent, TurnFailure};

/// What came of reading on.
pub(crate) enum Step {
    /// Some events, perhaps none.
    Events(Vec<TurnEvent>),
    /// The output is at its end.
    End,
    /// The output is not worth reading any further.
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

/// Lines outside the format after which a process is not believed any more.
const MAX_MALFORMED_LINES: u64 = 16;

/// Lines that are well formed and mean nothing here; a long turn has some hundreds.
const MAX_IDLE_LINES: u64 = 10_000;

/// The lines of a process that were of no use.
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

    /// Of a process that is not believed any more.
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
