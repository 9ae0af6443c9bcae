//! A skill's failure as the problem that its caller gets.

use ::skills::{BadOutput, InvalidValues, SkillError};

use crate::error::{ErrorCode, FieldError, Problem};

impl From<SkillError> for Problem {
    fn from(error: SkillError) -> Self {
        match error {
            SkillError::InvalidValues(values) => invalid(&values),
            SkillError::OutOfResources => Self::new(
                ErrorCode::Overloaded,
                "The gateway has no more open files or memory to look into the workspace. Try again later.",
            ),
            SkillError::WorkspaceUnreadable => Self::new(
                ErrorCode::SkillFailed,
                "The gateway could not look into the workspace. Its log says why.",
            ),
            SkillError::WorkspaceChanging => Self::new(
                ErrorCode::WorkspaceChanging,
                "The workspace was being written to each time it was copied. Try again when that is over.",
            ),
            SkillError::NotRun => Self::new(
                ErrorCode::SkillFailed,
                "The skill's program could not be run on this gateway. Its log says why.",
            ),
            SkillError::DeadlineExceeded { limit } => Self {
                timeout: Some(limit),
                ..Self::new(
                    ErrorCode::DeadlineExceeded,
                    format!(
                        "The skill took longer than its {} s and was ended. Ask for less at once.",
                        limit.as_secs()
                    ),
                )
            },
            SkillError::BadOutput(bad) => bad_output(bad),
            SkillError::Lost => {
                Self::new(ErrorCode::Internal, "The gateway lost a part of the call.")
            }
        }
    }
}

fn invalid(values: &InvalidValues) -> Problem {
    let errors = values.kept().iter().map(|value| FieldError {
        pointer: value.pointer.clone(),
        detail: value.detail.clone(),
    });
    Problem::invalid(ErrorCode::InvalidExtra, errors.collect(), values.count())
}

fn bad_output(bad: BadOutput) -> Problem {
    Problem::new(ErrorCode::BadToolOutput, bad.to_string())
}
