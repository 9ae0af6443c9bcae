//! A TOML file of settings: the defaults and the operator's own are read alike, with the line of each key.

use std::path::PathBuf;

use toml::de::{DeTable, DeValue};

use super::bounded_file;
use super::declaration::{SETTINGS, Setting};
use super::documents;
use super::form::unknown_key;
use super::format::absolute;
use super::layers::Layers;
use super::nearest::nearest;
use super::origin::Origin;

const FILE_LIMIT_BYTES: u64 = 1024 * 1024;

pub(super) fn read_defaults(layers: &mut Layers) {
    let source = Source {
        text: &documents::render_defaults(),
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
        self.read_table("", document.get_ref(), layers);
        // The parser sorts by name; people read by line.
        layers.diagnostics.mistakes[before..].sort_by_key(|mistake| mistake.origin.line());
    }

    fn read_table(&self, section: &str, table: &DeTable<'_>, layers: &mut Layers) {
        for (key, value) in table {
            let offset = key.span().start;
            let path = join(section, key.get_ref());
            let value = value.get_ref();
            if let Some(setting) = Setting::find(&path) {
                self.read_setting(setting, offset, table, value, layers);
            } else if let Some(setting) = secret_of_file(&path) {
                self.read_secret_file(setting, offset, table, value, layers);
            } else {
                let detail = match value {
                    DeValue::Table(inner) if is_section(&path) => {
                        self.read_table(&path, inner, layers);
                        continue;
                    }
                    _ if is_section(&path) => {
                        format!(
                            "{path} is a section, not a key: write [{path}] and its keys below it"
                        )
                    }
                    _ => unknown_key(&path, meant(&path)),
                };
                layers
                    .diagnostics
                    .refuse_unknown(self.origin(offset), detail);
            }
        }
    }

    fn read_setting(
        &self,
        setting: &'static Setting,
        offset: usize,
        table: &DeTable<'_>,
        value: &DeValue<'_>,
        layers: &mut Layers,
    ) {
        let origin = self.origin(offset);
        if is_given(table, &format!("{}_file", setting.key())) && setting.is_secret {
            // The key that names the file reports both.
        } else if setting.is_optional && value.as_str() == Some("") {
            layers.set(setting, origin, None);
        } else {
            match setting.form.read_toml(value) {
                Ok(value) => {
                    if setting.is_secret && self.read_by_others {
                        let detail = "stands in a file that others can read: chmod 600 it";
                        layers.diagnostics.warn(&setting.path, detail);
                    }
                    layers.set(setting, origin, Some(value));
                }
                Err(faults) => {
                    for fault in faults {
                        let origin = self.origin(fault.offset.unwrap_or(offset));
                        layers.refuse(setting, origin, fault.detail);
                    }
                }
            }
        }
    }

    /// `api_key_file` beside `api_key`.
    fn read_secret_file(
        &self,
        setting: &'static Setting,
        offset: usize,
        table: &DeTable<'_>,
        value: &DeValue<'_>,
        layers: &mut Layers,
    ) {
        let origin = self.origin(offset);
        match value {
            DeValue::String(path) if path.is_empty() => {}
            _ if is_given(table, setting.key()) => {
                let name = &setting.path;
                let detail = format!("both {name} and {name}_file are set: take one of them out");
                layers.refuse(setting, origin, detail);
            }
            DeValue::String(path) => layers.set_from_file(setting, origin, path),
            _ => layers.refuse(
                setting,
                origin,
                "must be a path, as a string in quotes".to_owned(),
            ),
        }
    }

    fn origin(&self, offset: usize) -> Origin {
        match &self.path {
            None => Origin::Default,
            Some(path) => {
                let before = self.text.bytes().take(offset);
                let line = 1 + before.filter(|byte| *byte == b'\n').count();
                Origin::File {
                    path: path.clone(),
                    line,
                }
            }
        }
    }
}

/// Whether a key is there, and is not the empty string.
fn is_given(table: &DeTable<'_>, key: &str) -> bool {
    table
        .get(key)
        .is_some_and(|value| value.get_ref().as_str() != Some(""))
}

fn join(section: &str, key: &str) -> String {
    // A quoted key may hold dots, and must not pass for a path.
    let key = if key.contains('.') {
        format!("\"{key}\"")
    } else {
        key.to_owned()
    };
    if section.is_empty() {
        key
    } else {
        format!("{section}.{key}")
    }
}

fn secret_of_file(path: &str) -> Option<&'static Setting> {
    let is_of = |setting: &&Setting| setting.file_path().as_deref() == Some(path);
    SETTINGS.iter().find(is_of)
}

fn is_section(path: &str) -> bool {
    SETTINGS.iter().any(|setting| {
        let rest = setting.path.strip_prefix(path);
        rest.is_some_and(|rest| rest.starts_with('.'))
    })
}

/// The key or section that an unknown one stands for: a variable's name, a known key in the wrong
/// section, or a slip.
fn meant(path: &str) -> Option<&'static str> {
    let key = path.rsplit('.').next().unwrap_or(path);
    let same_name = SETTINGS
        .iter()
        .find(|setting| setting.variable.eq_ignore_ascii_case(key) || setting.key() == key);
    let sections = SETTINGS.iter().map(Setting::section);
    same_name.map(|setting| setting.path.as_str()).or_else(|| {
        let paths = SETTINGS.iter().map(|setting| setting.path.as_str());
        nearest(path, paths.chain(sections))
    })
}
