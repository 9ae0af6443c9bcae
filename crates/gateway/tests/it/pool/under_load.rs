//! Calls that share processes with others: who leaves, who waits, and what an overloaded, crashing or
//! closed process costs the rest.

use std::fs;
use std::time::{Duration, Instant};

use codex_client::ThreadProfile;
use runner::Deadline;
use serde_json::json;
use tokio::time::{sleep, timeout};

use crate::support::caller::text_of;
use crate::support::test_app::TestApp;
use crate::support::world::{PATIENCE, is_alive, until};

/// A caller that leaves while its turn is being refused leaves nothing to wait for, and nothing to
/// kill: the others on the process go on.
#[tokio::test]
async fn a_caller_that_leaves_a_refused_turn_costs_its_neighbour_nothing() {
    let app = TestApp::with_fake_codex("", &[]).await;
    let pids = app.pids().await;
    // Longer than the grace of 1 s after the last departure.
    let mut neighbour = app
        .send(&json!({ "message": "fake:slow:100 fake:count:30" }))
        .await;
    neighbour.expect_frame("start").await;
    for (refusal, stay_ms) in [
        // Leaves in a pause between two tries, …
        ("fake:refuse-turn-start:-32001:0", 30),
        ("fake:refuse-turn-start:-32001:0", 120),
        // … and before the refusal comes.
        ("fake:refuse-turn-start:-32001:200", 50),
        ("fake:refuse-turn-start:-32600:200", 50),
    ] {
        let leaver = app.send(&json!({ "message": refusal })).await;
        until("its turn", || app.client.status().active_turns() == 2).await;
        sleep(Duration::from_millis(stay_ms)).await;
        drop(leaver);
        until("its end", || app.client.status().active_turns() == 1).await;
    }
    let frames = neighbour.frames().await;
    assert_eq!(frames.last().unwrap().event, "done");
    assert!(text_of(&frames).ends_with("tok29 "));
    assert_eq!(app.pids().await, pids);
    app.stop().await;
}

/// When the last places are taken, the process for the next call is started at that moment, not when
/// the pool is looked over the next time.
#[tokio::test]
async fn a_call_for_which_there_is_no_place_is_given_a_new_process_at_once() {
    let settings = [("CODEX_POOL_MAX_PROCESSES", "2")];
    let app = TestApp::with_fake_codex("", &settings).await;
    app.pids().await;
    // Until its threads are prepared, which makes the pool look around too.
    sleep(Duration::from_millis(300)).await;
    let mut callers = Vec::new();
    for _ in 0..4 {
        callers.push(app.send(&json!({ "message": "fake:hang" })).await);
    }
    until("four turns", || app.client.status().active_turns() == 4).await;
    let begun = Instant::now();
    assert_eq!(app.ask("fifth").await.chat(), "echo: fifth");
    let waited = begun.elapsed();
    assert!(waited < Duration::from_secs(1), "{waited:?}");
    drop(callers);
    app.stop().await;
}

/// That one process has proven itself says nothing of those that are started now.
#[tokio::test]
async fn launches_that_fail_are_spaced_out_although_another_process_works() {
    let settings = [
        ("CODEX_POOL_MAX_PROCESSES", "3"),
        ("CODEX_POOL_TURNS_PER_PROCESS", "1"),
    ];
    let app = TestApp::with_fake_codex("", &settings).await;
    assert_eq!(app.ask("hello").await.chat(), "echo: hello");
    until("the last start", || app.pool().starting == 0).await;
    let set_up = app.directory.path().join("fake-codex.toml");
    fs::write(&set_up, "exit_at_start = 7").unwrap();
    // With every place taken, another process is wanted all the time.
    let mut running = Vec::new();
    for _ in app.pids().await {
        running.push(app.send(&json!({ "message": "fake:hang" })).await);
    }
    let failures = || app.log.lines("codex worker did not start").len();
    until("a failure", || failures() >= 1).await;
    let begun = Instant::now();
    until("four failures", || failures() >= 4).await;
    let took = begun.elapsed();
    // Pauses of 250 ms, 500 ms and 1 s lie between them.
    assert!(took >= Duration::from_millis(1700), "{took:?}");
    drop(running);
    app.stop().await;
}

