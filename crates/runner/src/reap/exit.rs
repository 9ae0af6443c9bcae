/// How a child ended and what it took. Metadata only: safe to log.
///
/// `code` and `signal` are both `None` when the end was not observed: the child did not die of
/// `SIGKILL` in time (see `survivors`), or the runtime was shut down around its supervisor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exit {
    pub code: Option<i32>,
    /// The signal that ended it, whoever sent it.
    pub signal: Option<i32>,
    /// What the runner sent, in order; repetitions of one signal in a row count once.
    pub signals_sent: Vec<Signal>,
    pub deadline_exceeded: bool,
    /// Descendants that were still alive when the child had exited; they were killed.
    pub left_behind: u32,
    /// Processes of the child, itself included, that were alive a second after `SIGKILL`.
    pub survivors: u32,
    /// It was killed because it wrote more than [`Limits::output`](crate::Limits::output).
    pub output_exceeded: bool,
    pub stderr_bytes: u64,
    pub stderr_lines: u64,
}

impl Exit {
    /// Exit code 0, and nothing else to complain about.
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
