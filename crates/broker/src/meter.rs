//! Reads usage and failures out of a stream of events while it passes, and mends what the CLI could not
//! read.
//!
//! Events in which nothing ends, deltas above all, pass as they came, for a look at their type. What ends
//! the stream is written anew: as the pinned CLI wants it (it refuses a usage without its sums), with the
//! items before it that stand nowhere else, and without the provider's words.

mod item;
mod terminal;
#[cfg(test)]
mod tests;
mod texts;

use bytes::{Bytes, BytesMut};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::events::{Event, Events};
use super::failure::{Cause, ProviderFailure, Signs, code};
use super::finish::Finish;
use super::usage::Usage;

use self::item::Delivered;
use self::terminal::ResponseObject;
use self::texts::Texts;

/// Of all that is no event: comments, blank lines, data of another kind. A comment every second of the
/// longest call is a few kilobytes.
const MAX_NOISE_BYTES: usize = 1024 * 1024;

/// Longest name of a type that is looked for at the head of the data.
const MAX_NAME_BYTES: usize = 128;

/// Largest error object that is looked into.
const MAX_ERROR_BYTES: usize = 64 * 1024;

/// The meter of one stream.
#[derive(Default)]
pub(super) struct Meter {
    events: Events,
    noise_bytes: usize,
    saw_event: bool,
    /// From an `error` event. The CLI waits for what follows it, so that it ends nothing by itself.
    error: Option<ProviderFailure>,
    delivered: Delivered,
    events_read: usize,
}

/// What a piece of the stream has come to.
#[derive(Debug, Default)]
pub(super) struct Metered {
    /// For the child.
    pub(super) bytes: Bytes,
    pub(super) terminal: Option<Terminal>,
}

/// How a stream ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Terminal {
    /// `None` if the provider has not said.
    pub(super) usage: Option<Usage>,
    pub(super) outcome: Result<Finish, ProviderFailure>,
}

impl Terminal {
    fn failed(failure: ProviderFailure) -> Self {
        Self {
            usage: None,
            outcome: Err(failure),
        }
    }
}

/// What is read of an event; texts are skipped without a copy.
#[derive(Deserialize)]
struct StreamEvent<'a> {
    #[serde(rename = "type", default)]
    name: Option<String>,
    #[serde(borrow, default)]
    response: Option<&'a RawValue>,
    #[serde(borrow, default)]
    item: Option<&'a RawValue>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

/// What becomes of one event.
enum Verdict {
    Pass,
    Drop,
    Replace(Vec<u8>),
    End(Vec<u8>, Terminal),
}

impl Meter {
    /// Bytes after the terminal event are not looked at.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Metered {
        self.events.feed(bytes);
        let mut passed = Passed::default();
        loop {
            match self.events.next() {
                Ok(Some(event)) => {
                    if let Some(terminal) = self.take(event, &mut passed) {
                        return passed.end(terminal);
                    }
                }
                Ok(None) => break,
                Err(_) => return passed.end(bad_answer(code::EVENT_TOO_LARGE)),
            }
            if self.is_too_noisy() {
                break;
            }
        }
        if self.is_too_noisy() {
            return passed.end(bad_answer(code::ANSWER_TOO_LARGE));
        }
        Metered {
            bytes: passed.finish(),
            terminal: None,
        }
    }

    /// The stream is over: the last event too, when its blank line never came. The CLI ignores such a one
    /// (seen on 0.169.0); here it is written anew.
    pub(super) fn finish(&mut self) -> Metered {
        let mut passed = Passed::default();
        let event = self.events.finish();
        match event.and_then(|event| self.take(event, &mut passed)) {
            Some(terminal) => passed.end(terminal),
            None => Metered {
                bytes: passed.finish(),
                terminal: self.error.take().map(Terminal::failed),
            },
        }
    }

    /// Whether anything in the stream was an event of the Responses API.
    pub(super) fn saw_event(&self) -> bool {
        self.saw_event
    }

    /// What an `error` event said, if nothing has ended the stream since.
    pub(super) fn pending_error(&self) -> Option<&ProviderFailure> {
        self.error.as_ref()
    }

    /// How many events have come.
    pub(super) fn events_read(&self) -> usize {
        self.events_read
    }

    fn is_too_noisy(&self) -> bool {
        self.noise_bytes + self.events.blank_bytes() > MAX_NOISE_BYTES
    }

    fn take(&mut self, event: Event, passed: &mut Passed) -> Option<Terminal> {
        self.events_read += 1;
        match self.inspect(&event) {
            Verdict::Pass => passed.push(event.bytes),
            Verdict::Drop => self.noise_bytes += event.bytes.len(),
            Verdict::Replace(bytes) => passed.push(bytes.into()),
            Verdict::End(bytes, terminal) => {
                passed.push(bytes.into());
                return Some(terminal);
            }
        }
        None
    }

    fn inspect(&mut self, event: &Event) -> Verdict {
        let Some(data) = event.data() else {
            return Verdict::Drop;
        };
        match leading_type(&data) {
            Leading::NoObject => Verdict::Drop,
            Leading::Name(name) if !is_of_interest(name) => {
                self.saw_event |= is_ours(name);
                Verdict::Pass
            }
            Leading::Name(_) | Leading::Elsewhere => self.inspect_whole(&data),
        }
    }

    fn inspect_whole(&mut self, data: &[u8]) -> Verdict {
        let Ok(read) = serde_json::from_slice::<StreamEvent<'_>>(data) else {
            // As the CLI does: it reads on. If nothing better follows, the stream has no end.
            return Verdict::Drop;
        };
        let name = read.name.as_deref().unwrap_or_default();
        self.saw_event |= is_ours(name.as_bytes());
        match name {
            "response.output_item.done" => match read.item {
                Some(item) => self.delivered.take_done(item, data),
                None => Verdict::Pass,
            },
            name if Texts::is_text(name) => {
                self.delivered.keep_text(data);
                Verdict::Pass
            }
            "response.completed" | "response.incomplete" => self.ended(name, &read),
            "response.failed" => {
                let response = ResponseObject::read(read.response);
                let signs = signs(response.error().or(read.error).map_or(b"{}", bytes_of));
                let failure = ProviderFailure::in_stream(&signs);
                terminal::failed(failure, response.usage(read.usage))
            }
            "error" => self.note_error(read.error.map_or(data, bytes_of)),
            // Servers that speak another dialect put an error object there, and no type.
            "" => match read.error {
                Some(error) => self.note_error(bytes_of(error)),
                None => Verdict::Drop,
            },
            _ => Verdict::Pass,
        }
    }

    fn note_error(&mut self, error: &[u8]) -> Verdict {
        self.saw_event = true;
        let failure = ProviderFailure::in_stream(&signs(error));
        self.error.get_or_insert(failure);
        Verdict::Drop
    }

    fn ended(&mut self, name: &str, read: &StreamEvent<'_>) -> Verdict {
        let response = ResponseObject::read(read.response);
        let usage = response.usage(read.usage);
        if response.has_failed() {
            let signs = signs(response.error().map_or(b"{}", bytes_of));
            return terminal::failed(ProviderFailure::in_stream(&signs), usage);
        }
        let mut bytes = self.delivered.missing(response.output());
        let finish = match response.cut_short(name == "response.incomplete") {
            Some(finish) => finish,
            None if self.delivered.is_refusal() => Finish::Refusal,
            None => Finish::Stop,
        };
        terminal::write_completed(&mut bytes, &response, usage);
        let terminal = Terminal {
            usage,
            outcome: Ok(finish),
        };
        Verdict::End(bytes, terminal)
    }
}

