//! The built-in model, read as a client of the Responses API reads it.

use serde_json::{Value, json};

use super::{Bench, PATIENCE};
use crate::Grant;
use crate::settings::ProviderSettings;

fn events(text: &str) -> Vec<Value> {
    text.split_terminator("\n\n")
        .map(|event| {
            let (name, data) = event.split_once('\n').expect("two lines");
            let data: Value =
                serde_json::from_str(data.strip_prefix("data: ").expect("data")).expect("JSON");
            assert_eq!(
                name,
                format!("event: {}", data["type"].as_str().expect("a type"))
            );
            data
        })
        .collect()
}

fn question(texts: &[&str]) -> Value {
    let parts: Vec<Value> = texts
        .iter()
        .map(|text| json!({"type": "input_text", "text": text}))
        .collect();
    json!({
        "model": "demo",
        "stream": true,
        "input": [
            {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Be brief."}]},
            {"type": "message", "role": "user", "content": parts}
        ]
    })
}

fn issue(bench: &Bench) -> crate::TurnToken {
    let grant = Grant {
        max_tokens: None,
        safety_identifier: None,
        turn_id: "turn-1".into(),
        tenant: "acme".into(),
        models: vec!["demo".into()],
        deadline: runner::Deadline::after(std::time::Duration::from_mins(1)),
        reasoning_effort: None,
        output_schema: None,
        tools: Vec::new(),
    };
    bench
        .broker
        .issue(&secrecy::SecretString::from(super::CREDENTIAL), grant)
}

#[tokio::test]
async fn it_streams_what_it_received() {
    let bench = Bench::start(&ProviderSettings::Demo).await;
    let token = issue(&bench);
    let context = "<context-0123456789abcdef0123456789abcdef>\nline 1\nline 2\n</context-0123456789abcdef0123456789abcdef>";
    let response = bench
        .ask(&question(&["Was heißt 👋🏽 «שלום»?\nsecond", context]))
        .await;
    let text = response.text().await.expect("a whole answer");
    let events = events(&text);
    let types: Vec<&str> = events
        .iter()
        .filter_map(|event| event["type"].as_str())
        .collect();
    assert_eq!(types.first(), Some(&"response.created"));
    assert_eq!(types.get(1), Some(&"response.output_item.added"));
    assert_eq!(types.last(), Some(&"response.completed"));
    let deltas: Vec<&str> = events
        .iter()
        .filter_map(|event| event["delta"].as_str())
        .collect();
    assert!(deltas.len() > 10, "word by word");
    let answer = deltas.concat();
    assert!(
        answer.contains("has 27 characters and begins: “Was heißt 👋🏽 «שלום»?…”"),
        "{answer}"
    );
    assert!(
        answer.contains("Context came with it: 13 characters."),
        "{answer}"
    );
    let done = &events[events.len() - 2]["item"];
    assert_eq!(done["content"][0]["text"], answer.as_str());
    assert_eq!(token.usage().output_tokens, deltas.len() as u64);
    assert!(token.usage().input_tokens > 0);
    assert_eq!(token.failure(), None);
}

#[tokio::test]
async fn the_first_word_comes_at_once_and_a_dropped_token_ends_it() {
    let bench = Bench::start(&ProviderSettings::Demo).await;
    let token = issue(&bench);
    let mut response = bench.ask(&question(&["hello?"])).await;
    let first = response.chunk().await.expect("a stream").expect("a chunk");
    let first = events(&String::from_utf8_lossy(&first));
    assert_eq!(first.len(), 3, "created, added and one delta: {first:?}");
    drop(token);
    let rest = tokio::time::timeout(PATIENCE, response.bytes())
        .await
        .expect("an end");
    assert!(rest.is_err(), "a cut answer must not look whole");
}
