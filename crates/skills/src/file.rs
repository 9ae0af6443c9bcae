//! One skill's file, read and checked. Every mistake is reported with its line.

mod checks;
mod run;

use std::path::Path;
use std::time::Duration;

use runner::{OutputLimit, ResourceLimits};
use serde::Deserialize;
use serde::de::IgnoredAny;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::definition::{
    Example, Parser, ResultForm, Skill, SkillLimits, SkillName, WorkspaceMode,
};
use super::diagnostics::{Diagnostic, Diagnostics};
use super::parameters::Parameters;
use super::toml_reader::{Bounded, read};

/// The longest synchronous call; what may take longer is `async`.
const MAX_DEADLINE_SEC: u64 = 120;
const DEFAULT_DEADLINE_SEC: u64 = 30;
const DEFAULT_OUTPUT_BYTES: u64 = 1024 * 1024;

const MAX_DESCRIPTION_CHARS: usize = 2000;
const BYTES_PER_MEBIBYTE: u64 = 1024 * 1024;

/// What a program may map or reserve: wide, because Node reserves 10 GB for WebAssembly.
const ADDRESS_SPACE_BYTES: u64 = 64 << 30;

/// The file. `parameters` and `run` are read by themselves, from the same text.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct SkillTable {
    name: Option<Spanned<SkillName>>,
    description: Option<Description>,
    parameters: Option<IgnoredAny>,
    message: Option<Spanned<String>>,
    run: Option<IgnoredAny>,
    workspace: WorkspaceMode,
    r#async: bool,
    deadline_sec: Option<Spanned<Bounded<1, 86_400>>>,
    max_output_bytes: Option<Bounded<1024, { 16 * 1024 * 1024 }>>,
    limits: LimitsTable,
    result: Option<Spanned<ResultForm>>,
    parser: Option<Spanned<ParserName>>,
    match_limit: Option<String>,
    match_context: Option<String>,
    excerpt_first: Option<String>,
    excerpt_last: Option<String>,
    scopes: Vec<String>,
    examples: Vec<Spanned<Example>>,
}

#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Description(String);

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct LimitsTable {
    memory_mb: Option<Bounded<64, 1_048_576>>,
    processes: Option<Bounded<1, 65_536>>,
    open_files: Option<Bounded<16, 65_536>>,
    file_size_mb: Option<Bounded<1, 65_536>>,
    cpu_sec: Option<Bounded<1, 86_400>>,
    scratch_mb: Option<Bounded<1, 65_536>>,
    output_mb: Option<Bounded<1, 65_536>>,
    output_lines: Option<Bounded<1, 1_000_000_000>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ParserName {
    Ripgrep,
    Paths,
    Excerpt,
    Tests,
}

/// Reads the text of the skill's file `path`.
pub(super) fn parse(path: &Path, text: &str) -> Result<Skill, Vec<Diagnostic>> {
    let mut diagnostics = Diagnostics::new(path.to_owned(), text);
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let offset = error.span().map_or(0, |span| span.start);
        diagnostics.report(offset, format!("is not TOML: {}", error.message()));
    }
    let skill = if errors.is_empty() {
        skill(path, &document, &mut diagnostics)
    } else {
        None
    };
    match skill {
        Some(skill) if diagnostics.is_empty() => Ok(skill),
        _ => Err(diagnostics.into_sorted()),
    }
}

fn skill(
    path: &Path,
    document: &Spanned<DeTable<'_>>,
    diagnostics: &mut Diagnostics<'_>,
) -> Option<Skill> {
    let document_start = 0;
    for key in ["name", "description", "run", "result"] {
        if !document.get_ref().contains_key(key) {
            diagnostics.report(document_start, format!("{key} is missing"));
        }
    }
    let table: SkillTable = read("", document, diagnostics).unwrap_or_default();
    let parameters = Parameters::read(table_of(document, "parameters", diagnostics), diagnostics);
    let run = table_of(document, "run", diagnostics);
    let run_start = run.as_ref().map_or(0, |run| run.span().start);
    let run = run.and_then(|run| run::run(run, diagnostics));
    check_name(path, table.name.as_ref(), diagnostics);
    check_deadline(&table, diagnostics);
    let parser = parser(&table, diagnostics);
    let (parameters, run) = (parameters?, run?);
    let checked = checks::Checked {
        parameters: &parameters,
        message: table.message.as_ref(),
        run: &run,
        run_start,
        result: table.result.as_ref(),
        parser: parser.as_ref(),
        workspace: table.workspace,
        examples: &table.examples,
    };
    checked.check(diagnostics);
    let deadline_sec = table.deadline_sec.map(Spanned::into_inner);
    let output_bytes = or(table.max_output_bytes, DEFAULT_OUTPUT_BYTES);
    let examples = table.examples.into_iter();
    Some(Skill {
        name: table.name?.into_inner(),
        description: table.description?.0,
        message: table.message.map(Spanned::into_inner),
        parameters,
        run,
        workspace: table.workspace,
        deadline: Duration::from_secs(or(deadline_sec, DEFAULT_DEADLINE_SEC)),
        max_output_bytes: usize::try_from(output_bytes).unwrap_or(usize::MAX),
        limits: table.limits.into(),
        result: table.result?.into_inner(),
        parser: parser.map(Spanned::into_inner),
        scopes: table.scopes,
        is_async: table.r#async,
        examples: examples.map(Spanned::into_inner).collect(),
    })
}

