//! The part of the app-server protocol that a chat turn needs: JSON-RPC without its `jsonrpc` field, one
//! object a line. Source: `codex app-server generate-json-schema --experimental` of the pinned version. The
//! crate's tests check these types against its output.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::turn::{CodexErrorClass, ItemKind, ItemStatus, Turn};

/// Notifications that are not used here. The process is asked not to write them.
const UNREAD_NOTIFICATIONS: &[&str] = &[
    "account/rateLimits/updated",
    "account/updated",
    "configWarning",
    "deprecationNotice",
    "item/plan/delta",
    "item/reasoning/summaryPartAdded",
    "item/reasoning/summaryTextDelta",
    "item/reasoning/textDelta",
    "mcpServer/startupStatus/updated",
    "remoteControl/status/changed",
    "skills/changed",
    "thread/name/updated",
    "thread/settings/updated",
    "thread/started",
    "thread/status/changed",
    "thread/tokenUsage/updated",
    "turn/diff/updated",
    "turn/moderationMetadata",
    "turn/plan/updated",
    "warning",
];

/// The JSON-RPC error of an overloaded app-server. The request may be repeated.
pub(crate) const OVERLOADED: i64 = -32001;

pub(crate) const TOOL_CALL: &str = "item/tool/call";

pub(crate) fn initialize() -> Value {
    json!({
        "clientInfo": { "name": "portcullis", "version": env!("CARGO_PKG_VERSION") },
        "capabilities": {
            "experimentalApi": true,
            "optOutNotificationMethods": UNREAD_NOTIFICATIONS,
        },
    })
}

/// The model is left out if it is `default_model`, which the process has in its settings.
pub(crate) fn turn_start(thread_id: &str, turn: &Turn, default_model: &str) -> Value {
    let input: Vec<Value> = turn
        .input
        .iter()
        .map(|text| json!({ "type": "text", "text": text }))
        .collect();
    let mut params = json!({ "threadId": thread_id, "input": input });
    if turn.model != default_model {
        params["model"] = json!(turn.model);
    }
    if let Some(effort) = &turn.reasoning_effort {
        params["effort"] = json!(effort);
    }
    if let Some(schema) = &turn.output_schema {
        params["outputSchema"] = schema.clone();
    }
    params
}

pub(crate) fn turn_interrupt(thread_id: &str, turn_id: &str) -> Value {
    json!({ "threadId": thread_id, "turnId": turn_id })
}

pub(crate) fn thread_unsubscribe(thread_id: &str) -> Value {
    json!({ "threadId": thread_id })
}

pub(crate) fn request(id: u64, method: &str, params: &Value) -> Vec<u8> {
    line(&json!({ "id": id, "method": method, "params": params }))
}

pub(crate) fn notification(method: &str) -> Vec<u8> {
    line(&json!({ "method": method }))
}

/// The response to a request of the server. `id` must be the request's.
pub(crate) fn response(id: &RawValue, member: &str, value: &Value) -> Vec<u8> {
    line(&json!({ "id": id, member: value }))
}

/// The answer to a call of a tool.
pub(crate) fn tool_response(id: &RawValue, success: bool, text: &str) -> Vec<u8> {
    let result = json!({
        "success": success,
        "contentItems": [{ "type": "inputText", "text": text }],
    });
    response(id, "result", &result)
}

/// One line without its newline. The runner adds that when it writes.
fn line(message: &Value) -> Vec<u8> {
    message.to_string().into_bytes()
}

/// One line from the process.
#[derive(Debug)]
pub(crate) enum Incoming<'line> {
    Response {
        id: u64,
        result: Result<&'line RawValue, RpcError>,
    },
    Request {
        id: &'line RawValue,
        method: String,
    },
    /// A request to call one of a turn's tools.
    ToolCall {
        id: &'line RawValue,
        call: ToolCallParams<'line>,
    },
    Notification(Notification),
    /// A notification that a chat turn does not need.
    Ignored,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct RpcError {
    pub(crate) code: i64,
}

#[derive(Debug)]
pub(crate) enum Notification {
    TurnStarted {
        thread_id: String,
        turn_id: String,
    },
    Delta {
        thread_id: String,
        message_id: String,
        text: String,
    },
    /// A complete message, with all its text.
    Message {
        thread_id: String,
        message_id: String,
        text: String,
    },
    Item {
        thread_id: String,
        kind: ItemKind,
        status: ItemStatus,
    },
    TurnCompleted {
        thread_id: String,
        status: TurnStatus,
        error: Option<CodexErrorClass>,
    },
}

