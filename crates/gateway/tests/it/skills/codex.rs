//! Skills that are a turn of the real CLI (`explain`, `review`), and those of a company's own CLI.

use std::fs;

use serde_json::{Value, json};

use crate::support::provider::{CANARY, MockProvider, ModelCall};
use crate::support::skilled::repository;
use crate::support::test_app::TestApp;

async fn app(provider: &MockProvider, workspace: &str) -> TestApp {
    let skills = repository().join("skills");
    let workspaces = format!("code={workspace}");
    let settings = [
        ("PORTCULLIS_SKILLS_DIR", skills.to_str().unwrap()),
        ("PORTCULLIS_WORKSPACES", workspaces.as_str()),
    ];
    TestApp::with_real_codex(provider, &settings).await
}

async fn on_sample(provider: &MockProvider) -> TestApp {
    let sample = repository().join("samples/code");
    app(provider, sample.to_str().unwrap()).await
}

fn tools(call: &ModelCall) -> Vec<&str> {
    let tools = call.body["tools"].as_array();
    let tools = tools.map(Vec::as_slice).unwrap_or_default();
    tools
        .iter()
        .filter_map(|tool| tool["name"].as_str())
        .collect()
}

#[tokio::test]
async fn explain_reads_the_workspace_by_skills_and_names_what_it_read() {
    let mut provider = MockProvider::start().await;
    let app = on_sample(&provider).await;
    let body = json!({ "mode": "tool", "skill": "explain", "message": "How heavy?\nSay it." });
    let mut caller = app.send(&body).await;
    let call = provider.call().await;
    assert_eq!(tools(&call), ["code-search", "read-file", "list-files"]);
    assert_eq!(call.user_texts(), ["How heavy?\nSay it."]);
    assert_eq!(call.body["text"]["format"]["type"], "json_schema");
    call.call_tool("read-file", "{\"path\":\"src/gate.rs\"}")
        .await;
    let call = provider.call().await;
    assert!(call.tool_output().contains("weight < 500"));
    call.call_tool("list-files", "{\"path\":\"src\"}").await;
    let call = provider.call().await;
    assert!(call.tool_output().contains("src/gate.rs"));
    call.call_tool("read-file", "{\"path\":\"/etc/passwd\"}")
        .await;
    let call = provider.call().await;
    assert!(call.tool_output().contains("/extra/path"));
    let answer =
        json!({ "answer": "Under 500.", "sources": [{ "file": "src/gate.rs", "line": 3 }] });
    call.answer(&answer.to_string()).await;

    let frames = caller.frames().await;
    let items: Vec<_> = frames
        .iter()
        .filter(|frame| frame.event == "item")
        .map(|frame| {
            (
                frame.data["title"].as_str().unwrap(),
                frame.data["status"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        items,
        [
            ("explain", "started"),
            ("read-file", "started"),
            ("read-file", "completed"),
            ("list-files", "started"),
            ("list-files", "completed"),
            ("read-file", "started"),
            ("read-file", "failed"),
            ("explain", "completed")
        ]
    );
    let done = &frames.last().unwrap().data;
    assert_eq!(done["tool_result"]["output"], answer);
    assert_eq!(done["tool_result"]["files_read"], json!(["src/gate.rs"]));
    assert_eq!(done["meta"]["driver"], "codex");
    assert!(done["meta"]["usage"]["output_tokens"].as_u64() > Some(0));
    assert_eq!(done["meta"]["skill_calls"][2]["outcome"], "invalid_extra");
    app.stop().await;
}

#[tokio::test]
async fn review_gives_findings_by_its_schema() {
    let mut provider = MockProvider::start().await;
    let app = on_sample(&provider).await;
    let diff = format!(
        "--- a/x.rs\n+++ b/x.rs\n@@ -1 +1 @@\n-let a = 1;\n+let token = \"ghp_{}\";\n",
        "aB3dE5fG7h".repeat(4)
    );
    let body = json!({
        "mode": "tool", "skill": "review", "context": diff, "stream": false,
        "extra": { "focus": "secrets", "colour": "red" },
    });
    let caller = app.send(&body).await;
    let call = provider.call().await;
    assert_eq!(tools(&call), [""; 0]);
    let texts = call.user_texts();
    assert!(texts[0].ends_with("above all at: secrets"), "{texts:?}");
    assert!(texts[1].contains("+let token"), "{texts:?}");
    assert!(!texts[1].contains("aB3dE5"), "{texts:?}");
    let findings = json!({
        "summary": "A token.",
        "findings": [{ "file": "x.rs", "line": 1, "severity": "high", "message": "A secret." }],
    });
    call.answer(&findings.to_string()).await;
    let answer = caller.answer().await.json();
    assert_eq!(answer["tool_result"]["output"], findings);
    assert_eq!(answer["tool_result"].get("files_read"), None);
    assert_eq!(answer["meta"]["ignored_extra"], json!(["colour"]));
    let request = answer["meta"]["redactions"]["request"].as_object().unwrap();
    assert_eq!(request.len(), 1, "{request:?}");
    app.stop().await;
}

#[tokio::test]
async fn review_has_nothing_to_say_of_nothing() {
    let provider = MockProvider::start().await;
    let app = on_sample(&provider).await;
    let body = json!({ "mode": "tool", "skill": "review", "message": "a diff", "stream": false });
    let answer = app.send(&body).await.answer().await;
    let problem = answer.problem(422, "invalid_request");
    assert_eq!(problem["errors"][0]["pointer"], "/context");
    app.stop().await;
}

/// Not offered, rather than offered and never run.
#[tokio::test]
async fn what_the_driver_cannot_run_is_left_out() {
    let provider = MockProvider::start().await;
    let skills = repository().join("skills");
    let settings = [
        ("PORTCULLIS_SKILLS_DIR", skills.to_str().unwrap()),
        ("CODEX_DRIVER", "exec"),
    ];
    let app = TestApp::with_real_codex(&provider, &settings).await;
    let offers = app.get("/skills").await.text();
    assert!(offers.contains("\"review\"") && !offers.contains("\"explain\""));
    assert!(app.log.text().contains("is left out"));
    app.stop().await;
}

#[tokio::test]
async fn what_is_not_as_promised_is_no_result() {
    let mut provider = MockProvider::start().await;
    let app = on_sample(&provider).await;
    let body = json!({ "mode": "tool", "skill": "review", "context": "x", "stream": false });
    for (said, detail) in [
        (format!("{{\"summary\": {CANARY}}}"), "at byte 12"),
        (format!("\"{CANARY}\""), "at its root"),
        (
            json!({ "summary": CANARY, "findings": [{ "file": "x", "line": "one",
                    "severity": "high", "message": "" }] })
            .to_string(),
            "at /findings/0/line",
        ),
    ] {
        let caller = app.send(&body).await;
        provider.call().await.answer(&said).await;
        let answer = caller.answer().await;
        let problem = answer.problem(502, "bad_tool_output");
        let told = problem["detail"].as_str().unwrap();
        assert!(told.contains(detail), "{told}");
        assert!(!answer.text().contains(CANARY));
    }
    let caller = app.send(&body).await;
    provider.call().await.refuse(401, "invalid_api_key").await;
    caller.answer().await.problem(502, "provider_failed");
    app.stop().await;
}

/// The CLI never sees the workspace, so nothing in it can tell it anything.
#[tokio::test]
async fn a_hostile_workspace_says_nothing_to_the_cli() {
    let mut provider = MockProvider::start().await;
    let workspace = tempfile::tempdir().unwrap();
    let root = workspace.path().canonicalize().unwrap();
    for file in [
        "AGENTS.md",
        ".codex/config.toml",
        ".codex/hooks.json",
        ".git/config",
        ".git/hooks/post-checkout",
        "package.json",
    ] {
        let path = root.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(
            &path,
            format!("# {CANARY}\n[core]\n\tfsmonitor = \"touch pwned\"\n"),
        )
        .unwrap();
    }
    let app = app(&provider, root.to_str().unwrap()).await;
    let body =
        json!({ "mode": "tool", "skill": "explain", "message": "What is here?", "stream": false });
    let caller = app.send(&body).await;
    let call = provider.call().await;
    assert!(!call.body.to_string().contains(CANARY), "{}", call.body);
    call.call_tool("read-file", "{\"path\":\"AGENTS.md\"}")
        .await;
    let call = provider.call().await;
    assert!(
        call.tool_output().contains(CANARY),
        "as material, when it is asked for"
    );
    let answer = json!({ "answer": "A trap.", "sources": [] });
    call.answer(&answer.to_string()).await;
    let result = caller.answer().await.json()["tool_result"].take();
    assert_eq!(result["output"], answer);
    assert!(!root.join("pwned").exists());
    app.stop().await;
}

#[tokio::test]
async fn a_companys_tool_is_run_by_the_contract() {
    let provider = MockProvider::start().await;
    let skills = tempfile::tempdir().unwrap();
    let file = r#"
name = "word-count"
description = "Counts words"
workspace = "none"
result = "json"

[parameters]
type = "object"

[parameters.properties.words]
type = "array"
items = { type = "string" }

[run]
kind = "cli"
skill = "word-count"
stdin = "context"
args = [{ each = "words", args = ["{}"] }]
"#;
    fs::write(skills.path().join("word-count.toml"), file).unwrap();
    let settings = [("PORTCULLIS_SKILLS_DIR", skills.path().to_str().unwrap())];
    let app = TestApp::with_company_cli(&provider, &settings).await;
    let body = json!({
        "mode": "tool", "skill": "word-count", "context": "Error: an error\n", "stream": false,
        "extra": { "words": ["error", "--json", "--help"] },
    });
    let answer = app.send(&body).await.answer().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let result: Value = answer.json()["tool_result"].take();
    let counts = json!({ "error": 2, "--json": 0, "--help": 0 });
    assert_eq!(result["output"], json!({ "total": 3, "counts": counts }));
    app.stop().await;
}
