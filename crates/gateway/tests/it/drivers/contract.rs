//! The driver `contract`: a company's own CLI, the example of this repository above all.

use serde_json::json;

use crate::support::caller::text_of;
use crate::support::provider::MockProvider;
use crate::support::test_app::{KEY, MODEL, TestApp};
use crate::support::world::until;

#[tokio::test]
async fn the_example_is_recognised_and_streams_each_bit_as_it_comes() {
    let mut provider = MockProvider::start().await;
    let app = TestApp::with_company_cli(&provider, &[]).await;
    let ready = app.get("/readyz").await.json();
    let version = ready["checks"]["codex_version"]["detail"].as_str().unwrap();
    assert_eq!(version, "company-codex 1.4.0 (a CLI of your own)");

    let mut caller = app.send(&json!({ "message": "--help; $(id)" })).await;
    let mut call = provider.call().await;
    assert_eq!(call.user_texts(), ["--help; $(id)"]);
    assert_eq!(call.body["model"], MODEL);
    assert!(call.head.contains(KEY), "the broker adds the key");
    call.begin().await;
    call.message_begins().await;
    call.delta("one ").await;
    let start = caller.expect_frame("start").await;
    assert_eq!(start["driver"], "contract");
    assert_eq!(caller.expect_frame("delta").await["text"], "one ");
    call.delta("two").await;
    assert_eq!(caller.expect_frame("delta").await["text"], "two");
    call.finish().await;
    let done = caller.expect_frame("done").await;
    assert!(
        done["meta"]["usage"]["output_tokens"].as_u64() > Some(0),
        "{done}"
    );
    app.stop().await;
}

#[tokio::test]
async fn failures_of_the_model_and_callers_that_leave_are_what_they_are_elsewhere() {
    let mut provider = MockProvider::start().await;
    let app = TestApp::with_company_cli(&provider, &[]).await;
    let caller = app
        .send(&json!({ "message": "Hello", "stream": false }))
        .await;
    // The gateway asks once more by itself.
    for _ in 0..2 {
        let mut call = provider.call().await;
        call.refuse(429, "rate_limit_exceeded").await;
    }
    caller.answer().await.problem(502, "provider_failed");

    let caller = app.send(&json!({ "message": "Hello" })).await;
    let mut call = provider.call().await;
    call.begin().await;
    drop(caller);
    call.closed().await;
    until("the end of the process", || {
        app.client.process_ids().is_empty()
    })
    .await;
    app.stop().await;
}

#[tokio::test]
async fn its_world_is_the_one_that_is_made_for_it() {
    let startup = "commands = [\"chat\"]";
    let app = TestApp::with_fake_codex(startup, &[]).await;
    let answer = app.ask("fake:probe:environment").await.chat();
    let environment: serde_json::Value = serde_json::from_str(&answer).unwrap();
    let names: Vec<_> = environment["ok"].as_object().unwrap().keys().collect();
    assert_eq!(
        names,
        [
            "CODEX_HOME",
            "HOME",
            "LANG",
            "OPENAI_API_KEY",
            "OPENAI_BASE_URL",
            "OPENAI_MODEL",
            "PATH",
            "PORTCULLIS_RUN",
            "TMPDIR"
        ]
    );
    assert!(!answer.contains(KEY));
    app.stop().await;
}

/// What each form of output becomes: `--stream` and `--json` are given to a CLI that names them.
#[tokio::test]
async fn every_form_of_the_contract_is_understood() {
    for (options, deltas) in [
        ("\"--stream\", \"--json\"", true),
        ("\"--stream\"", true),
        ("\"--json\"", false),
        ("", false),
    ] {
        let startup = format!("commands = [\"chat\"]\nchat_options = [{options}]");
        let app = TestApp::with_fake_codex(&startup, &[]).await;
        let frames = app.stream("fake:count:5 fake:slow:30").await;
        assert_eq!(
            text_of(&frames),
            "tok0 tok1 tok2 tok3 tok4 ".trim_end_matches('\n')
        );
        let count = frames.iter().filter(|frame| frame.event == "delta").count();
        assert_eq!(count > 1, deltas, "{options}: {count} deltas");
        let answer = app.ask("a {brace} and ünïcode").await.chat();
        assert_eq!(answer, "echo: a {brace} and ünïcode");
        app.stop().await;
    }
}

#[tokio::test]
async fn what_is_no_answer_is_a_failure() {
    let app = TestApp::with_fake_codex("commands = [\"chat\"]", &[]).await;
    for (turn, detail) in [
        ("fake:fail:other fake:exit:0", "failed turn"),
        ("fake:exit:7", "exit code 7"),
        ("fake:kill", "signal 9"),
        (
            "fake:garbage fake:garbage fake:garbage fake:garbage fake:garbage fake:garbage",
            "16 lines",
        ),
    ] {
        let answer = app.ask(turn).await;
        let problem = answer.problem(502, "codex_failed");
        let said = problem["detail"].as_str().unwrap();
        assert!(said.contains(detail), "{turn}: {said}");
    }
    let usage = app.ask("fake:garbage fake:bad-utf8 fake:usage:11,22").await;
    assert_eq!(usage.json()["meta"]["usage"]["output_tokens"], 22);
    app.stop().await;
}

#[tokio::test]
async fn a_schema_for_the_answer_needs_an_argument_that_carries_it() {
    let body = json!({ "message": "x", "stream": false, "extra": { "output_schema": {} } });
    let app = TestApp::with_fake_codex("commands = [\"chat\"]", &[]).await;
    let refused = app.send(&body).await.answer().await;
    let problem = refused.problem(422, "invalid_extra");
    assert_eq!(problem["errors"][0]["pointer"], "/extra/output_schema");
    app.stop().await;

    let arguments = (
        "CODEX_CHAT_ARGS",
        "chat,{stream},{json},--schema={output_schema_file}",
    );
    let app = TestApp::with_fake_codex("commands = [\"chat\"]", &[arguments]).await;
    assert_eq!(app.send(&body).await.answer().await.chat(), "echo: x");
    app.stop().await;
}
