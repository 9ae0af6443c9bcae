use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use runner::{OutputLimit, ResourceLimits};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::parameters::Parameters;
use super::template::{ArgumentTemplate, TextTemplate};
use super::toml_reader::{json_object, json_schema};

/// The name of a skill: `[a-z][a-z0-9-]{0,63}`, the stem of its file's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct SkillName(String);

/// A named, allow-listed command: its parameters, what it runs, its limits, and the form of its result.
#[derive(Debug)]
pub struct Skill {
    pub name: SkillName,
    pub description: String,
    pub parameters: Parameters,
    /// The parameter that a call's `message` stands for, if `extra` does not give it.
    pub message: Option<String>,
    pub run: Run,
    pub workspace: WorkspaceMode,
    /// The skill's own time limit; a call's is never exceeded either.
    pub deadline: Duration,
    pub max_output_bytes: usize,
    pub limits: SkillLimits,
    pub result: ResultForm,
    pub parser: Option<Parser>,
    /// What a caller's key must hold to use it, once there are keys.
    pub scopes: Vec<String>,
    /// Meant to run as a job; then its time limit may be longer than a call's.
    pub is_async: bool,
    pub examples: Vec<Example>,
}

/// What happens when a skill is called.
#[derive(Debug)]
pub enum Run {
    Command(Command),
    Codex(CodexRun),
    Cli(CliRun),
}

/// A program with arguments made from a template.
#[derive(Debug)]
pub struct Command {
    pub invocation: Invocation,
    /// What the program reads on its standard input; nothing, if there is none.
    pub stdin: Option<Input>,
    /// Fixed values; whatever else is in the environment is ours.
    pub environment: BTreeMap<String, String>,
    /// Exit codes with which the program has done what it was asked.
    pub ok_exit_codes: Vec<i32>,
}

/// Which program runs.
#[derive(Debug)]
pub enum Invocation {
    One(ProgramCall),
    /// By the kind of tests that the operator has set for the workspace, never by the caller.
    ByTests(BTreeMap<TestKind, ProgramCall>),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProgramCall {
    pub program: ProgramReference,
    #[serde(default)]
    pub args: ArgumentTemplate,
}

/// Where a program is found.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum ProgramReference {
    Absolute(PathBuf),
    /// Beside the native Codex program, in its package: `codex-package:rg`.
    CodexPackage(String),
    /// In the directories of programs that the sandbox shows: `path:cargo`.
    SearchPath(String),
}

/// A sandboxed turn of the real CLI.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodexRun {
    /// The model's instructions, in place of those of a chat.
    pub instructions: Option<String>,
    pub prompt: TextTemplate,
    /// A call without a context has nothing to work on.
    #[serde(default)]
    pub needs_context: bool,
    /// Skills that its model may call, and nothing else.
    #[serde(default)]
    pub skills: Vec<String>,
    /// A JSON Schema.
    #[serde(default, deserialize_with = "json_schema")]
    pub output_schema: Option<Value>,
    pub model: Option<String>,
    pub reasoning_effort: Option<String>,
}

/// `codex tool <skill>` of a CLI that has it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CliRun {
    /// The CLI's own name for it.
    pub skill: String,
    #[serde(default)]
    pub args: ArgumentTemplate,
    pub stdin: Option<Input>,
}

/// What goes to a program's standard input.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub enum Input {
    Message,
    Context,
    Parameter(String),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WorkspaceMode {
    #[default]
    None,
    ReadOnly,
    /// Written to as the program likes, thrown away afterwards.
    PrivateCopy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SkillLimits {
    pub resources: ResourceLimits,
    /// Of the home, of `/tmp`, and of what is written to a private copy.
    pub scratch_bytes: u64,
    /// What the program may print before it is ended, whatever of it is wanted.
    pub output: OutputLimit,
}

/// How the output is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResultForm {
    /// One JSON value, strictly.
    Json,
    /// A JSON value on each line, strictly.
    Ndjson,
    Text,
}

