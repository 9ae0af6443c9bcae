//! The protocol's objects, with the fields that CLI 0.169.0 was seen to send.

use std::{env, time::SystemTime};

use serde_json::{Value, json};

const MODEL: &str = "fake-model";

pub(super) fn notification(method: &str, params: Value) -> Value {
    let mut message = json!({ "method": method, "emittedAtMs": now_ms() });
    message["params"] = params;
    message
}

pub(super) fn remote_control_disabled() -> Value {
    json!({ "status": "disabled", "serverName": "fake", "installationId": "fake", "environmentId": null })
}

pub(super) fn thread(thread_id: &str, params: &Value, version: &str) -> Value {
    let now = now_ms() / 1000;
    json!({
        "id": thread_id, "environments": [], "extra": null, "sessionId": thread_id,
        "forkedFromId": null, "attachedToThreadId": null, "parentThreadId": null, "preview": "",
        "ephemeral": params["ephemeral"].as_bool().unwrap_or(false), "section": null,
        "sectionEnteredAt": null, "projectId": null, "historyMode": "paginated",
        "modelProvider": "gateway", "model": model(params), "reasoningEffort": null,
        "createdAt": now, "updatedAt": now, "recencyAt": now, "status": { "type": "idle" },
        "path": null, "cwd": directory(params), "cliVersion": version, "originator": "portcullis",
        "source": "vscode", "canAcceptDirectInput": true, "threadSource": null,
        "agentNickname": null, "agentRole": null, "gitInfo": null, "name": null,
        "daybreakEnabled": null, "turns": [],
    })
}

pub(super) fn thread_start_response(thread: &Value, params: &Value) -> Value {
    json!({
        "thread": thread, "model": model(params), "modelProvider": "gateway", "serviceTier": null,
        "disabledPluginIds": [], "cwd": directory(params), "runtimeWorkspaceRoots": [],
        "instructionSources": [], "approvalPolicy": "never", "approvalsReviewer": "user",
        "sandbox": { "type": "readOnly", "networkAccess": false }, "activePermissionProfile": null,
        "reasoningEffort": null, "multiAgentMode": "explicitRequestOnly",
    })
}

/// `items` is what `turn/completed` sums up.
pub(super) fn turn(turn_id: &str, status: &str, error: &Value, items: &[Value]) -> Value {
    let is_over = status != "inProgress";
    let now = now_ms() / 1000;
    json!({
        "id": turn_id, "rootTurnId": turn_id, "items": items,
        "itemsView": if items.is_empty() { "notLoaded" } else { "summary" },
        "status": status, "error": error, "startedAt": now,
        "completedAt": is_over.then_some(now), "durationMs": is_over.then_some(1),
    })
}

pub(super) fn turn_error(message: &str, info: &Value) -> Value {
    json!({ "message": message, "codexErrorInfo": info, "additionalDetails": null, "misalignment": null })
}

pub(super) fn user_message(item_id: &str, text: &str) -> Value {
    json!({
        "type": "userMessage", "id": item_id, "clientId": null,
        "content": [{ "type": "text", "text": text, "text_elements": [] }],
    })
}

pub(super) fn agent_message(item_id: &str, text: &str) -> Value {
    json!({
        "type": "agentMessage", "moderation": null, "id": item_id, "text": text, "phase": null,
        "memoryCitation": null, "delivery": null, "questions": null,
    })
}

pub(super) fn reasoning(item_id: &str, summary: &[&str]) -> Value {
    json!({ "type": "reasoning", "id": item_id, "summary": summary, "content": [] })
}

pub(super) fn token_usage(input: u64, output: u64) -> Value {
    let usage = json!({
        "totalTokens": input.saturating_add(output), "inputTokens": input, "cachedInputTokens": 0,
        "cacheWriteInputTokens": 0, "outputTokens": output, "reasoningOutputTokens": 0,
    });
    json!({ "total": usage, "last": usage, "modelContextWindow": 258_400 })
}

pub(super) fn rate_limits() -> Value {
    json!({ "rateLimits": {
        "limitId": "codex", "limitName": null, "normalModelSlug": null, "primary": null,
        "secondary": null, "credits": null, "individualLimit": null, "spendControlReached": null,
        "planType": null, "rateLimitReachedType": null,
    } })
}

/// The text of a turn's input; its items are parts of one message.
pub(super) fn input_text(input: &Value) -> String {
    let items = input.as_array().into_iter().flatten();
    let texts: Vec<&str> = items.filter_map(|item| item["text"].as_str()).collect();
    texts.join("\n")
}

pub(super) fn now_ms() -> u64 {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    u64::try_from(since_epoch.unwrap_or_default().as_millis()).unwrap_or_default()
}

fn model(params: &Value) -> &str {
    params["model"].as_str().unwrap_or(MODEL)
}

fn directory(params: &Value) -> Value {
    match params["cwd"].as_str() {
        Some(directory) => json!(directory),
        None => json!(env::current_dir().ok()),
    }
}
