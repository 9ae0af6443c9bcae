//! Nothing that a process has started outlives it, whatever it does to be left alone.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::support::codex;
use crate::support::running::Running;
use crate::support::test_app::TestApp;
use crate::support::world::{processes_naming, sandbox_is_usable, until};

/// Without a sandbox, the last one is found by the built program alone: orphans come to it.
const WAYS: [&str; 4] = ["group", "setsid", "double-fork", "double-fork-bare"];

fn ways(mode: [(&str, &str); 1]) -> &'static [&'static str] {
    if mode[0].1 == "off" {
        &WAYS[..3]
    } else {
        &WAYS
    }
}

fn modes() -> Vec<[(&'static str, &'static str); 1]> {
    let off = [("PORTCULLIS_SANDBOX", "off")];
    if sandbox_is_usable() {
        vec![[("PORTCULLIS_SANDBOX", "required")], off]
    } else {
        vec![off]
    }
}

#[tokio::test]
async fn every_descendant_ends_with_the_gateway() {
    for mode in modes() {
        for way in ways(mode) {
            let mut app = TestApp::with_fake_codex("ignore_signals = true", &mode).await;
            let left = app.ask(&format!("fake:probe:leave:{way}")).await.chat();
            assert!(left.contains("ok"), "{left}");
            let directory = app.directory.path().to_owned();
            let alive = processes_naming(&directory).len();
            assert!(alive >= 2, "{way}: nothing was left to be found");
            app.begin_to_stop();
            app.stop().await;
            assert_eq!(processes_naming(&directory), [0; 0], "{mode:?} {way}");
        }
    }
}

/// Killed by its own hand, or from outside: what it had started is not left to itself.
#[tokio::test]
async fn every_descendant_ends_with_a_process_that_dies() {
    for mode in modes() {
        for way in ways(mode) {
            let app = TestApp::with_fake_codex("", &mode).await;
            let left = app.ask(&format!("fake:probe:leave:{way}")).await.chat();
            assert!(left.contains("ok"), "{left}");
            let directory = app.directory.path().to_owned();
            let before = processes_naming(&directory);
            app.ask("fake:kill").await.problem(502, "codex_failed");
            let is_over = || {
                let after = processes_naming(&directory);
                !before.iter().any(|pid| after.contains(pid))
            };
            until("the end of all that it had started", is_over).await;
            app.stop().await;
        }
    }
}

/// A process that does not read, does not answer or floods: the caller is answered at the deadline, and the
/// process is gone when the turn is.
#[tokio::test]
async fn a_turn_that_is_over_time_takes_its_process_with_it() {
    let turns = [
        "fake:flood-forever",
        "fake:ignore-interrupt",
        "fake:stop-reading fake:ignore-interrupt",
        "fake:hang fake:stop-reading fake:ignore-interrupt",
    ];
    for mode in modes() {
        let settings = [mode[0], ("CODEX_TIMEOUT_SEC", "1")];
        let app = TestApp::with_fake_codex("ignore_signals = true", &settings).await;
        for turn in turns {
            assert_ends_with_its_turn(&app, turn).await;
        }
        app.stop().await;
    }
}

/// It obeys the interrupt, and leaves something behind: that must not outlive the turn.
#[tokio::test]
async fn what_an_interrupted_turn_has_started_ends_with_it() {
    for mode in modes() {
        let settings = [mode[0], ("CODEX_TIMEOUT_SEC", "1")];
        for way in ["group", "setsid"] {
            let app = TestApp::with_fake_codex("", &settings).await;
            let turn = format!("fake:probe:leave:{way} fake:hang-after-delta");
            assert_ends_with_its_turn(&app, &turn).await;
            app.stop().await;
        }
    }
}

