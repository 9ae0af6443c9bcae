//! Which layer's value won for each setting.

use std::fmt;
use std::path::PathBuf;

/// Where a value is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    Default,
    File {
        path: PathBuf,
        line: usize,
    },
    Variable(String),
    /// A command-line flag, with its dashes.
    CommandLine(&'static str),
    /// A value that is needed and was not given.
    NotSet,
}

/// The winning value of each setting and its origin, in the order of the settings. Secrets are masked.
#[derive(Debug, Default)]
pub struct Origins {
    pub(super) rows: Vec<Row>,
}

#[derive(Debug)]
pub(super) struct Row {
    pub(super) path: &'static str,
    /// As people read it.
    pub(super) value: String,
    pub(super) origin: Origin,
}

impl Origin {
    pub(super) fn line(&self) -> Option<usize> {
        match self {
            Self::File { line, .. } => Some(*line),
            _ => None,
        }
    }
}

impl Origins {
    /// Where the value of the setting at `path` (`server.bind`) is from.
    pub fn origin(&self, path: &str) -> Option<&Origin> {
        let row = self.rows.iter().find(|row| row.path == path);
        row.map(|row| &row.origin)
    }

    /// Each setting with its value and origin, a line each.
    pub fn render(&self) -> String {
        self.to_string()
    }

    /// Shows what a value means once it is resolved; its origin stays.
    pub(super) fn refine(&mut self, path: &str, value: String) {
        if let Some(row) = self.rows.iter_mut().find(|row| row.path == path) {
            row.value = value;
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

impl fmt::Display for Origins {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widest = |cell: fn(&Row) -> &str| {
            let widths = self.rows.iter().map(|row| cell(row).chars().count());
            widths.max().unwrap_or(0)
        };
        let path_width = widest(|row| row.path);
        let value_width = widest(|row| &row.value);
        for Row {
            path,
            value,
            origin,
        } in &self.rows
        {
            writeln!(
                formatter,
                "{path:path_width$}  {value:value_width$}  {origin}"
            )?;
        }
        Ok(())
    }
}
