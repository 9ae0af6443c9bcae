//! The program as its user starts it.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::caller::{Exchange, head, text_of};
use crate::codex;
use crate::world::{is_alive, processes_of, until};

#[expect(
    clippy::disallowed_methods,
    reason = "the test is the user who starts the program"
)]
fn portcullis(arguments: &[&str], environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command
        .args(arguments)
        .env_clear()
        .envs(environment.iter().copied());
    command
}

/// Killed at the end of a failed test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn serve_demo_says_what_to_try_answers_and_ends_on_sigterm() {
    let directory = tempfile::tempdir().unwrap();
    let state_dir = tempfile::tempdir_in("/dev/shm").unwrap();
    let program = codex::real();
    let environment = [
        ("PORTCULLIS_BIND", "127.0.0.1:0"),
        ("PORTCULLIS_DATA_DIR", directory.path().to_str().unwrap()),
        ("CODEX_STATE_DIR", state_dir.path().to_str().unwrap()),
        ("CODEX_BIN", program.to_str().unwrap()),
        ("OPENAI_BASE_URL", "https://never.example/v1"),
    ];
    let child = portcullis(&["serve", "--demo"], &environment)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut running = Running(child);
    let mut greeting = BufReader::new(running.0.stdout.take().unwrap());
    let mut first = String::new();
    greeting.read_line(&mut first).unwrap();
    let address = first.trim().strip_prefix("Portcullis listens on http://");
    let address: SocketAddr = address
        .unwrap_or_else(|| panic!("{first}"))
        .parse()
        .unwrap();

    let mut exchange = Exchange::open(address).await;
    let body = json!({ "message": "What does a portcullis do?" }).to_string();
    let length = body.len().to_string();
    let headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", length.as_str()),
    ];
    exchange
        .send(head("POST /chat", address, &headers) + &body)
        .await;
    let frames = exchange.frames().await;
    let text = text_of(&frames);
    assert!(text.contains("“What does a portcullis do?”"), "{text}");
    assert!(frames.len() > 10, "in one burst: {frames:?}");
    assert_eq!(frames.last().unwrap().event, "done");
    assert!(!processes_of(state_dir.path()).is_empty());

    let pid = Pid::from_child(&running.0);
    kill_process(pid, Signal::TERM).unwrap();
    until("the end", || running.0.try_wait().unwrap().is_some()).await;
    let status = running.0.wait().unwrap();
    let mut log = String::new();
    running
        .0
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut log)
        .unwrap();
    assert_eq!(status.code(), Some(0), "{log}");
    let mut rest = String::new();
    greeting.read_to_string(&mut rest).unwrap();
    assert!(
        rest.contains(&format!("curl -N http://{address}/chat")),
        "{rest}"
    );
    assert!(
        log.lines()
            .all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()),
        "{log}"
    );
    assert!(log.contains("\"stopped\""), "{log}");
    let children = processes_of(state_dir.path());
    assert!(!children.into_iter().any(is_alive), "processes are left");
    assert_eq!(
        fs::read_dir(state_dir.path()).unwrap().count(),
        0,
        "files are left"
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
