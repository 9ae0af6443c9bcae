//! The table `[run]`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, ValueDeserializer};

use super::super::definition::{
    Command, Input, Invocation, ProgramCall, ProgramReference, Run, TestKind,
};
use super::super::diagnostics::Diagnostics;
use super::super::template::ArgumentTemplate;
use super::super::toml_reader::{Bounded, read};

/// What the sandbox sets itself.
const OWN_VARIABLES: [&str; 6] = ["HOME", "LANG", "PATH", "PWD", "TMPDIR", "PORTCULLIS_RUN"];

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Command,
    Codex,
    Cli,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CommandTable {
    program: Option<ProgramReference>,
    #[serde(default)]
    args: ArgumentTemplate,
    tests: Option<BTreeMap<TestKind, ProgramCall>>,
    stdin: Option<Input>,
    #[serde(default)]
    environment: BTreeMap<VariableName, VariableValue>,
    ok_exit_codes: Option<Vec<Bounded<0, 255>>>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
struct VariableName(String);

#[derive(Deserialize)]
#[serde(try_from = "String")]
struct VariableValue(String);

/// The kind is read first: what an enum that serde chooses by a tag holds has lost its places.
pub(super) fn run(
    mut table: Spanned<DeTable<'_>>,
    diagnostics: &mut Diagnostics<'_>,
) -> Option<Run> {
    let start = table.span().start;
    let Some((key, kind)) = table.get_mut().remove_entry("kind") else {
        diagnostics.report(start, "run.kind is missing");
        return None;
    };
    let kind = match Kind::deserialize(ValueDeserializer::from(kind)) {
        Ok(kind) => kind,
        Err(error) => {
            let detail = format!("run.kind: {}", error.message());
            diagnostics.report(key.span().start, detail);
            return None;
        }
    };
    match kind {
        Kind::Command => command(&table, diagnostics).map(Run::Command),
        Kind::Codex => read("run", &table, diagnostics).map(Run::Codex),
        Kind::Cli => read("run", &table, diagnostics).map(Run::Cli),
    }
}

fn command(table: &Spanned<DeTable<'_>>, diagnostics: &mut Diagnostics<'_>) -> Option<Command> {
    let start = table.span().start;
    let before = diagnostics.len();
    let CommandTable {
        program,
        args,
        tests,
        stdin,
        environment,
        ok_exit_codes,
    } = read("run", table, diagnostics)?;
    let has = |key| table.get_ref().contains_key(key);
    if has("tests") && has("program") {
        let detail = "run has a program of its own and run.tests: one of them decides";
        diagnostics.report(start, detail);
    } else if !has("tests") && !has("program") {
        diagnostics.report(start, "run.program is missing");
    }
    // Unless it is empty because of a mistake that is reported already.
    let is_whole = diagnostics.len() == before;
    if is_whole && tests.as_ref().is_some_and(BTreeMap::is_empty) {
        diagnostics.report(start, "run.tests names no kind of tests");
    }
    let invocation = match (tests, program) {
        (Some(tests), _) => Invocation::ByTests(tests),
        (None, Some(program)) => Invocation::One(ProgramCall { program, args }),
        (None, None) => return None,
    };
    let ok_exit_codes: Vec<i32> = match ok_exit_codes {
        None => vec![0],
        Some(codes) => codes
            .into_iter()
            .filter_map(|Bounded(code)| i32::try_from(code).ok())
            .collect(),
    };
    if is_whole && ok_exit_codes.is_empty() {
        diagnostics.report(start, "run.ok_exit_codes must not be empty");
    }
    let environment = environment.into_iter();
    Some(Command {
        invocation,
        stdin,
        environment: environment.map(|(name, value)| (name.0, value.0)).collect(),
        ok_exit_codes,
    })
}

impl TryFrom<String> for VariableName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if name.is_empty() || !name.bytes().all(plain) {
            return Err("a variable is named with A-Z a-z 0-9 _".to_owned());
        }
        if OWN_VARIABLES.contains(&name.as_str()) {
            return Err(format!("{name} is set by the sandbox: choose another name"));
        }
        Ok(Self(name))
    }
}

impl TryFrom<String> for VariableValue {
    type Error = &'static str;

    fn try_from(value: String) -> Result<Self, Self::Error> {
        if value.contains('\0') {
            return Err("a variable cannot hold a NUL");
        }
        Ok(Self(value))
    }
}

impl From<String> for Input {
    fn from(name: String) -> Self {
        match name.as_str() {
            "message" => Self::Message,
            "context" => Self::Context,
            _ => Self::Parameter(name),
        }
    }
}

impl TryFrom<String> for ProgramReference {
    type Error = &'static str;

    /// Looks whether a program that is named by its path is there.
    fn try_from(text: String) -> Result<Self, Self::Error> {
        if let Some((scheme, name)) = text.split_once(':') {
            let is_plain =
                !name.is_empty() && name != ".." && name != "." && !name.contains(['/', '\0']);
            match scheme {
                "codex-package" if is_plain => return Ok(Self::CodexPackage(name.to_owned())),
                "path" if is_plain => return Ok(Self::SearchPath(name.to_owned())),
                _ => {}
            }
        }
        let path = PathBuf::from(&text);
        if !path.is_absolute() {
            return Err("must be an absolute path, codex-package:NAME or path:NAME");
        }
        if !path.is_file() {
            return Err("there is no such program on this machine");
        }
        Ok(Self::Absolute(path))
    }
}
