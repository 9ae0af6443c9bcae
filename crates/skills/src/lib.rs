//! Skills: named, allow-listed commands. The operator defines them in TOML; callers supply only parameter
//! values.
//!
//! A call in a straight line: the skill by its name ([`Catalogue`]), its values validated
//! ([`Executor::prepare`]), the program run in a sandbox of its own, its output redacted and shaped
//! ([`Executor::run`]). This crate knows no HTTP, no turn and no caller, and no byte of a program leaves it
//! before the redactor.

mod catalogue;
mod confined;
mod copy;
mod definition;
mod diagnostics;
mod error;
mod execution;
mod file;
mod finished;
mod intake;
mod invalid_values;
mod makefile;
mod offer;
mod output;
mod parameters;
mod request;
mod result;
mod run_directory;
mod sandbox_environment;
mod template;
mod tests_report;
mod toml_reader;
mod workspace;

pub use catalogue::Catalogue;
pub use definition::{
    CodexRun, Example, ResultForm, Run, Skill, SkillName, TestKind, WorkspaceMode,
};
pub use diagnostics::{CatalogueError, Diagnostic};
pub use error::SkillError;
pub use execution::{Executor, ExecutorParts};
pub use finished::BadOutput;
pub use invalid_values::{InvalidValue, InvalidValues};
pub use parameters::LIMITS as PARAMETER_LIMITS;

pub use request::{ToolRequest, ValidatedCall};
pub use result::{Completed, Status, Stopped, ToolResult, Unread};
pub use sandbox_environment::{SandboxEnvironment, SandboxParts};
pub use workspace::{NoWorkspace, Workspace, WorkspaceError, WorkspaceSettings, Workspaces};
