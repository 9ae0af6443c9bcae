use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::units::Seconds;

/// `[chat]`: the limits of one call, and the models it may use.
///
/// The caps count Unicode scalar values, after redaction.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct ChatSettings {
    /// Answer as a stream unless the caller asks for JSON.
    #[schemars(extend("env" = "STREAM_ENABLED", "default" = true))]
    pub stream_enabled: bool,

    /// The whole synchronous call, the wait for a turn included; then the answer is 504.
    #[serde(rename = "timeout_sec", with = "Seconds")]
    #[schemars(range(min = 1, max = 120))]
    #[schemars(extend("env" = "CODEX_TIMEOUT_SEC", "default" = 120))]
    pub timeout: Duration,

    /// A longer message is cut at its end and marked.
    #[schemars(range(min = 1, max = 10_000_000), extend("unit" = "characters"))]
    #[schemars(extend("env" = "CHAT_MAX_INPUT_CHARS", "default" = 8_000))]
    pub max_input_chars: usize,

    /// A longer context is cut in its middle and marked: the end of a stack trace matters as much as its
    /// beginning.
    #[schemars(range(min = 1, max = 10_000_000), extend("unit" = "characters"))]
    #[schemars(extend("env" = "CHAT_MAX_CTX_CHARS", "default" = 200_000))]
    pub max_context_chars: usize,

    /// A longer answer ends there, marked, and its turn is stopped.
    #[schemars(range(min = 1, max = 10_000_000), extend("unit" = "characters"))]
    #[schemars(extend("env" = "CHAT_MAX_OUTPUT_CHARS", "default" = 400_000))]
    pub max_output_chars: usize,

    /// Skills that the model may call by itself in one turn; further calls are refused to it.
    #[schemars(range(min = 1, max = 30), extend("unit" = "calls"))]
    #[schemars(extend("env" = "CHAT_MAX_SKILL_CALLS", "default" = 8))]
    pub max_skill_calls: u32,

    /// Models a caller may name. The configured model is always one of them.
    #[schemars(extend("env" = "CHAT_ALLOWED_MODELS", "default" = [], "format" = "models"))]
    pub allowed_models: Vec<String>,
}
