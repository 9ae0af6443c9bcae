//! One skill's file: read, and linted. Every mistake is noted with its line.

mod checks;
mod run;

use std::path::Path;
use std::time::Duration;

use runner::{OutputLimit, ResourceLimits};
use serde_json::Value;
use toml::de::DeTable;

use super::definition::{
    Example, Parser, ResultForm, Run, Skill, SkillLimits, SkillName, WorkspaceMode,
};
use super::parameters::Parameters;
use super::problem::{FileProblem, Notes};
use super::section::{Said, Section};

/// The longest synchronous call; what may take longer is `async`.
const MAX_DEADLINE_SEC: u64 = 120;
const MAX_ASYNC_DEADLINE_SEC: u64 = 86_400;
const DEFAULT_DEADLINE_SEC: u64 = 30;

const DEFAULT_OUTPUT_BYTES: u64 = 1024 * 1024;
const MAX_OUTPUT_BYTES: u64 = 16 * 1024 * 1024;

const MAX_DESCRIPTION_CHARS: usize = 2000;
const BYTES_PER_MEBIBYTE: u64 = 1024 * 1024;

/// Reads the text of the skill's file `path`.
pub(super) fn parse(path: &Path, text: &str) -> Result<Skill, Vec<FileProblem>> {
    let mut notes = Notes::new(path.to_owned(), text);
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let offset = error.span().map_or(0, |span| span.start);
        notes.wrong(offset, format!("is not TOML: {}", error.message()));
    }
    let skill = if errors.is_empty() {
        read(path, document.get_ref(), &mut notes)
    } else {
        None
    };
    match skill {
        Some(skill) if notes.problems.is_empty() => Ok(skill),
        _ => {
            let mut problems = notes.problems;
            problems.sort();
            problems.dedup();
            Err(problems)
        }
    }
}

fn read(path: &Path, document: &DeTable<'_>, notes: &mut Notes) -> Option<Skill> {
    let mut root = Section::new("", document, 0);
    let name = name(path, &mut root, notes);
    let description = description(&mut root, notes);
    let parameters = Parameters::read(root.take("parameters"), notes);
    let message = root.string("message", notes);
    let run_offset = root.take("run").map_or(0, |said| said.offset);
    let run = root.section("run", notes);
    let run = root.required("run", run, notes);
    let run = run.and_then(|run| run::read(run, notes));
    let workspace = workspace(&mut root, notes);
    let is_async = root.switch("async", notes).unwrap_or_default();
    let deadline = deadline(&mut root, is_async, notes);
    let output_bounds = (1024, MAX_OUTPUT_BYTES);
    let max_output_bytes = root.count(
        "max_output_bytes",
        output_bounds,
        DEFAULT_OUTPUT_BYTES,
        notes,
    );
    let limits = root.section("limits", notes);
    let limits = limits_of(limits, notes);
    let result = result_form(&mut root, notes);
    let form = result.as_ref().map(|said| said.value);
    let parser = parser(&mut root, form, notes);
    let scopes = root.strings("scopes", notes);
    let examples: Vec<Said<Example>> = root
        .sections("examples", notes)
        .into_iter()
        .map(|example| read_example(example, notes))
        .collect();
    root.finish(notes);

    let (parameters, run) = (parameters?, run?);
    let scopes = scopes.map_or_else(Vec::new, |said| said.value);
    let checked = checks::Checked {
        parameters: &parameters,
        message: message.as_ref(),
        run: &run,
        run_offset,
        result: result.as_ref(),
        parser: parser.as_ref(),
        workspace,
        examples: &examples,
    };
    checked.check(notes);
    Some(Skill {
        name: name?,
        description: description?,
        message: message.map(|said| said.value),
        parameters,
        run,
        workspace,
        deadline,
        max_output_bytes: usize::try_from(max_output_bytes).unwrap_or(usize::MAX),
        limits,
        result: result?.value,
        parser: parser.map(|said| said.value),
        scopes,
        is_async,
        examples: examples.into_iter().map(|said| said.value).collect(),
    })
}

/// Names that the pinned Codex takes for no tool of another's.
const RESERVED_NAMES: [&str; 1] = ["mcp"];

fn name(path: &Path, root: &mut Section, notes: &mut Notes) -> Option<SkillName> {
    let said = root.string("name", notes);
    let said = root.required("name", said, notes)?;
    let Some(name) = SkillName::parse(&said.value) else {
        let detail = "name must be 1 to 64 of a-z 0-9 -, the first a letter";
        notes.wrong(said.offset, detail);
        return None;
    };
    if RESERVED_NAMES.contains(&name.as_str()) {
        notes.wrong(
            said.offset,
            "Codex keeps this name for itself: no model could call it",
        );
    }
    if path.file_stem().and_then(|stem| stem.to_str()) != Some(name.as_str()) {
        notes.wrong(said.offset, "name must be the file's, without .toml");
    }
    Some(name)
}

fn description(root: &mut Section, notes: &mut Notes) -> Option<String> {
    let said = root.string("description", notes);
    let said = root.required("description", said, notes)?;
    let length = said.value.chars().count();
    if said.value.trim().is_empty() || length > MAX_DESCRIPTION_CHARS {
        let detail = format!("description must have 1 to {MAX_DESCRIPTION_CHARS} characters");
        notes.wrong(said.offset, detail);
    }
    Some(said.value)
}

