use crate::app_server::worker::WarmTurn;
use crate::per_turn::process::TurnProcess;
use crate::turn::TurnEvent;

/// A running turn. Dropping it interrupts the turn at once, without anything to await. A process that does
/// not obey within the grace is killed.
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

    /// Returns the next event, and `None` after [`TurnEvent::Ended`]. Cancel-safe.
    pub async fn next(&mut self) -> Option<TurnEvent> {
        match &mut self.source {
            Source::Warm(turn) => turn.next().await,
            Source::Process(process) => process.next().await,
        }
    }

    /// Returns when the turn is over, even if some events have not been fetched yet. For a caller that is
    /// busy with a tool call of the turn and wants to stop when the turn ends. Cancel-safe.
    pub async fn over(&self) {
        match &self.source {
            Source::Warm(turn) => turn.over().await,
            // Only the consumer reads this process's output, and it makes no tool calls.
            Source::Process(_) => std::future::pending().await,
        }
    }
}
