//! Processes that misbehave, one way at a time. The fake CLI does what the real one would not do on
//! command.

use std::collections::BTreeSet;
use std::fs;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::support::caller::text_of;
use crate::support::provider::MockProvider;
use crate::support::test_app::TestApp;
use crate::support::world::{is_alive, processes_of, until};

/// What the fake writes down of each of its starts.
fn starts(record: &std::path::Path) -> Vec<Value> {
    let text = fs::read_to_string(record).unwrap_or_default();
    let starts = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    starts
        .filter(|start| start["argv"][1] == "app-server")
        .collect()
}

fn kill(pid: u32) {
    let pid = Pid::from_raw(pid.try_into().unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
}

#[tokio::test]
async fn a_process_that_dies_in_a_turn_is_replaced() {
    let app = TestApp::with_fake_codex("", &[]).await;
    let mut used = BTreeSet::new();
    for death in ["fake:crash", "fake:kill", "fake:die-mid-line"] {
        assert_eq!(app.ask("before").await.chat(), "echo: before");
        let [pid] = app.pids().await[..] else {
            panic!("not one process")
        };
        assert!(used.insert(pid), "not a new process");

        let mut streamed = app
            .send(&json!({ "message": format!("{death} fake:slow:20") }))
            .await;
        streamed.expect_frame("start").await;
        streamed.expect_frame("delta").await;
        let mut last = streamed.frames().await.pop().unwrap();
        assert_eq!(last.event, "error", "{death}");
        let error = last.data["error"].take();
        assert_eq!(error["code"], "codex_failed", "{death}");
        until("the burial", || !app.client.process_ids().contains(&pid)).await;
        assert!(!is_alive(pid), "{death}");
    }
    let answer = app.ask("fake:crash").await;
    let problem = answer.problem(502, "codex_failed");
    assert_eq!(
        problem["detail"],
        "the Codex process ended in the middle of the turn."
    );
    assert_eq!(answer.headers["x-should-retry"], "false");
    assert_eq!(app.ask("after").await.chat(), "echo: after");
    app.stop().await;
}

/// The real one, in the middle of a turn: its model call goes with it.
#[tokio::test]
async fn a_real_process_that_is_killed_takes_its_model_call_with_it() {
    let mut provider = MockProvider::start().await;
    let app = TestApp::with_real_codex(&provider, &[]).await;
    let mut caller = app.send(&json!({ "message": "Hello?" })).await;
    let mut call = provider.call().await;
    call.begin().await;
    call.delta("Half an").await;
    caller.expect_frame("start").await;
    caller.expect_frame("delta").await;
    kill(app.pids().await[0]);
    let error = caller.expect_frame("error").await["error"].take();
    assert_eq!(error["code"], "codex_failed");
    assert_eq!(caller.frame().await, None);
    call.closed().await;

    let next = app
        .send(&json!({ "message": "Hello?", "stream": false }))
        .await;
    provider.call().await.answer("Hello.").await;
    assert_eq!(next.answer().await.chat(), "Hello.");
    assert!(provider.nothing_came());
    app.stop().await;
}

/// The system may take a process that has nothing to do. The next caller does not notice.
#[tokio::test]
async fn a_process_that_is_killed_while_idle_is_replaced_unnoticed() {
    let app = TestApp::with_fake_codex("", &[]).await;
    for _ in 0..10 {
        assert_eq!(app.ask("hello").await.chat(), "echo: hello");
        kill(app.pids().await[0]);
    }
    app.stop().await;
}

/// Noise, floods and repetitions change nothing in the answer, nor for the next one.
#[tokio::test]
async fn a_turn_survives_what_it_can_survive() {
    let app = TestApp::with_fake_codex("", &[]).await;
    for (text, answer) in [
        ("fake:bad-utf8 fake:count:3", "tok0 tok1 tok2 "),
        ("fake:garbage fake:count:3", "tok0 tok1 tok2 "),
        ("fake:huge-line:20000000 fake:count:3", "tok0 tok1 tok2 "),
        ("fake:huge-line:3000000 fake:count:3", "tok0 tok1 tok2 "),
        ("fake:wrong-thread fake:count:3", "tok0 tok1 tok2 "),
        ("fake:dup-complete fake:count:3", "tok0 tok1 tok2 "),
        ("fake:error-then-complete fake:count:3", "tok0 tok1 tok2 "),
        ("fake:no-delta fake:count:3", "tok0 tok1 tok2 "),
        ("fake:flood-stdout:20000 fake:count:3", "tok0 tok1 tok2 "),
        ("fake:flood-stderr:20 fake:count:3", "tok0 tok1 tok2 "),
        ("fake:slow:5 fake:count:3", "tok0 tok1 tok2 "),
    ] {
        let frames = app.stream(text).await;
        assert_eq!(text_of(&frames), answer, "{text}");
        assert_eq!(frames.last().unwrap().event, "done", "{text}");
        assert_eq!(app.ask("next").await.chat(), "echo: next", "after {text}");
    }
    let long = app.ask("fake:big:350000").await.chat();
    assert_eq!(long, "x".repeat(350_000));
    app.stop().await;
}

/// The next turn finds out that a process has stopped reading, and is started on another one.
#[tokio::test]
async fn a_process_that_stops_reading_is_replaced() {
    let app = TestApp::with_fake_codex("", &[]).await;
    let pids = app.pids().await;
    let frames = app.stream("fake:stop-reading fake:count:3").await;
    assert_eq!(text_of(&frames), "tok0 tok1 tok2 ");
    assert_eq!(app.ask("next").await.chat(), "echo: next");
    until("its end", || !is_alive(pids[0])).await;
    app.stop().await;
}

/// A process is slow as long as it reads anything at all.
#[tokio::test]
async fn a_process_that_asks_faster_than_it_reads_is_answered() {
    let app = TestApp::with_fake_codex("", &[]).await;
    let pids = app.pids().await;
    let answer = app.ask("fake:slow-reading:1 fake:ask:3000").await;
    assert_eq!(answer.chat(), "3000 answers");
    assert_eq!(app.pids().await, pids);
    app.stop().await;
}

/// Codex waits for the reply to each call, and the turn with it.
#[tokio::test]
async fn a_tool_call_that_cannot_be_read_is_refused_at_once() {
    let app = TestApp::with_fake_codex("", &[]).await;
    let answer = app.ask("fake:malformed-calls").await;
    let replies: Vec<Value> = serde_json::from_str(&answer.chat()).unwrap();
    assert_eq!(replies.len(), 6);
    for reply in replies {
        assert_eq!(reply["result"]["success"], false, "{reply}");
    }
    app.stop().await;
}

/// What it waits for never reaches it: the deadline would be two minutes away.
#[tokio::test]
async fn turns_of_a_process_that_stopped_reading_fail_at_once() {
    for text in [
        // More than fits into its pipe, and more than is kept for it.
        "fake:stop-reading fake:ask:2000",
        "fake:stop-reading fake:ask:20000",
        "fake:close-input fake:ask:2000",
    ] {
        let app = TestApp::with_fake_codex("", &[]).await;
        let pids = app.pids().await;
        let mut other = app
            .send(&json!({ "message": "fake:hang-after-delta" }))
            .await;
        other.expect_frame("start").await;
        other.expect_frame("delta").await;
        let problem = app.ask(text).await.problem(502, "codex_failed");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("stopped reading"), "{text}: {detail}");
        let error = other.expect_frame("error").await;
        assert_eq!(error["error"]["code"], "codex_failed");
        until("its end", || !is_alive(pids[0])).await;
        assert_eq!(app.ask("next").await.chat(), "echo: next");
        app.stop().await;
    }
}

