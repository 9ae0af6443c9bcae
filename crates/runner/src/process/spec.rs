use std::{collections::BTreeMap, ffi::OsString, path::PathBuf, time::Duration};

use crate::sandbox::Sandbox;

/// What to run, and in which sandbox. The child gets nothing that is not named here.
///
/// Has no `Debug`, because environment and standard input may contain a token or a person's text.
#[derive(Clone)]
pub struct CommandSpec {
    /// An absolute path, so that no search path decides what runs.
    pub program: PathBuf,
    /// Passed as they are, without a shell, splitting or expansion.
    pub args: Vec<OsString>,
    /// The whole environment of the child, except `PORTCULLIS_RUN`, by which its descendants are found.
    pub env: BTreeMap<OsString, OsString>,
    /// The path as the child sees it.
    pub current_dir: PathBuf,
    pub stdin: Stdin,
    pub sandbox: Sandbox,
}

/// The standard input of the child. It is never the standard input of this process.
#[derive(Clone, Default)]
pub enum Stdin {
    /// `/dev/null`.
    #[default]
    Null,
    /// A pipe. The bytes are written to it in the background, then it is closed.
    Bytes(Vec<u8>),
    /// A pipe that the caller writes to, [`Child::stdin`](crate::Child::stdin).
    Open,
}

/// Limits on what a child may use of this process.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// A line of standard output with more bytes than this, without its newline, is dropped and reported as
    /// [`Line::TooLong`](crate::Line::TooLong).
    pub max_line_bytes: usize,
    /// The time between asking the child to end and killing it.
    pub kill_grace: Duration,
    /// A child that writes more is killed. [`Exit::output_exceeded`](crate::Exit::output_exceeded) is true
    /// then.
    pub output: OutputLimit,
}

/// The most that a child may write to its standard output and standard error together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputLimit {
    pub bytes: u64,
    pub lines: u64,
}

/// Far more than an answer of a model or the output of a test suite.
impl Default for OutputLimit {
    fn default() -> Self {
        Self {
            bytes: 64 * 1024 * 1024,
            lines: 1_000_000,
        }
    }
}
