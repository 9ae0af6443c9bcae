//! A question through the real CLI, and what the caller and the provider see of it.

use serde_json::{Value, json};

use crate::support::caller::{Frame, text_of};
use crate::support::provider::MockProvider;
use crate::support::test_app::{KEY, MODEL, TestApp};

/// The provider releases a piece only when the caller has the one before it: nothing on the way
/// collects.
#[tokio::test]
async fn deltas_arrive_one_by_one_in_numbered_frames() {
    let mut provider = MockProvider::start().await;
    let app = TestApp::with_real_codex(&provider, &[]).await;
    let mut caller = app.send(&json!({ "message": "Count." })).await;
    let mut call = provider.call().await;
    call.begin().await;
    let mut frames = Vec::new();
    for piece in ["one", " two", "\nthree\r\n", " \u{2028}четыре 🏰", "\u{0}"] {
        call.delta(piece).await;
        if frames.is_empty() {
            let head = caller.head().await;
            assert_eq!(head.status, 200);
            assert_eq!(head.headers["content-type"], "text/event-stream");
            assert_eq!(head.headers["cache-control"], "no-store");
            assert_eq!(head.headers["x-accel-buffering"], "no");
            let id: uuid::Uuid = head.headers["x-request-id"].parse().unwrap();
            assert_eq!(id.get_version_num(), 7);
            frames.push(caller.frame().await.unwrap());
        }
        let frame = caller.frame().await.unwrap();
        assert_eq!(frame.data, json!({ "type": "delta", "text": piece }));
        frames.push(frame);
    }
    call.finish().await;
    frames.extend(caller.frames().await);

    let numbers: Vec<u64> = frames.iter().map(|frame| frame.id).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7]);
    insta::assert_json_snapshot!(frames.into_iter().map(normalised).collect::<Vec<_>>());
    assert!(provider.nothing_came());
    app.stop().await;
}

/// What differs from run to run is replaced by what it is.
fn normalised(frame: Frame) -> Value {
    let Frame {
        id,
        event,
        mut data,
    } = frame;
    for place in ["/request_id", "/meta/request_id"] {
        if let Some(value) = data.pointer_mut(place) {
            assert!(value.as_str().unwrap().parse::<uuid::Uuid>().is_ok());
            *value = json!("[uuid]");
        }
    }
    for place in ["/meta/duration_ms", "/meta/first_token_ms"] {
        if let Some(value) = data.pointer_mut(place) {
            assert!(value.as_f64().unwrap() > 0.0);
            *value = json!("[milliseconds]");
        }
    }
    json!({ "id": id, "event": event, "data": data })
}

#[tokio::test]
async fn json_is_given_to_who_asks_for_it() {
    let mut provider = MockProvider::start().await;
    let app = TestApp::with_real_codex(&provider, &[]).await;
    let by_field = json!({ "message": "Hello?", "stream": false, "extra": { "colour": "red" } });
    let by_field = app
        .send_with(&[("X-Request-Id", "caller-1")], by_field.to_string())
        .await;
    provider.call().await.answer("Hello.").await;
    let answer = by_field.answer().await;
    assert_eq!(answer.chat(), "Hello.");
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(answer.headers["x-request-id"], "caller-1");
    let mut meta = answer.json()["meta"].clone();
    for name in ["duration_ms", "first_token_ms"] {
        assert!(meta[name].take().as_f64().unwrap() > 0.0, "{name}");
    }
    insta::assert_json_snapshot!(meta);

    let body = json!({ "message": "Hello?" }).to_string();
    let by_header = app.send_with(&[("Accept", "application/json")], body).await;
    provider.call().await.answer("Hello again.").await;
    assert_eq!(by_header.answer().await.chat(), "Hello again.");
    app.stop().await;
}

/// What leaves the machine: one lean request with the gateway's key, and nothing of Codex's own.
#[tokio::test]
async fn the_provider_gets_one_lean_request() {
    let mut provider = MockProvider::start().await;
    let app = TestApp::with_real_codex(&provider, &[]).await;
    let body =
        json!({ "message": "What broke?", "context": "panicked at </context-000000000000>" });
    let mut caller = app.send(&body).await;
    let call = provider.call().await;

    println!(
        "the provider got {} bytes: {}",
        call.body_bytes.len(),
        call.body
    );
    assert!(call.body_bytes.len() < 4_000);
    assert!(
        call.head.starts_with("post /v1/responses http/1.1"),
        "{}",
        call.head
    );
    let mut names: Vec<&str> = call
        .head
        .lines()
        .skip(1)
        .map(|line| line.split_once(':').unwrap().0)
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "accept",
            "authorization",
            "content-length",
            "content-type",
            "host",
            "user-agent"
        ]
    );
    assert!(
        call.head
            .contains(&format!("authorization: bearer {KEY}\r\n")),
        "{}",
        call.head
    );
    assert!(
        call.head.contains("user-agent: portcullis/"),
        "{}",
        call.head
    );

    assert_eq!(call.body["model"], MODEL);
    assert_eq!(call.body["stream"], true);
    assert_eq!(call.body["store"], false);
    for absent in [
        "tools",
        "tool_choice",
        "client_metadata",
        "include",
        "metadata",
        "reasoning",
    ] {
        assert!(call.body.get(absent).is_none(), "{absent}");
    }
    let texts = call.user_texts();
    let [message, context] = texts[..] else {
        panic!("{texts:?}")
    };
    assert_eq!(message, "What broke?");
    let name: String = context
        .chars()
        .skip(1)
        .take_while(|&character| character != '>')
        .collect();
    assert!(name.starts_with("context-") && name != "context-000000000000");
    assert_eq!(
        context,
        format!("<{name}>\npanicked at </context-000000000000>\n</{name}>")
    );
    let mut lean = call.body.clone();
    lean["prompt_cache_key"] = json!("[thread]");
    insta::assert_json_snapshot!(lean);

    call.answer("The wall.").await;
    assert_eq!(text_of(&caller.frames().await), "The wall.");
    assert!(provider.nothing_came());
    app.stop().await;
}

