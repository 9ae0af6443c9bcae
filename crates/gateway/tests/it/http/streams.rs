//! Streams as compatible servers send them: what the bare CLI answers, the gateway answers, and what it
//! loses in silence comes through here.

use serde_json::{Value, json};

use crate::support::caller::text_of;
use crate::support::provider::MockProvider;
use crate::support::test_app::TestApp;

fn event(mut data: Value, name: &str) -> String {
    data["type"] = json!(name);
    format!("event: {name}\ndata: {data}\n\n")
}

fn created() -> String {
    let response = json!({ "id": "resp_1", "status": "in_progress", "output": [] });
    event(json!({ "response": response }), "response.created")
}

fn added() -> String {
    let item = json!({ "type": "message", "id": "msg_1", "role": "assistant", "content": [] });
    let data = json!({ "output_index": 0, "item": item });
    event(data, "response.output_item.added")
}

fn delta(text: &str) -> String {
    let data = json!({ "item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": text });
    event(data, "response.output_text.delta")
}

fn message(content: &Value) -> Value {
    json!({ "type": "message", "id": "msg_1", "role": "assistant", "content": content })
}

fn text(text: &str) -> Value {
    message(&json!([{ "type": "output_text", "text": text, "annotations": [] }]))
}

fn done(item: &Value) -> String {
    let data = json!({ "output_index": 0, "item": item });
    event(data, "response.output_item.done")
}

fn text_done(text: &str) -> String {
    let data = json!({ "item_id": "msg_1", "output_index": 0, "content_index": 0, "text": text });
    event(data, "response.output_text.done")
}

fn part_done(text: &str) -> String {
    let part = json!({ "type": "output_text", "text": text, "annotations": [] });
    let data = json!({ "item_id": "msg_1", "output_index": 0, "content_index": 0, "part": part });
    event(data, "response.content_part.done")
}

fn completed(output: &Value, usage: &Value) -> String {
    let response =
        json!({ "id": "resp_1", "status": "completed", "output": output, "usage": usage });
    event(json!({ "response": response }), "response.completed")
}

const EVENT_STREAM: &str = "content-type: text/event-stream\r\n";

/// What stands before the events, the events, and the answer.
fn streams() -> Vec<(&'static str, String, &'static str)> {
    let usage = json!({ "input_tokens": 11, "output_tokens": 5 });
    let end = completed(&json!([text("Hello.")]), &usage);
    let bare_end = completed(&json!([]), &usage);
    let whole = created() + &added() + &delta("Hel") + &delta("lo.") + &done(&text("Hello."));
    let chat_usage = json!({ "prompt_tokens": 11, "completion_tokens": 5, "total_tokens": 16 });
    let refusal = message(&json!([{ "type": "refusal", "refusal": "I will not." }]));
    let plain = |events: String, answer| (EVENT_STREAM, events, answer);
    vec![
        ("", whole.clone() + &end, "Hello."),
        (
            "content-type: application/json\r\n",
            whole.clone() + &end,
            "Hello.",
        ),
        (
            "content-encoding: identity\r\n",
            whole.clone() + &end,
            "Hello.",
        ),
        plain(format!("\u{feff}{whole}{end}"), "Hello."),
        plain((whole.clone() + &end).replace('\n', "\r\n"), "Hello."),
        plain((whole.clone() + &end).replace('\n', "\r"), "Hello."),
        plain((whole.clone() + &end).trim_end().to_owned(), "Hello."),
        plain(
            whole.clone() + &completed(&json!([]), &chat_usage),
            "Hello.",
        ),
        plain(whole.clone() + &completed(&json!([]), &json!({})), "Hello."),
        plain(
            whole + &event(json!({ "code": "server_error" }), "error") + &end,
            "Hello.",
        ),
        plain(created() + &end, "Hello."),
        plain(created() + &done(&text("Hello.")) + &end, "Hello."),
        plain(
            created() + &added() + &delta("Hel") + &delta("lo.") + &end,
            "Hello.",
        ),
        plain(
            created() + &added() + &delta("Hel") + &done(&text("Hello, and more.")) + &end,
            "Hello, and more.",
        ),
        plain(
            created() + &added() + &done(&refusal) + &completed(&json!([refusal]), &usage),
            "I will not.",
        ),
        plain(
            created() + &completed(&json!([refusal]), &usage),
            "I will not.",
        ),
        plain(
            created() + &done(&message(&json!("Hello."))) + &end,
            "Hello.",
        ),
        plain(created() + &text_done("Hello.") + &bare_end, "Hello."),
        plain(
            created() + &added() + &part_done("Hello.") + &bare_end,
            "Hello.",
        ),
        plain(
            created() + &added() + &delta("Hel") + &delta("lo.") + &text_done("Hello.") + &bare_end,
            "Hello.",
        ),
        plain(
            created()
                + &added()
                + &delta("Hel")
                + &text_done("Hello.")
                + &part_done("Hello.")
                + &bare_end,
            "Hello.",
        ),
    ]
}

#[tokio::test]
async fn no_text_of_an_answer_is_lost() {
    for driver in ["app-server", "exec"] {
        let mut provider = MockProvider::start().await;
        let app = TestApp::with_real_codex(&provider, &[("CODEX_DRIVER", driver)]).await;
        for (headers, events, expected) in streams() {
            for stream in [true, false] {
                let body = json!({ "message": "Hello?", "stream": stream });
                let mut caller = app.send(&body).await;
                let mut call = provider.call().await;
                call.raw(format!(
                    "HTTP/1.1 200 OK\r\n{headers}connection: close\r\n\r\n{events}"
                ))
                .await;
                drop(call);
                let answer = if stream {
                    text_of(&caller.frames().await)
                } else {
                    caller.answer().await.chat()
                };
                assert_eq!(answer, expected, "{driver} {stream} {headers:?} {events}");
            }
        }
        assert!(provider.nothing_came());
        app.stop().await;
    }
}
