use std::fmt;
use std::path::PathBuf;

/// One thing that must be changed in a skill's file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Diagnostic {
    pub file: PathBuf,
    /// Counted from 1; 0 for the file as a whole.
    pub line: usize,
    pub detail: String,
}

/// The skills cannot be used. Lists every mistake of every file, not only the first one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogueError {
    pub diagnostics: Vec<Diagnostic>,
}

/// Collects the mistakes of one file.
pub(super) struct Diagnostics<'text> {
    file: PathBuf,
    text: &'text str,
    list: Vec<Diagnostic>,
}

impl<'text> Diagnostics<'text> {
    pub(super) fn new(file: PathBuf, text: &'text str) -> Self {
        Self {
            file,
            text,
            list: Vec::new(),
        }
    }

    /// `offset` is the byte in the text at which the mistake begins.
    pub(super) fn report(&mut self, offset: usize, detail: impl Into<String>) {
        let before = self.text.bytes().take(offset);
        let line = 1 + before.filter(|byte| *byte == b'\n').count();
        self.list.push(Diagnostic {
            file: self.file.clone(),
            line,
            detail: detail.into(),
        });
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// In the order of the file's lines, each once.
    pub(super) fn into_sorted(mut self) -> Vec<Diagnostic> {
        self.list.sort();
        self.list.dedup();
        self.list
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.file.display())?;
        if self.line > 0 {
            write!(formatter, ":{}", self.line)?;
        }
        write!(formatter, ": {}", self.detail)
    }
}

impl fmt::Display for CatalogueError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.diagnostics.len();
        let noun = if count == 1 { "problem" } else { "problems" };
        writeln!(formatter, "{count} {noun} in the skills:")?;
        for diagnostic in &self.diagnostics {
            writeln!(formatter, "  {diagnostic}")?;
        }
        formatter.write_str("docs/skills.md says how a skill is written.")
    }
}

impl std::error::Error for CatalogueError {}
