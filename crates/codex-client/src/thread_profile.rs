//! What a thread is told before its turn, and the tools that its model may call.

use serde_json::Value;

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
