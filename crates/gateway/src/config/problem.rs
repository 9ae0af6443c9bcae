//! What is wrong with the settings, said so that it can be mended in one go.

use std::fmt;

use super::origins::{Origin, Origins};

/// One thing that must be changed before the gateway starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where to look: `file:line`, a variable, a flag.
    pub origin: Origin,
    /// The setting's path in the file; `None` when the problem is not one known setting's.
    pub key: Option<String>,
    /// What is wrong and what to do. Never a value that could be a secret.
    pub detail: String,
}

/// Something that is allowed, but probably not meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The setting's path in the file.
    pub key: String,
    pub detail: String,
}

/// The settings cannot be used. Lists every problem of every layer, not the first one.
#[derive(Debug)]
pub struct ConfigError {
    pub problems: Vec<Problem>,
    pub warnings: Vec<Warning>,
    /// What was understood all the same, so that `config print` helps exactly when it is needed.
    pub origins: Origins,
}

impl Problem {
    pub(super) fn of(key: &str, origin: Origin, detail: impl Into<String>) -> Self {
        Self {
            origin,
            key: Some(key.to_owned()),
            detail: detail.into(),
        }
    }

    pub(super) fn elsewhere(origin: Origin, detail: impl Into<String>) -> Self {
        Self {
            origin,
            key: None,
            detail: detail.into(),
        }
    }
}

impl Warning {
    pub(super) fn of(key: &str, detail: impl Into<String>) -> Self {
        Self {
            key: key.to_owned(),
            detail: detail.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: ", self.origin)?;
        if let Some(key) = &self.key {
            write!(formatter, "{key}: ")?;
        }
        formatter.write_str(&self.detail)
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.key, self.detail)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.problems.len();
        let noun = if count == 1 { "problem" } else { "problems" };
        writeln!(formatter, "{count} {noun} in the settings:")?;
        for problem in &self.problems {
            writeln!(formatter, "  {problem}")?;
        }
        formatter
            .write_str("`portcullis config print` shows every setting and where its value is from.")
    }
}

impl std::error::Error for ConfigError {}
