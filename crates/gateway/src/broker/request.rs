//! The lean request, and nothing that the turn was not granted.

use bytes::Bytes;
use codex_client::ToolDefinition;
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
/// - `tools`, `tool_choice`, `parallel_tool_calls`: what the turn was granted is offered, in the words of
///   the grant; the CLI always offers one of its own (`request_user_input`), which is not.
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

/// A request rebuilt from its parts. What is not written here by name does not leave the machine.
pub(super) struct LeanRequest {
    fields: Map<String, Value>,
}

impl LeanRequest {
    /// A member that stands twice counts once, the last: the provider sees what was checked.
    pub(super) fn rebuild(body: &[u8], grant: &Grant) -> Result<Self, Refusal> {
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
        lean_input(input, grant)?;
        fields.insert("model".into(), Value::String(model));
        fields.insert("stream".into(), Value::Bool(true));
        fields.insert("store".into(), Value::Bool(false));
        if let Some(effort) = &grant.reasoning_effort {
            fields.insert("reasoning".into(), json!({ "effort": effort }));
        }
        if !grant.tools.is_empty() {
            let tools = grant.tools.iter().map(offered).collect();
            fields.insert("tools".into(), tools);
            fields.insert("tool_choice".into(), json!("auto"));
            // Each is answered before the next is asked for, so that their number can be bounded.
            fields.insert("parallel_tool_calls".into(), json!(false));
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

    pub(super) fn to_bytes(&self) -> Bytes {
        // A map with string keys serialises; an empty body would be refused by the provider.
        serde_json::to_vec(&self.fields).unwrap_or_default().into()
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

    /// The schema that the answer is to follow.
    pub(super) fn schema(&self) -> Option<&Value> {
        let format = self.fields.get("text")?.get("format")?;
        format.get("schema")
    }

    /// A tool that can be called without arguments, unless one has been called already.
    pub(super) fn tool_without_questions(&self) -> Option<&str> {
        let input = self.fields.get("input").and_then(Value::as_array)?;
        let is_call = |item: &Value| item.get("type") == Some(&json!("function_call"));
        if input.iter().any(is_call) {
            return None;
        }
        let asks_nothing = |tool: &&Value| {
            let required = tool.pointer("/parameters/required");
            required.and_then(Value::as_array).is_none_or(Vec::is_empty)
        };
        let mut tools = self.fields.get("tools")?.as_array()?.iter();
        tools.find(asks_nothing)?.get("name")?.as_str()
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
fn lean_input(input: &mut Vec<Value>, grant: &Grant) -> Result<(), Refusal> {
    // Without `include: reasoning.encrypted_content` an item of reasoning is a dead reference.
    input.retain(|item| item.get("type").and_then(Value::as_str) != Some("reasoning"));
    for item in input {
        let Value::Object(fields) = item else {
            return Err(Refusal::Malformed);
        };
        *item = match fields.get("type").and_then(Value::as_str) {
            Some("message") | None => lean_message(fields)?,
            Some("function_call") => lean_call(fields, grant)?,
            Some("function_call_output") if !grant.tools.is_empty() => lean_output(fields)?,
            Some(_) => return Err(Refusal::InputNotGranted),
        };
    }
    Ok(())
}

/// Rebuilt, like all of them, so that ids of the CLI's own making, which trace a thread, stay here.
fn lean_message(fields: &mut Map<String, Value>) -> Result<Value, Refusal> {
    let content = lean_content(fields.remove("content"))?;
    let role = string(fields, "role")?;
    Ok(json!({ "type": "message", "role": role, "content": content }))
}

/// The model's own call, repeated to it.
fn lean_call(fields: &Map<String, Value>, grant: &Grant) -> Result<Value, Refusal> {
    let name = string(fields, "name")?;
    if !grant.tools.iter().any(|tool| tool.name == name) {
        return Err(Refusal::InputNotGranted);
    }
    Ok(json!({
        "type": "function_call",
        "call_id": string(fields, "call_id")?,
        "name": name,
        "arguments": string(fields, "arguments")?,
    }))
}

fn lean_output(fields: &mut Map<String, Value>) -> Result<Value, Refusal> {
    let output = lean_content(fields.remove("output"))?;
    Ok(json!({
        "type": "function_call_output",
        "call_id": string(fields, "call_id")?,
        "output": output,
    }))
}

fn lean_content(content: Option<Value>) -> Result<Value, Refusal> {
    match content {
        Some(Value::String(text)) => Ok(Value::String(text)),
        Some(Value::Array(parts)) => parts.iter().map(lean_part).collect(),
        _ => Err(Refusal::Malformed),
    }
}

fn string<'item>(fields: &'item Map<String, Value>, name: &str) -> Result<&'item str, Refusal> {
    let value = fields.get(name).and_then(Value::as_str);
    value.ok_or(Refusal::Malformed)
}

/// A function tool of the Responses API. Not `strict`: that wants every parameter to be required.
fn offered(tool: &ToolDefinition) -> Value {
    json!({
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
        "strict": false,
    })
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
