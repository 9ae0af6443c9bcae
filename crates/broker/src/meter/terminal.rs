//! The event that ends a stream, as servers write it and as the CLI reads it.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::failure::ProviderFailure;
use crate::finish::Finish;
use crate::usage::Usage;

use super::{Terminal, Verdict};

/// Largest usage object and longest word that are looked into.
const MAX_VALUE_BYTES: usize = 16 * 1024;

/// The CLI reads signed numbers of 64 bits; no count of tokens is near this.
const MAX_TOKENS: f64 = 1e15;

/// The `response` of a terminal event. Whatever stands in a member's place is read or passed over.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ResponseObject<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    status: Option<&'a RawValue>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    incomplete_details: Option<&'a RawValue>,
    #[serde(borrow)]
    output: Option<&'a RawValue>,
    #[serde(borrow)]
    end_turn: Option<&'a RawValue>,
}

impl<'a> ResponseObject<'a> {
    pub(super) fn read(response: Option<&'a RawValue>) -> Self {
        let read = response.and_then(|response| serde_json::from_str(response.get()).ok());
        read.unwrap_or_default()
    }

    pub(super) fn error(&self) -> Option<&'a RawValue> {
        self.error
    }

    pub(super) fn output(&self) -> Option<&'a RawValue> {
        self.output
    }

    pub(super) fn has_failed(&self) -> bool {
        matches!(value(self.status), Value::String(status) if status == "failed" || status == "cancelled")
    }

    /// Why the answer is not whole, if it is not.
    pub(super) fn cut_short(&self, is_incomplete: bool) -> Option<Finish> {
        let is_incomplete = is_incomplete || value(self.status) == "incomplete";
        let details = value(self.incomplete_details);
        let reason = details.get("reason").and_then(Value::as_str);
        is_incomplete.then_some(match reason {
            Some("content_filter") => Finish::ContentFilter,
            _ => Finish::Length,
        })
    }

    /// In the names of the Responses API or of chat completions, here or beside the response.
    pub(super) fn usage(&self, beside: Option<&RawValue>) -> Option<Usage> {
        let usage = value(self.usage.or(beside));
        let usage = usage.as_object()?;
        let count = |value: &Value| {
            let count = value
                .as_f64()
                .filter(|count| (0.0..=MAX_TOKENS).contains(count));
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "inside the range that was just looked at"
            )]
            count.map(|count| count as u64)
        };
        let of = |names: [&str; 2]| names.iter().find_map(|name| count(usage.get(*name)?));
        let detail = |objects: [&str; 2], name: &str| {
            let mut objects = objects.iter();
            objects.find_map(|object| count(usage.get(*object)?.get(name)?))
        };
        let cached = ["input_tokens_details", "prompt_tokens_details"];
        let reasoning = ["output_tokens_details", "completion_tokens_details"];
        Some(Usage {
            input_tokens: of(["input_tokens", "prompt_tokens"]).unwrap_or_default(),
            cached_input_tokens: detail(cached, "cached_tokens").unwrap_or_default(),
            output_tokens: of(["output_tokens", "completion_tokens"]).unwrap_or_default(),
            reasoning_tokens: detail(reasoning, "reasoning_tokens").unwrap_or_default(),
        })
    }
}

fn value(raw: Option<&RawValue>) -> Value {
    let raw = raw.filter(|raw| raw.get().len() <= MAX_VALUE_BYTES);
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok())
        .unwrap_or_default()
}

/// An event as it stands in a stream.
pub(super) fn write_event(stream: &mut Vec<u8>, name: &str, data: &Value) {
    stream.extend_from_slice(format!("event: {name}\ndata: {data}\n\n").as_bytes());
}

/// What the CLI wants to read of a whole answer (`ResponseCompleted` of 0.169.0), every member of it.
pub(super) fn write_completed(
    stream: &mut Vec<u8>,
    response: &ResponseObject<'_>,
    usage: Option<Usage>,
) {
    let usage = usage.map(|usage| {
        json!({
            "input_tokens": usage.input_tokens,
            "input_tokens_details": { "cached_tokens": usage.cached_input_tokens },
            "output_tokens": usage.output_tokens,
            "output_tokens_details": { "reasoning_tokens": usage.reasoning_tokens },
            "total_tokens": usage.input_tokens.saturating_add(usage.output_tokens),
        })
    });
    let mut completed = json!({ "id": id(response), "status": "completed", "usage": usage });
    if let Value::Bool(end_turn) = value(response.end_turn) {
        completed["end_turn"] = json!(end_turn);
    }
    let data = json!({ "type": "response.completed", "response": completed });
    write_event(stream, "response.completed", &data);
}

fn id(response: &ResponseObject<'_>) -> String {
    match value(response.id) {
        Value::String(id) => id,
        _ => "resp".to_owned(),
    }
}

/// The CLI fails the turn on it; why is for the caller, from the broker, and not for the child.
pub(super) fn failed(failure: ProviderFailure, usage: Option<Usage>) -> Verdict {
    let error = json!({ "code": "provider_failed", "message": "The model provider failed." });
    let response = json!({ "id": "resp", "status": "failed", "error": error });
    let mut bytes = Vec::new();
    let data = json!({ "type": "response.failed", "response": response });
    write_event(&mut bytes, "response.failed", &data);
    let terminal = Terminal {
        usage,
        outcome: Err(failure),
    };
    Verdict::End(bytes, terminal)
}