/// Every class of failure that the CLI can report, by its published name.
#[tokio::test]
async fn a_turn_that_codex_gives_up_is_a_502() {
    let app = TestApp::with_fake_codex("", &[]).await;
    let pids = app.pids().await;
    for (info, class) in [
        ("unauthorized", "unauthorized"),
        ("contextWindowExceeded", "context window exceeded"),
        ("httpConnectionFailed:503", "connection failed"),
        ("responseStreamDisconnected:502", "stream cut"),
        ("serverOverloaded", "server overloaded"),
        ("somethingNew", "unspecified"),
    ] {
        let problem = app
            .ask(&format!("fake:fail:{info}"))
            .await
            .problem(502, "codex_failed");
        assert_eq!(
            problem["detail"],
            format!("Codex reported a failed turn ({class}).")
        );
        let frames = app.stream(&format!("fake:fail-after-delta:{info}")).await;
        let last = frames.last().unwrap();
        assert_eq!(
            (last.event.as_str(), &last.data["error"]["code"]),
            ("error", &json!("codex_failed"))
        );
    }
    assert_eq!(
        app.pids().await,
        pids,
        "a failed turn is no reason to replace a process"
    );
    app.stop().await;
}

/// A chat has no tools: whatever the CLI asks for is refused, and the turn goes on.
#[tokio::test]
async fn every_request_of_the_server_is_refused() {
    let app = TestApp::with_fake_codex("", &[]).await;
    let pids = app.pids().await;
    let mut refusals = serde_json::Map::new();
    for method in [
        "item/commandExecution/requestApproval",
        "item/fileChange/requestApproval",
        "item/permissions/requestApproval",
        "item/tool/requestUserInput",
        "item/tool/call",
        "mcpServer/elicitation/request",
        "execCommandApproval",
        "applyPatchApproval",
        "account/chatgptAuthTokens/refresh",
        "attestation/generate",
        "currentTime/read",
        "something/new",
    ] {
        let reply = app
            .ask(&format!("fake:server-request:{method}"))
            .await
            .chat();
        let mut reply: Value = serde_json::from_str(&reply).unwrap();
        reply.as_object_mut().unwrap().remove("id").unwrap();
        refusals.insert(method.to_owned(), reply);
    }
    insta::assert_json_snapshot!(refusals);
    assert_eq!(app.pids().await, pids);
    app.stop().await;
}

