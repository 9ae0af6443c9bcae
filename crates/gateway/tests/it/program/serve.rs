//! The program as its user starts it.

use std::fs;
use std::path::Path;
use std::process::{Output, Stdio};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::caller::text_of;
use crate::support::codex;
use crate::support::running::{Running, portcullis};
use crate::support::skilled::probe;
use crate::support::world::{is_alive, processes_of, until};

async fn nothing_is_left(state_dir: &Path) {
    until("the end of every child", || {
        !processes_of(state_dir).into_iter().any(is_alive)
    })
    .await;
}

#[tokio::test]
async fn serve_demo_says_what_to_try_answers_and_ends_on_sigterm() {
    let data_dir = tempfile::tempdir().unwrap();
    let state_dir = tempfile::tempdir_in("/dev/shm").unwrap();
    let served = Running::demo(&codex::real(), data_dir.path(), state_dir.path());
    let address = served.address();

    let frames = served
        .send("What does a portcullis do?")
        .await
        .frames()
        .await;
    let text = text_of(&frames);
    assert!(text.contains("“What does a portcullis do?”"), "{text}");
    assert!(frames.len() > 10, "in one burst: {frames:?}");
    assert_eq!(frames.last().unwrap().event, "done");
    assert!(!processes_of(state_dir.path()).is_empty());
    let limits = fs::read_to_string(format!("/proc/{}/limits", served.pid())).unwrap();
    let files = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let files: Vec<&str> = files.unwrap().split_ascii_whitespace().collect();
    assert_eq!(files[3], files[4], "more connections could be served");

    served.signal(Signal::TERM);
    let (code, rest, log) = served.end().await;
    assert_eq!(code, Some(0), "{log}");
    assert!(
        rest.contains(&format!("curl -N http://{address}/chat")),
        "{rest}"
    );
    let cli = codex::real();
    assert!(
        rest.contains(&format!("The demo model answers: {} runs", cli.display())),
        "a CLI that CODEX_BIN names is not called the real one: {rest}"
    );
    let is_json = |line: &str| serde_json::from_str::<Value>(line).is_ok();
    assert!(log.lines().all(is_json), "{log}");
    assert!(log.contains("\"stopped\""), "{log}");
    assert_eq!(processes_of(state_dir.path()), [0_u32; 0]);
    assert_eq!(fs::read_dir(state_dir.path()).unwrap().count(), 0);
}

/// An operator who does not want to wait for the drain says so again.
#[tokio::test]
async fn a_second_signal_ends_the_drain() {
    let data_dir = codex::directory();
    let state_dir = tempfile::tempdir_in("/dev/shm").unwrap();
    let program = codex::fake(data_dir.path(), "ignore_signals = true");
    let served = Running::demo(&program, data_dir.path(), state_dir.path());
    let mut hanging = served.send("fake:hang-after-delta").await;
    hanging.expect_frame("start").await;
    served.signal(Signal::TERM);
    // The drain has begun when a new call is refused.
    loop {
        let mut exchange = served.send("hello").await;
        if exchange.head().await.status == 503 {
            break;
        }
    }
    served.signal(Signal::TERM);
    let (code, _, log) = served.end().await;
    assert_eq!(code, Some(1), "{log}");
    nothing_is_left(state_dir.path()).await;
}

/// Nothing survives a gateway that had no chance to clean up, and the next one does it.
#[tokio::test]
async fn a_killed_gateway_leaves_no_process_and_the_next_removes_its_files() {
    let data_dir = tempfile::tempdir().unwrap();
    let state_dir = tempfile::tempdir_in("/dev/shm").unwrap();
    let served = Running::demo(&codex::real(), data_dir.path(), state_dir.path());
    served.send("Hello?").await.expect_frame("start").await;
    served.signal(Signal::KILL);
    served.end().await;
    nothing_is_left(state_dir.path()).await;
    let left: Vec<_> = fs::read_dir(state_dir.path()).unwrap().flatten().collect();
    assert!(!left.is_empty());

    let next = Running::demo(&codex::real(), data_dir.path(), state_dir.path());
    for home in left {
        assert!(!home.path().exists(), "{}", home.path().display());
    }
    next.signal(Signal::INT);
    assert_eq!(next.end().await.0, Some(0));
    assert_eq!(fs::read_dir(state_dir.path()).unwrap().count(), 0);
}

