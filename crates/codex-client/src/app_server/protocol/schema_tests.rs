//! What this crate sends and reads, against the JSON schema that the pinned CLI prints of its own
//! protocol.

mod example;
mod published;

use serde_json::{Value, json};

use super::*;
use crate::thread_profile::{ThreadProfile, ToolDefinition};
use crate::{app_server::server_request, profile};
use published::Schemas;

fn turn_with_every_option() -> Turn {
    Turn {
        input: vec![
            "--help".to_owned(),
            "<context-0>\nx\n</context-0>".to_owned(),
        ],
        model: "other".to_owned(),
        reasoning_effort: Some("high".to_owned()),
        output_schema: Some(json!({ "type": "object", "properties": {} })),
    }
}

fn thread_with_a_tool() -> ThreadProfile {
    ThreadProfile {
        instructions: Some("Search.".to_owned()),
        tools: vec![ToolDefinition {
            name: "code-search".to_owned(),
            description: "Searches".to_owned(),
            parameters: json!({ "type": "object" }),
        }],
    }
}

#[tokio::test]
async fn what_is_sent_is_valid() {
    let schemas = Schemas::printed_by_the_cli().await;
    let turn = turn_with_every_option();
    let bare = Turn {
        reasoning_effort: None,
        output_schema: None,
        ..turn.clone()
    };
    for (method, params) in [
        ("initialize", initialize()),
        (
            "thread/start",
            profile::thread_start(
                "/home/work".as_ref(),
                "credential",
                &ThreadProfile::default(),
            ),
        ),
        (
            "thread/start",
            profile::thread_start("/home/work".as_ref(), "credential", &thread_with_a_tool()),
        ),
        ("turn/start", turn_start("thread", &turn, "default")),
        ("turn/start", turn_start("thread", &bare, "other")),
        ("turn/interrupt", turn_interrupt("thread", "turn")),
        ("thread/unsubscribe", thread_unsubscribe("thread")),
    ] {
        let message: Value = serde_json::from_slice(&request(1, method, &params)).unwrap();
        schemas.accepts("ClientRequest.json", &message);
        // The schema lets unknown members pass, and the CLI ignores them: a misspelt one would too.
        let known = schemas.known_members("ClientRequest.json", method);
        for name in params.as_object().unwrap().keys() {
            assert!(known.contains(name), "{method} has no {name}");
        }
    }
    let initialized: Value = serde_json::from_slice(&notification("initialized")).unwrap();
    schemas.accepts("ClientNotification.json", &initialized);
}

#[tokio::test]
async fn every_server_request_is_answered_as_its_schema_wants() {
    let schemas = Schemas::printed_by_the_cli().await;
    let methods = schemas.methods("ServerRequest.json");
    assert!(methods.len() > 5, "{methods:?}");
    for method in &methods {
        let asked = schemas.example("ServerRequest.json", method);
        let asked = asked.to_string();
        let (id, read) = match parse(asked.as_bytes()) {
            Ok(Incoming::Request { id, method }) => (id, method),
            Ok(Incoming::ToolCall { id, .. }) => (id, TOOL_CALL.to_owned()),
            other => panic!("not read as a request: {asked} {other:?}"),
        };
        assert_eq!(&read, method);
        let (member, value) = server_request::refusal(&read);
        let reply: Value = serde_json::from_slice(&response(id, member, &value)).unwrap();
        if member == "result" {
            schemas.accepts("JSONRPCResponse.json", &reply);
            schemas.accepts(&schemas.response_schema(method), &value);
        } else {
            schemas.accepts("JSONRPCError.json", &reply);
        }
    }
}

#[tokio::test]
async fn what_is_opted_out_of_exists_and_is_not_needed() {
    let schemas = Schemas::printed_by_the_cli().await;
    let methods = schemas.methods("ServerNotification.json");
    for method in UNREAD_NOTIFICATIONS {
        assert!(
            methods.iter().any(|known| known == method),
            "{method} is not a notification"
        );
        let example = schemas
            .example("ServerNotification.json", method)
            .to_string();
        assert!(
            matches!(parse(example.as_bytes()), Ok(Incoming::Ignored)),
            "{method} is read here, and yet it is not wanted"
        );
    }
}

#[tokio::test]
async fn every_notification_is_read_with_no_more_than_its_required_members() {
    let schemas = Schemas::printed_by_the_cli().await;
    let mut read = Vec::new();
    for method in schemas.methods("ServerNotification.json") {
        let example = schemas.example("ServerNotification.json", &method);
        schemas.accepts("ServerNotification.json", &example);
        let line = example.to_string();
        match parse(line.as_bytes()) {
            Ok(Incoming::Notification(_)) => read.push(method),
            Ok(Incoming::Ignored) => {}
            other => panic!("{method}: {other:?}"),
        }
    }
    // An item's kind decides whether it is read; the example's is a message of the user's.
    assert_eq!(
        read,
        ["turn/started", "turn/completed", "item/agentMessage/delta"]
    );
}

