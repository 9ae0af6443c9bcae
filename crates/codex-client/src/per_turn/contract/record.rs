use serde::Deserialize;

use crate::turn::ReportedUsage;

/// One JSON object of a company's CLI. Other members are ignored.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Record {
    /// More text of the answer.
    pub(super) delta: Option<String>,
    /// The whole answer. If there were deltas, it repeats them.
    pub(super) answer: Option<String>,
    pub(super) usage: Option<Usage>,
    /// True for anything but `null`: the turn has failed. The value itself is content, and is not read.
    #[serde(deserialize_with = "is_something")]
    pub(super) error: bool,
}

/// With the names of the Responses API or of the Chat Completions API.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_field_names, reason = "the names are those on the wire")]
pub(super) struct Usage {
    #[serde(alias = "prompt_tokens")]
    input_tokens: u64,
    cached_input_tokens: u64,
    #[serde(alias = "completion_tokens")]
    output_tokens: u64,
    #[serde(alias = "reasoning_output_tokens")]
    reasoning_tokens: u64,
}

impl From<Usage> for ReportedUsage {
    fn from(usage: Usage) -> Self {
        Self {
            input_tokens: usage.input_tokens,
            cached_input_tokens: usage.cached_input_tokens,
            output_tokens: usage.output_tokens,
            reasoning_tokens: usage.reasoning_tokens,
        }
    }
}

impl Record {
    /// Whether it has none of the known members.
    pub(super) fn is_empty(&self) -> bool {
        let Self {
            delta,
            answer,
            usage,
            error,
        } = self;
        delta.is_none() && answer.is_none() && usage.is_none() && !error
    }
}

fn is_something<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    let value = Option::<serde::de::IgnoredAny>::deserialize(deserializer)?;
    Ok(value.is_some())
}