/// Too much to do is not misbehaviour: the process is asked again, and kept.
#[tokio::test]
async fn an_overloaded_process_is_kept_and_its_calls_wait() {
    let directory = tempfile::tempdir().unwrap();
    let overloaded = directory.path().join("overloaded");
    let startup = format!("refuse_thread_start_while = {overloaded:?}");
    let settings = [("CODEX_POOL_TURNS_PER_PROCESS", "1")];
    let app = TestApp::with_fake_codex(&startup, &settings).await;
    let pids = app.pids().await;
    fs::write(&overloaded, "").unwrap();
    // The one thread that was prepared is used up, and no new one can be.
    assert_eq!(app.ask("prepared").await.chat(), "echo: prepared");
    let caller = app
        .send(&json!({ "message": "hello", "stream": false }))
        .await;
    sleep(Duration::from_millis(1200)).await;
    assert_eq!(app.client.process_ids(), pids);
    fs::remove_file(&overloaded).unwrap();
    assert_eq!(caller.answer().await.chat(), "echo: hello");
    assert_eq!(app.pids().await, pids);
    assert_eq!(app.log.lines("quarantined").len(), 0);
    app.stop().await;
}

/// It can be told nothing any more: the next line that cannot be written says so, or else the next reply
/// that does not come.
#[tokio::test]
async fn a_process_that_closes_its_input_is_replaced() {
    let settings = [("CODEX_POOL_TURNS_PER_PROCESS", "1")];
    let app = TestApp::with_fake_codex("", &settings).await;
    let pids = app.pids().await;
    assert_eq!(
        app.ask("fake:close-input fake:count:2").await.chat(),
        "tok0 tok1 "
    );
    until("its end", || !is_alive(pids[0])).await;
    assert_eq!(app.ask("next").await.chat(), "echo: next");
    app.stop().await;
}

/// A thread costs a process a megabyte until it is told that nobody wants it.
#[tokio::test]
async fn a_lease_that_is_dropped_leaves_no_thread() {
    let settings = [("CODEX_POOL_TURNS_PER_PROCESS", "2")];
    let app = TestApp::with_fake_codex("", &settings).await;
    let pids = app.pids().await;
    for step in 0..30 {
        let chat = ThreadProfile::default();
        let lease = || {
            app.client
                .lease("default", &chat, Deadline::after(PATIENCE))
        };
        let (first, second) = tokio::join!(lease(), lease());
        drop((first.unwrap(), second.unwrap()));
        // The stock is used up: this one has a thread made for it, and may not wait until it is.
        let _ = timeout(Duration::from_micros(step * 50), lease()).await;
    }
    app.is_idle().await;
    let threads: usize = app.ask("fake:threads").await.chat().parse().unwrap();
    // Its own, the stock, and one that is on its way.
    assert!(threads <= 4, "{threads} threads");
    assert_eq!(app.pids().await, pids);
    app.stop().await;
}

/// With every process taken, an idle one goes for a tenant that has none; one in use does not.
#[tokio::test]
async fn a_tenant_without_a_process_is_given_the_place_of_an_idle_one() {
    let app = TestApp::with_fake_codex("", &[]).await;
    let pids = app.pids().await;
    let chat = ThreadProfile::default();
    let lease = |tenant| app.client.lease(tenant, &chat, Deadline::after(PATIENCE));
    let first = lease("first").await.unwrap();
    let mut second = Box::pin(lease("second"));
    let waited = timeout(Duration::from_millis(300), &mut second).await;
    assert!(waited.is_err(), "two tenants on one process");
    assert!(is_alive(pids[0]));
    drop(first);
    drop(second.await.unwrap());
    assert_ne!(app.pids().await, pids);
    app.stop().await;
}