/// What shapes a known program's output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parser {
    /// The JSON lines of ripgrep. The parameters that bound the matches and the lines around each, if
    /// there are any.
    Ripgrep {
        limit: Option<String>,
        context: Option<String>,
    },
    /// Paths, each ended by a NUL.
    Paths,
    /// A text of which some lines are shown: the parameters that say from which to which.
    Excerpt { first: String, last: String },
    /// What test frameworks print.
    Tests,
}

/// What runs a workspace's tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TestKind {
    Cargo,
    Npm,
    Pytest,
    Go,
    Make,
}

/// A call and what must come of it; run as a test.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// The sample workspace, a directory in `samples/`.
    pub workspace: Option<String>,
    pub message: Option<String>,
    pub context: Option<String>,
    #[serde(default, deserialize_with = "json_object")]
    pub extra: Map<String, Value>,
    /// What `tool_result` must contain, member by member.
    #[serde(deserialize_with = "json_object")]
    pub expect: Map<String, Value>,
}

impl SkillName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for SkillName {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        const MAX_BYTES: usize = 64;
        /// The pinned Codex takes them for no tool of another's.
        const RESERVED: [&str; 1] = ["mcp"];
        let is_plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        let is_name = name.len() <= MAX_BYTES
            && name.starts_with(|first: char| first.is_ascii_lowercase())
            && name.bytes().all(is_plain);
        if !is_name {
            return Err("must be 1 to 64 of a-z 0-9 -, the first a letter");
        }
        if RESERVED.contains(&name.as_str()) {
            return Err("Codex keeps this name for itself: no model could call it");
        }
        Ok(Self(name))
    }
}

impl fmt::Display for SkillName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Borrow<str> for SkillName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl Run {
    /// Exit codes of the program with which it has done what it was asked.
    pub fn ok_exit_codes(&self) -> &[i32] {
        match self {
            Self::Command(command) => &command.ok_exit_codes,
            Self::Codex(_) | Self::Cli(_) => &[0],
        }
    }

    /// What its program reads on standard input.
    pub fn stdin(&self) -> Option<&Input> {
        match self {
            Self::Command(command) => command.stdin.as_ref(),
            Self::Cli(cli) => cli.stdin.as_ref(),
            Self::Codex(_) => None,
        }
    }

    /// As it is named in a file, and in `meta.driver`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Command(_) => "command",
            Self::Codex(_) => "codex",
            Self::Cli(_) => "cli",
        }
    }
}

impl Skill {
    /// Whether a call's `extra` may hold a value of this name that means something.
    pub fn takes(&self, name: &str) -> bool {
        let is_workspace = name == "workspace" && self.workspace != WorkspaceMode::None;
        is_workspace || self.parameters.get(name).is_some()
    }

    /// Whether a call's `message` reaches anything.
    pub fn takes_message(&self) -> bool {
        let in_prompt = match &self.run {
            Run::Codex(run) => run.prompt.parameters().any(|name| name == "message"),
            Run::Command(_) | Run::Cli(_) => self.run.stdin() == Some(&Input::Message),
        };
        in_prompt || self.message.is_some()
    }

    /// Whether a call's `context` does.
    pub fn takes_context(&self) -> bool {
        match &self.run {
            Run::Codex(_) => true,
            Run::Command(_) | Run::Cli(_) => self.run.stdin() == Some(&Input::Context),
        }
    }
}

impl WorkspaceMode {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ReadOnly => "read-only",
            Self::PrivateCopy => "private-copy",
        }
    }
}

impl TestKind {
    pub const ALL: [Self; 5] = [Self::Cargo, Self::Npm, Self::Pytest, Self::Go, Self::Make];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cargo => "cargo",
            Self::Npm => "npm",
            Self::Pytest => "pytest",
            Self::Go => "go",
            Self::Make => "make",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_plain() {
        for name in ["a", "code-search", "run-tests-2", &"a".repeat(64)] {
            assert!(SkillName::try_from(name.to_owned()).is_ok(), "{name}");
        }
        let long = "a".repeat(65);
        for name in [
            "", "-a", "2a", "A", "a_b", "a/b", "..", "ä", "a\n", "mcp", &long,
        ] {
            assert!(SkillName::try_from(name.to_owned()).is_err(), "{name:?}");
        }
    }
}
