//! Reads usage and failures out of a stream of server-sent events while it passes.

use serde::Deserialize;
use serde_json::Value;

use super::Usage;
use super::failure::{Cause, ProviderFailure, Signs, code};

/// `response.completed` repeats the whole answer: 400,000 characters (`CHAT_MAX_OUTPUT_CHARS`) can be
/// 2.4 MB of JSON escapes, and items, instructions and text formats come on top. Nothing longer than
/// this is an answer that anybody is waiting for.
const MAX_EVENT_BYTES: usize = 16 * 1024 * 1024;

/// Longest `event:` line and longest name of a `type` that is looked at.
const MAX_NAME_BYTES: usize = 128;

/// The meter of one stream.
///
/// Takes the bytes however they are cut. It keeps only events that can end the stream, so that a delta
/// costs a scan for line ends and no JSON parser; line ends are those of the standard (LF, CRLF, CR:
/// <https://html.spec.whatwg.org/multipage/server-sent-events.html>). It never changes or delays bytes.
#[derive(Default)]
pub(super) struct Meter {
    /// The current line so far, unless it is skipped.
    line: Vec<u8>,
    skip_line: bool,
    /// The last byte was a CR: an LF that follows belongs to it.
    after_return: bool,
    event: Event,
    saw_event: bool,
    terminal: Option<Terminal>,
}

/// The event that ended a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Terminal {
    pub(super) usage: Usage,
    pub(super) failure: Option<ProviderFailure>,
}

#[derive(Default)]
struct Event {
    interest: Interest,
    /// From the `event:` line or the head of the data, when it is one that can end the stream.
    name: String,
    data: Vec<u8>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Interest {
    #[default]
    Undecided,
    Kept,
    Passed,
}

impl Event {
    fn take_name(&mut self, name: &[u8]) {
        match name {
            b"response.completed" | b"response.incomplete" | b"response.failed" | b"error" => {
                self.interest = Interest::Kept;
                self.name = String::from_utf8_lossy(name).into_owned();
            }
            _ => self.interest = Interest::Passed,
        }
    }
}

impl Meter {
    /// The terminal event, as soon as it is complete. Bytes after it are not looked at.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) -> Option<&Terminal> {
        while self.terminal.is_none() && !bytes.is_empty() {
            if std::mem::take(&mut self.after_return) && bytes.first() == Some(&b'\n') {
                bytes = bytes.get(1..).unwrap_or_default();
                continue;
            }
            let Some(end) = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
                self.extend_line(bytes);
                break;
            };
            let (part, rest) = bytes.split_at(end);
            self.extend_line(part);
            self.after_return = rest.first() == Some(&b'\r');
            bytes = rest.get(1..).unwrap_or_default();
            self.end_line();
        }
        self.terminal.as_ref()
    }

    /// The stream is over: the terminal event, also when its blank line never came.
    pub(super) fn finish(&mut self) -> Option<&Terminal> {
        if self.terminal.is_none() {
            self.end_line();
            self.dispatch();
        }
        self.terminal.as_ref()
    }

    /// Whether anything in the stream was an event of the Responses API.
    pub(super) fn saw_event(&self) -> bool {
        self.saw_event
    }

    fn extend_line(&mut self, part: &[u8]) {
        if self.skip_line {
            return;
        }
        if self.line.len() + self.event.data.len() + part.len() > MAX_EVENT_BYTES {
            self.end_with(ProviderFailure::own(
                Cause::BadAnswer,
                code::EVENT_TOO_LARGE,
            ));
            return;
        }
        self.line.extend_from_slice(part);
        self.skip_line = match field(&self.line) {
            Field::Incomplete => false,
            Field::Event(name) => name.len() > MAX_NAME_BYTES,
            Field::Data(value) => {
                if self.event.interest == Interest::Undecided {
                    match leading_type(value) {
                        Ok(name) => {
                            self.saw_event |= is_ours(name);
                            self.event.take_name(name);
                        }
                        Err(Unread::NotJson) => self.event.interest = Interest::Passed,
                        // `type` is elsewhere in the object: only the parser can tell.
                        Err(Unread::Elsewhere) => self.event.interest = Interest::Kept,
                        Err(Unread::Incomplete) => {}
                    }
                }
                self.event.interest == Interest::Passed
            }
            Field::Other => true,
        };
    }

    fn end_line(&mut self) {
        if std::mem::take(&mut self.skip_line) {
            self.line.clear();
            return;
        }
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            self.dispatch();
            return;
        }
        match field(&line) {
            Field::Event(name) if is_ours(name) => {
                self.saw_event = true;
                self.event.take_name(name);
            }
            Field::Data(value) => {
                if !self.event.data.is_empty() {
                    self.event.data.push(b'\n');
                }
                self.event.data.extend_from_slice(value);
            }
            Field::Event(_) | Field::Incomplete | Field::Other => {}
        }
    }

    fn dispatch(&mut self) {
        let event = std::mem::take(&mut self.event);
        if event.interest == Interest::Passed || event.data.is_empty() {
            return;
        }
        let Ok(read) = serde_json::from_slice::<StreamEvent>(&event.data) else {
            if !event.name.is_empty() {
                self.end_with(ProviderFailure::own(
                    Cause::BadAnswer,
                    code::UNREADABLE_EVENT,
                ));
            }
            return;
        };
        let name = read.name.as_deref().unwrap_or(&event.name);
        self.saw_event |= is_ours(name.as_bytes());
        self.terminal = read.terminal(name);
    }

    fn end_with(&mut self, failure: ProviderFailure) {
        self.terminal = Some(Terminal {
            usage: Usage::default(),
            failure: Some(failure),
        });
    }
}

