use std::fmt;
use std::path::PathBuf;

/// One thing that must be changed in a skill's file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileProblem {
    pub file: PathBuf,
    /// Counted from 1; 0 for the file as a whole.
    pub line: usize,
    pub detail: String,
}

/// The skills cannot be used. Lists every problem of every file, not the first one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogueError {
    pub problems: Vec<FileProblem>,
}

/// Takes down what is wrong with one file, by the place in its text.
pub(super) struct Notes<'text> {
    file: PathBuf,
    text: &'text str,
    pub(super) problems: Vec<FileProblem>,
}

impl<'text> Notes<'text> {
    pub(super) fn new(file: PathBuf, text: &'text str) -> Self {
        Self {
            file,
            text,
            problems: Vec::new(),
        }
    }

    /// `offset` is the byte in the text at which the wrong thing begins.
    pub(super) fn wrong(&mut self, offset: usize, detail: impl Into<String>) {
        let before = self.text.bytes().take(offset);
        let line = 1 + before.filter(|byte| *byte == b'\n').count();
        self.problems.push(FileProblem {
            file: self.file.clone(),
            line,
            detail: detail.into(),
        });
    }
}

impl fmt::Display for FileProblem {
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
        let count = self.problems.len();
        let noun = if count == 1 { "problem" } else { "problems" };
        writeln!(formatter, "{count} {noun} in the skills:")?;
        for problem in &self.problems {
            writeln!(formatter, "  {problem}")?;
        }
        formatter.write_str("docs/skills.md says how a skill is written.")
    }
}

impl std::error::Error for CatalogueError {}
