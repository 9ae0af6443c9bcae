use crate::app_server::worker::WarmTurn;
use crate::per_turn::process::TurnProcess;
use crate::turn::TurnEvent;

/// A running turn. Dropping it interrupts the turn at once and kills the process that does not obey
/// within the grace; nothing has to be awaited for that.
#[derive(Debug)]
pub struct TurnStream {
    source: Source,
}

#[derive(Debug)]
enum Source {
    Warm(WarmTurn),
    Process(Box<TurnProcess>),
}

impl TurnStream {
    pub(crate) fn warm(turn: WarmTurn) -> Self {
        Self {
            source: Source::Warm(turn),
        }
    }

    pub(crate) fn of_process(process: TurnProcess) -> Self {
        Self {
            source: Source::Process(Box::new(process)),
        }
    }

    /// The next event; `None` after [`TurnEvent::Ended`]. Cancel-safe.
    pub async fn next(&mut self) -> Option<TurnEvent> {
        match &mut self.source {
            Source::Warm(turn) => turn.next().await,
            Source::Process(process) => process.next().await,
        }
    }

    /// Returns once the turn is over, whatever of it has not been fetched yet: for who waits for something
    /// else that the turn wants. Cancel-safe.
    pub async fn over(&self) {
        match &self.source {
            Source::Warm(turn) => turn.over().await,
            // It is read by nobody but its consumer, and asks for nothing.
            Source::Process(_) => std::future::pending().await,
        }
    }
}
