//! A TOML file of settings: the defaults and the operator's own are read alike, with the line of each key.

use std::path::PathBuf;

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::declaration::{Form, Setting};
use super::format::absolute;
use super::layers::Layers;
use super::nearest::nearest;
use super::origin::Origin;
use crate::bounded_file;

const FILE_LIMIT_BYTES: u64 = 1024 * 1024;

/// Reads the defaults.
pub(super) fn read_defaults(text: &str, layers: &mut Layers) {
    let source = Source {
        text,
        path: None,
        read_by_others: false,
    };
    source.read(layers);
}

/// Reads the operator's file. The error says why it cannot be read at all.
pub(super) fn read_named(path: &str, layers: &mut Layers) -> Result<(), String> {
    let file = bounded_file::read(absolute(path)?.as_ref(), FILE_LIMIT_BYTES)
        .map_err(|detail| format!("the file it names {detail}"))?;
    let source = Source {
        text: &file.content,
        path: Some(PathBuf::from(path)),
        read_by_others: file.read_by_others,
    };
    source.read(layers);
    Ok(())
}

/// One file's text, and where it is from; no path for the defaults.
struct Source<'text> {
    text: &'text str,
    path: Option<PathBuf>,
    read_by_others: bool,
}

/// What may stand in a table: the settings of the document, or the keys of a table of tables.
struct Scope<'path> {
    settings: &'static [Setting],
    /// Stands before the paths of these settings: `keys.0.`
    prefix: &'path str,
}

impl Source<'_> {
    fn read(&self, layers: &mut Layers) {
        let (document, errors) = DeTable::parse_recoverable(self.text);
        for error in &errors {
            // The message alone: the library's own rendering quotes the line, secrets included.
            let origin = self.origin(error.span().map_or(0, |span| span.start));
            let detail = format!("is not TOML: {}", error.message());
            layers.diagnostics.refuse_unknown(origin, detail);
        }
        if !errors.is_empty() {
            layers.is_file_refused = true;
            return;
        }
        let before = layers.diagnostics.mistakes.len();
        let scope = Scope {
            settings: layers.origins.settings,
            prefix: "",
        };
        self.read_table(&scope, "", document.get_ref(), layers);
        // The parser sorts by name; people read by line.
        layers.diagnostics.mistakes[before..].sort_by_key(|mistake| mistake.origin.line());
    }

    fn read_table(
        &self,
        scope: &Scope<'_>,
        section: &str,
        table: &DeTable<'_>,
        layers: &mut Layers,
    ) {
        for (key, value) in table {
            let path = join(section, key.get_ref());
            let origin = self.origin(key.span().start);
            let value = value.get_ref();
            if let Some(setting) = scope.find(|setting| setting.path == path) {
                self.read_setting(scope, setting, origin, table, value, layers);
            } else if let Some(setting) = scope.find(|one| one.file_path().as_ref() == Some(&path))
            {
                read_secret_file(scope, setting, origin, table, value, layers);
            } else if !scope.has_section(&path) {
                let detail = scope.unknown_key(&path);
                layers.diagnostics.refuse_unknown(origin, detail);
            } else if let Some(inner) = value.as_table() {
                self.read_table(scope, &path, inner, layers);
            } else {
                let detail =
                    format!("{path} is a section, not a key: write [{path}] and its keys below it");
                layers.diagnostics.refuse_unknown(origin, detail);
            }
        }
    }

    fn read_setting(
        &self,
        scope: &Scope<'_>,
        setting: &'static Setting,
        origin: Origin,
        table: &DeTable<'_>,
        value: &DeValue<'_>,
        layers: &mut Layers,
    ) {
        let path = scope.path(setting);
        if let (Form::Tables(keys), DeValue::Array(entries)) = (&setting.form, value) {
            return self.read_tables(setting, keys, &path, entries, layers);
        }
        if setting.is_secret && is_given(table, &format!("{}_file", setting.key())) {
            // The key that names the file reports both.
            return;
        }
        if setting.is_optional && value.as_str() == Some("") {
            return layers.set(setting, &path, origin, None);
        }
        let read = setting.form.read_toml(value);
        if setting.is_secret && read.is_ok() && self.read_by_others {
            let detail = "stands in a file that others can read: chmod 600 it";
            layers.diagnostics.warn(&path, detail);
        }
        layers.take(setting, &path, origin, read);
    }

    fn read_tables(
        &self,
        setting: &'static Setting,
        keys: &'static [Setting],
        path: &str,
        entries: &[Spanned<DeValue<'_>>],
        layers: &mut Layers,
    ) {
        for (index, entry) in entries.iter().enumerate() {
            let path = format!("{path}.{index}");
            let origin = self.origin(entry.span().start);
            let Some(table) = entry.get_ref().as_table() else {
                layers.refuse(setting, &path, origin, "must be a table");
                continue;
            };
            let empty = Value::Object(serde_json::Map::new());
            layers.set(setting, &path, origin.clone(), Some(empty));
            let scope = Scope {
                settings: keys,
                prefix: &format!("{path}."),
            };
            self.read_table(&scope, "", table, layers);
            let is_missing = |key: &&Setting| !key.is_optional && !table.contains_key(key.key());
            for key in keys.iter().filter(is_missing) {
                let detail = format!("is missing: it must be {}", key.form.describe());
                layers.refuse(key, &scope.path(key), origin.clone(), detail);
            }
        }
    }

    fn origin(&self, offset: usize) -> Origin {
        let Some(path) = self.path.clone() else {
            return Origin::Default;
        };
        let before = self.text.bytes().take(offset);
        let line = 1 + before.filter(|byte| *byte == b'\n').count();
        Origin::File { path, line }
    }
}

