//! The table `[run]`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::super::definition::{
    CliRun, CodexRun, Command, Input, Invocation, ProgramCall, ProgramReference, Run, TestKind,
};
use super::super::problem::Notes;
use super::super::section::{Said, Section};
use super::super::template::{ArgumentTemplate, TextTemplate};

/// What the sandbox sets itself.
const OWN_VARIABLES: [&str; 6] = ["HOME", "LANG", "PATH", "PWD", "TMPDIR", "PORTCULLIS_RUN"];

pub(super) fn read(mut section: Section<'_>, notes: &mut Notes) -> Option<Run> {
    let kind = section.string("kind", notes);
    let kind = section.required("kind", kind, notes)?;
    let run = match kind.value.as_str() {
        "command" => command(&mut section, notes).map(Run::Command),
        "codex" => codex(&mut section, notes).map(Run::Codex),
        "cli" => cli(&mut section, notes).map(Run::Cli),
        _ => {
            let detail = "run.kind must be \"command\", \"codex\" or \"cli\"";
            notes.wrong(kind.offset, detail);
            return None;
        }
    };
    section.finish(notes);
    run
}

fn command(section: &mut Section<'_>, notes: &mut Notes) -> Option<Command> {
    let offset = section.offset;
    let invocation = match section.section("tests", notes) {
        Some(tests) => by_tests(tests, notes),
        None => program_call(section, notes).map(Invocation::One),
    };
    if matches!(invocation, Some(Invocation::ByTests(_))) && section.take("program").is_some() {
        notes.wrong(
            offset,
            "run has a program of its own and run.tests: one of them decides",
        );
    }
    let stdin = stdin(section, notes);
    let environment = section.section("environment", notes);
    let environment = environment.map(|table| environment_of(table, notes));
    let codes = section.integers("ok_exit_codes", notes);
    Some(Command {
        invocation: invocation?,
        stdin,
        environment: environment.unwrap_or_default(),
        ok_exit_codes: codes.map_or_else(|| vec![0], |said| exit_codes(said, notes)),
    })
}

fn stdin(section: &mut Section<'_>, notes: &mut Notes) -> Option<Input> {
    let said = section.string("stdin", notes)?;
    Some(match said.value.as_str() {
        "message" => Input::Message,
        "context" => Input::Context,
        _ => Input::Parameter(said.value),
    })
}

fn exit_codes(said: Said<Vec<i64>>, notes: &mut Notes) -> Vec<i32> {
    let codes = said.value.into_iter();
    let codes = codes
        .map(|code| {
            i32::try_from(code)
                .ok()
                .filter(|code| (0..=255).contains(code))
        })
        .collect::<Option<Vec<_>>>()
        .filter(|codes| !codes.is_empty());
    codes.unwrap_or_else(|| {
        notes.wrong(said.offset, "ok_exit_codes must be numbers from 0 to 255");
        Vec::new()
    })
}

fn by_tests(mut section: Section<'_>, notes: &mut Notes) -> Option<Invocation> {
    let mut calls = BTreeMap::new();
    for kind in TestKind::ALL {
        let Some(mut table) = section.section(kind.as_str(), notes) else {
            continue;
        };
        let call = program_call(&mut table, notes);
        table.finish(notes);
        calls.insert(kind, call?);
    }
    if calls.is_empty() {
        notes.wrong(section.offset, "run.tests names no kind of tests");
    }
    section.finish(notes);
    Some(Invocation::ByTests(calls))
}

fn program_call(section: &mut Section<'_>, notes: &mut Notes) -> Option<ProgramCall> {
    let program = section.string("program", notes);
    let program = section.required("program", program, notes);
    let program = program.and_then(|said| program_reference(said, notes));
    let args = ArgumentTemplate::read("args", section, notes);
    Some(ProgramCall {
        program: program?,
        args,
    })
}

fn program_reference(said: Said<String>, notes: &mut Notes) -> Option<ProgramReference> {
    let text = said.value;
    if let Some((scheme, name)) = text.split_once(':') {
        let is_plain =
            !name.is_empty() && name != ".." && name != "." && !name.contains(['/', '\0']);
        let reference = match scheme {
            "codex-package" if is_plain => Some(ProgramReference::CodexPackage(name.to_owned())),
            "path" if is_plain => Some(ProgramReference::SearchPath(name.to_owned())),
            _ => None,
        };
        if reference.is_some() {
            return reference;
        }
    }
    let path = PathBuf::from(&text);
    if !path.is_absolute() {
        let detail = "program must be an absolute path, codex-package:NAME or path:NAME";
        notes.wrong(said.offset, detail);
        return None;
    }
    if !path.is_file() {
        notes.wrong(said.offset, "there is no such program on this machine");
    }
    Some(ProgramReference::Absolute(path))
}

fn environment_of(section: Section<'_>, notes: &mut Notes) -> BTreeMap<String, String> {
    let mut environment = BTreeMap::new();
    for (name, value, offset) in section.pairs(notes) {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if name.is_empty() || !name.bytes().all(plain) {
            notes.wrong(offset, "a variable is named with A-Z a-z 0-9 _");
        } else if OWN_VARIABLES.contains(&name.as_str()) {
            notes.wrong(
                offset,
                format!("{name} is set by the sandbox: choose another name"),
            );
        } else if value.contains('\0') {
            notes.wrong(offset, "a variable cannot hold a NUL");
        }
        environment.insert(name, value);
    }
    environment
}

fn codex(section: &mut Section<'_>, notes: &mut Notes) -> Option<CodexRun> {
    let prompt = section.string("prompt", notes);
    let prompt = section.required("prompt", prompt, notes);
    let prompt = prompt.and_then(|said| match TextTemplate::parse(&said.value) {
        Ok(template) => Some(template),
        Err(detail) => {
            notes.wrong(said.offset, detail);
            None
        }
    });
    let schema = section.json_object("output_schema", notes);
    if let Some(said) = &schema {
        let schema = serde_json::Value::Object(said.value.clone());
        if jsonschema::options().build(&schema).is_err() {
            notes.wrong(said.offset, "run.output_schema is not a JSON Schema");
        }
    }
    let mut string = |key| section.string(key, notes).map(|said| said.value);
    let (model, reasoning_effort) = (string("model"), string("reasoning_effort"));
    let instructions = string("instructions");
    let skills = section.strings("skills", notes);
    let needs_context = section.switch("needs_context", notes).unwrap_or_default();
    Some(CodexRun {
        instructions,
        prompt: prompt?,
        needs_context,
        skills: skills.map_or_else(Vec::new, |said| said.value),
        output_schema: schema.map(|said| serde_json::Value::Object(said.value)),
        model,
        reasoning_effort,
    })
}

fn cli(section: &mut Section<'_>, notes: &mut Notes) -> Option<CliRun> {
    let skill = section.string("skill", notes);
    let skill = section.required("skill", skill, notes);
    let args = ArgumentTemplate::read("args", section, notes);
    let stdin = stdin(section, notes);
    Some(CliRun {
        skill: skill?.value,
        args,
        stdin,
    })
}
