//! Skills that the model calls by itself, on the real CLI: those that the caller named, and nothing else.

use serde_json::{Value, json};

use crate::support::caller::text_of;
use crate::support::provider::MockProvider;
use crate::support::test_app::TestApp;

/// The shipped skills, on a sample workspace.
const SKILLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../skills");
const WORKSPACES: &str = concat!("code=", env!("CARGO_MANIFEST_DIR"), "/../../samples/code");

async fn app(provider: &MockProvider, more: &[(&str, &str)]) -> TestApp {
    let settings = [
        ("PORTCULLIS_SKILLS_DIR", SKILLS),
        ("PORTCULLIS_WORKSPACES", WORKSPACES),
    ];
    TestApp::with_real_codex(provider, &[&settings, more].concat()).await
}

fn question(skills: &[&str]) -> Value {
    json!({ "message": "Where is the gate raised?", "extra": { "skills": skills } })
}

fn tools(body: &Value) -> Vec<&str> {
    let tools = body["tools"].as_array();
    let tools = tools.map(Vec::as_slice).unwrap_or_default();
    tools
        .iter()
        .filter_map(|tool| tool["name"].as_str())
        .collect()
}

#[tokio::test]
async fn the_model_searches_and_answers_with_what_it_found() {
    let mut provider = MockProvider::start().await;
    let app = app(&provider, &[]).await;
    let mut caller = app.send(&question(&["code-search"])).await;
    let call = provider.call().await;
    assert_eq!(tools(&call.body), ["code-search"]);
    let parameters = &call.body["tools"][0]["parameters"];
    assert!(parameters["properties"]["pattern"].is_object());
    assert!(!parameters.to_string().contains("x-path"), "{parameters}");
    call.call_tool("code-search", "{\"pattern\":\"raise_gate\"}")
        .await;

    caller.expect_frame("start").await;
    let item = caller.expect_frame("item").await;
    assert_eq!(
        (&item["kind"], &item["title"], &item["status"]),
        (
            &json!("skill_call"),
            &json!("code-search"),
            &json!("started")
        )
    );
    assert_eq!(caller.expect_frame("item").await["status"], "completed");
    let call = provider.call().await;
    let output: Value = serde_json::from_str(&call.tool_output()).unwrap();
    assert_eq!(output["output"]["matches"][0]["file"], "src/gate.rs");
    assert_eq!(tools(&call.body), ["code-search"]);
    call.answer("In src/gate.rs.").await;
    let frames = caller.frames().await;
    assert_eq!(text_of(&frames), "In src/gate.rs.");
    let meta = &frames.last().unwrap().data["meta"];
    assert_eq!(meta["skill_calls"][0]["skill"], "code-search");
    assert_eq!(meta["skill_calls"][0]["outcome"], "ok");
    assert!(app.log.text().contains("the model called a skill"));

    // The next chat has none.
    let plain = app.send(&json!({ "message": "Hello" })).await;
    let call = provider.call().await;
    assert_eq!(tools(&call.body), [""; 0]);
    call.answer("Hello.").await;
    drop(plain);
    app.is_idle().await;
    app.stop().await;
}

/// Each call is answered, wrong ones with what was wrong, until there are none left.
#[tokio::test]
async fn what_the_model_does_wrong_it_is_told() {
    let mut provider = MockProvider::start().await;
    let app = app(&provider, &[("CHAT_MAX_SKILL_CALLS", "5")]).await;
    let mut caller = app.send(&question(&["code-search"])).await;
    let secret = format!("ghp_{}", "aB3dE5fG7h".repeat(4));
    let with_secret = json!({ "pattern": secret }).to_string();
    let mut call = provider.call().await;
    for (arguments, said) in [
        ("{\"pattern\":\"x\",\"path\":\"../../etc\"}", "/extra/path"),
        ("{\"pattern\":7}", "/extra/pattern"),
        ("[]", "JSON object"),
        (
            "{\"pattern\":\"x\",\"workspace\":\"other\"}",
            "/extra/workspace",
        ),
        // What is left of it is a marker, which is a pattern too.
        (with_secret.as_str(), "\"matches\":["),
        ("{\"pattern\":\"gate\"}", "has made its 5 calls"),
    ] {
        call.call_tool("code-search", arguments).await;
        call = provider.call().await;
        let output = call.tool_output();
        assert!(output.contains(said), "{arguments}: {output}");
        assert!(!call.body.to_string().contains(&secret));
    }
    call.answer("Enough.").await;
    let frames = caller.frames().await;
    assert_eq!(text_of(&frames), "Enough.");
    let items: Vec<_> = frames
        .iter()
        .filter(|frame| frame.event == "item" && frame.data["status"] != "started")
        .map(|frame| frame.data["status"].as_str().unwrap())
        .collect();
    assert_eq!(
        items,
        [
            "failed",
            "failed",
            "failed",
            "failed",
            "completed",
            "failed"
        ]
    );
    app.stop().await;
}