/// An operator's `kill -HUP`.
#[tokio::test]
async fn a_hangup_reads_the_skills_again() {
    let places = tempfile::tempdir().unwrap();
    let path = |name: &str| places.path().join(name).display().to_string();
    let skills = places.path().join("skills");
    fs::create_dir(&skills).unwrap();
    let (data_dir, state_dir, skills_dir) = (path("data"), path("state"), path("skills"));
    let served = Running::serve(&[
        ("PORTCULLIS_BIND", "127.0.0.1:0"),
        ("PORTCULLIS_DATA_DIR", &data_dir),
        ("CODEX_STATE_DIR", &state_dir),
        ("CODEX_BIN", codex::real().to_str().unwrap()),
        ("PORTCULLIS_SKILLS_DIR", &skills_dir),
    ]);
    assert_eq!(served.get("/skills").await, json!({ "skills": [] }));
    fs::write(skills.join("probe.toml"), probe("true", "")).unwrap();
    served.signal(Signal::HUP);
    let mut name = Value::Null;
    while name != "probe" {
        let listed = served.get("/skills").await;
        name = listed
            .pointer("/skills/0/name")
            .cloned()
            .unwrap_or_default();
    }
    served.terminate().await;

    fs::write(skills.join("broken.toml"), "").unwrap();
    let environment = [("PORTCULLIS_SKILLS_DIR", skills_dir.as_str())];
    let checked = run(&["skills", "check"], &environment);
    assert_eq!(checked.status.code(), Some(1));
    let problems = String::from_utf8(checked.stderr).unwrap();
    assert!(
        problems.contains("broken.toml:1: name is missing"),
        "{problems}"
    );
    fs::remove_file(skills.join("broken.toml")).unwrap();
    let checked = run(&["skills", "check", &skills_dir], &[]);
    assert!(checked.status.success());
    let listed = run(&["skills", "list", "--json"], &environment);
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(listed["skills"][0]["name"], "probe");
}

/// A mistake in a skill is found at the start, not by the first caller.
#[test]
fn a_wrong_skill_is_no_start() {
    let places = tempfile::tempdir().unwrap();
    fs::write(places.path().join("probe.toml"), "name = 7").unwrap();
    let path = places.path().to_str().unwrap();
    let program = codex::real();
    let environment = [
        ("PORTCULLIS_BIND", "127.0.0.1:0"),
        ("PORTCULLIS_DATA_DIR", path),
        ("CODEX_STATE_DIR", path),
        ("CODEX_BIN", program.to_str().unwrap()),
        ("PORTCULLIS_SKILLS_DIR", path),
    ];
    let refused = run(&["serve", "--demo"], &environment);
    assert_eq!(refused.status.code(), Some(1));
    let message = String::from_utf8(refused.stderr).unwrap();
    assert!(
        message.contains("probe.toml:1: name: invalid type: integer `7`"),
        "{message}"
    );
}

fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    portcullis(arguments, environment)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[test]
fn the_settings_can_be_printed_and_checked() {
    let good = [
        ("LLM_PROVIDER", "openai"),
        ("OPENAI_API_KEY", "sk-a-key-nobody-prints"),
    ];
    let printed = run(&["config", "print"], &good);
    let text = String::from_utf8(printed.stdout).unwrap();
    assert!(printed.status.success());
    assert!(text.contains("chat.timeout_sec"), "{text}");
    assert!(!text.contains("sk-a-key"), "{text}");
    assert!(run(&["config", "check"], &good).status.success());

    let bad = [
        ("LLM_PROVIDER", "nobody"),
        ("CODEX_TIMEOUT_SEC", "0"),
        ("PORTCULLIS_BIND", "0.0.0.0:8000"),
        ("OPENAI_BASE_URL", "ftp://x"),
        ("PORTCULLIS_MAX_BODY_BYTES", "many"),
    ];
    let checked = run(&["config", "check"], &bad);
    assert_eq!(checked.status.code(), Some(1));
    let problems = String::from_utf8(checked.stderr).unwrap();
    for (name, _) in bad {
        assert!(problems.contains(name), "{name} is not in: {problems}");
    }
}

#[test]
fn a_gateway_that_cannot_start_says_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let data_dir = directory.path().to_str().unwrap();
    let missing = directory.path().join("no-codex");
    let not_codex = Path::new("/bin/true");
    for program in [missing.as_path(), not_codex] {
        let environment = [
            ("PORTCULLIS_BIND", "127.0.0.1:0"),
            ("PORTCULLIS_DATA_DIR", data_dir),
            ("CODEX_STATE_DIR", data_dir),
            ("CODEX_BIN", program.to_str().unwrap()),
        ];
        let refused = run(&["serve", "--demo"], &environment);
        assert_eq!(refused.status.code(), Some(1));
        let message = String::from_utf8(refused.stderr).unwrap();
        assert!(message.contains("CODEX_BIN"), "{message}");
    }
}

#[test]
fn skills_that_are_not_there_are_not_valid() {
    let missing = ("PORTCULLIS_SKILLS_DIR", "/no/such/skills");
    for arguments in [
        &["skills", "check"][..],
        &["skills", "check", "/no/such/skills"],
    ] {
        let output = run(arguments, &[missing]);
        assert!(!output.status.success(), "{output:?}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains("/no/such/skills"), "{stderr}");
    }
}

/// As behind `head`.
#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    for arguments in [
        &["redact"][..],
        &["redact", "--findings"],
        &["config", "check"],
        &["skills", "list"],
        &["skills", "list", "--json"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = portcullis(arguments, &[("LLM_PROVIDER", "demo")])
            .stdin(fs::File::open("/etc/passwd").unwrap())
            .stdout(writer)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
            .wait_with_output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    }
}
