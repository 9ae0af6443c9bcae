//! The program, started as its user does.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::support::caller::{Exchange, head};
use crate::support::codex;
use crate::support::world::until;

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
        let address = first.trim().strip_prefix("Portcullis listens on http");
        let address = address.and_then(|rest| rest.trim_start_matches('s').strip_prefix("://"));
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
