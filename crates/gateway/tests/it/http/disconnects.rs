//! A caller that leaves takes its turn with it: the model call ends at once, and its place is free.

use serde_json::json;

use crate::support::caller::{Exchange, head};
use crate::support::provider::MockProvider;
use crate::support::test_app::TestApp;
use crate::support::world::until;

const ID: (&str, &str) = ("X-Request-Id", "leaver");

#[derive(Clone, Copy, Debug, PartialEq)]
enum Moment {
    BeforeTheHead,
    BeforeTheFirstToken,
    InTheMiddle,
    WithoutStreaming,
}

#[tokio::test]
async fn a_caller_that_leaves_ends_its_turn() {
    let mut provider = MockProvider::start().await;
    let settings = [
        ("PORTCULLIS_MAX_CONCURRENT_TURNS", "1"),
        ("CODEX_POOL_TURNS_PER_PROCESS", "1"),
    ];
    let app = TestApp::with_real_codex(&provider, &settings).await;
    let pids = app.pids().await;
    for moment in [
        Moment::BeforeTheHead,
        Moment::BeforeTheFirstToken,
        Moment::InTheMiddle,
        Moment::WithoutStreaming,
    ] {
        let id = format!("leaver-{moment:?}");
        let body = json!({ "message": "Hello?", "stream": moment != Moment::WithoutStreaming });
        let mut caller = app
            .send_with(&[("X-Request-Id", &id)], body.to_string())
            .await;
        let mut call = provider.call().await;
        match moment {
            Moment::BeforeTheHead => {}
            Moment::BeforeTheFirstToken => call.begin().await,
            Moment::InTheMiddle | Moment::WithoutStreaming => {
                call.begin().await;
                call.delta("Half an").await;
            }
        }
        if moment == Moment::InTheMiddle {
            caller.expect_frame("start").await;
            caller.expect_frame("delta").await;
        }
        drop(caller);
        call.closed().await;
        app.is_idle().await;
        until("the record", || app.log.has_call(&id)).await;
        let record = app.log.call(&id);
        assert_eq!(
            (&record["status"], &record["code"]),
            (&json!(499), &json!("client_gone"))
        );

        let next = app
            .send(&json!({ "message": "Next.", "stream": false }))
            .await;
        let call = provider.call().await;
        assert_eq!(
            call.user_texts(),
            ["Next."],
            "a call of the turn that was left"
        );
        call.answer("Answered.").await;
        assert_eq!(next.answer().await.chat(), "Answered.");
        assert!(provider.nothing_came());
    }
    assert_eq!(app.pids().await, pids, "the process had to be replaced");
    app.stop().await;
}

/// One that waits in the queue has no turn yet: its place in the queue is free for the next.
#[tokio::test]
async fn a_caller_that_leaves_the_queue_makes_room_there() {
    let settings = [
        ("PORTCULLIS_MAX_CONCURRENT_TURNS", "1"),
        ("PORTCULLIS_QUEUE_DEPTH", "1"),
    ];
    let app = TestApp::with_fake_codex("", &settings).await;
    let running = app.send(&json!({ "message": "fake:hang" })).await;
    until("the first turn", || app.client.status().active_turns() == 1).await;
    let body = json!({ "message": "waits" }).to_string();
    drop(app.send_with(&[ID], &body).await);
    until("the record", || app.log.text().contains("client_gone")).await;
    until("the record", || app.log.has_call("leaver")).await;
    assert_eq!(app.log.call("leaver")["queued_ms"], json!(null));
    let next = app
        .send(&json!({ "message": "next", "stream": false }))
        .await;
    drop(running);
    assert_eq!(next.answer().await.chat(), "echo: next");
    app.stop().await;
}

/// Each leaves one record, though most are gone before anything has looked at what they asked.
#[tokio::test]
async fn callers_that_leave_at_once_leave_a_record_each() {
    let app = TestApp::with_fake_codex("", &[]).await;
    let small = json!({ "message": "Hello?" }).to_string();
    // Read away from the threads that serve connections.
    let large = json!({ "message": "Hello?", "context": "x".repeat(100_000) }).to_string();
    for (size, body) in [("small", small), ("large", large)] {
        let ids: Vec<String> = (0..100).map(|index| format!("{size}-{index}")).collect();
        for id in &ids {
            drop(app.send_with(&[("X-Request-Id", id)], &body).await);
        }
        for id in &ids {
            let name = format!("\"{id}\"");
            until("the record", || app.log.text().contains(&name)).await;
            until("the record", || app.log.has_call(id)).await;
            assert_eq!(app.log.call(id)["status"], 499, "{id}");
        }
    }
    app.is_idle().await;
    app.stop().await;
}

/// So does a request that asks for no call.
#[tokio::test]
async fn a_probe_that_leaves_at_once_leaves_a_record() {
    let app = TestApp::with_fake_codex("", &[]).await;
    for index in 0..100 {
        let id = format!("probe-{index}");
        let mut probe = Exchange::open(app.address).await;
        let request = head("GET /livez", app.address, &[("X-Request-Id", &id)]);
        probe.send(request).await;
        drop(probe);
        let name = format!("\"{id}\"");
        until("the record", || app.log.text().contains(&name)).await;
        assert_eq!(app.log.text().matches(&name).count(), 1, "{id}");
    }
    app.stop().await;
}

/// Bytes after the body, as some clients send them, do not hide that the caller is gone.
#[tokio::test]
async fn a_caller_that_sent_too_much_is_missed_too() {
    let mut provider = MockProvider::start().await;
    let app = TestApp::with_real_codex(&provider, &[]).await;
    let mut caller = app
        .send(&json!({ "message": "Hello?", "stream": false }))
        .await;
    caller.send("\r\n").await;
    let call = provider.call().await;
    drop(caller);
    call.closed().await;
    app.is_idle().await;
    app.stop().await;
}
