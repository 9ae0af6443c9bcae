use std::time::Duration;

use thiserror::Error;

use super::finished::BadOutput;
use super::invalid_values::InvalidValues;

/// Why a call of a skill has no result.
#[derive(Debug, Error)]
pub enum SkillError {
    #[error("values of the call are not valid")]
    InvalidValues(InvalidValues),
    #[error("there are no more open files or no more memory to look into the workspace")]
    OutOfResources,
    #[error("the workspace cannot be looked into")]
    WorkspaceUnreadable,
    #[error("the workspace was written to each time it was copied")]
    WorkspaceChanging,
    #[error("the program cannot be run")]
    NotRun,
    #[error("the skill took longer than its {} s", limit.as_secs())]
    DeadlineExceeded {
        /// The skill's own.
        limit: Duration,
    },
    #[error(transparent)]
    BadOutput(#[from] BadOutput),
    /// A task of the call panicked, or the process is ending.
    #[error("a part of the work was lost")]
    Lost,
}

impl From<InvalidValues> for SkillError {
    fn from(values: InvalidValues) -> Self {
        Self::InvalidValues(values)
    }
}
