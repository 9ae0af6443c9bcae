//! From a caller's request to what will be run, or to everything that is wrong with it.

use std::sync::Arc;

use bounded_json::shown_key;
use rustix::io::Errno;
use serde_json::{Map, Value};

use super::confined;
use super::definition::{
    CodexRun, Input, Invocation, Parser, ProgramCall, Run, Skill, TestKind, WorkspaceMode,
};
use super::error::SkillError;
use super::invalid_values::{InvalidValue, InvalidValues};
use super::makefile;
use super::parameters::Arguments;
use super::tests_report;
use super::workspace::{Workspace, Workspaces};

/// A call of a skill as it was asked for: nothing of it has been validated but its JSON types.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ToolRequest {
    /// As the caller wrote it.
    pub skill: String,
    pub message: Option<String>,
    pub context: Option<String>,
    /// What the skill takes of it.
    pub extra: Map<String, Value>,
    /// Names of the rest: the first ones, shortened.
    pub ignored_extra: Vec<String>,
}

/// A call that can be run: every value of it is right.
#[derive(Debug)]
pub struct ValidatedCall {
    pub skill: Arc<Skill>,
    pub(super) arguments: Arguments,
    pub workspace: Option<Workspace>,
    pub(super) stdin: Option<String>,
    /// For a prompt.
    pub(super) message: Option<String>,
    pub context: Option<String>,
    /// Names of what the skill does not take.
    pub ignored_extra: Vec<String>,
    /// What tells a record of our plugins from what tests print.
    pub(super) report_mark: String,
}

impl ValidatedCall {
    /// Of the texts that a prompt is made from.
    pub fn text_bytes(&self) -> usize {
        let texts = [&self.message, &self.context].into_iter().flatten();
        texts.map(String::len).sum()
    }

    /// Which tests are to be run, if not all.
    pub(super) fn test_filter(&self) -> Option<&str> {
        self.arguments.get(tests_report::FILTER)?.as_str()
    }
}

/// Validates a request against its skill. The error lists everything that is wrong.
///
/// Blocks on the file system, for paths in the workspace.
pub(super) fn prepare(
    skill: Arc<Skill>,
    request: ToolRequest,
    workspaces: &Workspaces,
) -> Result<ValidatedCall, SkillError> {
    let mut extra = request.extra;
    let mut errors = InvalidValues::default();
    let workspace = choose(&skill, &mut extra, workspaces, &mut errors);
    if let (Some(parameter), Some(message)) = (&skill.message, &request.message) {
        let entry = extra.entry(parameter.clone()).or_insert(Value::Null);
        if entry.is_null() {
            *entry = Value::String(message.clone());
        }
    }
    let validated = skill.parameters.validate(extra, skill.run.free_parameter());
    errors.append(validated.errors);
    // What is wrong already is not worth a look at the disk.
    let root = workspace.as_ref().filter(|_| errors.is_empty());
    let root = root.map(Workspace::path);
    let mut arguments = validated.arguments;
    confined::check(&skill.parameters, &mut arguments, root, &mut errors)
        .map_err(|errno| not_looked_for(&skill, errno))?;
    if let Some(workspace) = &workspace
        && workspace.tests == Some(TestKind::Make)
        && skill.parser == Some(Parser::Tests)
        && arguments.contains_key(tests_report::FILTER)
        && errors.is_empty()
        && !makefile::names_filter(workspace.path())
    {
        let detail = "is not taken by the Makefile of this workspace, which does not name FILTER";
        errors.wrong(|| InvalidValue::new(&["extra", tests_report::FILTER], detail));
    }
    let (message, context) = (request.message, request.context);
    let stdin = stdin(&skill, &mut arguments, message.as_ref(), context.as_ref());
    if !errors.is_empty() {
        return Err(errors.into());
    }
    let ignored = validated.ignored.iter();
    let ignored = ignored.map(|name| shown_key(name).into_owned());
    Ok(ValidatedCall {
        arguments,
        workspace,
        stdin,
        message,
        context,
        report_mark: tests_report::new_mark(),
        ignored_extra: request.ignored_extra.into_iter().chain(ignored).collect(),
        skill,
    })
}

/// A workspace could not be looked into. Where the machine has run out of something, there will be more
/// of it when other calls have ended.
fn not_looked_for(skill: &Skill, errno: Errno) -> SkillError {
    tracing::error!(skill = %skill.name, %errno, "a skill's workspace cannot be looked into");
    match errno {
        Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::AGAIN => SkillError::OutOfResources,
        _ => SkillError::WorkspaceUnreadable,
    }
}

fn choose(
    skill: &Skill,
    extra: &mut Map<String, Value>,
    workspaces: &Workspaces,
    errors: &mut InvalidValues,
) -> Option<Workspace> {
    if skill.workspace == WorkspaceMode::None {
        return None;
    }
    let named = extra.remove("workspace").filter(|named| !named.is_null());
    let wrong = |detail: &str| InvalidValue::new(&["extra", "workspace"], detail);
    match workspaces.choose(named.as_ref()) {
        Ok(workspace) => {
            if skill.run.call_for(workspace).is_none() {
                let detail = "has no tests that this skill could run (PORTCULLIS_WORKSPACE_TESTS)";
                errors.wrong(|| wrong(detail));
            }
            Some(workspace.clone())
        }
        Err(reason) => {
            errors.wrong(|| wrong(reason.detail()));
            None
        }
    }
}

fn stdin(
    skill: &Skill,
    arguments: &mut Arguments,
    message: Option<&String>,
    context: Option<&String>,
) -> Option<String> {
    let text = match skill.run.stdin()? {
        Input::Message => message.cloned(),
        Input::Context => context.cloned(),
        Input::Parameter(name) => arguments
            .remove(name)
            .and_then(|value| value.as_str().map(str::to_owned)),
    };
    Some(text.unwrap_or_default())
}

impl CodexRun {
    /// The prompt with the values of a call.
    pub fn prompt(&self, validated: &ValidatedCall) -> String {
        let value = |name: &str| match (name, validated.arguments.get(name)) {
            (_, Some(Value::String(text))) => Some(text.clone()),
            (_, Some(value)) => Some(value.to_string()),
            ("message", None) => validated.message.clone(),
            (_, None) => None,
        };
        self.prompt.render(value, "")
    }
}

impl Run {
    /// What is run on this workspace; `None` if the operator has set no tests for it that it could run.
    fn call_for(&self, workspace: &Workspace) -> Option<()> {
        match self {
            Self::Command(command) => command.invocation.of(Some(workspace)).map(drop),
            Self::Codex(_) | Self::Cli(_) => Some(()),
        }
    }
}

impl Invocation {
    pub(super) fn of(&self, workspace: Option<&Workspace>) -> Option<&ProgramCall> {
        match self {
            Self::One(call) => Some(call),
            Self::ByTests(calls) => calls.get(&workspace?.tests?),
        }
    }
}
