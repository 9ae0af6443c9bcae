use serde::Serialize;

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model had said all.
    Stop,
    /// The most tokens or characters that an answer may have were reached.
    Length,
    /// The provider's filter broke it off.
    ContentFilter,
    /// The model refused.
    Refusal,
    /// The turn ended well, and nothing was said.
    Empty,
}
