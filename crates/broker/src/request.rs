//! The lean request, and nothing that the turn was not granted.

mod clean;
mod input;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use redact::{Counts, Redactor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use uuid::Uuid;

use super::grant::{Grant, GrantedTool};
use super::refusal::Refusal;

use self::clean::{CleanText, Cleaner};
use self::input::{Item, Reader, Role};

/// A request as the child sent it: what is read of it, each member of its own type. Everything else is
/// skipped without a copy, and left out or set here, because of what it would give away or because
/// endpoints refuse it:
///
/// - `client_metadata` names the installation, the session and the sandbox: nobody's business;
/// - `include`, `reasoning.summary`: a model that does not reason (`gpt-4o-mini`) refuses them;
/// - `service_tier`, `metadata`, `user`: the gateway's to decide, not the child's;
/// - `previous_response_id`, `conversation`, `prompt`, `background`: they reach what the provider
///   stores for the whole account;
/// - `tools`, `tool_choice`, `parallel_tool_calls`, `text.format`: what the turn was granted is offered and
///   asked for, in the words of the grant; the CLI always offers a tool of its own (`request_user_input`),
///   which is not.
///
/// A member that stands twice is refused: two readers might see two requests.
#[derive(Deserialize)]
struct SentRequest<'a> {
    #[serde(borrow)]
    model: &'a RawValue,
    stream: Option<bool>,
    #[serde(borrow)]
    input: &'a RawValue,
    #[serde(borrow)]
    instructions: Option<&'a RawValue>,
    text: Option<SentText>,
    #[serde(borrow)]
    prompt_cache_key: Option<&'a RawValue>,
    max_output_tokens: Option<u32>,
    temperature: Option<f32>,
    top_p: Option<f32>,
    truncation: Option<Truncation>,
}

