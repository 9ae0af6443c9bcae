//! The driver `exec` on the real CLI: a process for each turn.

use serde_json::json;

use crate::support::caller::text_of;
use crate::support::codex;
use crate::support::provider::{CANARY, MockProvider};
use crate::support::test_app::{KEY, MODEL, TestApp};
use crate::support::world::until;

const EXEC: (&str, &str) = ("CODEX_DRIVER", "exec");

#[tokio::test]
async fn a_question_is_answered_by_a_process_of_its_own() {
    let mut provider = MockProvider::start().await;
    let app = TestApp::with_real_codex(&provider, &[EXEC]).await;
    assert!(
        app.client.process_ids().is_empty(),
        "nothing is started ahead"
    );

    let body = json!({ "message": "--help", "context": "-c model=x", "stream": false });
    let caller = app.send(&body).await;
    let call = provider.call().await;
    let [pid] = app.client.process_ids()[..] else {
        panic!("not one process")
    };
    let command_line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
    let program = codex::real();
    assert_eq!(
        command_line.split_terminator('\0').collect::<Vec<_>>(),
        [
            program.to_str().unwrap(),
            "exec",
            "--json",
            "--ephemeral",
            "--strict-config",
            "--skip-git-repo-check",
            "-"
        ]
    );
    let [text] = call.user_texts()[..] else {
        panic!("not one text")
    };
    assert!(text.starts_with("--help\n\n<context-"), "{text}");
    assert!(text.contains("\n-c model=x\n"), "{text}");
    assert_eq!(call.body["model"], MODEL);
    assert!(call.body.get("tools").is_none(), "{}", call.body);
    assert!(call.head.contains(KEY));
    call.answer("Here is help.").await;

    let answer = caller.answer().await;
    assert_eq!(answer.chat(), "Here is help.");
    let meta = &answer.json()["meta"];
    assert_eq!(meta["driver"], "exec");
    assert!(meta["usage"]["input_tokens"].as_u64() > Some(0), "{meta}");
    until("the end of the process", || {
        app.client.process_ids().is_empty()
    })
    .await;
    app.stop().await;
}

#[tokio::test]
async fn what_the_caller_asks_beside_reaches_the_model() {
    let mut provider = MockProvider::start().await;
    let settings = [EXEC, ("CHAT_ALLOWED_MODELS", "o4-mini")];
    let app = TestApp::with_real_codex(&provider, &settings).await;
    let schema = json!({
        "type": "object", "properties": { "a": { "type": "string" } },
        "required": ["a"], "additionalProperties": false,
    });
    let extra = json!({
        "model": "o4-mini", "reasoning_effort": "low", "output_schema": schema,
    });
    let caller = app
        .send(&json!({ "message": "Hello", "extra": extra }))
        .await;
    let call = provider.call().await;
    assert_eq!(call.body["model"], "o4-mini");
    assert_eq!(call.body["reasoning"]["effort"], "low");
    assert_eq!(call.body["text"]["format"]["schema"], schema);
    call.answer("{\"a\":\"b\"}").await;
    let mut caller = caller;
    let frames = caller.frames().await;
    assert_eq!(text_of(&frames), "{\"a\":\"b\"}");
    app.stop().await;
}

#[tokio::test]
async fn a_providers_failure_is_told_as_one() {
    let mut provider = MockProvider::start().await;
    let app = TestApp::with_real_codex(&provider, &[EXEC]).await;
    for status in [401, 500] {
        let caller = app
            .send(&json!({ "message": "Hello", "stream": false }))
            .await;
        provider.call().await.refuse(status, "code").await;
        let answer = caller.answer().await;
        answer.problem(502, "provider_failed");
        assert!(!answer.text().contains(CANARY), "{}", answer.text());
    }
    app.stop().await;
}

#[tokio::test]
async fn a_caller_that_leaves_ends_the_process_and_the_model_call() {
    let mut provider = MockProvider::start().await;
    let app = TestApp::with_real_codex(&provider, &[EXEC]).await;
    let caller = app.send(&json!({ "message": "Hello" })).await;
    let mut call = provider.call().await;
    call.begin().await;
    drop(caller);
    call.closed().await;
    until("the end of the process", || {
        app.client.process_ids().is_empty()
    })
    .await;
    app.is_idle().await;
    app.stop().await;
}
