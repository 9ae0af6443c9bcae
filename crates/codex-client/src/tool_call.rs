//! What a thread is told, tools above all that the caller of a turn lends to the model, and their calls.

use std::fmt;
use std::sync::Arc;

use redact::Untrusted;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::app_server::protocol;
use crate::app_server::worker::Worker;

/// What the thread of a turn is told beside the turn itself. The default is a chat without tools.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ThreadProfile {
    /// What the model is told before the question, in place of what it is told in a chat.
    pub instructions: Option<String>,
    /// Only the driver `app-server` can lend any.
    pub tools: Vec<ToolDefinition>,
}

impl ThreadProfile {
    /// Of a chat without tools: threads for those are prepared ahead.
    pub(crate) fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

/// A function that the model may call in one turn. Who runs it is whoever started the turn.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolDefinition {
    /// As the Responses API wants it: 1 to 64 of `a-z A-Z 0-9 _ -`.
    pub name: String,
    pub description: String,
    /// JSON Schema of the arguments, an object.
    pub parameters: Value,
}

/// The model's call of a tool. Codex waits for the answer; a call that is dropped is refused, so that no
/// turn hangs for the want of one.
pub struct ToolCall {
    /// Of one of the turn's tools: it is the caller's word, not the model's.
    name: String,
    arguments: Untrusted,
    id: Box<RawValue>,
    worker: Arc<Worker>,
    is_answered: bool,
}

const REFUSAL: &str = "This tool is not available.";

impl ToolCall {
    pub(crate) fn new(
        worker: Arc<Worker>,
        id: &RawValue,
        name: String,
        arguments: &RawValue,
    ) -> Self {
        Self {
            name,
            arguments: Untrusted::new(arguments.get().to_owned()),
            id: id.to_owned(),
            worker,
            is_answered: false,
        }
    }

    /// The name of one of the turn's tools.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A JSON value, as the model wrote it.
    pub fn arguments(&self) -> &Untrusted {
        &self.arguments
    }

    /// Gives the model `text`: what the tool found, or, where it is no `success`, what was wrong.
    pub fn answer(mut self, success: bool, text: &str) {
        self.send(success, text);
    }

    fn send(&mut self, success: bool, text: &str) {
        self.is_answered = true;
        let result = json!({
            "success": success,
            "contentItems": [{ "type": "inputText", "text": text }],
        });
        self.worker
            .send(protocol::response(&self.id, "result", &result));
    }
}

impl Drop for ToolCall {
    fn drop(&mut self) {
        if !self.is_answered {
            self.send(false, REFUSAL);
        }
    }
}

impl fmt::Debug for ToolCall {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ToolCall({})", self.id)
    }
}

/// The same call.
impl PartialEq for ToolCall {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.worker, &other.worker) && self.id.get() == other.id.get()
    }
}

impl Eq for ToolCall {}
