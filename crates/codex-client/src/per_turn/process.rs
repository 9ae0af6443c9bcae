//! A process for one turn: what the drivers `exec` and `contract` have in common. Each brings how the
//! process is started and how its output is read.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::time::Duration;

use runner::{ChildHandle, Exit, Interrupt, Lines};
use secrecy::SecretString;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::task::TaskTracker;

use crate::per_turn::contract;
use crate::per_turn::exec;
use crate::turn::{Turn, TurnEnd, TurnEvent, TurnFailure};

/// All that a process has to be told.
pub(crate) struct TurnContext<'turn> {
    pub(crate) turn: &'turn Turn,
    pub(crate) instructions: Option<&'turn str>,
    pub(crate) credential: &'turn SecretString,
    pub(crate) broker_base_url: &'turn str,
    pub(crate) search_path: &'turn OsStr,
}

/// What a process is started with, beside its program.
pub(crate) struct TurnCommand {
    pub(crate) arguments: Vec<OsString>,
    pub(crate) environment: BTreeMap<OsString, OsString>,
    /// Written to its standard input, which is then closed.
    pub(crate) input: String,
}

/// Reads the output of a process and judges its end.
pub(crate) enum Reader {
    Exec(exec::Reader),
    Contract(contract::Reader),
}

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

impl Reader {
    async fn step(&mut self, output: &mut Lines) -> Step {
        match self {
            Self::Exec(reader) => reader.step(output).await,
            Self::Contract(reader) => reader.step(output).await,
        }
    }

    /// Whether the process has said that the turn is over: then it has only to end.
    fn is_over(&self) -> bool {
        match self {
            Self::Exec(reader) => reader.is_over(),
            Self::Contract(_) => false,
        }
    }

    /// What is left to say now that the process has ended, and how the turn did.
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

/// A turn that has a process to itself. The output is read by whoever fetches the events, so a slow
/// consumer slows the process down and costs no memory. Dropping it interrupts the process, and kills
/// what does not end within the grace.
pub(crate) struct TurnProcess {
    handle: ChildHandle,
    output: Lines,
    reader: Reader,
    events: VecDeque<TurnEvent>,
    /// How long it may live on after it has said that the turn is over.
    patience: Duration,
    over_since: Option<Instant>,
    stage: Stage,
    tracker: TaskTracker,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Reading,
    /// The output is at its end; the process may end by itself.
    Ending,
    /// It has to end now.
    Stopping,
    Ended,
}

impl TurnProcess {
    /// From here on, dropping it ends the process.
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

/// Why a process could not be started; for the log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error("its private directory could not be made: {0}")]
    Home(#[from] io::Error),
    #[error(transparent)]
    Spawn(#[from] runner::SpawnError),
    #[error(transparent)]
    Sandbox(#[from] runner::SandboxError),
    #[error("the gateway is shutting down")]
    Closing,
}
