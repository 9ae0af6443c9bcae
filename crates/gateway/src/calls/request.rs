//! What a caller of `/chat` may ask for. Past [`Parsed::read`] there are only valid values.
//!
//! No tree is built of a body: its members are looked at as the texts that they are, and only what is
//! honoured becomes a value.

mod chat;
mod encoding;
mod extra;
mod known;
mod malformed;
mod tool;

use bounded_json::{JsonRefusal, Position};
use serde_json::value::RawValue;
use skills::ToolRequest;

use crate::error::{ErrorCode, FieldError, Problem};

use known::Known;
use malformed::malformed;

pub use chat::ChatRequest;

/// Wrong fields that are listed; a body may hold hundreds of thousands.
const MAX_ERRORS: usize = 64;

/// What a body asks for, and in which form it wants the answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    pub request: Request,
    /// The caller's word on streaming, if it said one.
    pub stream: Option<bool>,
}

/// By `mode`.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    Chat(ChatRequest),
    Tool(ToolRequest),
}

impl Parsed {
    /// Reads the body. The problem lists everything that is wrong with it. `models` are those
    /// that the caller may name; `declares` says whether a skill has a
    /// parameter of a name.
    pub fn read(
        body: &[u8],
        models: &[&str],
        declares: impl Fn(&str, &str) -> bool,
    ) -> Result<Self, Problem> {
        let body = encoding::text_of(body)?;
        let mut reader = Reader::new(body);
        let members = bounded_json::members(body, |name, value| {
            if !reader.fields.take(&name, value) {
                reader.wrong(&name, "is not a field of this request");
            }
        });
        members.map_err(|refusal| match refusal {
            JsonRefusal::Malformed(position) => malformed(position),
            _ => Problem::new(
                ErrorCode::InvalidRequest,
                "The body must be a JSON object, such as {\"message\": \"…\"}.",
            ),
        })?;
        reader.read(models, declares)
    }
}

/// The fields of the body, and what is wrong with them.
struct Reader<'body> {
    body: &'body str,
    fields: Known<'body, 7>,
    errors: Vec<FieldError>,
    error_count: usize,
}

impl<'body> Reader<'body> {
    fn new(body: &'body str) -> Self {
        Self {
            body,
            fields: Known::new([
                "mode",
                "message",
                "context",
                "skill",
                "stream",
                "conversation_id",
                "extra",
            ]),
            errors: Vec::new(),
            error_count: 0,
        }
    }

    fn read(
        mut self,
        models: &[&str],
        declares: impl Fn(&str, &str) -> bool,
    ) -> Result<Parsed, Problem> {
        let mode = self.string("mode")?;
        let message = self.string("message")?;
        let context = self.string("context")?;
        let skill = self.string("skill")?;
        let stream = self.boolean("stream");
        let conversation = self.string("conversation_id")?;
        let extra = self.object("extra");
        let is_tool = match mode.as_deref() {
            None | Some("chat") => false,
            Some("tool") => true,
            Some(_) => {
                self.wrong("mode", "must be \"chat\" or \"tool\"");
                false
            }
        };
        if skill.is_some() && !is_tool {
            self.wrong("skill", "belongs to \"mode\": \"tool\"");
        }
        if conversation.is_some() {
            self.wrong(
                "conversation_id",
                "conversations cannot be continued in this version",
            );
        }
        if !self.errors.is_empty() {
            return Err(Problem::invalid(
                ErrorCode::InvalidRequest,
                self.errors,
                self.error_count,
            ));
        }
        let request = if is_tool {
            let skill = skill
                .filter(|skill| !skill.is_empty())
                .ok_or_else(missing_skill)?;
            let takes = |name: &str| declares(&skill, name);
            let (extra, ignored_extra) = tool::read_extra(self.body, extra, takes)?;
            Request::Tool(ToolRequest {
                skill,
                message,
                context,
                extra,
                ignored_extra,
            })
        } else {
            let message = message
                .filter(|message| !message.trim().is_empty())
                .ok_or_else(missing_message)?;
            let context = context.filter(|context| !context.is_empty());
            let request = ChatRequest::read(self.body, message, context, extra, models)?;
            Request::Chat(request)
        };
        Ok(Parsed { request, stream })
    }

    fn string(&mut self, name: &str) -> Result<Option<String>, Problem> {
        let Some(value) = self.fields.get(name) else {
            return Ok(None);
        };
        if value.get().starts_with('"') {
            return string(self.body, value).map(Some);
        }
        self.wrong(name, "must be a string");
        Ok(None)
    }

    fn boolean(&mut self, name: &str) -> Option<bool> {
        match self.fields.get(name)?.get() {
            "true" => return Some(true),
            "false" => return Some(false),
            _ => self.wrong(name, "must be true or false"),
        }
        None
    }

    fn object(&mut self, name: &str) -> Option<&'body str> {
        let value = self.fields.get(name)?.get();
        if value.starts_with('{') {
            return Some(value);
        }
        self.wrong(name, "must be an object");
        None
    }

    fn wrong(&mut self, name: &str, detail: &str) {
        self.error_count += 1;
        if self.errors.len() < MAX_ERRORS {
            self.errors.push(FieldError::new(&[name], detail));
        }
    }
}

/// A string as it was meant. Its form is known to be right, but for surrogates.
fn string(body: &str, value: &RawValue) -> Result<String, Problem> {
    let text = value.get();
    serde_json::from_str(text).map_err(|error| malformed(Position::of(&error).within(body, text)))
}

fn missing_message() -> Problem {
    Problem::new(
        ErrorCode::MissingMessage,
        "Put the question into \"message\"; it must not be empty.",
    )
}

fn missing_skill() -> Problem {
    Problem::new(
        ErrorCode::MissingSkill,
        "\"mode\": \"tool\" needs the name of a skill in \"skill\".",
    )
}

#[cfg(test)]
mod tests;
