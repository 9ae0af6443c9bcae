//! What the provider sees, and what comes back.

use secrecy::SecretString;
use serde_json::json;

use super::mock_provider::{self, MockProvider, STREAM_END, STREAM_HEAD, chunk, send};
use super::{Bench, CREDENTIAL, KEY, question};
use crate::Usage;
use crate::settings::{AzureSettings, ProviderSettings};

#[tokio::test]
async fn openai_gets_the_key_and_none_of_the_childs_headers() {
    let mut provider = MockProvider::start(mock_provider::answer()).await;
    let bench = Bench::openai(&provider.base_url).await;
    let _token = bench.issue();
    let request = bench
        .request()
        .header("x-codex-turn-metadata", "{}")
        .header("session-id", "session-1")
        .header("originator", "portcullis")
        .header("openai-organization", "org-of-the-child")
        .header("cookie", "a=b")
        .body(question("hello?").to_string());
    assert_eq!(request.send().await.expect("an answer").status(), 200);

    let received = provider.request().await;
    let mut lines: Vec<&str> = received.head.lines().collect();
    lines.retain(|line| !line.starts_with("content-length: ") && !line.starts_with("host: "));
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "accept: text/event-stream",
            &format!("authorization: bearer {KEY}"),
            "content-type: application/json",
            "post /v1/responses http/1.1",
            concat!("user-agent: portcullis/", env!("CARGO_PKG_VERSION")),
        ]
    );
    assert!(!received.head.contains(CREDENTIAL));
    assert_eq!(
        received.body,
        json!({
            "model": "gpt-4o-mini",
            "stream": true,
            "store": false,
            "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello?"}]}]
        })
    );
}

#[tokio::test]
async fn azure_gets_its_path_its_version_and_its_header() {
    for (api_version, line) in [
        (
            "2025-04-01-preview",
            "post /openai/responses?api-version=2025-04-01-preview http/1.1",
        ),
        (
            "preview",
            "post /openai/v1/responses?api-version=preview http/1.1",
        ),
        ("v1", "post /openai/v1/responses http/1.1"),
        ("latest", "post /openai/v1/responses http/1.1"),
    ] {
        let mut provider = MockProvider::start(mock_provider::answer()).await;
        let bench = Bench::start(&ProviderSettings::Azure(AzureSettings {
            api_key: SecretString::from(KEY),
            endpoint: provider.base_url.trim_end_matches("/v1").into(),
            deployment: "gpt-4o-mini".into(),
            api_version: api_version.into(),
            connection: super::connection(),
        }))
        .await;
        let _token = bench.issue();
        assert_eq!(bench.ask(&question("hello?")).await.status(), 200);
        let received = provider.request().await;
        assert_eq!(received.head.lines().next(), Some(line));
        assert!(received.head.contains(&format!("api-key: {KEY}")));
        assert!(!received.head.contains("authorization"));
        assert_eq!(received.body["model"], "gpt-4o-mini");
    }
}

#[tokio::test]
async fn events_come_back_as_sent_and_usage_adds_up() {
    let provider = MockProvider::start(mock_provider::answer()).await;
    let bench = Bench::openai(&provider.base_url).await;
    let token = bench.issue();
    let expected = mock_provider::created() + &mock_provider::delta("Hello");
    for calls in 1..=2 {
        let response = bench.ask(&question("hello?")).await;
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let text = response.text().await.expect("a whole answer");
        let (deltas, end) = text.split_at(expected.len());
        assert_eq!(deltas, expected);
        // In the form that the CLI wants, whatever the provider's was.
        assert!(end.contains("\"total_tokens\":16"), "{end}");
        let usage = Usage {
            input_tokens: 11 * calls,
            cached_input_tokens: 3 * calls,
            output_tokens: 5 * calls,
            reasoning_tokens: 2 * calls,
        };
        assert_eq!(token.usage(), usage);
        assert_eq!(u64::from(token.model_calls()), calls);
    }
    assert_eq!(token.failure(), None);
}

/// Each chunk is passed on before the next one exists.
#[tokio::test]
async fn nothing_is_held_back() {
    let script = vec![
        send(STREAM_HEAD),
        chunk(&mock_provider::created()),
        chunk(&mock_provider::delta("first")),
        mock_provider::Act::Hang,
    ];
    let provider = MockProvider::start(script).await;
    let bench = Bench::openai(&provider.base_url).await;
    let _token = bench.issue();
    let mut response = bench.ask(&question("hello?")).await;
    let mut text = String::new();
    while !text.contains("first") {
        let chunk = tokio::time::timeout(super::PATIENCE, response.chunk()).await;
        let chunk = chunk.expect("in time").expect("a stream").expect("more");
        text.push_str(&String::from_utf8_lossy(&chunk));
    }
}

/// The child closes as soon as it has read the last event; the provider's connection outlives that.
#[tokio::test]
async fn the_providers_connection_is_kept_for_the_next_turn() {
    let mut provider = MockProvider::start(mock_provider::answer()).await;
    let bench = Bench::openai(&provider.base_url).await;
    for _ in 0..5 {
        let token = bench.issue();
        let mut response = bench.ask(&question("hello?")).await;
        let mut text = String::new();
        while !text.contains("response.completed") {
            let chunk = response.chunk().await.expect("a stream").expect("more");
            text.push_str(&String::from_utf8_lossy(&chunk));
        }
        drop((response, token));
        assert_eq!(provider.request().await.connection, 1);
    }
}

#[tokio::test]
async fn a_last_event_without_blank_line_gets_one() {
    let script = vec![
        send(STREAM_HEAD),
        chunk(&mock_provider::created()),
        chunk(mock_provider::completed().trim_end()),
        send(STREAM_END),
    ];
    let provider = MockProvider::start(script).await;
    let bench = Bench::openai(&provider.base_url).await;
    let token = bench.issue();
    let text = bench
        .ask(&question("hello?"))
        .await
        .text()
        .await
        .expect("a whole answer");
    assert!(text.ends_with("}\n\n"), "{text}");
    assert_eq!((token.usage().input_tokens, token.failure()), (11, None));
}