/// Codex asks for all of them at once; a burst is no fault, and each call is answered.
#[tokio::test]
async fn a_burst_of_calls_is_answered_call_by_call() {
    const CALLS: usize = 300;
    let mut provider = MockProvider::start().await;
    let app = app(&provider, &[]).await;
    let mut caller = app.send(&question(&["code-search"])).await;
    let pids = app.pids().await;
    let call = provider.call().await;
    call.call_tool_at_once(CALLS, "code-search", "{\"pattern\":\"raise_gate\"}")
        .await;
    let call = provider.call().await;
    let outputs = call.tool_outputs();
    assert_eq!(outputs.len(), CALLS);
    let found = outputs.iter().filter(|text| text.contains("src/gate.rs"));
    assert_eq!(found.count(), 8);
    let refused = outputs
        .iter()
        .filter(|text| text.contains("has made its 8 calls"));
    assert_eq!(refused.count(), CALLS - 8);
    call.answer("In src/gate.rs.").await;
    assert_eq!(text_of(&caller.frames().await), "In src/gate.rs.");
    assert_eq!(app.pids().await, pids);
    app.stop().await;
}

/// Neither a tool that the CLI brings nor a skill that was not named: the CLI tells the model that there is
/// no such tool.
#[tokio::test]
async fn what_was_not_lent_cannot_be_called() {
    let mut provider = MockProvider::start().await;
    let app = app(&provider, &[]).await;
    for name in ["run-tests", "shell", "exec_command", "request_user_input"] {
        let caller = app.send(&question(&["code-search"])).await;
        provider.call().await.call_tool(name, "{}").await;
        let told = provider.call().await;
        let repeated = told.body["input"].as_array().unwrap().iter();
        let names: Vec<_> = repeated.filter_map(|item| item.get("name")).collect();
        assert_eq!(names, ["unknown_tool"], "{name}");
        assert!(!told.tool_output().is_empty(), "{name}");
        told.answer("Without it.").await;
        let end = caller.answer().await;
        assert_eq!(end.status, 200, "{name}: {}", end.text());
    }
    assert!(!app.log.text().contains("the model called a skill"));
    assert!(provider.nothing_came());
    app.stop().await;
}

#[tokio::test]
async fn only_a_known_skill_that_is_no_turn_is_granted() {
    let provider = MockProvider::start().await;
    let app = app(&provider, &[]).await;
    let unknown = app.send(&question(&["no-such-skill"])).await.answer().await;
    unknown.problem(400, "unknown_skill");
    let mut body = question(&["code-search"]);
    body["extra"]["workspace"] = json!("nowhere");
    let elsewhere = app.send(&body).await.answer().await;
    let problem = elsewhere.problem(422, "invalid_extra");
    assert_eq!(problem["errors"][0]["pointer"], "/extra/workspace");
    // The pointer is for the caller; the log has the number of mistakes.
    let record = app.log.call(problem["request_id"].as_str().unwrap());
    assert_eq!((&record["errors"], record.get("detail")), (&json!(1), None));
    app.stop().await;

    let exec = app_with_exec(&provider).await;
    let refused = exec.send(&question(&["code-search"])).await.answer().await;
    let problem = refused.problem(422, "invalid_extra");
    assert_eq!(problem["errors"][0]["pointer"], "/extra/skills");
    exec.stop().await;
}

async fn app_with_exec(provider: &MockProvider) -> TestApp {
    app(provider, &[("CODEX_DRIVER", "exec")]).await
}

/// As the real one does with a name that it keeps for itself, which no file of a skill can have.
#[tokio::test]
async fn a_tool_that_codex_refuses_costs_no_process() {
    let settings = [
        ("PORTCULLIS_SKILLS_DIR", SKILLS),
        ("PORTCULLIS_WORKSPACES", WORKSPACES),
    ];
    let app = TestApp::with_fake_codex("refuse_tools = true", &settings).await;
    let pids = app.pids().await;
    let refused = app.send(&question(&["code-search"])).await.answer().await;
    refused.problem(502, "codex_failed");
    assert_eq!(app.ask("Hello").await.chat(), "echo: Hello");
    assert_eq!(app.pids().await, pids);
    app.stop().await;
}

/// The skill is not run to its end for a turn that has none any more.
#[tokio::test]
async fn a_process_that_dies_ends_the_skill_that_it_waits_for() {
    let mut provider = MockProvider::start().await;
    let skills = tempfile::tempdir().unwrap();
    let file = "name = \"slow\"\ndescription = \"d\"\nworkspace = \"none\"\nresult = \"text\"\n\
                [parameters]\ntype = \"object\"\n[run]\nkind = \"command\"\nprogram = \"/bin/sleep\"\n\
                args = [\"--\", \"60\"]\n";
    std::fs::write(skills.path().join("slow.toml"), file).unwrap();
    let settings = [("PORTCULLIS_SKILLS_DIR", skills.path().to_str().unwrap())];
    let app = TestApp::with_real_codex(&provider, &settings).await;
    let mut caller = app.send(&question(&["slow"])).await;
    provider.call().await.call_tool("slow", "{}").await;
    caller.expect_frame("start").await;
    caller.expect_frame("item").await;
    let [pid] = app.pids().await[..] else {
        panic!("not one process")
    };
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    // Far less than the skill would take.
    let error = caller.expect_frame("error").await;
    assert_eq!(error["error"]["code"], "codex_failed");
    app.stop().await;
}
