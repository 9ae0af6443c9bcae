//! What a caller of `/chat` may ask for. Past [`ChatRequest::parse`] there are only valid values.

use serde_json::{Map, Value};

use crate::call::shown_key;
use crate::config::ChatSettings;
use crate::error::{ErrorCode, FieldError, Problem};
use crate::skills::ToolRequest;

/// A checked request. It may still be over the caps: those cut, they do not refuse.
#[derive(Clone, Debug, PartialEq)]
pub struct ChatRequest {
    pub message: String,
    pub context: Option<String>,
    /// One of the allowed models.
    pub model: Option<String>,
    pub reasoning_effort: Option<String>,
    pub output_schema: Option<Value>,
    /// Names of skills that the model may call by itself, as the caller wrote them.
    pub skills: Vec<String>,
    /// The workspace that those skills work on, if the caller chose one.
    pub workspace: Option<String>,
    /// Names of keys in `extra` that mean nothing here.
    pub ignored_extra: Vec<String>,
}

/// The protocol takes any word; these are the ones that models are known to take.
const REASONING_EFFORTS: &[&str] = &["none", "minimal", "low", "medium", "high", "xhigh"];

/// Wrong fields that are told one by one; a body may hold hundreds of thousands.
const MAX_ERRORS: usize = 64;

/// Skills that one turn may lend to its model.
const MAX_LENT_SKILLS: usize = 16;

const MAX_OUTPUT_SCHEMA_BYTES: usize = 64 * 1024;

/// Names in `meta.ignored_extra`.
const MAX_IGNORED_NAMES: usize = 32;

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
    /// Reads the body. Every problem with it is told at once.
    pub fn read(body: &[u8], settings: &ChatSettings) -> Result<Self, Problem> {
        let fields = match serde_json::from_slice(body) {
            Ok(Value::Object(fields)) => fields,
            Ok(_) => {
                return Err(Problem::new(
                    ErrorCode::InvalidRequest,
                    "The body must be a JSON object, such as {\"message\": \"…\"}.",
                ));
            }
            Err(error) => return Err(malformed(&error)),
        };
        Reader {
            fields,
            errors: Vec::new(),
            error_count: 0,
        }
        .read(settings)
    }
}

/// Where the JSON breaks and how, without a word of what it says.
fn malformed(error: &serde_json::Error) -> Problem {
    let kind = match error.classify() {
        serde_json::error::Category::Eof => "it ends too early",
        _ => "it is not JSON there (a lone surrogate escape is not, either)",
    };
    Problem::new(
        ErrorCode::MalformedJson,
        format!(
            "The body breaks off at line {}, column {}: {kind}.",
            error.line(),
            error.column()
        ),
    )
}

/// Takes the known fields out of the body one by one and notes what is wrong with them.
struct Reader {
    fields: Map<String, Value>,
    errors: Vec<FieldError>,
    error_count: usize,
}

impl Reader {
    fn read(mut self, settings: &ChatSettings) -> Result<Parsed, Problem> {
        let mode = self.string("mode");
        let message = self.string("message");
        let context = self.string("context");
        let skill = self.string("skill");
        let stream = self.boolean("stream");
        let conversation = self.string("conversation_id");
        let extra = self.object("extra");
        let is_tool = match mode.as_deref() {
            None | Some("chat") => false,
            Some("tool") => true,
            Some(_) => {
                self.wrong(&["mode"], "must be \"chat\" or \"tool\"");
                false
            }
        };
        if skill.is_some() && !is_tool {
            self.wrong(&["skill"], "belongs to \"mode\": \"tool\"");
        }
        if conversation.is_some() {
            self.wrong(
                &["conversation_id"],
                "conversations cannot be continued in this version",
            );
        }
        for name in std::mem::take(&mut self.fields).keys() {
            self.wrong(&[name], "is not a field of this request");
        }
        if !self.errors.is_empty() {
            return Err(Problem::invalid(
                ErrorCode::InvalidRequest,
                self.errors,
                self.error_count,
            ));
        }
        if is_tool {
            let request = ToolRequest {
                skill: skill
                    .filter(|skill| !skill.is_empty())
                    .ok_or_else(missing_skill)?,
                message,
                context,
                extra: extra.unwrap_or_default(),
            };
            return Ok(Parsed {
                request: Request::Tool(request),
                stream,
            });
        }
        let Some(message) = message.filter(|message| !message.trim().is_empty()) else {
            return Err(Problem::new(
                ErrorCode::MissingMessage,
                "Put the question into \"message\"; it must not be empty.",
            ));
        };
        let extra = Extra::read(extra.unwrap_or_default(), settings)?;
        let request = ChatRequest {
            message,
            context: context.filter(|context| !context.is_empty()),
            model: extra.model,
            reasoning_effort: extra.reasoning_effort,
            output_schema: extra.output_schema,
            skills: extra.skills,
            workspace: extra.workspace,
            ignored_extra: extra.ignored,
        };
        Ok(Parsed {
            request: Request::Chat(request),
            stream,
        })
    }

