//! What is known of a run when its program has ended.

use redact::Counts;
use serde_json::Value;

/// How the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It has done what it was asked, or as much of it as was wanted.
    Ok,
    /// By its own word, or by a signal.
    Failed,
    /// By the gateway, before it was through.
    CutOff,
}

/// What has become of the output.
#[derive(Debug, Default)]
pub(super) struct Finished {
    pub(super) output: Value,
    /// Whether something of it was left out.
    pub(super) is_truncated: bool,
    /// What was replaced.
    pub(super) redactions: Counts,
    /// Replaces the program's exit code.
    pub(super) exit_code: Option<i32>,
}

/// Output that is not in the promised form. Holds a place, and no content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadOutput {
    #[error("The skill's output is not the JSON that it promises, at byte {offset_bytes}.")]
    NotJson { offset_bytes: usize },
    #[error("The skill's output is over its limit of {limit_bytes} bytes, and cannot be cut.")]
    TooLarge { limit_bytes: usize },
    #[error(
        "npm test runs nothing here that takes a filter: Jest, Mocha, Vitest and node --test do. All tests were run; call again without filter to have them counted."
    )]
    FilterNotTaken,
}
