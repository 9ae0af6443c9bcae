use serde_json::{Value, json};

use super::shapes::now_ms;

/// Parameters of a server request with the fields that the protocol's schema requires. An unknown
/// method gets those that most have: a client must refuse that one too.
pub(super) fn params(method: &str, thread_id: &str, turn_id: &str) -> Value {
    let started_at_ms = now_ms();
    match method {
        "item/commandExecution/requestApproval" => json!({
            "threadId": thread_id, "turnId": turn_id, "itemId": "call_1", "startedAtMs": started_at_ms,
            "command": "touch /tmp/x", "cwd": "/tmp", "reason": "to see what happens",
        }),
        "item/permissions/requestApproval" => json!({
            "threadId": thread_id, "turnId": turn_id, "itemId": "call_1", "startedAtMs": started_at_ms,
            "cwd": "/tmp", "permissions": {},
        }),
        "item/tool/requestUserInput" => json!({
            "threadId": thread_id, "turnId": turn_id, "itemId": "call_1", "isBlocking": true,
            "questions": [{ "id": "sure", "header": "Sure?", "question": "Are you sure?" }],
        }),
        "item/tool/call" => json!({
            "threadId": thread_id, "turnId": turn_id, "callId": "call_1", "tool": "fake-tool",
            "arguments": { "value": 1 },
        }),
        "mcpServer/elicitation/request" => json!({
            "threadId": thread_id, "turnId": turn_id, "serverName": "fake", "mode": "form",
            "message": "Who are you?", "requestedSchema": { "type": "object", "properties": {} },
        }),
        "currentTime/read" => json!({ "threadId": thread_id }),
        "account/chatgptAuthTokens/refresh" => json!({ "reason": "unauthorized" }),
        "applyPatchApproval" => json!({
            "conversationId": thread_id, "callId": "call_1", "fileChanges": {},
        }),
        "execCommandApproval" => json!({
            "conversationId": thread_id, "callId": "call_1", "command": ["touch", "/tmp/x"],
            "cwd": "/tmp", "parsedCmd": [],
        }),
        _ => json!({
            "threadId": thread_id, "turnId": turn_id, "itemId": "call_1", "startedAtMs": started_at_ms,
        }),
    }
}

/// Parameters of `item/tool/call` that do not follow the schema.
pub(super) fn malformed_calls(thread_id: &str) -> [Value; 6] {
    [
        Value::Null,
        json!([]),
        json!({}),
        json!({ "threadId": thread_id, "tool": "fake-tool" }),
        json!({ "threadId": thread_id, "tool": 7, "arguments": {} }),
        json!({ "threadId": [thread_id], "tool": "fake-tool", "arguments": {} }),
    ]
}