/// What a line, or its beginning, is.
enum Field<'a> {
    /// Too short to tell.
    Incomplete,
    Event(&'a [u8]),
    Data(&'a [u8]),
    Other,
}

fn field(line: &[u8]) -> Field<'_> {
    if let Some(value) = line.strip_prefix(b"event:") {
        Field::Event(value.strip_prefix(b" ").unwrap_or(value))
    } else if let Some(value) = line.strip_prefix(b"data:") {
        Field::Data(value.strip_prefix(b" ").unwrap_or(value))
    } else if b"event:".starts_with(line) || b"data:".starts_with(line) {
        Field::Incomplete
    } else {
        Field::Other
    }
}

enum Unread {
    Incomplete,
    Elsewhere,
    NotJson,
}

/// The value of `type` if it is the first member of the object, as `OpenAI` and Azure write it.
fn leading_type(value: &[u8]) -> Result<&[u8], Unread> {
    let rest = after(value, b"{", Unread::NotJson)?;
    let rest = after(rest, b"\"type\"", Unread::Elsewhere)?;
    let rest = after(rest, b":", Unread::Elsewhere)?;
    let rest = after(rest, b"\"", Unread::Elsewhere)?;
    match rest.iter().position(|byte| *byte == b'"') {
        Some(end) => rest.get(..end).ok_or(Unread::Elsewhere),
        None if rest.len() > MAX_NAME_BYTES => Err(Unread::Elsewhere),
        None => Err(Unread::Incomplete),
    }
}

fn after<'a>(text: &'a [u8], literal: &[u8], otherwise: Unread) -> Result<&'a [u8], Unread> {
    let text = text.trim_ascii_start();
    match text.strip_prefix(literal) {
        Some(rest) => Ok(rest),
        None if literal.starts_with(text) => Err(Unread::Incomplete),
        None => Err(otherwise),
    }
}

fn is_ours(name: &[u8]) -> bool {
    name.starts_with(b"response.") || name == b"error"
}

/// What is read of an event; the answer's text is skipped without a copy.
#[derive(Deserialize)]
struct StreamEvent {
    #[serde(rename = "type")]
    name: Option<String>,
    response: Option<ResponsePart>,
    /// `error` events carry their code at the top, some providers' `response.failed` an object.
    code: Option<Value>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct ResponsePart {
    usage: Option<UsagePart>,
    error: Option<Value>,
    incomplete_details: Option<IncompletePart>,
}

#[derive(Deserialize)]
struct IncompletePart {
    reason: Option<String>,
}

#[derive(Deserialize)]
struct UsagePart {
    input_tokens: Option<u64>,
    input_tokens_details: Option<InputDetails>,
    output_tokens: Option<u64>,
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Deserialize)]
struct InputDetails {
    cached_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct OutputDetails {
    reasoning_tokens: Option<u64>,
}

impl StreamEvent {
    fn terminal(&self, name: &str) -> Option<Terminal> {
        let failure = match name {
            "response.completed" => None,
            // The CLI fails the turn on it, and the caller should read why.
            "response.incomplete" => Some(self.incomplete()),
            "response.failed" | "error" => Some(ProviderFailure::in_stream(&self.signs())),
            _ => return None,
        };
        Some(Terminal {
            usage: self.usage(),
            failure,
        })
    }

    fn incomplete(&self) -> ProviderFailure {
        let details = self
            .response
            .as_ref()
            .and_then(|response| response.incomplete_details.as_ref());
        match details.and_then(|details| details.reason.as_deref()) {
            Some("content_filter") => ProviderFailure::own(Cause::Refused, "content_filter"),
            _ => ProviderFailure::own(Cause::AnswerTooLong, "max_output_tokens"),
        }
    }

    fn signs(&self) -> Signs {
        let nested = self
            .response
            .as_ref()
            .and_then(|response| response.error.as_ref());
        match nested.or(self.error.as_ref()) {
            Some(error) => Signs::read(error),
            None => Signs::read(&serde_json::json!({ "code": self.code })),
        }
    }

    fn usage(&self) -> Usage {
        let Some(part) = self
            .response
            .as_ref()
            .and_then(|response| response.usage.as_ref())
        else {
            return Usage::default();
        };
        let cached = part
            .input_tokens_details
            .as_ref()
            .and_then(|details| details.cached_tokens);
        let reasoning = part
            .output_tokens_details
            .as_ref()
            .and_then(|details| details.reasoning_tokens);
        Usage {
            input_tokens: part.input_tokens.unwrap_or_default(),
            cached_input_tokens: cached.unwrap_or_default(),
            output_tokens: part.output_tokens.unwrap_or_default(),
            reasoning_tokens: reasoning.unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests;
