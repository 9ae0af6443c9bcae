//! What people read, made of the declarations: the commented defaults and `docs/settings.md`. Tests hold
//! the committed files to it.

use std::fmt::Write as _;

use serde_json::Value;

use super::declaration::{Form, SETTINGS, Setting};
use super::variables::LATER_VARIABLES;

const DEFAULTS_INTRODUCTION: &str = "\
# Portcullis: every setting with its default. Copy what you change into a file of your own, name
# that file in PORTCULLIS_CONFIG, or set the variable named above the key; the variable wins.
# An empty string means \"not set\" where a setting may be left out.
# Check with `portcullis config check`; see what won with `portcullis config print`.
";

const REFERENCE_INTRODUCTION: &str = "\
# Settings

Generated from `crates/gateway/src/config/sections`; `UPDATE_DOCS=1 cargo test -p gateway config` writes
it anew. `portcullis config defaults` prints the same as a commented file.

Defaults come first, then the file named by `PORTCULLIS_CONFIG`, then the environment, then the
command line (`serve --demo`); the last one wins. An empty variable counts as not set. Lists
are comma-separated in a variable and arrays of strings in the file. Relative paths start at the
directory in which the gateway is started. `portcullis config print` shows each value and where it is
from, secrets masked; `portcullis config check` exits non-zero when one is wrong, and names all that
are.
";

const COLUMNS: &str = "\
| key | variable | default | values | |
|---|---|---|---|---|
";

const LINE_CHARS: usize = 98;

/// The defaults as a TOML file that explains each setting. The lowest layer is read from it.
pub fn render_defaults() -> String {
    DEFAULTS_INTRODUCTION.to_owned() + &defaults_of(&SETTINGS)
}

/// The reference of every setting, a table a section.
pub fn render_settings_markdown() -> String {
    let later = LATER_VARIABLES.map(|name| format!("`{name}`"));
    format!(
        "{REFERENCE_INTRODUCTION}{}\n## Not in this version\n\n\
         {} belong to later versions. They are refused rather than ignored: what they would \
         protect is not protected yet.\n",
        reference_of(&SETTINGS),
        later.join(", ")
    )
}

pub(super) fn defaults_of(settings: &[Setting]) -> String {
    let mut document = String::new();
    for section in settings.chunk_by(|left, right| left.section() == right.section()) {
        let name = section.first().map_or("", Setting::section);
        if !name.is_empty() {
            // Writing to a String cannot fail.
            let _ = write!(document, "\n[{name}]\n");
        }
        for setting in section {
            let (help, assignment) = (comment(&setting.help), assignment(setting));
            let _ = write!(document, "\n{help}{assignment}");
        }
    }
    document
}

pub(super) fn reference_of(settings: &[Setting]) -> String {
    let mut document = String::new();
    for section in settings.chunk_by(|left, right| left.section() == right.section()) {
        let name = section.first().map_or("", Setting::section);
        let is_row = |setting: &&Setting| !matches!(setting.form, Form::Tables(_));
        let rows: String = section.iter().filter(is_row).map(format_row).collect();
        if !rows.is_empty() {
            let _ = write!(document, "\n## `[{name}]`\n\n{COLUMNS}{rows}");
        }
        for setting in section {
            if let Form::Tables(keys) = &setting.form {
                let rows: String = keys.iter().map(format_row).collect();
                let (path, help) = (&setting.path, &setting.help);
                let _ = write!(document, "\n## `[[{path}]]`\n\n{help}\n\n{COLUMNS}{rows}");
            }
        }
    }
    document
}

fn assignment(setting: &Setting) -> String {
    let (key, variable, values) = (setting.key(), &setting.variable, setting.form.describe());
    let Form::Tables(keys) = &setting.form else {
        return format!("# {variable}: {values}\n{key} = {}\n", default(setting));
    };
    let rows = keys.iter().map(|key| {
        let values = key.form.describe();
        comment(&format!("{}: {values}. {}", key.path, key.help))
    });
    format!("# [[{}]]\n{}", setting.path, rows.collect::<String>())
}

fn format_row(setting: &Setting) -> String {
    let (mut key, mut variable) = (format!("`{}`", setting.key()), setting.variable.clone());
    if !variable.is_empty() {
        variable = format!("`{variable}`");
    }
    if let Some(file_variable) = setting.file_variable() {
        let _ = write!(key, " or `{}_file`", setting.key());
        let _ = write!(variable, " or `{file_variable}`");
    }
    let default = match &setting.default {
        None => "–".to_owned(),
        Some(Value::String(text)) => format!("`{text}`"),
        Some(Value::Array(entries)) if entries.is_empty() => "–".to_owned(),
        Some(_) => format!("`{}`", default(setting)),
    };
    let (values, help) = (setting.form.describe(), &setting.help);
    format!("| {key} | {variable} | {default} | {values} | {help} |\n")
}

/// In TOML, which writes what a default can be as JSON does.
fn default(setting: &Setting) -> String {
    match &setting.default {
        None => "\"\"".to_owned(),
        Some(Value::Array(entries)) => {
            let entries: Vec<_> = entries.iter().map(Value::to_string).collect();
            format!("[{}]", entries.join(", "))
        }
        Some(value) => value.to_string(),
    }
}

fn comment(text: &str) -> String {
    let mut comment = String::new();
    let mut line = String::from("#");
    for word in text.split(' ') {
        if line.chars().count() + 1 + word.chars().count() > LINE_CHARS {
            comment.push_str(&line);
            comment.push('\n');
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    comment + &line + "\n"
}
