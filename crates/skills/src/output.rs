//! What a program writes, on its way to a result: redacted before anything else looks at it, bounded
//! while it is read, and in the form that the skill promises.

mod documents;
mod excerpt;
mod paths;
mod ripgrep;
mod text;
mod unread;

use redact::Redactor;
use runner::Block;

use super::definition::{Parser, ResultForm, Skill, TestKind};
use super::finished::{BadOutput, End, Finished};
use super::request::ValidatedCall;
use super::tests_report::TestsReport;
use documents::Documents;
use excerpt::Excerpt;
use paths::Paths;
use ripgrep::{Matches, SearchRules};
use text::Text;

pub(super) use unread::unread;

/// The longest line of a text that is read as one; see `Line::TooLong`.
const MAX_LINE_BYTES: usize = 1024 * 1024;

/// Takes a program's output block by block.
pub(super) enum Output {
    Text(Box<Text>),
    Excerpt(Box<Excerpt>),
    Paths(Paths),
    Documents(Documents),
    Ripgrep(Box<Matches>),
    Tests(Box<TestsReport>),
}

impl Output {
    /// `drops_hidden`: a search leaves out lines of which something is hidden.
    pub(super) fn new(validated: &ValidatedCall, redactor: &Redactor, drops_hidden: bool) -> Self {
        let (skill, arguments) = (&validated.skill, &validated.arguments);
        let limit_bytes = skill.max_output_bytes;
        let redactor = redactor.clone();
        match (&skill.parser, skill.result) {
            (Some(Parser::Ripgrep { limit, context }), _) => {
                let number = |name: &Option<String>| arguments.get(name.as_ref()?)?.as_u64();
                let limit = number(limit).and_then(|limit| usize::try_from(limit).ok());
                let workspace = validated.workspace.as_ref();
                let rules = SearchRules {
                    limit,
                    limit_bytes,
                    context: number(context).unwrap_or_default(),
                    drops_hidden,
                    root: workspace.map(|workspace| workspace.root.clone()),
                };
                Self::Ripgrep(Box::new(Matches::new(redactor, rules)))
            }
            (Some(Parser::Tests), _) => {
                let workspace = validated.workspace.as_ref();
                let kind = workspace.and_then(|workspace| workspace.tests);
                let kind = kind.unwrap_or(TestKind::Make);
                let mark = validated.report_mark.clone();
                let has_filter = validated.test_filter().is_some();
                let report = TestsReport::new(kind, &redactor, limit_bytes, mark, has_filter);
                Self::Tests(Box::new(report))
            }
            (Some(Parser::Paths), _) => Self::Paths(Paths::new(redactor, limit_bytes)),
            (Some(Parser::Excerpt { first, last }), _) => {
                let number = |name: &String| arguments.get(name)?.as_u64();
                let first = number(first).unwrap_or(1);
                let last = number(last).unwrap_or(u64::MAX);
                Self::Excerpt(Box::new(Excerpt::new(redactor, (first, last), limit_bytes)))
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

    /// Whether the output has lines; if not, it is taken as it comes.
    pub(super) fn has_lines(&self) -> bool {
        !matches!(self, Self::Paths(_))
    }

    /// Whether the program looks through files, and is worth what it could read of them.
    pub(super) fn is_of_many_files(&self) -> bool {
        matches!(self, Self::Paths(_) | Self::Ripgrep(_))
    }

    /// Whether more is wanted; if not, the program may be ended.
    pub(super) fn take(&mut self, block: Block) -> bool {
        match (self, block) {
            (Self::Text(text), block) => {
                text.take(block);
                true
            }
            (Self::Tests(report), block) => {
                report.take(block);
                true
            }
            (Self::Excerpt(excerpt), block) => excerpt.take(block),
            (Self::Paths(paths), Block::Lines(piece)) => paths.take(&piece),
            (Self::Paths(_), Block::TooLong { .. }) => false,
            (Self::Documents(documents), Block::Lines(lines)) => {
                lines_of(&lines).all(|line| documents.take(line))
            }
            (Self::Documents(documents), Block::TooLong { .. }) => documents.take_too_long(),
            (Self::Ripgrep(matches), Block::Lines(lines)) => {
                lines_of(&lines).all(|line| matches.take(line))
            }
            (Self::Ripgrep(matches), Block::TooLong { bytes }) => {
                matches.take_too_long(bytes);
                true
            }
        }
    }

    /// A program that did not do its work need not keep its promise about the form, if it wrote nothing.
    pub(super) fn finish(self, end: End) -> Result<Finished, BadOutput> {
        match self {
            Self::Text(text) => Ok(text.finish()),
            Self::Excerpt(excerpt) => Ok(excerpt.finish()),
            Self::Paths(paths) => Ok(paths.finish()),
            Self::Documents(documents) => documents.finish(end == End::Ok),
            Self::Ripgrep(matches) => matches.finish(),
            Self::Tests(report) => report.finish(end),
        }
    }
}

/// The lines of a block, without their newlines.
fn lines_of(block: &[u8]) -> impl Iterator<Item = &[u8]> {
    let block = block.strip_suffix(b"\n").unwrap_or(block);
    block.split(|byte| *byte == b'\n')
}