/// How each kind of item is shown to a caller, if it is. A new one is `other` at first.
#[tokio::test]
async fn every_kind_of_item_is_read() {
    let schemas = Schemas::printed_by_the_cli().await;
    let mut read = Vec::new();
    for item in schemas.examples_of_variants("ServerNotification.json", "ThreadItem") {
        for method in ["item/started", "item/completed"] {
            let mut example = schemas.example("ServerNotification.json", method);
            example["params"]["item"] = item.clone();
            schemas.accepts("ServerNotification.json", &example);
            let line = example.to_string();
            let shown = match parse(line.as_bytes()) {
                Ok(Incoming::Ignored) => "-".to_owned(),
                Ok(Incoming::Notification(Notification::Message { .. })) => "message".to_owned(),
                Ok(Incoming::Notification(Notification::Item { kind, .. })) => {
                    format!("{kind:?}")
                }
                other => panic!("{line}: {other:?}"),
            };
            let (_, moment) = method.split_once('/').unwrap();
            read.push(format!(
                "{} {moment}: {shown}",
                item["type"].as_str().unwrap()
            ));
        }
    }
    let expected = [
        ("userMessage", "-", "-"),
        ("hookPrompt", "-", "-"),
        ("agentMessage", "-", "message"),
        ("functionCallOutput", "Other", "Other"),
        ("plan", "Plan", "Plan"),
        ("reasoning", "Reasoning", "Reasoning"),
        ("commandExecution", "Command", "Command"),
        ("fileChange", "FileChange", "FileChange"),
        ("mcpToolCall", "ToolCall", "ToolCall"),
        ("dynamicToolCall", "ToolCall", "ToolCall"),
        ("collabAgentToolCall", "ToolCall", "ToolCall"),
        ("subAgentActivity", "Other", "Other"),
        ("webSearch", "WebSearch", "WebSearch"),
        ("imageView", "Other", "Other"),
        ("sleep", "Other", "Other"),
        ("imageGeneration", "Other", "Other"),
        ("enteredReviewMode", "Other", "Other"),
        ("exitedReviewMode", "Other", "Other"),
        ("contextCompaction", "Other", "Other"),
    ];
    let expected: Vec<String> = expected
        .iter()
        .flat_map(|(kind, started, completed)| {
            [
                format!("{kind} started: {started}"),
                format!("{kind} completed: {completed}"),
            ]
        })
        .collect();
    assert_eq!(read, expected);
}

/// A failure of a new kind is `Other` until somebody has looked at it here.
#[tokio::test]
async fn every_published_failure_has_a_class() {
    let schemas = Schemas::printed_by_the_cli().await;
    let mut unclassed = Vec::new();
    for info in schemas.examples_of_variants("ServerNotification.json", "CodexErrorInfo") {
        let mut example = schemas.example("ServerNotification.json", "turn/completed");
        example["params"]["turn"]["status"] = json!("failed");
        example["params"]["turn"]["error"] = json!({ "message": "words", "codexErrorInfo": info });
        schemas.accepts("ServerNotification.json", &example);
        let line = example.to_string();
        let Ok(Incoming::Notification(Notification::TurnCompleted { status, error, .. })) =
            parse(line.as_bytes())
        else {
            panic!("not read: {line}");
        };
        assert_eq!(status, TurnStatus::Failed);
        if error == Some(CodexErrorClass::Other) {
            let name = info.as_str().map(ToOwned::to_owned);
            unclassed.push(
                name.unwrap_or_else(|| info.as_object().unwrap().keys().next().unwrap().clone()),
            );
        }
    }
    assert_eq!(
        unclassed,
        [
            "flexUnavailable",
            "policyCapacityUnavailable",
            "cyberPolicy",
            "misalignmentPolicyViolation",
            "tooManyDenials",
            "threadRollbackFailed",
            "sandboxError",
            "other",
            "inferenceHookDenied",
            "activeTurnNotSteerable",
        ]
    );
}

/// The replies that are read, with no more than what the schema promises of them.
#[tokio::test]
async fn the_replies_are_read() {
    let schemas = Schemas::printed_by_the_cli().await;
    let started = schemas.example_of_file("v2/ThreadStartResponse.json");
    let thread: ThreadStarted = serde_json::from_value(started).unwrap();
    assert!(!thread.thread.id.is_empty());
    let started = schemas.example_of_file("v2/TurnStartResponse.json");
    let turn: TurnStarted = serde_json::from_value(started).unwrap();
    assert!(!turn.turn.id.is_empty());
}

/// A newer CLI may know more of them. The turn is over all the same.
#[test]
fn a_turn_that_ends_in_an_unknown_status_has_ended() {
    let line = json!({
        "method": "turn/completed",
        "params": { "threadId": "thread", "turn": { "id": "turn", "status": "somethingNew" } },
    })
    .to_string();
    let incoming = parse(line.as_bytes());
    assert!(
        matches!(
            incoming,
            Ok(Incoming::Notification(Notification::TurnCompleted { .. }))
        ),
        "{incoming:?}"
    );
}
