//! Requests that the CLI makes of its client. Only calls of the turn's tools are granted. All others are
//! refused in the form that their method expects, because a request without an answer would block the turn.

use serde_json::{Value, json};

use crate::app_server::protocol::TOOL_CALL;

/// JSON-RPC "method not found": what a client answers that does not offer a method.
const METHOD_NOT_FOUND: i64 = -32601;

/// The reply to `method` as the member (`result` or `error`) of a JSON-RPC response.
pub(crate) fn refusal(method: &str) -> (&'static str, Value) {
    let result = match method {
        "item/commandExecution/requestApproval" | "item/fileChange/requestApproval" => {
            json!({ "decision": "decline" })
        }
        "execCommandApproval" | "applyPatchApproval" => {
            json!({ "decision": { "denied": { "rejection": "This action is not available." } } })
        }
        "item/permissions/requestApproval" => json!({ "permissions": {} }),
        "item/tool/requestUserInput" => json!({ "answers": {} }),
        "mcpServer/elicitation/request" => json!({ "action": "decline" }),
        TOOL_CALL => json!({
            "success": false,
            "contentItems": [{ "type": "inputText", "text": "This tool is not available." }],
        }),
        _ => {
            return (
                "error",
                json!({ "code": METHOD_NOT_FOUND, "message": "not offered by this client" }),
            );
        }
    };
    ("result", result)
}
