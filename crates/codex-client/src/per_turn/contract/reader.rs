use std::mem;

use redact::Untrusted;
use runner::{Exit, Line, Lines};

use crate::per_turn::step::{Step, UselessLines};
use crate::turn::{CodexErrorClass, TurnEnd, TurnEvent, TurnFailure};

use super::ContractOptions;
use super::record::Record;
use super::text::Text;

/// Reads the output of a company's CLI. Output and exit code together decide how the turn has ended.
#[derive(Debug)]
pub(crate) struct Reader {
    form: Form,
    /// The largest answer that is not streamed.
    limit_bytes: usize,
    text: Text,
    has_delta: bool,
    answered: bool,
    failed: bool,
    useless: UselessLines,
}

/// The form of the output.
#[derive(Debug)]
enum Form {
    /// One JSON object a line.
    Lines,
    /// Streamed by a CLI without `--json`. The first byte decides whether it is JSON.
    Unknown,
    /// Text that is passed on as it comes.
    Pieces,
    /// Not streamed: read to the end, then parsed. With `--json` it is one JSON document, or one a line.
    /// Without, it is the answer itself.
    Whole { bytes: Vec<u8>, json: bool },
}

impl Reader {
    pub(crate) fn new(options: ContractOptions, limit_bytes: usize) -> Self {
        let form = match options {
            ContractOptions {
                stream: true,
                json: true,
            } => Form::Lines,
            ContractOptions {
                stream: true,
                json: false,
            } => Form::Unknown,
            ContractOptions {
                stream: false,
                json,
            } => Form::Whole {
                bytes: Vec::new(),
                json,
            },
        };
        Self {
            form,
            limit_bytes,
            text: Text::default(),
            has_delta: false,
            answered: false,
            failed: false,
            useless: UselessLines::default(),
        }
    }

    pub(crate) async fn step(&mut self, output: &mut Lines) -> Step {
        match &mut self.form {
            Form::Lines => match output.next().await {
                None => Step::End,
                Some(Line::Text(line)) => self.take_line(&line),
                Some(Line::TooLong { .. }) => self.useless.count_malformed(),
            },
            Form::Unknown => self.find_out(output).await,
            Form::Pieces => match output.next_piece().await {
                None => Step::End,
                Some(piece) => Step::Events(self.take_piece(&piece)),
            },
            Form::Whole { bytes, .. } => match output.next_piece().await {
                None => Step::End,
                Some(piece) => {
                    bytes.extend_from_slice(&piece);
                    if bytes.len() > self.limit_bytes {
                        self.cut_whole()
                    } else {
                        Step::Events(Vec::new())
                    }
                }
            },
        }
    }

    /// Finds out the form of the output. Text that begins with a brace may still be text.
    async fn find_out(&mut self, output: &mut Lines) -> Step {
        if output.peek().await != Some(b'{') {
            self.form = Form::Pieces;
            return Step::Events(Vec::new());
        }
        match output.next().await {
            None => Step::End,
            Some(Line::Text(mut line)) => {
                let record = serde_json::from_slice::<Record>(&line);
                if record.is_ok_and(|record| !record.is_empty()) {
                    self.form = Form::Lines;
                    return self.take_line(&line);
                }
                self.form = Form::Pieces;
                line.push(b'\n');
                Step::Events(self.take_piece(&line))
            }
            Some(Line::TooLong { .. }) => self.useless.count_malformed(),
        }
    }

    fn take_line(&mut self, line: &[u8]) -> Step {
        if line.trim_ascii().is_empty() {
            return Step::Events(Vec::new());
        }
        match serde_json::from_slice(line) {
            Ok(record) => self.take_record(record),
            Err(_) => self.useless.count_malformed(),
        }
    }

    fn take_record(&mut self, record: Record) -> Step {
        if record.is_empty() {
            return self.useless.count_idle();
        }
        if record.error {
            self.failed = true;
            return Step::GiveUp;
        }
        let mut events = Vec::new();
        if let Some(delta) = record.delta {
            self.has_delta = true;
            events.extend(self.delta(delta));
        }
        if let Some(answer) = record.answer {
            self.answered = true;
            if !self.has_delta {
                events.extend(self.delta(answer));
            }
        }
        events.extend(record.usage.map(|usage| TurnEvent::Usage(usage.into())));
        Step::Events(events)
    }

    fn delta(&mut self, text: String) -> Option<TurnEvent> {
        self.answered = true;
        (!text.is_empty()).then(|| TurnEvent::Delta(Untrusted::new(text)))
    }

    fn take_piece(&mut self, piece: &[u8]) -> Vec<TurnEvent> {
        let text = self.text.add(piece);
        self.answered |= !text.trim().is_empty();
        let delta = (!text.is_empty()).then(|| TurnEvent::Delta(Untrusted::new(text)));
        delta.into_iter().collect()
    }

    /// Handles an answer over the limit. Text is passed on as it comes from here on, and the consumer ends
    /// the turn when it has enough. Half a JSON document is useless.
    fn cut_whole(&mut self) -> Step {
        let Form::Whole { bytes, json } = &mut self.form else {
            return Step::GiveUp;
        };
        if *json {
            self.useless.count_malformed();
            return Step::GiveUp;
        }
        let bytes = mem::take(bytes);
        self.form = Form::Pieces;
        Step::Events(self.take_piece(&bytes))
    }

    /// An answer that is not streamed is passed on only if the exit code is 0.
    pub(crate) fn conclude(&mut self, exit: &Exit) -> (Vec<TurnEvent>, TurnEnd) {
        let mut events = Vec::new();
        if exit.is_success() && !self.failed {
            events = self.take_whole();
        }
        let failure = if self.failed {
            TurnFailure::Codex(CodexErrorClass::Other)
        } else if let Some(failure) = self.useless.failure() {
            failure
        } else if !exit.is_success() {
            TurnFailure::Exited {
                code: exit.code,
                signal: exit.signal,
            }
        } else if self.answered {
            return (events, TurnEnd::Completed);
        } else if self.useless.malformed() > 0 {
            TurnFailure::Malformed {
                lines: self.useless.malformed(),
            }
        } else {
            TurnFailure::NoAnswer
        };
        (Vec::new(), TurnEnd::Failed(failure))
    }

    /// Parses an answer that was read to its end first.
    fn take_whole(&mut self) -> Vec<TurnEvent> {
        let (bytes, json) = match mem::replace(&mut self.form, Form::Pieces) {
            Form::Whole { bytes, json } => (bytes, json),
            Form::Lines | Form::Unknown | Form::Pieces => return Vec::new(),
        };
        if !json {
            return self.take_piece(&bytes);
        }
        if let Ok(document) = serde_json::from_slice(&bytes) {
            return self.take_record(document).events();
        }
        let lines = bytes.split(|byte| *byte == b'\n');
        lines
            .flat_map(|line| self.take_line(line).events())
            .collect()
    }

    pub(crate) fn useless_lines(&self) -> UselessLines {
        self.useless
    }
}
