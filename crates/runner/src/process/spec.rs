use std::{collections::BTreeMap, ffi::OsString, path::PathBuf, time::Duration};

use crate::sandbox::Sandbox;

/// What to run, and in which world: everything the child gets is named here, and nothing else reaches it.
///
/// Has no `Debug`: the environment and the standard input may hold a token or a person's text.
#[derive(Clone)]
pub struct CommandSpec {
    /// Absolute, so that no search path decides what runs.
    pub program: PathBuf,
    /// Passed as they are: no shell, no splitting, no expansion.
    pub args: Vec<OsString>,
    /// The whole environment of the child, but for `PORTCULLIS_RUN`, by which its descendants are found.
    pub env: BTreeMap<OsString, OsString>,
    /// As the child sees it.
    pub current_dir: PathBuf,
    pub stdin: Stdin,
    pub sandbox: Sandbox,
}

/// What the child reads on its standard input. Never the gateway's own.
#[derive(Clone, Default)]
pub enum Stdin {
    /// `/dev/null`.
    #[default]
    Null,
    /// Written in the background, then closed.
    Bytes(Vec<u8>),
    /// A pipe that the caller writes to, [`Child::stdin`](crate::Child::stdin).
    Open,
}

/// What a child may cost its caller.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// A line of standard output over this many bytes, newline not counted, is dropped and reported as
    /// [`Line::TooLong`](crate::Line::TooLong).
    pub max_line_bytes: usize,
    /// The time between asking the child to end and killing it.
    pub kill_grace: Duration,
    /// A child that writes more is killed, and [`Exit::output_exceeded`](crate::Exit::output_exceeded)
    /// says so.
    pub output: OutputLimit,
}

/// The most that a child may write to its standard output and standard error together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputLimit {
    pub bytes: u64,
    pub lines: u64,
}

/// Far more than an answer of a model, or a suite of tests, has.
impl Default for OutputLimit {
    fn default() -> Self {
        Self {
            bytes: 64 * 1024 * 1024,
            lines: 1_000_000,
        }
    }
}
