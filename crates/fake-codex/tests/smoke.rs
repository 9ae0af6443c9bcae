//! The fake speaks like the real CLI and misbehaves on request, driven through the runner.

use std::{collections::BTreeMap, fs, os::unix::fs::symlink, path::Path, time::Duration};

use runner::{
    Child, ChildStdin, CommandSpec, Exit, Interrupt, Limits, Line, OutputLimit, Sandbox, Stdin,
    spawn,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time;
use tokio_util::task::TaskTracker;

const PATIENCE: Duration = Duration::from_secs(20);

struct Client {
    child: Child,
    stdin: ChildStdin,
    last_id: u64,
    /// Lines that are not JSON objects, and the sizes of those that were too long.
    noise: Vec<String>,
    _directory: TempDir,
}

#[cfg(test)]
impl Client {
    fn start(startup: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        symlink(
            env!("CARGO_BIN_EXE_fake-codex"),
            directory.path().join("codex"),
        )
        .unwrap();
        fs::write(directory.path().join("fake-codex.toml"), startup).unwrap();
        let mut child = run(directory.path(), &["app-server", "--strict-config"]);
        let stdin = child.stdin.take().unwrap();
        Self {
            child,
            stdin,
            last_id: 0,
            noise: Vec::new(),
            _directory: directory,
        }
    }

    async fn ready(startup: &str) -> Self {
        let mut client = Self::start(startup);
        client
            .call(
                "initialize",
                json!({ "clientInfo": { "name": "test", "version": "1" } }),
            )
            .await;
        client.send(json!({ "method": "initialized" })).await;
        client
    }

    async fn send(&mut self, message: Value) {
        self.stdin
            .write_line(message.to_string().as_bytes())
            .await
            .unwrap();
    }

    async fn call(&mut self, method: &str, params: Value) -> Value {
        self.last_id += 1;
        let id = self.last_id;
        self.send(json!({ "id": id, "method": method, "params": params }))
            .await;
        loop {
            let message = self.next().await.unwrap();
            if message["id"] == id && message["method"].is_null() {
                return message;
            }
        }
    }

    async fn next(&mut self) -> Option<Value> {
        loop {
            let text = match time::timeout(PATIENCE, self.child.stdout.next())
                .await
                .unwrap()?
            {
                Line::Text(text) => text,
                Line::TooLong { bytes } => {
                    self.noise.push(format!("{bytes} bytes"));
                    continue;
                }
            };
            match serde_json::from_slice(&text) {
                Ok(message @ Value::Object(_)) => return Some(message),
                _ => self.noise.push(String::from_utf8_lossy(&text).into_owned()),
            }
        }
    }

    /// Starts a turn on a new thread; gives the identifiers.
    async fn start_turn(&mut self, text: &str) -> Value {
        let thread = self
            .call("thread/start", json!({ "ephemeral": true }))
            .await;
        let thread_id = thread["result"]["thread"]["id"].clone();
        let input = json!([{ "type": "text", "text": text }]);
        let turn = self
            .call(
                "turn/start",
                json!({ "threadId": thread_id, "input": input }),
            )
            .await;
        json!({ "threadId": thread_id, "turnId": turn["result"]["turn"]["id"] })
    }

    /// Everything up to `turn/completed`, refusing what the server requests; less, if it dies before.
    async fn rest_of_turn(&mut self) -> Vec<Value> {
        let mut messages = Vec::new();
        while let Some(message) = self.next().await {
            if !message["id"].is_null() && !message["method"].is_null() {
                let refusal = json!({ "code": -32601, "message": "no" });
                self.send(json!({ "id": message["id"], "error": refusal }))
                    .await;
            }
            let is_last = message["method"] == "turn/completed";
            messages.push(message);
            if is_last {
                break;
            }
        }
        messages
    }

    async fn turn(&mut self, text: &str) -> Vec<Value> {
        self.start_turn(text).await;
        self.rest_of_turn().await
    }

    async fn exit(&self) -> Exit {
        time::timeout(PATIENCE, self.child.handle.exited())
            .await
            .unwrap()
    }
}

#[cfg(test)]
fn run(directory: &Path, args: &[&str]) -> Child {
    let spec = CommandSpec {
        program: directory.join("codex"),
        args: args.iter().map(Into::into).collect(),
        env: BTreeMap::from([("ONLY".into(), "this".into())]),
        current_dir: directory.to_owned(),
        stdin: Stdin::Open,
        sandbox: Sandbox::Off,
    };
    let limits = Limits {
        max_line_bytes: 1 << 20,
        kill_grace: Duration::from_millis(50),
        output: OutputLimit::default(),
    };
    spawn(spec, limits, None, &TaskTracker::new()).unwrap()
}

fn answer_of(messages: &[Value]) -> String {
    let deltas = messages
        .iter()
        .filter(|message| message["method"] == "item/agentMessage/delta");
    deltas
        .filter_map(|delta| delta["params"]["delta"].as_str())
        .collect()
}

fn end_of(messages: &[Value]) -> &Value {
    messages
        .last()
        .map_or(&Value::Null, |last| &last["params"]["turn"])
}

#[tokio::test]
async fn a_turn_goes_as_with_the_real_one() {
    let mut client = Client::ready("").await;
    let messages = client.turn("hello there").await;
    let methods: Vec<&str> = messages
        .iter()
        .filter_map(|message| message["method"].as_str())
        .collect();
    let expected = [
        "thread/status/changed",
        "turn/started",
        "item/started",
        "item/completed",
        "item/started",
        "item/agentMessage/delta",
        "item/agentMessage/delta",
        "item/agentMessage/delta",
        "item/completed",
        "thread/tokenUsage/updated",
        "account/rateLimits/updated",
        "thread/status/changed",
        "turn/completed",
    ];
    assert_eq!(methods, expected);
    assert_eq!(answer_of(&messages), "echo: hello there");
    assert_eq!(end_of(&messages)["status"], "completed");
    assert_eq!(end_of(&messages)["items"][0]["text"], "echo: hello there");
    let exit = client.child.handle.shutdown(Interrupt::AlreadyAsked);
    drop(client.stdin);
    assert_eq!(exit.await.code, Some(0));
}

#[tokio::test]
async fn turns_on_several_threads_run_at_once() {
    let mut client = Client::ready("").await;
    let hanging = client.start_turn("fake:hang").await;
    assert_eq!(answer_of(&client.turn("other").await), "echo: other");
    let reply = client.call("turn/interrupt", hanging).await;
    assert_eq!(reply["result"], json!({}));
    assert_eq!(
        end_of(&client.rest_of_turn().await)["status"],
        "interrupted"
    );
}

#[tokio::test]
async fn a_turn_misbehaves_as_its_text_says() {
    let mut client = Client::ready("").await;
    let reply = answer_of(
        &client
            .turn("fake:server-request:item/fileChange/requestApproval")
            .await,
    );
    let reply: Value = serde_json::from_str(&reply).unwrap();
    assert_eq!(
        reply,
        json!({ "id": 0, "error": { "code": -32601, "message": "no" } })
    );
    let failed = client.turn("fake:fail:httpConnectionFailed:503").await;
    let info = json!({ "httpConnectionFailed": { "httpStatusCode": 503 } });
    assert_eq!(end_of(&failed)["error"]["codexErrorInfo"], info);
    assert_eq!(
        answer_of(&client.turn("fake:big:2500").await),
        "x".repeat(2500)
    );
    let usage = client.turn("fake:usage:7,9 fake:no-delta").await;
    assert_eq!(answer_of(&usage), "");
    let usage = usage
        .iter()
        .find(|message| message["method"] == "thread/tokenUsage/updated")
        .unwrap();
    assert_eq!(usage["params"]["tokenUsage"]["last"]["outputTokens"], 9);
    let noisy = client
        .turn("fake:garbage fake:bad-utf8 fake:huge-line:2000000 fake:flood-stderr:2")
        .await;
    assert_eq!(end_of(&noisy)["status"], "completed");
    assert_eq!(client.noise.last().unwrap(), "2000000 bytes");
    let misprint = client.turn("fake:crahs").await;
    assert_eq!(
        end_of(&misprint)["error"]["message"],
        "unknown behaviour fake:crahs"
    );
    assert_eq!(
        answer_of(&client.turn("fake:die-mid-line fake:count:5").await),
        "tok0 "
    );
    assert_eq!(client.exit().await.code, Some(3));
}

#[tokio::test]
async fn a_process_misbehaves_as_its_file_says() {
    let record = tempfile::NamedTempFile::new().unwrap();
    let startup = format!(
        "record = {:?}\nignore_signals = true\nleave_grandchild = true\nrefuse_thread_start = 1\ncrash_after_turns = 1",
        record.path(),
    );
    let mut client = Client::ready(&startup).await;
    let recorded: Value = serde_json::from_slice(&fs::read(record.path()).unwrap()).unwrap();
    let variables: Vec<_> = recorded["environment"]
        .as_object()
        .unwrap()
        .keys()
        .collect();
    assert_eq!(variables, ["ONLY", "PORTCULLIS_RUN"]);
    assert_eq!(
        recorded["argv"].as_array().unwrap()[1..],
        ["app-server", "--strict-config"]
    );
    assert!(
        recorded["descriptors"]
            .as_object()
            .unwrap()
            .contains_key("2")
    );
    client.child.handle.interrupt();
    let refused = client.call("thread/start", json!({})).await;
    assert_eq!(refused["error"]["code"], -32001);
    assert_eq!(end_of(&client.turn("last").await)["status"], "completed");
    let exit = client.exit().await;
    assert_eq!(
        (exit.code, exit.left_behind, exit.survivors),
        (Some(3), 1, 0)
    );
}

#[tokio::test]
async fn it_says_the_version_it_is_told() {
    let directory = tempfile::tempdir().unwrap();
    symlink(
        env!("CARGO_BIN_EXE_fake-codex"),
        directory.path().join("codex"),
    )
    .unwrap();
    let mut versions = Vec::new();
    for file in ["", "version = \"0.1.0\""] {
        fs::write(directory.path().join("fake-codex.toml"), file).unwrap();
        versions.push(run(directory.path(), &["--version"]).stdout.next().await);
    }
    let expected =
        ["codex-cli 0.169.0", "codex-cli 0.1.0"].map(|text| Some(Line::Text(text.into())));
    assert_eq!(versions, expected);
}
