//! A process for each turn that misbehaves, in the dialects `exec` and `contract`: the caller is answered
//! in time and truthfully, and nothing is left.

use crate::support::test_app::TestApp;
use crate::support::world::{processes_naming, sandbox_is_usable, until};

const EXEC: &str = "commands = [\"exec\"]\n";
const CHAT: &str = "commands = [\"chat\"]\n";

fn modes() -> Vec<(&'static str, &'static str)> {
    let off = ("PORTCULLIS_SANDBOX", "off");
    if sandbox_is_usable() {
        vec![("PORTCULLIS_SANDBOX", "required"), off]
    } else {
        vec![off]
    }
}

async fn is_clean(app: &TestApp, what: &str) {
    let directory = app.directory.path().to_owned();
    let is_gone = || processes_naming(&directory).is_empty();
    until(&format!("{what}: the end of the processes"), is_gone).await;
}

#[tokio::test]
async fn exec_is_judged_by_its_last_word_and_its_exit_code_together() {
    let app = TestApp::with_fake_codex(EXEC, &[]).await;
    for (turn, verdict) in [
        ("fake:fail:other fake:exit:0", Err("failed turn")),
        ("fake:fail:other fake:exit:1", Err("failed turn")),
        ("fake:exit:1", Ok(())),
        ("fake:exit:0", Ok(())),
        ("fake:no-end fake:exit:0", Err("exit code 0")),
        ("fake:no-end fake:exit:1", Err("exit code 1")),
        ("fake:crash", Err("exit code 3")),
        ("fake:kill", Err("signal 9")),
        ("fake:garbage fake:bad-utf8 fake:huge-line:40000000", Ok(())),
        ("fake:huge-line:100000000", Err("more than a turn may")),
        ("fake:flood-stderr:32", Ok(())),
        ("fake:linger", Ok(())),
        ("fake:reasoning", Ok(())),
    ] {
        let answer = app.ask(turn).await;
        match verdict {
            Ok(()) => assert_eq!(answer.chat(), format!("echo: {turn}")),
            Err(detail) => {
                let problem = answer.problem(502, "codex_failed");
                let said = problem["detail"].as_str().unwrap();
                assert!(said.contains(detail), "{turn}: {said}");
            }
        }
        is_clean(&app, turn).await;
    }
    app.stop().await;
}

/// It does not read, does not write or writes too much, and ignores signals.
#[tokio::test]
async fn a_turn_that_is_over_time_leaves_nothing() {
    for mode in modes() {
        for dialect in [EXEC, CHAT] {
            let startup = format!("{dialect}ignore_signals = true");
            let settings = [mode, ("CODEX_TIMEOUT_SEC", "1")];
            let app = TestApp::with_fake_codex(&startup, &settings).await;
            for turn in [
                "fake:hang",
                "fake:hang-after-delta",
                "fake:probe:leave:setsid fake:linger fake:slow:2000",
            ] {
                app.ask(turn).await.problem(504, "deadline_exceeded");
                is_clean(&app, turn).await;
            }
            // What is not of the format is soon enough of it.
            let flood = app.ask("fake:flood-forever").await;
            assert!(matches!(flood.status, 502 | 504), "{}", flood.text());
            is_clean(&app, "flood").await;
            app.stop().await;
        }
    }
}

#[tokio::test]
async fn what_a_turn_has_started_ends_with_it() {
    for mode in modes() {
        for dialect in [EXEC, CHAT] {
            let app = TestApp::with_fake_codex(dialect, &[mode]).await;
            for way in ["group", "setsid", "double-fork"] {
                let left = app.ask(&format!("fake:probe:leave:{way}")).await.chat();
                assert!(left.contains("ok"), "{left}");
                is_clean(&app, way).await;
            }
            app.stop().await;
        }
    }
}

/// A caller that fetches nothing holds up its own process, and nobody else.
#[tokio::test]
async fn an_endless_answer_is_cut_at_its_cap() {
    let startup = format!("{CHAT}chat_options = [\"--stream\"]");
    let settings = [("CHAT_MAX_OUTPUT_CHARS", "1000")];
    let app = TestApp::with_fake_codex(&startup, &settings).await;
    // Not of the contract, so it is text.
    let answer = app.ask("fake:flood-forever").await;
    let length = answer.chat().chars().count();
    assert!((900..=1000).contains(&length), "{length}");
    assert!(answer.json()["meta"]["truncated"]["answer"].is_object());
    is_clean(&app, "flood").await;
    app.stop().await;
}
