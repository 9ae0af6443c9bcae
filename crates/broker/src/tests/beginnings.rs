//! How servers begin a stream of events: what the CLI takes, the gateway takes.

use serde_json::json;

use super::mock_provider::{self, Act, MockProvider, send};
use super::{Bench, question};
use crate::ProviderFailureClass as Class;

fn answer_with(headers: &str, beginning: &str) -> Vec<Act> {
    let events =
        mock_provider::created() + &mock_provider::delta("Hello") + &mock_provider::completed();
    vec![
        send(format!(
            "HTTP/1.1 200 OK\r\n{headers}connection: close\r\n\r\n{beginning}{events}"
        )),
        Act::Close,
    ]
}

#[tokio::test]
async fn a_stream_of_events_is_known_by_its_events() {
    for (headers, beginning) in [
        ("content-type: text/event-stream\r\n", ""),
        ("", ""),
        ("content-type: application/json\r\n", ""),
        ("content-type: text/html\r\n", ""),
        ("content-encoding: identity\r\n", ""),
        ("content-encoding: gzip\r\n", ""),
        ("", "\u{feff}"),
        ("", "\n\r\n\n"),
        ("", ": a comment\n\n"),
        ("", "\u{feff}: a comment\n\n"),
        ("", "retry: 3000\n\n"),
    ] {
        let provider = MockProvider::start(answer_with(headers, beginning)).await;
        let bench = Bench::openai(&provider.base_url).await;
        let token = bench.issue();
        let response = bench.ask(&question("hello?")).await;
        assert_eq!(response.status(), 200, "{headers:?} {beginning:?}");
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let text = response.text().await.expect("a whole answer");
        assert!(text.contains("response.completed"), "{text}");
        assert!(!text.starts_with('\u{feff}'));
        assert_eq!((token.failure(), token.usage().input_tokens), (None, 11));
    }
}

#[tokio::test]
async fn what_is_no_stream_of_events_names_the_provider() {
    let quota = json!({"error": {"message": "canary", "type": "insufficient_quota", "code": 429}});
    for (headers, body, class, code) in [
        (
            "content-type: application/json\r\n",
            quota.to_string(),
            Class::Quota,
            "insufficient_quota",
        ),
        (
            "content-type: text/event-stream\r\n",
            quota.to_string(),
            Class::Quota,
            "insufficient_quota",
        ),
        (
            "content-type: text/html\r\n",
            "<!doctype html><title>Sign in</title>".to_owned(),
            Class::Address,
            "not_an_event_stream",
        ),
        (
            "content-type: application/json\r\n",
            json!({"object": "response", "status": "completed", "output": []}).to_string(),
            Class::Address,
            "not_an_event_stream",
        ),
        (
            "content-encoding: gzip\r\n",
            "\u{1f}\u{8}\u{0}".to_owned(),
            Class::Server,
            "compressed_answer",
        ),
        ("", String::new(), Class::Address, "not_an_event_stream"),
    ] {
        let script = vec![
            send(format!(
                "HTTP/1.1 200 OK\r\n{headers}connection: close\r\n\r\n{body}"
            )),
            Act::Close,
        ];
        let provider = MockProvider::start(script).await;
        let bench = Bench::openai(&provider.base_url).await;
        let token = bench.issue();
        assert_eq!(bench.ask(&question("hello?")).await.status(), 400);
        let failure = token.failure().expect("a failure");
        assert_eq!((failure.class(), failure.code), (class, Some(code)));
        assert!(!failure.detail().contains("canary"));
    }
}
