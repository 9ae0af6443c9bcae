//! A secret in every place that somebody else can choose: the caller, the provider, the model, the CLI, a
//! workspace and its tests. None of it comes out: not in an answer, not in the log at its most
//! talkative, not on disk, not at the provider.

mod places;
mod wire;

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::codex;
use crate::support::provider::{MockProvider, ModelCall};
use crate::support::skilled::repository;

use places::{Canary, secret};

/// Whatever the caller writes outside of a body.
#[tokio::test]
async fn what_a_stranger_sends_does_not_come_out() {
    let provider = MockProvider::start().await;
    let mut canary = Canary::start(&provider, &codex::real(), &[]);
    for (name, request) in wire::requests() {
        canary.raw(&name, &request).await;
    }
    canary.stop().await;
}

/// Every field of a body, and every key.
#[tokio::test]
async fn what_a_caller_asks_for_does_not_come_out() {
    let mut provider = MockProvider::start().await;
    let mut canary = Canary::start(&provider, &codex::real(), &[]);
    for (number, body) in wire::bodies().into_iter().enumerate() {
        canary.post(&format!("body {number}"), &body).await;
    }
    assert!(provider.nothing_came());
    // These reach the model: without the secret.
    let schema = json!({
        "type": "object", "description": secret(1), "additionalProperties": false,
        "required": ["a"], "properties": { "a": { "type": "string", "enum": [secret(2)] } },
    });
    for stream in [true, false] {
        let body = json!({
            "message": secret(3), "context": secret(4), "stream": stream,
            "extra": { "output_schema": schema, secret(5): secret(6) },
        });
        let asking = canary.send(&body).await;
        let call = provider.call().await;
        canary.keep("the provider's request", call.body_bytes.clone());
        canary.keep("the provider's head", call.head.clone().into_bytes());
        call.answer(&secret(7)).await;
        canary.keep_answer("a chat", asking).await;
    }
    canary.stop().await;
}

/// Every string of every kind of answer.
#[tokio::test]
async fn what_a_provider_says_does_not_come_out() {
    // A process for each turn takes its time: it gets some of them.
    for (driver, step) in [("app-server", 1), ("exec", 7)] {
        let mut provider = MockProvider::start().await;
        let settings = [("CODEX_DRIVER", driver)];
        let mut canary = Canary::start(&provider, &codex::real(), &settings);
        for (name, answer) in wire::answers().into_iter().step_by(step) {
            for stream in [true, false] {
                let asking = canary
                    .send(&json!({ "message": "Hello?", "stream": stream }))
                    .await;
                let name = format!("{driver}: {name}");
                canary
                    .answered_with(&mut provider, &answer, &name, asking)
                    .await;
            }
        }
        canary.stop().await;
    }
}

/// The process between the gateway and the model.
#[tokio::test]
async fn what_a_cli_writes_does_not_come_out() {
    let provider = MockProvider::start().await;
    for (commands, version) in [
        ("\"app-server\"", "0.169.0".to_owned()),
        ("\"app-server\"", places::secret_without_underscore()),
        ("\"exec\"", places::secret_without_underscore()),
        ("\"chat\"", secret(1)),
    ] {
        let directory = codex::directory();
        let lines = json!(wire::lines());
        let startup = format!("commands = [{commands}]\nversion = \"{version}\"\nlines = {lines}");
        let program = codex::fake(directory.path(), &startup);
        let mut canary = Canary::start(&provider, &program, &[]);
        for text in [
            "fake:lines",
            "fake:lines fake:hang-after-delta",
            "fake:lines fake:crash",
            "fake:garbage",
        ] {
            for stream in [true, false] {
                canary
                    .post(text, &json!({ "message": text, "stream": stream }))
                    .await;
            }
        }
        canary.stop().await;
    }
}