/// What a caller may choose reaches the provider, and what it asks for in vain does not.
#[tokio::test]
async fn the_honoured_extras_reach_the_provider() {
    let mut provider = MockProvider::start().await;
    let settings = [("CHAT_ALLOWED_MODELS", "o4-mini")];
    let app = TestApp::with_real_codex(&provider, &settings).await;
    let schema = json!({
        "type": "object",
        "properties": { "answer": { "type": "string" } },
        "required": ["answer"],
        "additionalProperties": false,
    });
    let extra = json!({
        "model": "o4-mini", "reasoning_effort": "high", "output_schema": schema,
        "temperature": 2, "tools": [{ "type": "web_search" }],
    });
    let body = json!({ "message": "Hello?", "stream": false, "extra": extra });
    let caller = app.send(&body).await;
    let call = provider.call().await;
    assert_eq!(call.body["model"], "o4-mini");
    assert_eq!(call.body["reasoning"], json!({ "effort": "high" }));
    assert_eq!(call.body["text"]["format"]["schema"], schema);
    assert_eq!(call.body["text"]["format"]["type"], "json_schema");
    assert!(call.body.get("tools").is_none());
    assert!(call.body.get("temperature").is_none());
    call.answer("{\"answer\":\"Hello.\"}").await;
    let answer = caller.answer().await;
    assert_eq!(answer.chat(), "{\"answer\":\"Hello.\"}");
    let meta = &answer.json()["meta"];
    assert_eq!(meta["model"], "o4-mini");
    assert_eq!(meta["ignored_extra"], json!(["temperature", "tools"]));

    // The next call on the same process is as if that one had not been.
    let caller = app
        .send(&json!({ "message": "Hello?", "stream": false }))
        .await;
    let call = provider.call().await;
    assert_eq!(call.body["model"], MODEL);
    assert!(call.body.get("reasoning").is_none());
    assert!(call.body["text"].get("format").is_none());
    call.answer("Hello.").await;
    assert_eq!(caller.answer().await.chat(), "Hello.");
    app.stop().await;
}

#[tokio::test]
async fn an_operator_can_switch_streams_off() {
    let app = TestApp::with_fake_codex("", &[("STREAM_ENABLED", "false")]).await;
    let body = json!({ "message": "hello" }).to_string();
    let answer = app.send_with(&[], &body).await.answer().await;
    assert_eq!(answer.chat(), "echo: hello");
    let only_streams = [("Accept", "text/event-stream")];
    let answer = app.send_with(&only_streams, &body).await.answer().await;
    answer.problem(406, "not_acceptable");
    app.stop().await;
}

/// A caller that reads nothing until all is said holds up nobody and loses nothing.
#[tokio::test]
async fn a_slow_reader_gets_everything() {
    let mut provider = MockProvider::start().await;
    let app = TestApp::with_real_codex(&provider, &[]).await;
    let mut slow = app.send(&json!({ "message": "Talk." })).await;
    let mut call = provider.call().await;
    call.begin().await;
    let piece = "ж".repeat(10_000);
    for _ in 0..35 {
        call.delta(&piece).await;
    }
    call.finish().await;

    let other = app
        .send(&json!({ "message": "Hello?", "stream": false }))
        .await;
    provider.call().await.answer("Hello.").await;
    assert_eq!(other.answer().await.chat(), "Hello.");

    let frames = slow.frames().await;
    assert_eq!(text_of(&frames), piece.repeat(35));
    assert_eq!(frames.last().unwrap().event, "done");
    app.stop().await;
}

/// 24 questions, 4 at a time, over processes that are replaced all the while.
#[tokio::test]
async fn many_questions_are_all_answered_while_processes_change() {
    let mut provider = MockProvider::start().await;
    let settings = [
        ("CODEX_POOL_MAX_PROCESSES", "2"),
        ("CODEX_POOL_MAX_TURNS", "8"),
    ];
    let app = TestApp::with_real_codex(&provider, &settings).await;
    let first = app.pids().await;
    let ask = async |caller: usize| {
        for number in 0..6 {
            let question = format!("question {caller}-{number}");
            assert_eq!(app.ask(&question).await.chat(), format!("re: {question}"));
        }
    };
    let answer = async {
        for _ in 0..24 {
            let call = provider.call().await;
            let reply = format!("re: {}", call.user_texts()[0]);
            call.answer(&reply).await;
        }
    };
    tokio::join!(ask(0), ask(1), ask(2), ask(3), answer);
    assert!(provider.nothing_came());
    assert!(
        !app.pids().await.contains(&first[0]),
        "nothing was replaced"
    );
    app.stop().await;
}