#[derive(Deserialize)]
struct SentText {
    verbosity: Option<Verbosity>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Verbosity {
    Low,
    Medium,
    High,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Truncation {
    Auto,
    Disabled,
}

/// A request rebuilt from its parts. What is not written here by name does not leave the machine, and
/// every string of the child's in it is a [`CleanText`].
#[derive(Debug, Serialize)]
pub(super) struct LeanRequest {
    model: String,
    stream: bool,
    store: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    instructions: Option<CleanText>,
    input: Vec<Item>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<Value>,
    /// The CLI's is a thread's id; written anew, so that nothing else can stand in its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_cache_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    truncation: Option<Truncation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<&'static str>,
    /// Each is answered before the next is asked for, so that their number can be bounded.
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    safety_identifier: Option<String>,
}

/// More than some models can give, such as `gpt-4o-mini`; they refuse to be asked for it.
const MAX_OUTPUT_TOKENS: u32 = 16_384;

/// Fewer bytes than a token has on average, so that an estimate is rather too high.
const BYTES_PER_TOKEN: usize = 3;

impl LeanRequest {
    /// Checks while it reads, so that a refused body costs no more than what was read of it. Every string is
    /// redacted, wherever it came from: what the client sent, files that Codex read, what a tool put out.
    pub(super) fn rebuild(
        body: &[u8],
        grant: &Grant,
        redactor: &Redactor,
    ) -> Result<(Self, Counts), Refusal> {
        let sent: SentRequest<'_> = serde_json::from_slice(body).map_err(|_| Refusal::Malformed)?;
        let model: String =
            serde_json::from_str(sent.model.get()).map_err(|_| Refusal::Malformed)?;
        let granted = grant.models.iter().find(|granted| **granted == model);
        let model = granted.ok_or(Refusal::ModelNotGranted)?.clone();
        if sent.stream != Some(true) {
            return Err(Refusal::NotStreaming);
        }
        let mut cleaner = Cleaner::new(redactor);
        let input = Reader::new(grant, &mut cleaner).read(sent.input)?;
        let instructions = sent.instructions.map(|text| cleaner.string(text));
        let verbosity = sent.text.and_then(|text| text.verbosity);
        let has_tools = !grant.tools.is_empty();
        let request = Self {
            model,
            stream: true,
            store: false,
            instructions: instructions.transpose()?,
            input,
            text: text(grant, verbosity, &mut cleaner)?,
            prompt_cache_key: sent.prompt_cache_key.and_then(uuid),
            max_output_tokens: sent.max_output_tokens,
            temperature: sent.temperature,
            top_p: sent.top_p,
            truncation: sent.truncation,
            reasoning: grant
                .reasoning_effort
                .as_ref()
                .map(|effort| json!({ "effort": effort })),
            tools: grant.tools.iter().map(offered).collect(),
            tool_choice: has_tools.then_some("auto"),
            parallel_tool_calls: has_tools.then_some(false),
            safety_identifier: grant.safety_identifier.clone(),
        };
        Ok((request, cleaner.counts))
    }

    pub(super) fn to_bytes(&self) -> Bytes {
        // A struct with string keys serialises; an empty body would be refused by the provider.
        serde_json::to_vec(self).unwrap_or_default().into()
    }

    /// What the provider will about count of it.
    pub(super) fn input_tokens(&self) -> u64 {
        let bytes = self.to_bytes().len();
        u64::try_from(bytes.div_ceil(BYTES_PER_TOKEN)).unwrap_or(u64::MAX)
    }

    /// Has the provider end the answer there, if the child has not asked for less.
    pub(super) fn limit_output(&mut self, tokens: Option<u64>) {
        let Some(tokens) = tokens else {
            return;
        };
        let most = u32::try_from(tokens)
            .unwrap_or(u32::MAX)
            .min(MAX_OUTPUT_TOKENS);
        let asked = self.max_output_tokens.unwrap_or(u32::MAX);
        self.max_output_tokens = Some(asked.min(most));
    }

    pub(super) fn max_output_tokens(&self) -> Option<u32> {
        self.max_output_tokens
    }

    pub(super) fn model(&self) -> &str {
        &self.model
    }

    /// The texts of the last message that the user sent.
    pub(super) fn last_user_texts(&self) -> Vec<&str> {
        let is_of_user = |item: &&Item| {
            matches!(
                item,
                Item::Message {
                    role: Role::User,
                    ..
                }
            )
        };
        let last = self.input.iter().rfind(is_of_user);
        last.map(Item::texts).unwrap_or_default()
    }

    /// The schema that the answer is to follow.
    pub(super) fn schema(&self) -> Option<&Value> {
        self.text.as_ref()?.pointer("/format/schema")
    }

    /// A tool that can be called without arguments, unless one has been called already.
    pub(super) fn tool_without_questions(&self) -> Option<&str> {
        let is_call = |item: &Item| matches!(item, Item::FunctionCall { .. });
        if self.input.iter().any(is_call) {
            return None;
        }
        let asks_nothing = |tool: &&Value| {
            let required = tool.pointer("/parameters/required");
            required.and_then(Value::as_array).is_none_or(Vec::is_empty)
        };
        self.tools.iter().find(asks_nothing)?.get("name")?.as_str()
    }

    pub(super) fn chars_sent(&self) -> usize {
        let texts = self.input.iter().flat_map(Item::texts);
        texts.map(|text| text.chars().count()).sum()
    }
}

/// The form that the answer is asked for in, as the CLI would write it (seen on 0.169.0).
fn text(
    grant: &Grant,
    verbosity: Option<Verbosity>,
    cleaner: &mut Cleaner<'_>,
) -> Result<Option<Value>, Refusal> {
    let mut text = json!({});
    if let Some(schema) = &grant.output_schema {
        let schema = cleaner.value(schema)?;
        text["format"] = json!({
            "type": "json_schema", "name": "codex_output_schema", "strict": true, "schema": schema,
        });
    }
    if let Some(verbosity) = verbosity {
        text["verbosity"] = json!(verbosity);
    }
    Ok(text
        .as_object()
        .is_some_and(|text| !text.is_empty())
        .then_some(text))
}

fn uuid(value: &RawValue) -> Option<String> {
    let text: String = serde_json::from_str(value.get()).ok()?;
    Some(Uuid::try_parse(&text).ok()?.hyphenated().to_string())
}

/// A function tool of the Responses API. Not `strict`: that wants every parameter to be required.
fn offered(tool: &GrantedTool) -> Value {
    json!({
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
        "strict": false,
    })
}
