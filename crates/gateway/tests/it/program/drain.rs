//! Full, and ending: who is refused, who may finish, and what is left.

use serde_json::json;

use crate::support::caller::text_of;
use crate::support::provider::MockProvider;
use crate::support::test_app::TestApp;
use crate::support::world::until;

#[tokio::test]
async fn a_call_beyond_the_queue_is_refused_at_once() {
    let settings = [
        ("PORTCULLIS_MAX_CONCURRENT_TURNS", "1"),
        ("PORTCULLIS_QUEUE_DEPTH", "1"),
    ];
    let app = TestApp::with_fake_codex("", &settings).await;
    let running = app.send(&json!({ "message": "fake:hang" })).await;
    until("the first turn", || app.client.status().active_turns() == 1).await;
    let body = json!({ "message": "hello", "stream": false });
    let (mut one, mut other) = (app.send(&body).await, app.send(&body).await);
    // One of the two waits; which, is not the test's to say.
    let (refused, waiting) = tokio::select! {
        _ = one.head() => (one, other),
        _ = other.head() => (other, one),
    };
    let answer = refused.answer().await;
    answer.problem(503, "overloaded");
    assert!(answer.headers["retry-after"].parse::<u64>().unwrap() <= 60);
    assert!(
        !answer.headers.contains_key("x-should-retry"),
        "a retry would be right"
    );
    drop(running);
    assert_eq!(waiting.answer().await.chat(), "echo: hello");
    app.stop().await;
}

#[tokio::test]
async fn a_wait_in_the_queue_ends() {
    let settings = [
        ("PORTCULLIS_MAX_CONCURRENT_TURNS", "1"),
        ("PORTCULLIS_QUEUE_WAIT_SEC", "1"),
    ];
    let app = TestApp::with_fake_codex("", &settings).await;
    let running = app.send(&json!({ "message": "fake:hang" })).await;
    until("the first turn", || app.client.status().active_turns() == 1).await;
    app.ask("hello").await.problem(503, "overloaded");
    drop(running);
    app.stop().await;
}

#[tokio::test]
async fn a_running_turn_may_finish_and_no_other_begins() {
    let mut provider = MockProvider::start().await;
    let mut app = TestApp::with_real_codex(&provider, &[]).await;
    app.pids().await;
    let ready = app.get("/readyz").await;
    let mut running = app.send(&json!({ "message": "Hello?" })).await;
    let mut call = provider.call().await;
    call.begin().await;
    call.delta("To the ").await;
    running.expect_frame("start").await;
    running.expect_frame("delta").await;
    assert_eq!(ready.status, 200, "{}", ready.text());

    app.begin_to_stop();
    until("the drain", || !app.log.lines("draining").is_empty()).await;
    let refused = app.ask("Me too?").await;
    refused.problem(503, "draining");
    assert!(refused.headers["retry-after"].parse::<u64>().unwrap() <= 60);
    let not_ready = app.get("/readyz").await;
    assert_eq!(not_ready.status, 503);
    assert_eq!(not_ready.json()["checks"]["not_draining"]["ok"], false);
    assert_eq!(app.get("/livez").await.status, 200);

    call.delta("end.").await;
    call.finish().await;
    let frames = running.frames().await;
    assert_eq!(text_of(&frames), "end.");
    assert_eq!(frames.last().unwrap().event, "done");
    app.stop().await;
}

/// What does not end in its time is ended: with a clean last word to the caller, and with force to a
/// process that ignores every request.
#[tokio::test]
async fn what_does_not_finish_in_time_is_ended_cleanly() {
    let startup = "ignore_signals = true\nleave_grandchild = true";
    let mut app = TestApp::with_fake_codex(startup, &[("PORTCULLIS_DRAIN_SEC", "0")]).await;
    let mut streamed = app
        .send(&json!({ "message": "fake:ignore-interrupt" }))
        .await;
    let whole = app
        .send(&json!({ "message": "fake:hang", "stream": false }))
        .await;
    streamed.expect_frame("start").await;
    streamed.expect_frame("delta").await;
    until("both turns", || app.client.status().active_turns() == 2).await;
    app.begin_to_stop();
    let error = streamed.expect_frame("error").await["error"].take();
    assert_eq!(error["code"], "draining");
    assert_eq!(streamed.frame().await, None);
    let answer = whole.answer().await;
    answer.problem(503, "draining");
    app.stop().await;
}

/// A process that never becomes ready does not hold up the end.
#[tokio::test]
async fn a_start_that_hangs_does_not_hold_up_the_end() {
    let settings = [("PORTCULLIS_DRAIN_SEC", "0")];
    let app = TestApp::with_fake_codex("hang_in_initialize = true", &settings).await;
    until("the start of a process", || app.pool().starting == 1).await;
    let begun = std::time::Instant::now();
    app.stop().await;
    assert!(
        begun.elapsed().as_secs() < 5,
        "the end took {:?}",
        begun.elapsed()
    );
}
