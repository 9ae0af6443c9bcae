//! What a program writes, on its way to a result: redacted before anything else looks at it, bounded
//! while it is read, and in the form that the skill promises.

mod documents;
mod ripgrep;
mod text;

use redact::{Counts, Redactor};
use runner::Line;
use serde_json::Value;

use super::definition::{Parser, ResultForm, Skill, TestKind};
use super::request::Prepared;
use super::tests_report::TestsReport;
use documents::Documents;
use ripgrep::Matches;
use text::Text;

/// The longest line of a text that is read as one; see `Line::TooLong`.
const MAX_LINE_BYTES: usize = 1024 * 1024;

/// Takes a program's output line by line.
pub(super) enum Output {
    Text(Box<Text>),
    Documents(Documents),
    Ripgrep(Box<Matches>),
    Tests(Box<TestsReport>),
}

/// How the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It has done what it was asked, or as much of it as was wanted.
    Ok,
    /// By its own word, or by a signal.
    Failed,
    /// By the gateway, before it was through.
    CutOff,
}

/// What has become of the output.
#[derive(Debug, Default)]
pub(super) struct Finished {
    pub(super) output: Value,
    /// Whether something of it was left out.
    pub(super) is_truncated: bool,
    /// What was replaced.
    pub(super) redactions: Counts,
}

/// Output that is not in the promised form. Holds a place, and no content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadOutput {
    #[error("The skill's output is not the JSON that it promises, at byte {offset_bytes}.")]
    NotJson { offset_bytes: usize },
    #[error("The skill's output is over its limit of {limit_bytes} bytes, and cannot be cut.")]
    TooLarge { limit_bytes: usize },
}

impl Output {
    pub(super) fn new(prepared: &Prepared, redactor: &Redactor) -> Self {
        let (skill, arguments) = (&prepared.skill, &prepared.arguments);
        let limit_bytes = skill.max_output_bytes;
        let redactor = redactor.clone();
        match (&skill.parser, skill.result) {
            (Some(Parser::Ripgrep { limit }), _) => {
                let limit = limit
                    .as_ref()
                    .and_then(|name| arguments.get(name)?.as_u64());
                let limit = limit.and_then(|limit| usize::try_from(limit).ok());
                Self::Ripgrep(Box::new(Matches::new(redactor, limit, limit_bytes)))
            }
            (Some(Parser::Tests), _) => {
                let workspace = prepared.workspace.as_ref();
                let kind = workspace.and_then(|workspace| workspace.tests);
                let kind = kind.unwrap_or(TestKind::Make);
                Self::Tests(Box::new(TestsReport::new(kind, &redactor, limit_bytes)))
            }
            (None, ResultForm::Text) => Self::Text(Box::new(Text::new(&redactor, limit_bytes))),
            (None, form) => Self::Documents(Documents::new(redactor, form, limit_bytes)),
        }
    }

    /// The longest line that is read as one. A document may stand on a single line, and what is in no line
    /// that is read is over its limit.
    pub(super) fn max_line_bytes(skill: &Skill) -> usize {
        match (&skill.parser, skill.result) {
            (None, ResultForm::Json | ResultForm::Ndjson) => skill.max_output_bytes,
            (Some(_), _) | (None, ResultForm::Text) => MAX_LINE_BYTES,
        }
    }

    /// Whether more is wanted; if not, the program may be ended.
    pub(super) fn take(&mut self, line: Line) -> bool {
        match self {
            Self::Text(text) => {
                text.take(line);
                true
            }
            Self::Documents(documents) => documents.take(line),
            Self::Ripgrep(matches) => matches.take(line),
            Self::Tests(report) => {
                report.take(line);
                true
            }
        }
    }

    /// A program that did not do its work need not keep its promise about the form, if it wrote nothing.
    pub(super) fn finish(self, end: End) -> Result<Finished, BadOutput> {
        match self {
            Self::Text(text) => Ok(text.finish()),
            Self::Documents(documents) => documents.finish(end == End::Ok),
            Self::Ripgrep(matches) => matches.finish(),
            Self::Tests(report) => Ok(report.finish(end)),
        }
    }
}
