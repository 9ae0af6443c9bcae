//! A TOML file of settings: the embedded defaults and the operator's own are read alike, with the
//! line of each key.

use std::collections::BTreeMap;
use std::path::PathBuf;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::bounded_file;
use super::kind::Value;
use super::layers::Gathered;
use super::names::CONFIG_VARIABLE;
use super::nearest::nearest;
use super::origins::Origin;
use super::path::absolute;
use super::problem::{Problem, Warning};
use super::table::{Presence, SETTINGS, Setting};

pub(super) const DEFAULTS: &str = include_str!("defaults.toml");
const FILE_LIMIT_BYTES: u64 = 1024 * 1024;

pub(super) fn read_defaults(gathered: &mut Gathered) {
    let source = Source {
        text: DEFAULTS,
        path: None,
        read_by_others: false,
    };
    source.read(gathered);
}

/// The default of a setting, in the words of `defaults.toml`; `None` when it is empty.
pub(super) fn default_as_written(path: &str) -> Option<&'static str> {
    let document = DeTable::parse(DEFAULTS).ok()?;
    let (section, key) = path.rsplit_once('.')?;
    let mut table = document.get_ref();
    for name in section.split('.') {
        table = table.get(name)?.get_ref().as_table()?;
    }
    let written = DEFAULTS.get(table.get(key)?.span())?.trim_matches('"');
    (!matches!(written, "" | "[]")).then_some(written)
}

/// Reads the file that `PORTCULLIS_CONFIG` names.
pub(super) fn read_named(named: Result<&str, String>, gathered: &mut Gathered) {
    let file = named.and_then(|named| {
        let path = absolute(named)?;
        let file = bounded_file::read(&path, FILE_LIMIT_BYTES);
        let file = file.map_err(|detail| format!("the file it names {detail}"))?;
        Ok((PathBuf::from(named), file))
    });
    let (path, file) = match file {
        Ok(read) => read,
        Err(detail) => {
            let origin = Origin::Variable(CONFIG_VARIABLE.to_owned());
            gathered.problems.push(Problem::elsewhere(origin, detail));
            gathered.file_refused = true;
            return;
        }
    };
    let source = Source {
        text: &file.content,
        path: Some(path),
        read_by_others: file.read_by_others,
    };
    source.read(gathered);
}

/// One file's text, and where it is from; no path for the defaults.
#[derive(Debug)]
struct Source<'text> {
    text: &'text str,
    path: Option<PathBuf>,
    read_by_others: bool,
}

impl Source<'_> {
    fn read(&self, gathered: &mut Gathered) {
        let (document, errors) = DeTable::parse_recoverable(self.text);
        if !errors.is_empty() {
            // The message alone: the library's own rendering quotes the line, secrets included.
            gathered.problems.extend(errors.iter().map(|error| {
                let offset = error.span().map_or(0, |span| span.start);
                let detail = format!("is not TOML: {}", error.message());
                Problem::elsewhere(self.origin(offset), detail)
            }));
            gathered.file_refused = true;
            return;
        }
        let before = gathered.problems.len();
        let mut leaves = BTreeMap::new();
        self.walk("", document.get_ref(), &mut leaves, &mut gathered.problems);
        for setting in SETTINGS {
            self.read_setting(setting, &leaves, gathered);
        }
        // The parser sorts by name; people read by line.
        gathered.problems[before..].sort_by_key(|problem| problem.origin.line());
    }

    /// Takes the known keys of a table into `leaves`, and refuses the others.
    fn walk<'table>(
        &self,
        section: &str,
        table: &'table DeTable<'_>,
        leaves: &mut BTreeMap<String, Leaf<'table>>,
        problems: &mut Vec<Problem>,
    ) {
        for (key, value) in table {
            let offset = key.span().start;
            let path = join(section, key.get_ref());
            let refusal = if is_key(&path) {
                leaves.insert(path, Leaf { offset, value });
                continue;
            } else if !is_section(&path) {
                unknown_key(&path)
            } else if let DeValue::Table(inner) = value.get_ref() {
                self.walk(&path, inner, leaves, problems);
                continue;
            } else {
                format!("{path} is a section, not a key: write [{path}] and its keys below it")
            };
            problems.push(Problem::elsewhere(self.origin(offset), refusal));
        }
    }

    fn read_setting(
        &self,
        setting: &'static Setting,
        leaves: &BTreeMap<String, Leaf<'_>>,
        gathered: &mut Gathered,
    ) {
        let said = leaves.get(setting.path);
        let file = setting.file_path().and_then(|path| leaves.get(&path));
        let file = file.filter(|leaf| !leaf.is_empty_string());
        let (leaf, value) = match (said, file) {
            (None, None) => return,
            (Some(leaf), Some(_)) if !leaf.is_empty_string() => {
                let name = setting.path;
                let both = format!("both {name} and {name}_file are set: take one of them out");
                (leaf, Err(both))
            }
            (_, Some(leaf)) => match leaf.value.get_ref() {
                DeValue::String(named) => {
                    return gathered.say_secret_file(setting, self.origin(leaf.offset), Ok(named));
                }
                _ => (
                    leaf,
                    Err("must be a path, as a string in quotes".to_owned()),
                ),
            },
            (Some(leaf), None) => {
                let unset = setting.presence == Presence::Optional && leaf.is_empty_string();
                let value = if unset {
                    Ok(Value::Unset)
                } else {
                    setting.kind.read_toml(leaf.value.get_ref())
                };
                (leaf, value)
            }
        };
        if self.read_by_others && matches!(value, Ok(Value::Secret(_))) {
            let detail = "stands in a file that others can read: chmod 600 it";
            gathered.warnings.push(Warning::of(setting.path, detail));
        }
        gathered.say(setting, self.origin(leaf.offset), value);
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

#[derive(Clone, Copy, Debug)]
struct Leaf<'table> {
    offset: usize,
    value: &'table Spanned<DeValue<'table>>,
}

impl Leaf<'_> {
    fn is_empty_string(&self) -> bool {
        self.value.get_ref().as_str() == Some("")
    }
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

fn is_key(path: &str) -> bool {
    SETTINGS
        .iter()
        .any(|setting| setting.path == path || setting.file_path().as_deref() == Some(path))
}

fn is_section(path: &str) -> bool {
    SETTINGS.iter().any(|setting| {
        let rest = setting.path.strip_prefix(path);
        rest.is_some_and(|rest| rest.starts_with('.'))
    })
}

fn unknown_key(path: &str) -> String {
    const SHOWN_CHARS: usize = 80;
    let printable = |character: char| {
        if character.is_control() {
            '?'
        } else {
            character
        }
    };
    let shown: String = path.chars().take(SHOWN_CHARS).map(printable).collect();
    match meant(path) {
        Some(meant) => format!("unknown key {shown}; did you mean {meant}?"),
        None => format!("unknown key {shown}: take it out, or see docs/settings.md"),
    }
}

/// The key or section that an unknown one stands for: a variable's name, a known key in the wrong
/// section, or a slip.
fn meant(path: &str) -> Option<&'static str> {
    let key = path.rsplit('.').next().unwrap_or(path);
    let same_name = SETTINGS.iter().find(|setting| {
        setting.variable.eq_ignore_ascii_case(key) || setting.path.rsplit('.').next() == Some(key)
    });
    let sections = SETTINGS.iter().map(Setting::section);
    same_name.map(|setting| setting.path).or_else(|| {
        let paths = SETTINGS.iter().map(|setting| setting.path);
        nearest(path, paths.chain(sections))
    })
}
