/// How a child has ended. Metadata only, so it may be logged.
///
/// `code` and `signal` are both `None` if the end was not observed: the child did not die of `SIGKILL` in time
/// (see `survivors`), or the runtime was shut down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exit {
    pub code: Option<i32>,
    /// The signal that has ended it, from any sender.
    pub signal: Option<i32>,
    /// The signals that the runner has sent, in order, without repetitions in a row.
    pub signals_sent: Vec<Signal>,
    pub deadline_exceeded: bool,
    /// The number of descendants that were alive when the child had exited. They were killed.
    pub left_behind: u32,
    /// The number of processes of the child, itself included, that were alive a second after `SIGKILL`.
    pub survivors: u32,
    /// Whether it was killed because it wrote more than [`Limits::output`](crate::Limits::output).
    pub output_exceeded: bool,
    pub stderr_bytes: u64,
    pub stderr_lines: u64,
}

impl Exit {
    /// Whether the exit code is 0.
    pub fn is_success(&self) -> bool {
        self.code == Some(0)
    }
}

/// The signals that the runner sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    Interrupt,
    Kill,
}

impl Signal {
    pub fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "SIGINT",
            Self::Kill => "SIGKILL",
        }
    }
}