    /// A field that is absent or `null` was not sent.
    fn take(&mut self, name: &str) -> Option<Value> {
        self.fields.remove(name).filter(|value| !value.is_null())
    }

    fn string(&mut self, name: &str) -> Option<String> {
        let value = self.take(name)?;
        if let Value::String(text) = value {
            return Some(text);
        }
        self.wrong(&[name], "must be a string");
        None
    }

    fn boolean(&mut self, name: &str) -> Option<bool> {
        let value = self.take(name)?;
        if let Value::Bool(value) = value {
            return Some(value);
        }
        self.wrong(&[name], "must be true or false");
        None
    }

    fn object(&mut self, name: &str) -> Option<Map<String, Value>> {
        let value = self.take(name)?;
        if let Value::Object(fields) = value {
            return Some(fields);
        }
        self.wrong(&[name], "must be an object");
        None
    }

    fn wrong(&mut self, tokens: &[&str], detail: &str) {
        self.error_count += 1;
        if self.errors.len() < MAX_ERRORS {
            self.errors.push(FieldError::new(tokens, detail));
        }
    }
}

fn missing_skill() -> Problem {
    Problem::new(
        ErrorCode::MissingSkill,
        "\"mode\": \"tool\" needs the name of a skill in \"skill\".",
    )
}

/// The honoured keys of `extra`.
#[derive(Default)]
struct Extra {
    model: Option<String>,
    reasoning_effort: Option<String>,
    output_schema: Option<Value>,
    skills: Vec<String>,
    workspace: Option<String>,
    ignored: Vec<String>,
}

impl Extra {
    fn read(fields: Map<String, Value>, settings: &ChatSettings) -> Result<Self, Problem> {
        let mut extra = Self::default();
        let mut errors = Vec::new();
        for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_null()) {
            let wrong = match name.as_str() {
                "model" => extra.set_model(value, settings),
                "reasoning_effort" => extra.set_reasoning_effort(value),
                "output_schema" => extra.set_output_schema(value),
                "skills" => extra.set_skills(value),
                "workspace" => extra.set_workspace(value),
                _ => {
                    extra.ignore(&name);
                    Ok(())
                }
            };
            if let Err(detail) = wrong {
                errors.push(FieldError::new(&["extra", &name], detail));
            }
        }
        // It is for the skills alone.
        if extra.skills.is_empty() && extra.workspace.take().is_some() {
            extra.ignore("workspace");
        }
        if errors.is_empty() {
            Ok(extra)
        } else {
            let count = errors.len();
            Err(Problem::invalid(ErrorCode::InvalidExtra, errors, count))
        }
    }

    fn ignore(&mut self, name: &str) {
        if self.ignored.len() < MAX_IGNORED_NAMES {
            self.ignored.push(shown_key(name).into_owned());
        }
    }

    fn set_skills(&mut self, value: Value) -> Result<(), String> {
        let must_be = || format!("must be a list of at most {MAX_LENT_SKILLS} names of skills");
        let Value::Array(names) = value else {
            return Err(must_be());
        };
        if names.len() > MAX_LENT_SKILLS {
            return Err(must_be());
        }
        for name in names {
            let Value::String(name) = name else {
                return Err(must_be());
            };
            self.skills.push(name);
        }
        Ok(())
    }

    fn set_workspace(&mut self, value: Value) -> Result<(), String> {
        let Value::String(name) = value else {
            return Err("must be the name of a workspace".to_owned());
        };
        self.workspace = Some(name);
        Ok(())
    }

    fn set_model(&mut self, value: Value, settings: &ChatSettings) -> Result<(), String> {
        let allowed = &settings.allowed_models;
        match value {
            Value::String(model) if allowed.contains(&model) => {
                self.model = Some(model);
                Ok(())
            }
            _ => Err(format!("must be one of: {}", allowed.join(", "))),
        }
    }

    fn set_reasoning_effort(&mut self, value: Value) -> Result<(), String> {
        match value {
            Value::String(effort) if REASONING_EFFORTS.contains(&effort.as_str()) => {
                self.reasoning_effort = Some(effort);
                Ok(())
            }
            _ => Err(format!("must be one of: {}", REASONING_EFFORTS.join(", "))),
        }
    }

    fn set_output_schema(&mut self, value: Value) -> Result<(), String> {
        if !value.is_object() {
            return Err("must be a JSON Schema object".to_owned());
        }
        if value.to_string().len() > MAX_OUTPUT_SCHEMA_BYTES {
            return Err(format!(
                "must be at most {MAX_OUTPUT_SCHEMA_BYTES} bytes of JSON"
            ));
        }
        self.output_schema = Some(value);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