fn bad_answer(code: &'static str) -> Terminal {
    Terminal::failed(ProviderFailure::own(Cause::BadAnswer, code))
}

fn bytes_of(raw: &RawValue) -> &[u8] {
    raw.get().as_bytes()
}

fn signs(error: &[u8]) -> Signs {
    let read = Some(error).filter(|error| error.len() <= MAX_ERROR_BYTES);
    let read = read.and_then(|error| serde_json::from_slice(error).ok());
    read.map(|error| Signs::read(&error)).unwrap_or_default()
}

/// Collects what passes; one event alone is not copied.
#[derive(Default)]
struct Passed {
    first: Bytes,
    all: BytesMut,
}

impl Passed {
    fn push(&mut self, bytes: Bytes) {
        if self.first.is_empty() {
            self.first = bytes;
            return;
        }
        if self.all.is_empty() {
            self.all.extend_from_slice(&self.first);
        }
        self.all.extend_from_slice(&bytes);
    }

    fn finish(self) -> Bytes {
        if self.all.is_empty() {
            self.first
        } else {
            self.all.freeze()
        }
    }

    fn end(self, terminal: Terminal) -> Metered {
        Metered {
            bytes: self.finish(),
            terminal: Some(terminal),
        }
    }
}

enum Leading<'a> {
    Name(&'a [u8]),
    /// `type` is elsewhere in the object: only the parser can tell.
    Elsewhere,
    NoObject,
}

/// The value of `type` if it is the first member of the object, as `OpenAI` and Azure write it.
fn leading_type(data: &[u8]) -> Leading<'_> {
    let Some(rest) = after(data, b"{") else {
        return Leading::NoObject;
    };
    let name = after(rest, b"\"type\"")
        .and_then(|rest| after(rest, b":"))
        .and_then(|rest| after(rest, b"\""))
        .and_then(|rest| {
            let head = rest.get(..MAX_NAME_BYTES.min(rest.len()))?;
            let end = head.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
            head.get(..end).filter(|_| head.get(end) == Some(&b'"'))
        });
    name.map_or(Leading::Elsewhere, Leading::Name)
}

fn after<'a>(text: &'a [u8], literal: &[u8]) -> Option<&'a [u8]> {
    text.trim_ascii_start().strip_prefix(literal)
}

fn is_ours(name: &[u8]) -> bool {
    name.starts_with(b"response.") || name == b"error"
}

fn is_of_interest(name: &[u8]) -> bool {
    matches!(
        name,
        b"response.output_item.done"
            | b"response.completed"
            | b"response.incomplete"
            | b"response.failed"
            | b"response.output_text.done"
            | b"response.refusal.done"
            | b"response.content_part.done"
            | b"error"
    )
}
