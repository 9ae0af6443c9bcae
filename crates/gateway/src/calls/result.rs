//! What a call gives its caller, in the form in which it goes out.

pub mod finish_reason;
pub mod milliseconds;

use std::collections::BTreeMap;

use broker::Usage;
use redact::Counts;
use serde::Serialize;
use skills::ToolResult;

use super::prompt::caps::Truncation;
use super::tool_grants::ToolCallRecord;
use finish_reason::FinishReason;

/// What a call has come to. The text of a chat's answer goes before it, in pieces.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum CallResult {
    Chat(Box<ChatResult>),
    Tool(Box<ToolCallResult>),
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChatResult {
    pub meta: ChatMeta,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ToolCallResult {
    pub tool_result: ToolResult,
    pub meta: ToolMeta,
}

/// How an answer was made.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChatMeta {
    pub request_id: String,
    pub conversation_id: Option<String>,
    pub model: String,
    pub driver: &'static str,
    pub duration_ms: f64,
    pub first_token_ms: Option<f64>,
    pub finish_reason: FinishReason,
    pub usage: Usage,
    pub truncated: Truncations,
    pub redactions: Redactions,
    /// Calls of skills that the model made by itself.
    pub skill_calls: Vec<ToolCallRecord>,
    pub ignored_extra: Vec<String>,
}

/// How a skill's result was made.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ToolMeta {
    pub request_id: String,
    pub conversation_id: Option<String>,
    pub skill: String,
    pub workspace: Option<String>,
    pub driver: &'static str,
    pub duration_ms: f64,
    pub truncated: Truncations,
    pub redactions: Redactions,
    pub ignored_extra: Vec<String>,
    /// Of a skill that is a turn of Codex.
    #[serde(flatten)]
    pub turn: Option<TurnMeta>,
}

/// The turn of a skill that is one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TurnMeta {
    pub model: String,
    pub finish_reason: FinishReason,
    pub usage: Usage,
    pub skill_calls: Vec<ToolCallRecord>,
}

/// How texts were cut, by the name of the field.
pub type Truncations = BTreeMap<&'static str, Truncation>;

/// Secrets that were replaced, by rule, at each door of the call.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Redactions {
    /// In what the client sent.
    pub request: Counts,
    /// In what Codex sent to the model.
    pub upstream: Counts,
    /// In the answer.
    pub response: Counts,
}