/// Asks until the turn has begun: on a slow machine the deadline may pass before, and then there is nothing
/// to end. Waits for the end of the process that served the turn and of what that process has started.
async fn assert_ends_with_its_turn(app: &TestApp, turn: &str) {
    let directory = app.directory.path().to_owned();
    let before = loop {
        // The pool of these tests has one process.
        app.pids().await;
        let before = processes_naming(&directory);
        let answer = app.ask(turn).await;
        if answer.status == 502 {
            // A fast machine floods beyond the limit on output before the deadline.
            assert_eq!(turn, "fake:flood-forever");
            answer.problem(502, "codex_failed");
        } else {
            answer.problem(504, "deadline_exceeded");
        }
        if answer.headers.contains_key("x-should-retry") {
            break before;
        }
    };
    let is_grandchild = |pid: &u32| {
        let command_line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let mut arguments = command_line.split(|byte| *byte == 0);
        arguments.any(|argument| argument == b"fake-grandchild")
    };
    let is_over = || {
        let after = processes_naming(&directory);
        let mut left = after.iter();
        !left.any(|pid| before.contains(pid) || is_grandchild(pid))
    };
    until("the end of the process and of what it has started", is_over).await;
}

/// A flood at full speed is read and thrown away: the memory of the gateway does not grow with it.
#[tokio::test]
async fn a_flood_does_not_fill_the_gateway() {
    for mode in modes() {
        let directory = tempfile::tempdir().unwrap();
        let program = codex::fake(directory.path(), "");
        let gateway = gateway(directory.path(), &program, mode[0]);
        assert_eq!(gateway.ask("Hello").await, "echo: Hello");
        let before = gateway.rss_bytes();
        let flood = gateway.send("fake:flood-forever").await;
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let grown = gateway.rss_bytes().saturating_sub(before);
            assert!(grown < 16 * 1024 * 1024, "{mode:?}: {grown} bytes");
        }
        drop(flood);
        let idle = || processes_naming(&program).is_empty();
        gateway.terminate().await;
        until("the end of the flood", idle).await;
    }
}

fn gateway(directory: &Path, program: &Path, mode: (&str, &str)) -> Running {
    let bubblewrap = codex::bubblewrap();
    let state_dir = directory.join("state");
    let data_dir = directory.join("data");
    Running::serve(&[
        mode,
        ("CODEX_SANDBOX_BWRAP", bubblewrap.to_str().unwrap()),
        ("PORTCULLIS_BIND", "127.0.0.1:0"),
        ("PORTCULLIS_DATA_DIR", data_dir.to_str().unwrap()),
        ("CODEX_STATE_DIR", state_dir.to_str().unwrap()),
        ("CODEX_BIN", program.to_str().unwrap()),
        ("CODEX_KILL_GRACE_SEC", "1"),
    ])
}

async fn leave(gateway: &Running, way: &str) {
    let message = format!("fake:probe:leave:{way}");
    let left = gateway.ask(&message).await;
    assert!(left.contains("ok"), "{left}");
}

#[tokio::test]
async fn every_descendant_ends_with_the_built_program() {
    for mode in modes() {
        for way in WAYS {
            let directory = tempfile::tempdir().unwrap();
            let program = codex::fake(directory.path(), "");
            let gateway = gateway(directory.path(), &program, mode[0]);
            leave(&gateway, way).await;
            gateway.terminate().await;
            // What has lost its parent is killed last, and dies on its own time.
            let is_gone = || processes_naming(&program).is_empty();
            until("the end of everything", is_gone).await;
        }
    }
}

/// With a sandbox at once; without one at the next start, before anything is served.
#[tokio::test]
async fn nothing_is_left_of_a_gateway_that_was_killed() {
    for mode in modes() {
        for way in WAYS {
            let directory = tempfile::tempdir().unwrap();
            let program = codex::fake(directory.path(), "ignore_signals = true");
            let mut first = gateway(directory.path(), &program, mode[0]);
            leave(&first, way).await;
            first.kill();
            if mode[0].1 == "off" {
                assert!(
                    !processes_naming(&program).is_empty(),
                    "{way}: proves nothing"
                );
                let before = processes_naming(&program);
                let second = gateway(directory.path(), &program, mode[0]);
                let after = processes_naming(&program);
                let left = before.iter().filter(|pid| after.contains(pid)).count();
                assert_eq!(left, 0, "{way}");
                second.terminate().await;
            } else {
                let is_gone = || processes_naming(&program).is_empty();
                until("the end of everything", is_gone).await;
            }
        }
    }
}
