//! Which layer's value won for each setting. Every setting of the table has an entry.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use super::kind::Value;
use super::table::{SETTINGS, Setting};

/// Who said a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The embedded `defaults.toml`.
    Default,
    File {
        path: PathBuf,
        line: usize,
    },
    Variable(String),
    /// A command-line flag, with its dashes.
    CommandLine(&'static str),
    /// Nobody said it, and somebody should have.
    NotSet,
}

impl Origin {
    pub(super) fn line(&self) -> Option<usize> {
        match self {
            Self::File { line, .. } => Some(*line),
            _ => None,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => formatter.write_str("default"),
            Self::File { path, line } => write!(formatter, "{}:{line}", path.display()),
            Self::Variable(name) => formatter.write_str(name),
            Self::CommandLine(flag) => formatter.write_str(flag),
            Self::NotSet => formatter.write_str("not set"),
        }
    }
}

/// The winning value of each setting and its origin.
///
/// `Debug`, `Display` and `render` mask secrets.
#[derive(Debug, Default)]
pub struct Origins {
    entries: BTreeMap<&'static str, Entry>,
}

#[derive(Debug)]
struct Entry {
    origin: Origin,
    /// `None`: it was said, and refused; the problem is reported elsewhere.
    value: Option<Value>,
}

impl Origins {
    /// Who said the value of the setting at `path` (`server.bind`).
    pub fn origin(&self, path: &str) -> Option<&Origin> {
        self.entries.get(path).map(|entry| &entry.origin)
    }

    /// Each setting with its value and origin, a line each, in the order of the table.
    pub fn render(&self) -> String {
        self.to_string()
    }

    fn row(&self, setting: &Setting) -> [String; 3] {
        let path = setting.path.to_owned();
        match self.entries.get(setting.path) {
            Some(entry) => {
                let value = match &entry.value {
                    Some(value) => value.masked(),
                    None => "(refused)".to_owned(),
                };
                [path, value, entry.origin.to_string()]
            }
            None => [path, "(not set)".to_owned(), Origin::NotSet.to_string()],
        }
    }

    /// A later layer speaks: what an earlier one said no longer counts.
    pub(super) fn say(&mut self, path: &'static str, origin: Origin, value: Option<Value>) {
        self.entries.insert(path, Entry { origin, value });
    }

    /// Shows what a value means once it is resolved; whoever said it still did.
    pub(super) fn refine(&mut self, path: &'static str, value: Value) {
        if let Some(entry) = self.entries.get_mut(path) {
            entry.value = Some(value);
        }
    }

    /// The value at `path`; `None` if it was refused.
    pub(super) fn value(&self, path: &str) -> Option<&Value> {
        self.entries.get(path)?.value.as_ref()
    }
}

impl fmt::Display for Origins {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: Vec<[String; 3]> = SETTINGS.iter().map(|setting| self.row(setting)).collect();
        let width = |column: usize| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells.max().unwrap_or(0)
        };
        let (path_width, value_width) = (width(0), width(1));
        for [path, value, origin] in &rows {
            writeln!(
                formatter,
                "{path:path_width$}  {value:value_width$}  {origin}"
            )?;
        }
        Ok(())
    }
}
