//! What is wrong with the settings, reported so that it can be mended in one go.

use std::fmt;

use super::origin::Origin;
use super::origins::Origins;

/// One thing that must be changed before the gateway starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where to look: `file:line`, a variable, a flag.
    pub origin: Origin,
    /// The setting's path in the file; `None` when the mistake is not one known setting's.
    pub key: Option<String>,
    /// What is wrong and what to do. Never a value that could be a secret.
    pub detail: String,
}

/// Something that is allowed, but probably not meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The setting's path in the file, or a variable that is no setting.
    pub key: String,
    pub detail: String,
}

#[derive(Debug, Default)]
pub(super) struct Diagnostics {
    pub(super) mistakes: Vec<Mistake>,
    pub(super) warnings: Vec<Warning>,
}

/// The settings cannot be used. Lists every mistake of every layer, not the first one.
#[derive(Debug)]
pub struct ConfigError {
    pub mistakes: Vec<Mistake>,
    pub warnings: Vec<Warning>,
    /// What was understood all the same, so that `config print` helps exactly when it is needed.
    pub origins: Origins,
}

impl Diagnostics {
    /// Of a known setting.
    pub(super) fn refuse(&mut self, key: &str, origin: Origin, detail: impl Into<String>) {
        let key = Some(key.to_owned());
        let detail = detail.into();
        self.mistakes.push(Mistake {
            origin,
            key,
            detail,
        });
    }

    /// Of what is no known setting.
    pub(super) fn refuse_unknown(&mut self, origin: Origin, detail: impl Into<String>) {
        let (key, detail) = (None, detail.into());
        self.mistakes.push(Mistake {
            origin,
            key,
            detail,
        });
    }

    pub(super) fn warn(&mut self, key: &str, detail: impl Into<String>) {
        let (key, detail) = (key.to_owned(), detail.into());
        self.warnings.push(Warning { key, detail });
    }
}

impl fmt::Display for Mistake {
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
        let count = self.mistakes.len();
        let noun = if count == 1 { "problem" } else { "problems" };
        writeln!(formatter, "{count} {noun} in the settings:")?;
        for mistake in &self.mistakes {
            writeln!(formatter, "  {mistake}")?;
        }
        formatter
            .write_str("`portcullis config print` shows every setting and where its value is from.")
    }
}

impl std::error::Error for ConfigError {}
