//! What a turn may use, and what it has used when nobody says so.

use std::time::Duration;

use runner::Deadline;
use secrecy::SecretString;
use serde_json::Value;

use super::mock_provider::{self, Act, MockProvider, STREAM_HEAD, chunk, send};
use super::{Bench, CREDENTIAL, error_code, grant, question};
use crate::grant::Grant;
use crate::turn_token::TurnToken;

fn issue(bench: &Bench, max_tokens: u64) -> TurnToken {
    let grant = Grant {
        max_tokens: Some(max_tokens),
        safety_identifier: Some("somebody".into()),
        ..grant(Deadline::after(Duration::from_mins(1)))
    };
    bench.broker.issue(&SecretString::from(CREDENTIAL), grant)
}

async fn sent(provider: &mut MockProvider) -> Value {
    provider.request().await.body
}

#[tokio::test]
async fn what_is_left_is_what_an_answer_may_have() {
    let mut provider = MockProvider::start(mock_provider::answer()).await;
    let bench = Bench::openai(&provider.base_url).await;
    let token = issue(&bench, 1_000);
    let first = bench.ask(&question("hello?")).await;
    first.text().await.expect("a whole answer");
    let request = sent(&mut provider).await;
    let most = request["max_output_tokens"].as_u64().expect("a number");
    assert!((800..1_000).contains(&most), "{most}");
    assert_eq!(request["safety_identifier"], "somebody");

    // The answer has used 16 of them, and another request is to be paid from the rest.
    bench
        .ask(&question("hello?"))
        .await
        .text()
        .await
        .expect("a whole answer");
    let next = sent(&mut provider).await["max_output_tokens"].as_u64();
    assert_eq!(next, Some(most - 16));
    assert!(!token.is_out_of_budget() && !token.usage_is_estimated());
}

#[tokio::test]
async fn a_turn_with_too_little_left_sends_nothing() {
    let mut provider = MockProvider::start(mock_provider::answer()).await;
    let bench = Bench::openai(&provider.base_url).await;
    let token = issue(&bench, 20);
    let refused = error_code(bench.ask(&question("hello?")).await).await;
    assert_eq!(refused, (400, "out_of_budget".into()));
    assert!(token.is_out_of_budget());
    assert_eq!(token.model_calls(), 0);
    assert!(provider.nothing_came());
}

#[tokio::test]
async fn calls_at_the_same_time_share_what_is_left() {
    let script = vec![
        send(STREAM_HEAD),
        chunk(&mock_provider::created()),
        Act::Hang,
    ];
    let provider = MockProvider::start(script).await;
    let bench = Bench::openai(&provider.base_url).await;
    let token = issue(&bench, 1_000);
    let first = bench.ask(&question("hello?")).await;
    assert_eq!(first.status(), 200);
    let second = error_code(bench.ask(&question("hello?")).await).await;
    assert_eq!(second, (400, "out_of_budget".into()));
    assert!(token.is_out_of_budget());
}

#[tokio::test]
async fn a_provider_that_sends_far_more_than_was_asked_for_is_cut() {
    let mut script = vec![send(STREAM_HEAD), chunk(&mock_provider::created())];
    let text = "word ".repeat(2_000);
    script.extend((0..20).map(|_| chunk(&mock_provider::delta(&text))));
    script.push(Act::Hang);
    let provider = MockProvider::start(script).await;
    let bench = Bench::openai(&provider.base_url).await;
    let token = issue(&bench, 1_000);
    let answer = bench.ask(&question("hello?")).await;
    let text = answer.text().await.expect("an end");
    assert!(text.len() < 60_000, "{}", text.len());
    assert!(token.is_out_of_budget());
    assert!(token.usage().output_tokens > 1_000);
}

#[tokio::test]
async fn a_call_that_is_broken_off_counts_by_its_size() {
    let unsaid = "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"id\":\"r\"}}\n\n";
    for end in [Act::Close, chunk(unsaid)] {
        let script = vec![
            send(STREAM_HEAD),
            chunk(&mock_provider::created()),
            chunk(&mock_provider::delta(&"word ".repeat(600))),
            end,
            Act::Close,
        ];
        let provider = MockProvider::start(script).await;
        let bench = Bench::openai(&provider.base_url).await;
        let token = bench.issue();
        let asked = "Why? ".repeat(600);
        let _ = bench.ask(&question(&asked)).await.text().await;
        let usage = token.usage();
        assert!((1_000..1_300).contains(&usage.input_tokens), "{usage:?}");
        assert!((700..1_300).contains(&usage.output_tokens), "{usage:?}");
        assert!(token.usage_is_estimated());
    }
}

#[tokio::test]
async fn a_call_that_the_provider_refuses_costs_nothing() {
    let refusal = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
    let provider = MockProvider::start(vec![send(refusal), Act::Close]).await;
    let bench = Bench::openai(&provider.base_url).await;
    let token = bench.issue();
    bench.ask(&question("hello?")).await;
    assert_eq!(token.usage(), crate::usage::Usage::default());
}