/// Names and contents of files, and what tests print.
#[tokio::test]
async fn what_lies_in_a_workspace_does_not_come_out() {
    let workspace = tempfile::tempdir().unwrap();
    fill(workspace.path());
    let mut provider = MockProvider::start().await;
    let workspaces = format!(
        "main={}",
        workspace.path().canonicalize().unwrap().display()
    );
    let skills = repository().join("skills");
    let settings = [
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("PORTCULLIS_SKILLS_DIR", skills.to_str().unwrap()),
        ("PORTCULLIS_WORKSPACES", &workspaces),
        ("PORTCULLIS_WORKSPACE_TESTS", "main=make"),
    ];
    let mut canary = Canary::start(&provider, &codex::real(), &settings);
    for (skill, extra) in wire::skill_calls() {
        for stream in [true, false] {
            let body = json!({
                "mode": "tool", "skill": skill, "message": secret(1), "extra": extra, "stream": stream,
            });
            canary.post(&format!("{skill} {extra}"), &body).await;
            let mut without = body.clone();
            without.as_object_mut().unwrap().remove("message");
            canary.post(&format!("{skill} {extra}"), &without).await;
        }
    }
    canary.get("/skills").await;

    // The same by a model, whose arguments and answer are its own.
    let chat = json!({
        "message": "Look.", "extra": { "skills": ["code-search", "read-file", "list-files", "run-tests"] },
    });
    let explain = json!({ "mode": "tool", "skill": "explain", "message": "Look." });
    let review = json!({ "mode": "tool", "skill": "review", "context": secret(2) });
    for (body, calls) in [(&chat, true), (&explain, true), (&review, false)] {
        let asking = canary.send(body).await;
        let mut call = provider.call().await;
        for (skill, extra) in wire::skill_calls().into_iter().filter(|_| calls) {
            if skill == "run-tests" && body != &chat {
                continue;
            }
            call.call_tool(skill, &extra.to_string()).await;
            call = provider.call().await;
            canary.keep("the provider's request", call.body_bytes.clone());
            if enough(&call) {
                break;
            }
        }
        let answer = json!({
            "answer": secret(3), "summary": secret(4), secret(5): secret(6),
            "sources": [{ "file": secret(7), "line": 1 }], "findings": [{ "file": secret(8) }],
        });
        call.answer(&answer.to_string()).await;
        canary.keep_answer("a model's", asking).await;
    }
    canary.stop().await;
}

/// The model has been told that it may make no more calls.
fn enough(call: &ModelCall) -> bool {
    call.tool_output().contains("calls. Answer with")
}

fn fill(workspace: &Path) {
    let write = |name: &str, text: &str| fs::write(workspace.join(name), text).unwrap();
    let said = [secret(11), secret(12), secret(13), secret(14)];
    let [name, value, message, path] = &said;
    write(&secret(10), &format!("gate {value}\n"));
    write("plain.txt", &format!("gate\n{value}\nAPI_KEY={message}\n"));
    write(&format!("{}.rs", secret(15)), "fn gate() {}\n");
    let reports = [
        format!("test {name}::works ... FAILED"),
        format!("---- {name}::works stdout ----"),
        format!("test result: FAILED. 0 passed; 1 failed; {value}"),
        format!("FAILED tests/{path}.py::test_login[{name}] - AssertionError: {message}"),
        format!("--- FAIL: TestLogin/{name} (0.00s)"),
        format!("not ok 1 - {name}"),
        format!("  message: '{message}'"),
        format!("Error: {message}"),
    ];
    let prints = reports.map(|line| format!("\t@echo \"{line}\"; echo \"{line}\" >&2\n"));
    let makefile = format!("test:\n{}\t@exit 1\n", prints.concat());
    write("Makefile", &makefile);
}

/// The harness must find what it looks for.
#[test]
fn a_canary_is_known_again() {
    let long = secret(99);
    assert!(places::leak(&Value::from(long.clone()).to_string().into_bytes()).is_some());
    assert!(places::leak(long.to_lowercase().as_bytes()).is_some());
    assert!(places::leak(&long.as_bytes()[20..]).is_some());
    assert!(places::leak(&long.as_bytes()[..24]).is_some());
    assert!(places::leak(b"[REDACTED:github_token]").is_none());
}
