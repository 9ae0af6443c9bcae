//! A running process for one turn, of the driver `exec` or `contract`. Each driver has a reader of its own.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use runner::{ChildHandle, Exit, Interrupt, Lines};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::task::TaskTracker;

use crate::per_turn::contract;
use crate::per_turn::exec;
use crate::per_turn::step::{Step, UselessLines};
use crate::turn::{TurnEnd, TurnEvent, TurnFailure};

/// Reads the output of a process, and decides how the turn has ended.
pub(crate) enum Reader {
    Exec(exec::Reader),
    Contract(contract::Reader),
}

impl Reader {
    async fn step(&mut self, output: &mut Lines) -> Step {
        match self {
            Self::Exec(reader) => reader.step(output).await,
            Self::Contract(reader) => reader.step(output).await,
        }
    }

    /// Whether the process has reported the end of the turn. Then it only has to exit.
    fn is_over(&self) -> bool {
        match self {
            Self::Exec(reader) => reader.is_over(),
            Self::Contract(_) => false,
        }
    }

    /// The last events of the turn, and its end. For when the process has exited.
    fn conclude(&mut self, exit: &Exit) -> (Vec<TurnEvent>, TurnEnd) {
        match self {
            Self::Exec(reader) => (Vec::new(), reader.conclude(exit)),
            Self::Contract(reader) => reader.conclude(exit),
        }
    }

    fn useless_lines(&self) -> UselessLines {
        match self {
            Self::Exec(reader) => reader.useless_lines(),
            Self::Contract(reader) => reader.useless_lines(),
        }
    }
}

/// A turn with a process of its own. Output is read only when events are fetched, so a slow consumer slows
/// the process down and costs no memory. Dropping it interrupts the process, and kills it after the grace.
pub(crate) struct TurnProcess {
    handle: ChildHandle,
    output: Lines,
    reader: Reader,
    events: VecDeque<TurnEvent>,
    /// How long it may take to exit after it has reported the end of the turn.
    patience: Duration,
    over_since: Option<Instant>,
    stage: Stage,
    tracker: TaskTracker,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Reading,
    /// The output has ended. The process has a moment to exit by itself.
    Ending,
    /// The process is being stopped.
    Stopping,
    Ended,
}

impl TurnProcess {
    /// Dropping it ends the process.
    pub(crate) fn new(
        handle: ChildHandle,
        output: Lines,
        reader: Reader,
        patience: Duration,
        tracker: TaskTracker,
    ) -> Self {
        Self {
            handle,
            output,
            reader,
            events: VecDeque::new(),
            patience,
            over_since: None,
            stage: Stage::Reading,
            tracker,
        }
    }

    pub(crate) fn handle(&self) -> &ChildHandle {
        &self.handle
    }

    pub(crate) async fn next(&mut self) -> Option<TurnEvent> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            match self.stage {
                Stage::Reading => self.read_on().await,
                Stage::Ending => {
                    let ended = timeout(self.patience, self.handle.exited()).await;
                    match ended {
                        Ok(exit) => self.conclude(&exit),
                        Err(_) => self.stage = Stage::Stopping,
                    }
                }
                Stage::Stopping => {
                    let exit = self.handle.shutdown(Interrupt::Signal).await;
                    self.conclude(&exit);
                }
                Stage::Ended => return None,
            }
        }
    }

    async fn read_on(&mut self) {
        let reading = self.reader.step(&mut self.output);
        let step = match self.over_since {
            None => reading.await,
            Some(moment) => timeout_at(moment + self.patience, reading)
                .await
                .unwrap_or(Step::GiveUp),
        };
        match step {
            Step::Events(events) => self.events.extend(events),
            Step::End => self.stage = Stage::Ending,
            Step::GiveUp => self.stage = Stage::Stopping,
        }
        if self.reader.is_over() {
            self.over_since.get_or_insert_with(Instant::now);
        }
    }

    fn conclude(&mut self, exit: &Exit) {
        let (last, mut end) = self.reader.conclude(exit);
        if exit.output_exceeded && end != TurnEnd::Completed {
            end = TurnEnd::Failed(TurnFailure::OutputExceeded);
        }
        self.events.extend(last);
        self.events.push_back(TurnEvent::Ended(end));
        self.stage = Stage::Ended;
        let malformed_lines = self.reader.useless_lines().malformed();
        if malformed_lines > 0 || !exit.is_success() {
            tracing::warn!(
                pid = self.handle.pid(),
                code = exit.code,
                signal = exit.signal,
                malformed_lines,
                stderr_bytes = exit.stderr_bytes,
                "a Codex process did not end as it should"
            );
        }
    }
}

impl fmt::Debug for TurnProcess {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "TurnProcess(pid {})", self.handle.pid())
    }
}

impl Drop for TurnProcess {
    fn drop(&mut self) {
        if self.stage != Stage::Ended {
            let handle = self.handle.clone();
            self.tracker
                .spawn(async move { handle.shutdown(Interrupt::Signal).await });
        }
    }
}
