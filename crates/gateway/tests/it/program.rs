//! The program as its user starts it.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::caller::{Exchange, head, text_of};
use crate::codex;
use crate::skilled::probe;
use crate::world::{is_alive, processes_of, until};

#[expect(
    clippy::disallowed_methods,
    reason = "the test is the user who starts the program"
)]
pub(crate) fn portcullis(arguments: &[&str], environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command
        .args(arguments)
        .env_clear()
        .envs(environment.iter().copied());
    command
}

/// `portcullis` with `arguments`, started by another program.
pub(crate) fn under(wrapper: &[&str], arguments: &[&str], environment: &[(&str, &str)]) -> Command {
    let [program, options @ ..] = wrapper else {
        return portcullis(arguments, environment);
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "the test is the user who starts the program"
    )]
    let mut command = Command::new(program);
    command
        .args(options)
        .arg(env!("CARGO_BIN_EXE_portcullis"))
        .args(arguments)
        .env_clear()
        .envs(environment.iter().copied());
    command
}

/// Killed at the end of a failed test.
pub(crate) struct Running {
    child: Child,
    greeting: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl Running {
    /// `portcullis serve --demo`, once it serves.
    pub(crate) fn serve(environment: &[(&str, &str)]) -> Self {
        Self::start(portcullis(&["serve", "--demo"], environment))
    }

    /// The same as the end of a command line, which must pass standard output through.
    pub(crate) fn serve_under(wrapper: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::start(under(wrapper, &["serve", "--demo"], environment))
    }

    /// The same where the wrapper lets nothing through; it serves on `address`.
    pub(crate) async fn serve_unseen(
        wrapper: &[&str],
        environment: &[(&str, &str)],
        address: SocketAddr,
    ) -> Self {
        let mut child = under(wrapper, &["serve", "--demo"], environment)
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let greeting = BufReader::new(child.stdout.take().unwrap());
        until("the port", || std::net::TcpStream::connect(address).is_ok()).await;
        Self {
            child,
            greeting,
            address,
        }
    }

    /// `portcullis serve` with the provider of the environment, and a log that goes elsewhere.
    pub(crate) fn serve_for_real(log: impl Into<Stdio>, environment: &[(&str, &str)]) -> Self {
        Self::start_logging_to(log.into(), portcullis(&["serve"], environment))
    }

    /// The same with a log that goes elsewhere.
    pub(crate) fn serve_logging_to(log: impl Into<Stdio>, environment: &[(&str, &str)]) -> Self {
        let command = portcullis(&["serve", "--demo"], environment);
        Self::start_logging_to(log.into(), command)
    }

    fn start(command: Command) -> Self {
        Self::start_logging_to(Stdio::piped(), command)
    }

    fn start_logging_to(log: Stdio, mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut greeting = BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        greeting.read_line(&mut first).unwrap();
        let address = first.trim().strip_prefix("Portcullis listens on http://");
        let address = address.map(str::parse);
        let Some(Ok(address)) = address else {
            let mut log = String::new();
            if let Some(mut stderr) = child.stderr.take() {
                let _ = stderr.read_to_string(&mut log);
            }
            panic!("{first}{log}")
        };
        Self {
            child,
            greeting,
            address,
        }
    }

    /// The demo model, with everything that a run leaves in these places.
    pub(crate) fn demo(program: &Path, data_dir: &Path, state_dir: &Path) -> Self {
        let bubblewrap = codex::bubblewrap();
        Self::serve(&[
            ("PORTCULLIS_BIND", "127.0.0.1:0"),
            ("PORTCULLIS_DATA_DIR", data_dir.to_str().unwrap()),
            ("CODEX_STATE_DIR", state_dir.to_str().unwrap()),
            ("CODEX_BIN", program.to_str().unwrap()),
            ("CODEX_SANDBOX_BWRAP", bubblewrap.to_str().unwrap()),
            ("OPENAI_BASE_URL", "https://never.example/v1"),
        ])
    }

    /// The text of an answer.
    pub(crate) async fn ask(&self, message: &str) -> String {
        let exchange = self
            .post(&json!({ "message": message, "stream": false }))
            .await;
        exchange.answer().await.chat()
    }

    /// Sends a question, to be answered by a stream, and does not wait for anything.
    pub(crate) async fn send(&self, message: &str) -> Exchange {
        self.post(&json!({ "message": message })).await
    }

    pub(crate) async fn post(&self, body: &Value) -> Exchange {
        self.post_text(&body.to_string()).await
    }

    pub(crate) async fn post_text(&self, body: &str) -> Exchange {
        let mut exchange = Exchange::open(self.address).await;
        let length = body.len().to_string();
        let headers = [
            ("Content-Type", "application/json"),
            ("Content-Length", length.as_str()),
        ];
        exchange
            .send(head("POST /chat", self.address, &headers) + body)
            .await;
        exchange
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn rss_bytes(&self) -> usize {
        let statm = fs::read_to_string(format!("/proc/{}/statm", self.child.id())).unwrap();
        let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
        pages * rustix::param::page_size()
    }

    pub(crate) async fn readiness(&self) -> Value {
        self.get("/readyz").await
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let mut exchange = Exchange::open(self.address).await;
        let head = head(&format!("GET {path}"), self.address, &[]);
        exchange.send(head).await;
        exchange.answer().await.json()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Its log, once it has ended.
    pub(crate) async fn terminate(self) -> String {
        self.signal(Signal::TERM);
        self.end().await.2
    }

    /// The exit code, what was printed after the first line, and the log.
    pub(crate) async fn end(mut self) -> (Option<i32>, String, String) {
        until("the end of the program", || {
            self.child.try_wait().unwrap().is_some()
        })
        .await;
        let mut log = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            stderr.read_to_string(&mut log).unwrap();
        }
        let mut rest = String::new();
        self.greeting.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().code(), rest, log)
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

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
    let address = served.address;

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
    let limits = fs::read_to_string(format!("/proc/{}/limits", served.child.id())).unwrap();
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
