//! A plain client of `codex app-server`: one process, a thread for each turn.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::{QUESTION, lean_config};

pub(crate) struct Client {
    _process: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    last_id: u64,
}

impl Client {
    pub(crate) async fn start(
        program: &Path,
        model: &SocketAddr,
        scratch: &Path,
    ) -> io::Result<Self> {
        let home = scratch.join("bare");
        std::fs::create_dir(&home)?;
        std::fs::write(home.join("config.toml"), lean_config(&model.to_string()))?;
        #[expect(
            clippy::disallowed_methods,
            reason = "the other side of the comparison"
        )]
        let mut process = Command::new(program)
            .arg("app-server")
            .env_clear()
            .env("CODEX_HOME", &home)
            .env("HOME", &home)
            .current_dir(&home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let missing = || io::Error::other("no pipe");
        let stdin = process.stdin.take().ok_or_else(missing)?;
        let stdout = process.stdout.take().ok_or_else(missing)?;
        let lines = BufReader::new(stdout).lines();
        let mut client = Self {
            _process: process,
            stdin,
            lines,
            last_id: 0,
        };
        let info = json!({ "clientInfo": { "name": "bench", "version": "1" } });
        client.call("initialize", info).await?;
        client.send(&json!({ "method": "initialized" })).await?;
        Ok(client)
    }

    /// The time from the start of the thread to the first delta of its turn.
    pub(crate) async fn ask(&mut self) -> io::Result<Duration> {
        let begun = Instant::now();
        let started = self
            .call(
                "thread/start",
                json!({ "ephemeral": true, "baseInstructions": "Answer." }),
            )
            .await?;
        let thread = started["thread"]["id"].clone();
        let input = json!([{ "type": "text", "text": QUESTION }]);
        self.request("turn/start", json!({ "threadId": thread, "input": input }))
            .await?;
        self.until(|message| message["method"] == "item/agentMessage/delta")
            .await?;
        let first_token = begun.elapsed();
        self.until(|message| message["method"] == "turn/completed")
            .await?;
        self.request("thread/unsubscribe", json!({ "threadId": thread }))
            .await?;
        Ok(first_token)
    }

    async fn call(&mut self, method: &str, params: Value) -> io::Result<Value> {
        let id = self.request(method, params).await?;
        let mut reply = self.until(|message| message["id"] == id).await?;
        Ok(reply["result"].take())
    }

    async fn request(&mut self, method: &str, params: Value) -> io::Result<u64> {
        self.last_id += 1;
        let id = self.last_id;
        self.send(&json!({ "id": id, "method": method, "params": params }))
            .await?;
        Ok(id)
    }

    async fn send(&mut self, message: &Value) -> io::Result<()> {
        self.stdin
            .write_all(format!("{message}\n").as_bytes())
            .await
    }

    async fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> io::Result<Value> {
        while let Some(line) = self.lines.next_line().await? {
            let message: Value = serde_json::from_str(&line)?;
            if wanted(&message) {
                return Ok(message);
            }
        }
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}