impl Scope<'_> {
    fn find(&self, is_it: impl Fn(&Setting) -> bool) -> Option<&'static Setting> {
        self.settings.iter().find(|setting| is_it(setting))
    }

    fn path(&self, setting: &Setting) -> String {
        format!("{}{}", self.prefix, setting.path)
    }

    fn has_section(&self, path: &str) -> bool {
        let is_in = |setting: &Setting| {
            let rest = setting.path.strip_prefix(path);
            rest.is_some_and(|rest| rest.starts_with('.'))
        };
        self.settings.iter().any(is_in)
    }

    fn unknown_key(&self, path: &str) -> String {
        const SHOWN_CHARS: usize = 80;
        let printable = |char: char| if char.is_control() { '?' } else { char };
        let path_in_file = format!("{}{path}", self.prefix);
        let shown: String = path_in_file
            .chars()
            .take(SHOWN_CHARS)
            .map(printable)
            .collect();
        match self.meant(path) {
            Some(meant) => format!("unknown key {shown}; did you mean {meant}?"),
            None => format!("unknown key {shown}: take it out, or see docs/settings.md"),
        }
    }

    /// The key or section that an unknown one stands for: a variable's name, a known key in the wrong
    /// section, or a slip.
    fn meant(&self, path: &str) -> Option<&'static str> {
        let key = path.rsplit('.').next().unwrap_or(path);
        let same_name = self.find(|one| one.variable.eq_ignore_ascii_case(key) || one.key() == key);
        let sections = self.settings.iter().map(Setting::section);
        same_name.map(|setting| setting.path.as_str()).or_else(|| {
            let paths = self.settings.iter().map(|setting| setting.path.as_str());
            nearest(path, paths.chain(sections))
        })
    }
}

/// `api_key_file` beside `api_key`.
fn read_secret_file(
    scope: &Scope<'_>,
    setting: &'static Setting,
    origin: Origin,
    table: &DeTable<'_>,
    value: &DeValue<'_>,
    layers: &mut Layers,
) {
    let path = scope.path(setting);
    match value {
        DeValue::String(file) if file.is_empty() => {}
        _ if is_given(table, setting.key()) => {
            let detail = format!("both {path} and {path}_file are set: take one of them out");
            layers.refuse(setting, &path, origin, detail);
        }
        DeValue::String(file) => layers.take_secret_file(setting, &path, origin, Ok(file)),
        _ => layers.refuse(
            setting,
            &path,
            origin,
            "must be a path, as a string in quotes",
        ),
    }
}

/// Whether a key is there, and is not the empty string.
fn is_given(table: &DeTable<'_>, key: &str) -> bool {
    let value = table.get(key);
    value.is_some_and(|value| value.get_ref().as_str() != Some(""))
}

fn join(section: &str, key: &str) -> String {
    // A quoted key may hold dots, and must not pass for a path.
    let quote = if key.contains('.') { "\"" } else { "" };
    let dot = if section.is_empty() { "" } else { "." };
    format!("{section}{dot}{quote}{key}{quote}")
}