impl Notification {
    pub(crate) fn thread_id(&self) -> &str {
        match self {
            Self::TurnStarted { thread_id, .. }
            | Self::Delta { thread_id, .. }
            | Self::Message { thread_id, .. }
            | Self::Item { thread_id, .. }
            | Self::TurnCompleted { thread_id, .. } => thread_id,
        }
    }
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub(crate) enum TurnStatus {
    Completed,
    Interrupted,
    Failed,
    InProgress,
    /// A name that the pinned version does not have.
    #[serde(other)]
    Unknown,
}

#[derive(Deserialize)]
struct Envelope<'line> {
    #[serde(borrow)]
    id: Option<&'line RawValue>,
    method: Option<String>,
    #[serde(borrow)]
    params: Option<&'line RawValue>,
    #[serde(borrow)]
    result: Option<&'line RawValue>,
    error: Option<RpcError>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ToolCallParams<'line> {
    pub(crate) thread_id: String,
    pub(crate) tool: String,
    #[serde(borrow)]
    pub(crate) arguments: &'line RawValue,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeltaParams {
    thread_id: String,
    item_id: String,
    delta: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ItemParams {
    thread_id: String,
    item: Item,
}

#[derive(Deserialize)]
struct Item {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    id: String,
    #[serde(default)]
    text: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TurnParams {
    thread_id: String,
    turn: WireTurn,
}

#[derive(Deserialize)]
pub(crate) struct WireTurn {
    pub(crate) id: String,
    status: TurnStatus,
    error: Option<TurnError>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TurnError {
    codex_error_info: Option<Value>,
}

#[derive(Deserialize)]
pub(crate) struct ThreadStarted {
    pub(crate) thread: WireThread,
}

#[derive(Deserialize)]
pub(crate) struct WireThread {
    pub(crate) id: String,
}

#[derive(Deserialize)]
pub(crate) struct TurnStarted {
    pub(crate) turn: WireTurn,
}

/// Parses one line. Fails if the line does not follow the protocol.
pub(crate) fn parse(line: &[u8]) -> Result<Incoming<'_>, serde_json::Error> {
    let envelope: Envelope<'_> = serde_json::from_slice(line)?;
    match (envelope.method, envelope.id) {
        (Some(method), Some(id)) if method == TOOL_CALL => {
            let params = envelope.params.unwrap_or(RawValue::NULL).get();
            // A call that cannot be read is still a request: without an answer, its turn would wait.
            Ok(match serde_json::from_str(params) {
                Ok(call) => Incoming::ToolCall { id, call },
                Err(_) => Incoming::Request { id, method },
            })
        }
        (Some(method), Some(id)) => Ok(Incoming::Request { id, method }),
        (Some(method), None) => parse_notification(&method, envelope.params),
        (None, Some(id)) => {
            let id = serde_json::from_str(id.get())?;
            let result = match envelope.error {
                Some(error) => Err(error),
                None => Ok(envelope.result.unwrap_or(RawValue::NULL)),
            };
            Ok(Incoming::Response { id, result })
        }
        (None, None) => Err(serde::de::Error::custom("neither an id nor a method")),
    }
}

fn parse_notification<'line>(
    method: &str,
    params: Option<&'line RawValue>,
) -> Result<Incoming<'line>, serde_json::Error> {
    let params = params.unwrap_or(RawValue::NULL).get();
    let notification = match method {
        "item/agentMessage/delta" => {
            let DeltaParams {
                thread_id,
                item_id,
                delta,
            } = serde_json::from_str(params)?;
            Notification::Delta {
                thread_id,
                message_id: item_id,
                text: delta,
            }
        }
        "item/started" | "item/completed" => {
            let status = if method == "item/started" {
                ItemStatus::Started
            } else {
                ItemStatus::Completed
            };
            let ItemParams { thread_id, item } = serde_json::from_str(params)?;
            match (item_kind(&item.kind), status) {
                (Some(kind), status) => Notification::Item {
                    thread_id,
                    kind,
                    status,
                },
                (None, ItemStatus::Completed) if item.kind == "agentMessage" => {
                    Notification::Message {
                        thread_id,
                        message_id: item.id,
                        text: item.text.unwrap_or_default(),
                    }
                }
                (None, _) => return Ok(Incoming::Ignored),
            }
        }
        "turn/started" => {
            let TurnParams { thread_id, turn } = serde_json::from_str(params)?;
            Notification::TurnStarted {
                thread_id,
                turn_id: turn.id,
            }
        }
        "turn/completed" => {
            let TurnParams { thread_id, turn } = serde_json::from_str(params)?;
            let error = turn
                .error
                .map(|error| error_class(error.codex_error_info.as_ref()));
            Notification::TurnCompleted {
                thread_id,
                status: turn.status,
                error,
            }
        }
        _ => return Ok(Incoming::Ignored),
    };
    Ok(Incoming::Notification(notification))
}

/// The kind of an item, or `None` for items that are not reported: the question and the answer.
fn item_kind(wire: &str) -> Option<ItemKind> {
    Some(match wire {
        "userMessage" | "agentMessage" | "hookPrompt" => return None,
        "reasoning" => ItemKind::Reasoning,
        "commandExecution" => ItemKind::Command,
        "fileChange" => ItemKind::FileChange,
        "mcpToolCall" | "dynamicToolCall" | "collabAgentToolCall" => ItemKind::ToolCall,
        "webSearch" => ItemKind::WebSearch,
        "plan" => ItemKind::Plan,
        _ => ItemKind::Other,
    })
}

/// `codexErrorInfo` is either a name, or an object whose only key is the name.
fn error_class(info: Option<&Value>) -> CodexErrorClass {
    let name = match info {
        Some(Value::String(name)) => name.as_str(),
        Some(Value::Object(object)) => object.keys().next().map_or("", String::as_str),
        _ => "",
    };
    match name {
        "contextWindowExceeded" => CodexErrorClass::ContextWindowExceeded,
        "usageLimitExceeded" | "sessionBudgetExceeded" => CodexErrorClass::UsageLimit,
        "rateLimitExceeded" => CodexErrorClass::RateLimit,
        "serverOverloaded" => CodexErrorClass::ServerOverloaded,
        "modelNotFound" => CodexErrorClass::ModelNotFound,
        "unauthorized" => CodexErrorClass::Unauthorized,
        "badRequest" => CodexErrorClass::BadRequest,
        "httpConnectionFailed" | "responseStreamConnectionFailed" => CodexErrorClass::Connection,
        "responseStreamDisconnected" | "responseTooManyFailedAttempts" => {
            CodexErrorClass::StreamCut
        }
        "internalServerError" => CodexErrorClass::Internal,
        _ => CodexErrorClass::Other,
    }
}

#[cfg(test)]
mod schema_tests;