/// At the deadline a turn is interrupted; the process that obeys stays, the one that does not is
/// killed within the grace.
#[tokio::test]
async fn a_hanging_turn_is_interrupted_and_its_process_killed_if_need_be() {
    let app = TestApp::with_fake_codex("", &[("CODEX_TIMEOUT_SEC", "1")]).await;
    let pids = app.pids().await;
    let hanging = app
        .send(&json!({ "message": "fake:hang", "stream": false }))
        .await;
    let mut half = app
        .send(&json!({ "message": "fake:hang-after-delta" }))
        .await;
    hanging.answer().await.problem(504, "deadline_exceeded");
    half.expect_frame("start").await;
    half.expect_frame("delta").await;
    assert_eq!(
        half.expect_frame("error").await["error"]["code"],
        "deadline_exceeded"
    );
    app.is_idle().await;
    assert_eq!(app.pids().await, pids, "an interrupt was enough");

    let stream = app.stream("fake:ignore-interrupt").await;
    assert_eq!(
        stream.last().unwrap().data["error"]["code"],
        "deadline_exceeded"
    );
    until("the kill", || !is_alive(pids[0])).await;
    assert_eq!(app.ask("next").await.chat(), "echo: next");
    app.stop().await;
}

/// A turn that is over for its caller while `turn/start` is still on its way is over for Codex too.
#[tokio::test]
async fn a_caller_that_leaves_at_any_moment_leaves_no_turn() {
    let app = TestApp::with_fake_codex("", &[]).await;
    app.pids().await;
    for pause_us in (0..40).map(|step| step * 150) {
        let caller = app.send(&json!({ "message": "fake:hang" })).await;
        tokio::time::sleep(std::time::Duration::from_micros(pause_us)).await;
        drop(caller);
    }
    until("all records", || app.log.lines("call ended").len() >= 30).await;
    app.is_idle().await;
    assert_eq!(app.ask("next").await.chat(), "echo: next");
    app.stop().await;
}

#[tokio::test]
async fn a_cli_that_does_not_start_is_said_to_be_unavailable_and_not_tried_without_end() {
    let record = tempfile::NamedTempFile::new().unwrap();
    let startup = format!("exit_at_start = 7\nrecord = {:?}", record.path());
    // The record lies where no sandbox lets it be written.
    let app = TestApp::with_fake_codex(&startup, &[("PORTCULLIS_SANDBOX", "off")]).await;
    let begun = std::time::Instant::now();
    let answer = app.ask("hello").await;
    let problem = answer.problem(503, "codex_unavailable");
    assert!(answer.headers["retry-after"].parse::<u64>().unwrap() <= 60);
    assert!(
        !problem["detail"].as_str().unwrap().contains('7'),
        "{problem}"
    );
    let ready = app.get("/readyz").await;
    assert_eq!(ready.status, 503);
    assert_eq!(ready.json()["checks"]["codex_processes"]["ok"], false);
    for _ in 0..20 {
        app.ask("hello").await.problem(503, "codex_unavailable");
    }
    // With pauses of 250 ms, 500 ms, 1 s, 2 s … n seconds have room for at most 4 + log2(n + 1).
    let seconds = begun.elapsed().as_secs() + 1;
    let bound = 4 + seconds.ilog2() + 1;
    let starts = starts(record.path()).len();
    assert!(starts <= bound as usize, "{starts} starts in {seconds} s");
    app.stop().await;
}

