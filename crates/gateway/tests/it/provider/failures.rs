//! A provider that fails in every way: the caller gets a clear answer without a word of the provider's,
//! and the same process answers the next question.

use serde_json::{Value, json};

use crate::support::caller::text_of;
use crate::support::provider::{CANARY, MockProvider, ModelCall};
use crate::support::test_app::TestApp;

/// Asks once more, and wants the process of `pids` to answer.
async fn still_answers(app: &TestApp, provider: &mut MockProvider, pids: &[u32]) {
    assert!(provider.nothing_came(), "the failed call was made again");
    let caller = app
        .send(&json!({ "message": "Still there?", "stream": false }))
        .await;
    provider.call().await.answer("Yes.").await;
    assert_eq!(caller.answer().await.chat(), "Yes.");
    assert_eq!(app.pids().await, pids, "another process had to answer");
}

fn has_no_canary(text: &str) {
    assert!(
        !text.contains(CANARY),
        "the provider's words came through: {text}"
    );
}

#[derive(Clone, Copy, Debug)]
enum Early {
    Status(u16, &'static str),
    NotEvents,
    Garbage,
    NoHead,
    CutBeforeText,
    FailedEvent(&'static str),
}

impl Early {
    /// The gateway asks once more by itself.
    fn is_passing(self) -> bool {
        matches!(
            self,
            Self::Status(429, "rate_limit_exceeded") | Self::Status(503, _)
        )
    }

    async fn play(self, mut call: ModelCall) {
        match self {
            Self::Status(status, code) => {
                call.refuse(status, code).await;
                call.closed().await;
            }
            Self::NotEvents => {
                let page = format!("<html>{CANARY}</html>");
                let length = page.len();
                call.raw(format!("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{page}")).await;
                call.closed().await;
            }
            Self::Garbage => {
                call.head_of_stream().await;
                call.chunk(&format!("\u{0}\u{1}garbage {CANARY}\n\ndata: {{\n\n"))
                    .await;
                call.raw("0\r\n\r\n").await;
            }
            Self::NoHead => drop(call),
            Self::CutBeforeText => {
                call.begin().await;
                drop(call);
            }
            Self::FailedEvent(code) => {
                call.begin().await;
                call.failed(code).await;
            }
        }
    }
}

#[tokio::test]
async fn a_failure_before_the_first_token_keeps_its_status() {
    let mut provider = MockProvider::start().await;
    let app = TestApp::with_real_codex(&provider, &[]).await;
    let pids = app.pids().await;
    let mut details = Vec::new();
    for failure in [
        Early::Status(401, "invalid_api_key"),
        Early::Status(429, "insufficient_quota"),
        Early::Status(429, "rate_limit_exceeded"),
        Early::Status(500, "server_error"),
        Early::Status(503, "slow_down"),
        Early::Status(404, "model_not_found"),
        Early::Status(400, "context_length_exceeded"),
        Early::Status(302, "elsewhere"),
        Early::NotEvents,
        Early::Garbage,
        Early::NoHead,
        Early::CutBeforeText,
        Early::FailedEvent("server_error"),
        Early::FailedEvent("rate_limit_exceeded"),
    ] {
        let caller = app.send(&json!({ "message": "Hello?" })).await;
        failure.play(provider.call().await).await;
        if failure.is_passing() {
            failure.play(provider.call().await).await;
        }
        let answer = caller.answer().await;
        let problem = answer.problem(502, "provider_failed");
        assert_eq!(answer.headers["x-should-retry"], "false", "{failure:?}");
        assert!(!answer.headers.contains_key("retry-after"), "{failure:?}");
        has_no_canary(&answer.text());
        details.push(json!({ "failure": format!("{failure:?}"), "detail": problem["detail"] }));
        still_answers(&app, &mut provider, &pids).await;
    }
    insta::assert_json_snapshot!(details);
    has_no_canary(&app.log.text());
    app.stop().await;
}

/// Nothing has run, so the caller may ask again, and reads when.
#[tokio::test]
async fn the_time_that_a_provider_asks_to_wait_reaches_the_caller() {
    let mut provider = MockProvider::start().await;
    let app = TestApp::with_real_codex(&provider, &[]).await;
    for (status, header, seconds) in [
        (429, "retry-after: 25", "25"),
        (503, "retry-after: 86400", "60"),
        (429, "retry-after-ms: 19001", "20"),
    ] {
        for stream in [true, false] {
            let body = json!({ "message": "Hello?", "stream": stream });
            let caller = app.send(&body).await;
            let mut call = provider.call().await;
            call.raw(format!(
                "HTTP/1.1 {status} X\r\n{header}\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}"
            ))
            .await;
            let answer = caller.answer().await;
            answer.problem(502, "provider_failed");
            assert_eq!(answer.headers["retry-after"], seconds);
            assert!(!answer.headers.contains_key("x-should-retry"));
        }
    }
    // A short wait is the gateway's own.
    let caller = app
        .send(&json!({ "message": "Hello?", "stream": false }))
        .await;
    let mut call = provider.call().await;
    call.raw("HTTP/1.1 429 X\r\nretry-after: 0\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
        .await;
    provider.call().await.answer("At last.").await;
    assert_eq!(caller.answer().await.chat(), "At last.");
    app.stop().await;
}

#[tokio::test]
async fn a_provider_that_cannot_be_reached_is_a_502() {
    let provider = MockProvider::start().await;
    // Bound and closed again: nobody listens there.
    let unused = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let base_url = format!("http://{unused}/v1");
    let app = TestApp::with_real_codex(&provider, &[("OPENAI_BASE_URL", &base_url)]).await;
    let problem = app.ask("Hello?").await.problem(502, "provider_failed");
    insta::assert_snapshot!(problem["detail"].as_str().unwrap());
    app.stop().await;
}

#[derive(Clone, Copy, Debug)]
enum Late {
    Cut,
    Garbage,
    FailedEvent,
}

#[tokio::test]
async fn a_failure_in_the_middle_is_the_last_frame() {
    let mut provider = MockProvider::start().await;
    let app = TestApp::with_real_codex(&provider, &[]).await;
    let pids = app.pids().await;
    let mut errors: Vec<Value> = Vec::new();
    for failure in [Late::Cut, Late::Garbage, Late::FailedEvent] {
        let mut caller = app.send(&json!({ "message": "Hello?" })).await;
        let mut call = provider.call().await;
        call.begin().await;
        call.delta("Half an").await;
        caller.expect_frame("start").await;
        assert_eq!(caller.expect_frame("delta").await["text"], "Half an");
        match failure {
            Late::Cut => drop(call),
            Late::Garbage => {
                call.raw(format!("not a chunk size {CANARY}\r\n")).await;
                call.closed().await;
            }
            Late::FailedEvent => {
                call.failed("server_error").await;
                drop(call);
            }
        }
        let mut data = caller.expect_frame("error").await;
        assert_eq!(caller.frame().await, None);
        has_no_canary(&data.to_string());
        data["error"]["request_id"].take();
        errors.push(data);
        still_answers(&app, &mut provider, &pids).await;
    }
    insta::assert_json_snapshot!(errors);
    has_no_canary(&app.log.text());
    app.stop().await;
}

/// Three calls hang at once, at three places; each is answered at its deadline, and the model calls
/// are given up.
#[tokio::test]
async fn a_provider_that_hangs_is_left_at_the_deadline() {
    let mut provider = MockProvider::start().await;
    let app = TestApp::with_real_codex(&provider, &[("CODEX_TIMEOUT_SEC", "2")]).await;
    let pids = app.pids().await;
    let before_head = app.send(&json!({ "message": "Hello?" })).await;
    let before_head_call = provider.call().await;
    let whole = app
        .send(&json!({ "message": "Hello?", "stream": false }))
        .await;
    let mut whole_call = provider.call().await;
    whole_call.begin().await;
    whole_call.delta("Half an").await;
    let mut streamed = app.send(&json!({ "message": "Hello?" })).await;
    let mut streamed_call = provider.call().await;
    streamed_call.begin().await;
    streamed_call.delta("Half an").await;
    streamed.expect_frame("start").await;
    streamed.expect_frame("delta").await;

    for caller in [before_head, whole] {
        let answer = caller.answer().await;
        let problem = answer.problem(504, "deadline_exceeded");
        assert_eq!(problem["meta"], json!({ "timeout_sec": 2 }));
        assert_eq!(answer.headers["x-should-retry"], "false");
        assert_eq!(
            app.log.call(problem["request_id"].as_str().unwrap())["status"],
            504
        );
    }
    let error = streamed.expect_frame("error").await["error"].take();
    assert_eq!(error["code"], "deadline_exceeded");
    assert_eq!(error["meta"], json!({ "timeout_sec": 2 }));
    assert_eq!(streamed.frame().await, None);

    for call in [before_head_call, whole_call, streamed_call] {
        call.closed().await;
    }
    app.is_idle().await;
    still_answers(&app, &mut provider, &pids).await;
    app.stop().await;
}

/// The model asks for a tool that it was not offered. The CLI tells it so, and it answers without.
#[tokio::test]
async fn a_call_of_a_tool_that_is_not_there_is_told_to_the_model() {
    let mut provider = MockProvider::start().await;
    let app = TestApp::with_real_codex(&provider, &[]).await;
    let pids = app.pids().await;
    for (name, kind) in [
        ("request_user_input", "function_call"),
        ("no_such_tool", "function_call"),
        ("no_such_tool", "custom_tool_call"),
    ] {
        let caller = app
            .send(&json!({ "message": "Hello?", "stream": false }))
            .await;
        let mut call = provider.call().await;
        call.begin().await;
        let item = json!({ "type": kind, "id": "fc_1", "call_id": "call_1", "name": name,
            "arguments": "{}", "input": "x", "status": "completed" });
        call.event(
            "response.output_item.done",
            json!({ "output_index": 0, "item": item.clone() }),
        )
        .await;
        call.complete(&[item]).await;
        let call = provider.call().await;
        let input = call.body["input"].as_array().unwrap();
        let [.., repeated, output] = input.as_slice() else {
            panic!("{}", call.body)
        };
        assert_eq!(repeated["name"], "unknown_tool");
        assert_eq!(output["type"], "function_call_output");
        assert_eq!(output["call_id"], repeated["call_id"]);
        assert!(!call.tool_output().is_empty());
        assert_eq!(call.body.get("tools"), None);
        call.answer("Without it, then.").await;
        assert_eq!(caller.answer().await.chat(), "Without it, then.");
    }
    still_answers(&app, &mut provider, &pids).await;
    app.stop().await;
}

/// What a model thinks is shown as metadata, never as text.
#[tokio::test]
async fn reasoning_is_an_item_without_content() {
    let mut provider = MockProvider::start().await;
    let app = TestApp::with_real_codex(&provider, &[]).await;
    let mut caller = app.send(&json!({ "message": "Hello?" })).await;
    let mut call = provider.call().await;
    call.head_of_stream().await;
    call.event(
        "response.created",
        json!({ "response": { "id": "resp_1" } }),
    )
    .await;
    let item = json!({ "type": "reasoning", "id": "rs_1", "summary": [{ "type": "summary_text", "text": CANARY }],
        "encrypted_content": CANARY });
    for event in ["response.output_item.added", "response.output_item.done"] {
        call.event(event, json!({ "output_index": 0, "item": item.clone() }))
            .await;
    }
    call.message_begins().await;
    call.delta("Done.").await;
    call.finish().await;
    let frames = caller.frames().await;
    // The redactor may keep the last characters back for a moment: a delta of their own.
    let mut events: Vec<&str> = frames.iter().map(|frame| frame.event.as_str()).collect();
    events.dedup();
    assert_eq!(events, ["start", "item", "delta", "done"]);
    assert_eq!(
        frames[1].data,
        json!({ "type": "item", "kind": "reasoning", "title": "Reasoning", "status": "started" })
    );
    assert_eq!(frames[2].data["status"], "completed");
    assert_eq!(text_of(&frames), "Done.");
    for frame in &frames {
        has_no_canary(&frame.data.to_string());
    }
    app.stop().await;
}
