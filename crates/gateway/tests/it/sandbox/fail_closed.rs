//! Where the sandbox cannot be made: refused if it is required, said aloud if it is not.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use tempfile::TempDir;

use crate::support::codex;
use crate::support::running::{Running, under};
use crate::support::world::sandbox_is_usable;

fn settings<'a>(
    directory: &'a str,
    program: &'a str,
    bubblewrap: &'a str,
    mode: &'a str,
) -> [(&'a str, &'a str); 6] {
    [
        ("PORTCULLIS_SANDBOX", mode),
        ("CODEX_SANDBOX_BWRAP", bubblewrap),
        ("PORTCULLIS_BIND", "127.0.0.1:0"),
        ("PORTCULLIS_DATA_DIR", directory),
        ("CODEX_STATE_DIR", directory),
        ("CODEX_BIN", program),
    ]
}

/// For the gateway's state, and for the CLI.
fn directories() -> (TempDir, TempDir) {
    (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap())
}

/// Why the program did not start.
fn refusal(wrapper: &[&str], settings: &[(&str, &str)]) -> String {
    let ended = under(wrapper, &["serve", "--demo"], settings)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(ended.status.code(), Some(1));
    String::from_utf8(ended.stderr).unwrap()
}

#[tokio::test]
async fn a_bubblewrap_that_does_not_work_is_no_sandbox() {
    let (directory, programs) = directories();
    let program = codex::fake(programs.path(), "");
    let (directory, program) = (
        directory.path().to_str().unwrap(),
        program.to_str().unwrap(),
    );
    // One makes no sandbox and says nothing, the other runs what it is not asked to run.
    for bubblewrap in ["/bin/false", "/bin/true"] {
        let required = refusal(&[], &settings(directory, program, bubblewrap, "required"));
        for word in ["PORTCULLIS_SANDBOX", "exited with", "docs/sandbox.md"] {
            assert!(required.contains(word), "{word}: {required}");
        }
        let gateway = Running::serve(&settings(directory, program, bubblewrap, "auto"));
        let sandbox = gateway.readiness().await["checks"]["sandbox"].take();
        let detail = sandbox["detail"].as_str().unwrap();
        assert!(detail.starts_with("NOT ENFORCED: "), "{detail}");
        assert_eq!(gateway.ask("Hello").await, "echo: Hello");
        let log = gateway.terminate().await;
        let warnings = log.matches("THERE IS NO SANDBOX").count();
        assert_eq!(warnings, 1, "{log}");
    }
}

/// Far from where the pinned CLI is installed: its package would bring one.
#[test]
fn without_any_bubblewrap_it_says_where_to_get_one() {
    let (directory, programs) = (codex::directory(), codex::directory());
    let program = codex::fake(programs.path(), "");
    let gateway = directory.path().join("portcullis");
    fs::hard_link(env!("CARGO_BIN_EXE_portcullis"), &gateway).unwrap();
    let elsewhere = [
        "/bin/sh",
        "-c",
        "shift; exec \"$0\" \"$@\"",
        gateway.to_str().unwrap(),
    ];
    let (directory, program) = (
        directory.path().to_str().unwrap(),
        program.to_str().unwrap(),
    );
    let message = refusal(&elsewhere, &settings(directory, program, "", "required"));
    assert!(message.contains("there is no bubblewrap"), "{message}");
    assert!(message.contains("make codex"), "{message}");
}

#[test]
fn a_program_in_a_directory_that_is_hidden_is_named() {
    if !sandbox_is_usable() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let program = codex::fake(directory.path(), "");
    let (directory, program) = (
        directory.path().to_str().unwrap(),
        program.to_str().unwrap(),
    );
    let bubblewrap = codex::bubblewrap();
    let bubblewrap = bubblewrap.to_str().unwrap();
    let message = refusal(&[], &settings(directory, program, bubblewrap, "required"));
    assert!(message.contains("CODEX_STATE_DIR"), "{message}");
    assert!(message.contains("lies in"), "{message}");
}

/// As in a container whose seccomp profile forbids them.
#[test]
fn without_user_namespaces_it_says_so() {
    if !sandbox_is_usable() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let program = codex::real();
    let bubblewrap = codex::bubblewrap();
    let bubblewrap = bubblewrap.to_str().unwrap();
    let (directory, program) = (
        directory.path().to_str().unwrap(),
        program.to_str().unwrap(),
    );
    let wrapper = [
        bubblewrap,
        "--unshare-user",
        "--disable-userns",
        "--die-with-parent",
        "--dev-bind",
        "/",
        "/",
        "--",
    ];
    let message = refusal(
        &wrapper,
        &settings(directory, program, bubblewrap, "required"),
    );
    assert!(message.contains("ser namespaces"), "{message}");
    assert!(Path::new(program).exists());
}

/// A program that misses something inside is named as the reason, with what to set.
#[test]
fn a_program_that_does_not_run_inside_is_told_from_a_sandbox_that_cannot_be_made() {
    if !sandbox_is_usable() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let fake = codex::fake(elsewhere.path(), "");
    let script = directory.path().join("codex");
    std::fs::write(
        &script,
        format!("#!/bin/sh\nexec {} \"$@\"\n", fake.display()),
    )
    .unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&script, mode).unwrap();
    let bubblewrap = codex::bubblewrap();
    let state = elsewhere.path().join("state");
    let settings = settings(
        state.to_str().unwrap(),
        script.to_str().unwrap(),
        bubblewrap.to_str().unwrap(),
        "required",
    );
    let message = refusal(&[], &settings);
    assert!(message.contains("CODEX_SANDBOX_READ_PATHS"), "{message}");

    let read_paths = (
        "CODEX_SANDBOX_READ_PATHS",
        elsewhere.path().to_str().unwrap(),
    );
    drop(Running::serve(&[&settings[..], &[read_paths]].concat()));
}