/// When it is mended, it is used again without a restart of the gateway.
#[tokio::test]
async fn a_cli_that_starts_again_is_used_again() {
    let app = TestApp::with_fake_codex("exit_at_start = 7", &[]).await;
    app.ask("hello").await.problem(503, "codex_unavailable");
    fs::write(app.directory.path().join("fake-codex.toml"), "").unwrap();
    until("a process", || app.client.status().is_ready()).await;
    assert_eq!(app.ask("hello").await.chat(), "echo: hello");
    assert_eq!(app.get("/readyz").await.status, 200);
    // That it once did not start is no news when a process ends for another reason.
    let slow = "slow_start_ms = 1000";
    fs::write(app.directory.path().join("fake-codex.toml"), slow).unwrap();
    kill(app.pids().await[0]);
    until("its end", || !app.client.status().is_ready()).await;
    assert_eq!(app.pool().failure, None);
    app.stop().await;
}

/// 50 questions, 4 at a time, over processes that last for 5 turns each.
#[tokio::test]
async fn worn_processes_are_replaced_without_a_failed_call() {
    let record = tempfile::NamedTempFile::new().unwrap();
    let startup = format!("record = {:?}", record.path());
    let settings = [("CODEX_POOL_MAX_TURNS", "5"), ("PORTCULLIS_SANDBOX", "off")];
    let app = TestApp::with_fake_codex(&startup, &settings).await;
    let one_after_the_other = async |worker: usize| {
        for number in 0..13 {
            let question = format!("{worker}-{number}");
            assert_eq!(app.ask(&question).await.chat(), format!("echo: {question}"));
        }
    };
    tokio::join!(
        one_after_the_other(0),
        one_after_the_other(1),
        one_after_the_other(2),
        one_after_the_other(3),
    );
    let starts = starts(record.path());
    assert!(
        starts.len() >= 5,
        "{} processes for 52 turns of 5",
        starts.len()
    );
    app.stop().await;
}

#[tokio::test]
async fn a_process_that_refuses_work_for_a_while_is_asked_again() {
    let app = TestApp::with_fake_codex("refuse_thread_start = 2", &[]).await;
    assert_eq!(app.ask("hello").await.chat(), "echo: hello");
    app.stop().await;
}

#[tokio::test]
async fn several_turns_run_at_once_on_one_process() {
    let app = TestApp::with_fake_codex("", &[("CODEX_POOL_TURNS_PER_PROCESS", "4")]).await;
    let pids = app.pids().await;
    let mut callers = Vec::new();
    for _ in 0..4 {
        let mut caller = app
            .send(&json!({ "message": "fake:hang-after-delta" }))
            .await;
        caller.expect_frame("start").await;
        callers.push(caller);
    }
    assert_eq!(app.client.status().active_turns(), 4);
    assert_eq!(app.pids().await, pids);
    // A fifth waits for a place and gets the first that is free.
    let fifth = app
        .send(&json!({ "message": "fifth", "stream": false }))
        .await;
    callers.pop();
    assert_eq!(fifth.answer().await.chat(), "echo: fifth");
    drop(callers);
    app.stop().await;
}

/// A limit that even a new process is over is a mistake in the settings: it costs warmth, but neither
/// an answer nor the machine.
#[tokio::test]
async fn a_memory_limit_below_what_a_process_needs_starts_no_avalanche() {
    let mut provider = MockProvider::start().await;
    let app = TestApp::with_real_codex(&provider, &[("CODEX_POOL_MAX_RSS_MB", "64")]).await;
    for _ in 0..3 {
        app.pids().await;
        let caller = app
            .send(&json!({ "message": "Hello?", "stream": false }))
            .await;
        provider.call().await.answer("Hello.").await;
        assert_eq!(caller.answer().await.chat(), "Hello.");
        let processes = processes_of(&app.state_dir()).len();
        assert!(processes <= 3, "{processes} processes");
    }
    // That nothing more is started announces itself by nothing; the avalanche had a start every 150 ms.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let started = app.log.lines("codex worker ready").len();
    assert!(started <= 6, "{started} starts for three turns");
    app.stop().await;
}
