use redact::Untrusted;
use serde_json::Value;
use thiserror::Error;

use crate::tool_call::ToolCall;

/// One question to the model. Its texts are input: they are never options or instructions.
#[derive(Clone, Debug)]
pub struct Turn {
    /// The text items of the user's message, in order.
    pub input: Vec<String>,
    pub model: String,
    pub reasoning_effort: Option<String>,
    /// The JSON Schema of the final answer.
    pub output_schema: Option<Value>,
}

/// Separates two texts of one question, and two messages of one answer: an empty line.
pub(crate) const SEPARATOR: &str = "\n\n";

/// An event of a running turn. [`TurnEvent::Ended`] comes exactly once, as the last event.
#[derive(Debug, PartialEq, Eq)]
pub enum TurnEvent {
    /// More text of the answer. Pieces that have not been fetched yet are joined.
    Delta(Untrusted),
    /// A message of the answer is complete and empty.
    EmptyMessage,
    /// The turn does something other than answer. Metadata only.
    Item {
        kind: ItemKind,
        status: ItemStatus,
    },
    /// The model calls one of the turn's tools and waits for the answer.
    ToolCall(ToolCall),
    /// The tokens of the turn as the CLI reports them. Only the broker's count is reliable.
    Usage(ReportedUsage),
    Ended(TurnEnd),
}

/// The numbers of tokens, as the CLI counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportedUsage {
    pub input_tokens: u64,
    /// Those of the `input_tokens` that the provider had cached.
    pub cached_input_tokens: u64,
    pub output_tokens: u64,
    /// Those of the `output_tokens` that were reasoning.
    pub reasoning_tokens: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TurnEnd {
    Completed,
    Failed(TurnFailure),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemKind {
    Reasoning,
    Command,
    FileChange,
    ToolCall,
    WebSearch,
    Plan,
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemStatus {
    Started,
    Completed,
}

/// Why a turn has failed. Contains no text of the CLI or of the model.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum TurnFailure {
    #[error("the Codex process ended in the middle of the turn")]
    Crashed,
    #[error("the Codex process did not answer")]
    Unresponsive,
    #[error("the Codex process stopped reading its input, and was ended")]
    InputStalled,
    #[error("Codex reported a failed turn ({})", .0.as_str())]
    Codex(CodexErrorClass),
    #[error("Codex refused to start the turn (JSON-RPC error {code})")]
    Refused { code: i64 },
    #[error("Codex is overloaded")]
    Overloaded,
    #[error("the answer was not fetched and went over {limit_bytes} bytes")]
    NotFetched { limit_bytes: usize },
    #[error("the turn was interrupted by the Codex process itself")]
    Interrupted,
    #[error("the Codex process could not be started")]
    NotStarted,
    #[error("the Codex process ended without finishing the turn ({})", how(*.code, *.signal))]
    Exited {
        code: Option<i32>,
        signal: Option<i32>,
    },
    #[error("the output of the Codex process did not keep to its format: {lines} lines of it")]
    Malformed { lines: u64 },
    #[error("the Codex process wrote more than a turn may, and was ended")]
    OutputExceeded,
    #[error("the Codex process ended well, but gave no answer")]
    NoAnswer,
}

fn how(code: Option<i32>, signal: Option<i32>) -> String {
    match (code, signal) {
        (_, Some(signal)) => format!("signal {signal}"),
        (Some(code), None) => format!("exit code {code}"),
        (None, None) => "its end was not seen".to_owned(),
    }
}

impl TurnFailure {
    /// Whether the process failed rather than the turn. On another process the turn may succeed.
    pub fn is_of_the_process(&self) -> bool {
        matches!(
            self,
            Self::Crashed | Self::Unresponsive | Self::InputStalled
        )
    }
}

/// Why no turn could be leased.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum LeaseError {
    #[error("no Codex process became free in time")]
    Busy,
    #[error("Codex does not start: {reason}")]
    Unavailable { reason: String },
    #[error("this driver gives the model no tools")]
    NoTools,
    #[error(
        "Codex refuses the tools of this turn: it may keep the name of one for itself, such as mcp"
    )]
    Refused,
    #[error("the client is shutting down")]
    Closing,
}

/// The protocol's `codexErrorInfo`. A name that the pinned version does not have is `Other`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodexErrorClass {
    ContextWindowExceeded,
    UsageLimit,
    RateLimit,
    ServerOverloaded,
    ModelNotFound,
    Unauthorized,
    BadRequest,
    Connection,
    StreamCut,
    Internal,
    Other,
}

impl CodexErrorClass {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ContextWindowExceeded => "context window exceeded",
            Self::UsageLimit => "usage limit",
            Self::RateLimit => "rate limit",
            Self::ServerOverloaded => "server overloaded",
            Self::ModelNotFound => "model not found",
            Self::Unauthorized => "unauthorized",
            Self::BadRequest => "bad request",
            Self::Connection => "connection failed",
            Self::StreamCut => "stream cut",
            Self::Internal => "internal error",
            Self::Other => "unspecified",
        }
    }
}