/// A table that is read by itself.
fn table_of<'text>(
    document: &Spanned<DeTable<'text>>,
    key: &str,
    diagnostics: &mut Diagnostics<'_>,
) -> Option<Spanned<DeTable<'text>>> {
    let (key, value) = document.get_ref().get_key_value(key)?;
    let DeValue::Table(table) = value.get_ref() else {
        diagnostics.report(
            key.span().start,
            format!("{} must be a table", key.get_ref()),
        );
        return None;
    };
    Some(Spanned::new(key.span(), table.clone()))
}

fn check_name(path: &Path, name: Option<&Spanned<SkillName>>, diagnostics: &mut Diagnostics<'_>) {
    let Some(name) = name else { return };
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    if stem != Some(name.get_ref().as_str()) {
        diagnostics.report(name.span().start, "name must be the file's, without .toml");
    }
}

fn check_deadline(table: &SkillTable, diagnostics: &mut Diagnostics<'_>) {
    let Some(deadline) = &table.deadline_sec else {
        return;
    };
    if deadline.get_ref().0 > MAX_DEADLINE_SEC && !table.r#async {
        let detail = format!(
            "deadline_sec is over {MAX_DEADLINE_SEC}, which no call waits for: say async = true, or less"
        );
        diagnostics.report(deadline.span().start, detail);
    }
}

fn parser(table: &SkillTable, diagnostics: &mut Diagnostics<'_>) -> Option<Spanned<Parser>> {
    let name = table.parser.as_ref()?;
    let start = name.span().start;
    let form = match name.get_ref() {
        ParserName::Ripgrep => ResultForm::Ndjson,
        ParserName::Paths | ParserName::Excerpt | ParserName::Tests => ResultForm::Text,
    };
    let result = table.result.as_ref();
    if result.is_some_and(|result| *result.get_ref() != form) {
        let detail = "parser and result disagree: ripgrep is ndjson, the others are text";
        diagnostics.report(start, detail);
    }
    let parser = match name.get_ref() {
        ParserName::Ripgrep => Parser::Ripgrep {
            limit: table.match_limit.clone(),
            context: table.match_context.clone(),
        },
        ParserName::Paths => Parser::Paths,
        ParserName::Tests => Parser::Tests,
        ParserName::Excerpt => {
            let bounds = (table.excerpt_first.clone(), table.excerpt_last.clone());
            let (Some(first), Some(last)) = bounds else {
                let detail =
                    "an excerpt needs excerpt_first and excerpt_last, parameters that are lines";
                diagnostics.report(start, detail);
                return None;
            };
            Parser::Excerpt { first, last }
        }
    };
    Some(Spanned::new(name.span(), parser))
}

fn or<const LEAST: u64, const MOST: u64>(
    number: Option<Bounded<LEAST, MOST>>,
    default: u64,
) -> u64 {
    number.map_or(default, |number| number.0)
}

impl From<LimitsTable> for SkillLimits {
    fn from(table: LimitsTable) -> Self {
        Self {
            resources: ResourceLimits {
                memory_bytes: or(table.memory_mb, 2048) * BYTES_PER_MEBIBYTE,
                address_space_bytes: ADDRESS_SPACE_BYTES,
                processes: or(table.processes, 256),
                open_files: or(table.open_files, 1024),
                file_size_bytes: or(table.file_size_mb, 64) * BYTES_PER_MEBIBYTE,
                cpu_sec: or(table.cpu_sec, 600),
            },
            scratch_bytes: or(table.scratch_mb, 64) * BYTES_PER_MEBIBYTE,
            output: OutputLimit {
                bytes: or(table.output_mb, 64) * BYTES_PER_MEBIBYTE,
                lines: or(table.output_lines, 1_000_000),
            },
        }
    }
}

impl TryFrom<String> for Description {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.trim().is_empty() || text.chars().count() > MAX_DESCRIPTION_CHARS {
            return Err(format!("must have 1 to {MAX_DESCRIPTION_CHARS} characters"));
        }
        Ok(Self(text))
    }
}

#[cfg(test)]
mod tests;
