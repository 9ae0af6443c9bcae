//! What is set for a thread before its turn.

use serde_json::Value;

/// The instructions and tools of a turn's thread. The default is a chat without tools.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ThreadProfile {
    /// Instructions for the model. They replace those of a chat.
    pub instructions: Option<String>,
    /// Only the driver `app-server` supports tools.
    pub tools: Vec<ToolDefinition>,
}

impl ThreadProfile {
    /// Whether this is a chat without tools. Threads for such chats are prepared ahead.
    pub(crate) fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

/// A function that the model may call in one turn. The caller of the turn runs it.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolDefinition {
    /// 1 to 64 of the characters `a-z A-Z 0-9 _ -`, as the Responses API requires.
    pub name: String,
    pub description: String,
    /// The JSON Schema of the arguments, which are an object.
    pub parameters: Value,
}