fn workspace(root: &mut Section, notes: &mut Notes) -> WorkspaceMode {
    let Some(said) = root.string("workspace", notes) else {
        return WorkspaceMode::None;
    };
    match said.value.as_str() {
        "none" => WorkspaceMode::None,
        "read-only" => WorkspaceMode::ReadOnly,
        "private-copy" => WorkspaceMode::PrivateCopy,
        _ => {
            let detail = "workspace must be \"none\", \"read-only\" or \"private-copy\"";
            notes.wrong(said.offset, detail);
            WorkspaceMode::None
        }
    }
}

fn deadline(root: &mut Section, is_async: bool, notes: &mut Notes) -> Duration {
    let offset = root.take("deadline_sec").map_or(0, |said| said.offset);
    let bounds = (1, MAX_ASYNC_DEADLINE_SEC);
    let seconds = root.count("deadline_sec", bounds, DEFAULT_DEADLINE_SEC, notes);
    if seconds > MAX_DEADLINE_SEC && !is_async {
        let detail = format!(
            "deadline_sec is over {MAX_DEADLINE_SEC}, which no call waits for: say async = true, or less"
        );
        notes.wrong(offset, detail);
    }
    Duration::from_secs(seconds)
}

/// What a program may map or reserve: wide, because Node reserves 10 GB for WebAssembly.
const ADDRESS_SPACE_BYTES: u64 = 64 << 30;

fn limits_of(section: Option<Section<'_>>, notes: &mut Notes) -> SkillLimits {
    let nothing = DeTable::new();
    let mut section = section.unwrap_or_else(|| Section::new("limits", &nothing, 0));
    let mut count = |key, least, most, default| section.count(key, (least, most), default, notes);
    let limits = SkillLimits {
        resources: ResourceLimits {
            memory_bytes: count("memory_mb", 64, 1_048_576, 2048) * BYTES_PER_MEBIBYTE,
            address_space_bytes: ADDRESS_SPACE_BYTES,
            processes: count("processes", 1, 65_536, 256),
            open_files: count("open_files", 16, 65_536, 1024),
            file_size_bytes: count("file_size_mb", 1, 65_536, 64) * BYTES_PER_MEBIBYTE,
            cpu_sec: count("cpu_sec", 1, 86_400, 600),
        },
        scratch_bytes: count("scratch_mb", 1, 65_536, 64) * BYTES_PER_MEBIBYTE,
        output: OutputLimit {
            bytes: count("output_mb", 1, 65_536, 64) * BYTES_PER_MEBIBYTE,
            lines: count("output_lines", 1, 1_000_000_000, 1_000_000),
        },
    };
    section.finish(notes);
    limits
}

fn result_form(root: &mut Section, notes: &mut Notes) -> Option<Said<ResultForm>> {
    let said = root.string("result", notes);
    let said = root.required("result", said, notes)?;
    let value = match said.value.as_str() {
        "json" => ResultForm::Json,
        "ndjson" => ResultForm::Ndjson,
        "text" => ResultForm::Text,
        _ => {
            let detail = "result must be \"json\", \"ndjson\" or \"text\"";
            notes.wrong(said.offset, detail);
            return None;
        }
    };
    Some(Said {
        value,
        offset: said.offset,
    })
}

fn parser(root: &mut Section, form: Option<ResultForm>, notes: &mut Notes) -> Option<Said<Parser>> {
    let said = root.string("parser", notes);
    let mut named = |key| root.string(key, notes).map(|said| said.value);
    let (limit, context) = (named("match_limit"), named("match_context"));
    let (first, last) = (named("excerpt_first"), named("excerpt_last"));
    let (value, wanted) = match said.as_ref()?.value.as_str() {
        "ripgrep" => (Parser::Ripgrep { limit, context }, ResultForm::Ndjson),
        "paths" => (Parser::Paths, ResultForm::Text),
        "tests" => (Parser::Tests, ResultForm::Text),
        "excerpt" => {
            let offset = said.as_ref()?.offset;
            let (Some(first), Some(last)) = (first, last) else {
                let detail =
                    "an excerpt needs excerpt_first and excerpt_last, parameters that are lines";
                notes.wrong(offset, detail);
                return None;
            };
            (Parser::Excerpt { first, last }, ResultForm::Text)
        }
        _ => {
            let detail = "parser must be \"ripgrep\", \"paths\", \"excerpt\" or \"tests\"";
            notes.wrong(said?.offset, detail);
            return None;
        }
    };
    let offset = said?.offset;
    if form.is_some_and(|form| form != wanted) {
        let detail = "parser and result disagree: ripgrep is ndjson, the others are text";
        notes.wrong(offset, detail);
    }
    Some(Said { value, offset })
}

fn read_example(mut section: Section<'_>, notes: &mut Notes) -> Said<Example> {
    let offset = section.offset;
    let mut string = |key| section.string(key, notes).map(|said| said.value);
    let (workspace, message, context) = (string("workspace"), string("message"), string("context"));
    let extra = section.json_object("extra", notes);
    let expect = section.json("expect", notes);
    let expect = section.required("expect", expect, notes);
    section.finish(notes);
    Said {
        value: Example {
            workspace,
            message,
            context,
            extra: extra.map(|said| said.value).unwrap_or_default(),
            expect: expect.unwrap_or(Value::Null),
        },
        offset,
    }
}

impl Run {
    /// Every template of it.
    fn uses_workspace_tests(&self) -> bool {
        match self {
            Self::Command(command) => {
                matches!(
                    command.invocation,
                    super::definition::Invocation::ByTests(_)
                )
            }
            Self::Codex(_) | Self::Cli(_) => false,
        }
    }
}

#[cfg(test)]
mod tests;
