//! The lean request, and nothing that the turn was not granted.

use redact::{Counts, Redactor};
use serde_json::{Map, Value, json};

use super::Grant;
use super::refusal::Refusal;

/// Fields of the Responses API that pass as the CLI wrote them. Everything else is left out or set
/// here, because of what it would give away or because endpoints refuse it:
///
/// - `client_metadata` names the installation, the session and the sandbox: nobody's business;
/// - `include`, `reasoning.summary`: a model that does not reason (`gpt-4o-mini`) refuses them;
/// - `service_tier`, `metadata`, `user`: the gateway's to decide, not the child's;
/// - `previous_response_id`, `conversation`, `prompt`, `background`: they reach what the provider
///   stores for the whole account;
/// - `tools`, `tool_choice`, `parallel_tool_calls`: see [`ToolGrant`].
const PASSED_FIELDS: [&str; 8] = [
    "input",
    "instructions",
    "text",
    "max_output_tokens",
    "prompt_cache_key",
    "truncation",
    "temperature",
    "top_p",
];

/// The fields of a request that hold what people, files and tools said. The others are numbers, the
/// granted model, and a key that the provider's cache is found by.
const CONTENT_FIELDS: [&str; 3] = ["input", "instructions", "text"];

/// Which of the CLI's tools the model may be offered.
///
/// The chat profile has none, although the CLI always sends one (`request_user_input`). Named ones are
/// granted here, with the input items (`function_call`, `function_call_output`) that their use brings.
#[derive(Clone, Copy, Debug)]
pub(super) enum ToolGrant {
    None,
}

/// A request rebuilt from its parts. What is not written here by name does not leave the machine.
pub(super) struct LeanRequest {
    fields: Map<String, Value>,
}

impl LeanRequest {
    /// A member that stands twice counts once, the last: the provider sees what was checked.
    pub(super) fn rebuild(body: &[u8], grant: &Grant, tools: ToolGrant) -> Result<Self, Refusal> {
        let Ok(Value::Object(mut sent)) = serde_json::from_slice(body) else {
            return Err(Refusal::Malformed);
        };
        let model = match sent.remove("model") {
            Some(Value::String(model)) if grant.models.contains(&model) => model,
            Some(Value::String(_)) => return Err(Refusal::ModelNotGranted),
            _ => return Err(Refusal::Malformed),
        };
        if sent.get("stream") != Some(&Value::Bool(true)) {
            return Err(Refusal::NotStreaming);
        }
        let mut fields = Map::new();
        for name in PASSED_FIELDS {
            if let Some(value) = sent.remove(name)
                && !value.is_null()
                && (name != "prompt_cache_key" || is_uuid(&value))
            {
                fields.insert(name.into(), value);
            }
        }
        let Some(Value::Array(input)) = fields.get_mut("input") else {
            return Err(Refusal::Malformed);
        };
        lean_input(input, tools)?;
        fields.insert("model".into(), Value::String(model));
        fields.insert("stream".into(), Value::Bool(true));
        fields.insert("store".into(), Value::Bool(false));
        if let Some(effort) = &grant.reasoning_effort {
            fields.insert("reasoning".into(), json!({ "effort": effort }));
        }
        match tools {
            ToolGrant::None => {}
        }
        Ok(Self { fields })
    }

    /// Replaces the secrets in every string, wherever they came from: what the client sent, files that
    /// Codex read, what a tool put out. Keys and shape stay, so what was checked stays true.
    pub(super) fn redact(&mut self, redactor: &Redactor) -> Result<Counts, Refusal> {
        let mut counts = Counts::default();
        for name in CONTENT_FIELDS {
            let Some(content) = self.fields.get_mut(name) else {
                continue;
            };
            let redacted = redact::json::redact(redactor, &content.to_string())
                .map_err(|_| Refusal::Malformed)?;
            if !redacted.findings.is_empty() {
                counts.add(&redacted.counts());
                *content = serde_json::from_str(&redacted.text).map_err(|_| Refusal::Malformed)?;
            }
        }
        Ok(counts)
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        // A map with string keys serialises; an empty body would be refused by the provider.
        serde_json::to_vec(&self.fields).unwrap_or_default()
    }

    pub(super) fn model(&self) -> &str {
        self.fields
            .get("model")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// The texts of the last message that the user sent.
    pub(super) fn last_user_texts(&self) -> Vec<&str> {
        let input = self.fields.get("input").and_then(Value::as_array);
        let last = input
            .into_iter()
            .flatten()
            .rfind(|item| item.get("role").and_then(Value::as_str) == Some("user"));
        match last.and_then(|item| item.get("content")) {
            Some(Value::String(text)) => vec![text],
            Some(Value::Array(parts)) => parts
                .iter()
                .filter_map(|part| part.get("text").and_then(Value::as_str))
                .collect(),
            _ => Vec::new(),
        }
    }

    pub(super) fn chars_sent(&self) -> usize {
        self.fields.get("input").map_or(0, text_chars)
    }
}

/// The CLI's cache key is a thread's id. Anything else in its place could carry text past the redactor.
fn is_uuid(value: &Value) -> bool {
    value
        .as_str()
        .is_some_and(|text| uuid::Uuid::try_parse(text).is_ok())
}

/// Leaves the conversation's text. An item or part that names something stored at the provider
/// (`item_reference`, a `file_id`) could be another tenant's, so that kinds are listed, not banned.
fn lean_input(input: &mut Vec<Value>, tools: ToolGrant) -> Result<(), Refusal> {
    let ToolGrant::None = tools;
    // Without `include: reasoning.encrypted_content` an item of reasoning is a dead reference.
    input.retain(|item| item.get("type").and_then(Value::as_str) != Some("reasoning"));
    for item in input {
        let Value::Object(item) = item else {
            return Err(Refusal::Malformed);
        };
        if !matches!(
            item.get("type").and_then(Value::as_str),
            Some("message") | None
        ) {
            return Err(Refusal::InputNotGranted);
        }
        let content = match item.remove("content") {
            Some(Value::String(text)) => Value::String(text),
            Some(Value::Array(parts)) => parts.iter().map(lean_part).collect::<Result<_, _>>()?,
            _ => return Err(Refusal::Malformed),
        };
        let Some(Value::String(role)) = item.remove("role") else {
            return Err(Refusal::Malformed);
        };
        // Rebuilt, so that ids of the CLI's own making, which trace a thread, stay here.
        *item = Map::from_iter([
            ("type".to_owned(), json!("message")),
            ("role".to_owned(), json!(role)),
            ("content".to_owned(), content),
        ]);
    }
    Ok(())
}

/// A part of text, rebuilt from its type and its text. Any other part could name something stored.
fn lean_part(part: &Value) -> Result<Value, Refusal> {
    let kind = part.get("type").and_then(Value::as_str).unwrap_or_default();
    let member = match kind {
        "input_text" | "output_text" => "text",
        "refusal" => "refusal",
        _ => return Err(Refusal::InputNotGranted),
    };
    match part.get(member) {
        Some(Value::String(text)) => Ok(json!({ "type": kind, member: text })),
        _ => Err(Refusal::Malformed),
    }
}

fn text_chars(value: &Value) -> usize {
    match value {
        Value::String(text) => text.chars().count(),
        Value::Array(values) => values.iter().map(text_chars).sum(),
        Value::Object(fields) => fields
            .get("content")
            .or(fields.get("text"))
            .map_or(0, text_chars),
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
