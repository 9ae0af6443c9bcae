//! Kept connections, calls that are made again, and providers that send without end.

use std::time::Duration;

use super::mock_provider::{self, Act, MockProvider, STREAM_HEAD, chunk, send};
use super::{Bench, PATIENCE, question};
use crate::ProviderFailureClass as Class;

/// The first answer, whole; then the connection is kept, and closed when the next request has come on it.
fn closes_when_used_again() -> Vec<Vec<Act>> {
    vec![
        mock_provider::answer(),
        vec![Act::Close],
        mock_provider::answer(),
    ]
}

async fn whole_answer(bench: &Bench) -> (u16, String) {
    let response = bench.ask(&question("hello?")).await;
    let status = response.status().as_u16();
    let text = tokio::time::timeout(PATIENCE, response.text()).await;
    (status, text.expect("in time").expect("a whole answer"))
}

#[tokio::test]
async fn a_kept_connection_that_was_closed_costs_no_call() {
    let mut provider = MockProvider::start_each(closes_when_used_again()).await;
    let bench = Bench::openai(&provider.base_url).await;
    for connections in [&[1][..], &[1, 2]] {
        let token = bench.issue();
        let (status, text) = whole_answer(&bench).await;
        assert_eq!(status, 200, "{text}");
        assert!(text.contains("response.completed"), "{text}");
        assert_eq!((token.failure(), token.model_calls()), (None, 1));
        for connection in connections {
            assert_eq!(provider.request().await.connection, *connection);
        }
    }
    assert!(provider.nothing_came(), "asked once more, and only once");
}

/// Whatever came first may have been the beginning of an answer: the provider may have run the request.
#[tokio::test]
async fn after_a_byte_nothing_is_asked_again() {
    for beginning in ["H", "HTTP/1.1 2", "HTTP/1.1 100 Continue\r\n\r\n"] {
        let mut provider = MockProvider::start_each(vec![
            mock_provider::answer(),
            vec![send(beginning), Act::Close],
            mock_provider::answer(),
        ])
        .await;
        let bench = Bench::openai(&provider.base_url).await;
        let first = bench.issue();
        assert_eq!(whole_answer(&bench).await.0, 200);
        drop(first);
        let second = bench.issue();
        assert_eq!(whole_answer(&bench).await.0, 400, "{beginning:?}");
        let failure = second.failure().expect("a failure");
        assert_eq!(failure.code, Some("connection_lost"));
        provider.request().await;
        provider.request().await;
        assert!(provider.nothing_came(), "{beginning:?}");
    }
}

#[tokio::test]
async fn a_new_connection_that_is_closed_is_a_failure() {
    let mut provider = MockProvider::start(vec![Act::Close]).await;
    let bench = Bench::openai(&provider.base_url).await;
    let token = bench.issue();
    assert_eq!(whole_answer(&bench).await.0, 400);
    assert_eq!(token.failure().unwrap().code, Some("connection_lost"));
    provider.request().await;
    assert!(provider.nothing_came());
}

fn busy(status: u16, headers: &str) -> Vec<Act> {
    vec![send(format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{headers}content-length: 2\r\n\r\n{{}}"
    ))]
}

#[tokio::test]
async fn a_call_that_the_provider_was_too_busy_for_is_made_again_once() {
    for (status, headers) in [
        (429, "retry-after: 0\r\n"),
        (429, "retry-after-ms: 120\r\n"),
        (503, "retry-after: 0\r\n"),
        (429, ""),
    ] {
        let scripts = vec![busy(status, headers), mock_provider::answer()];
        let mut provider = MockProvider::start_each(scripts).await;
        let bench = Bench::openai(&provider.base_url).await;
        let token = bench.issue();
        assert_eq!(whole_answer(&bench).await.0, 200, "{status} {headers}");
        assert_eq!((token.failure(), token.model_calls()), (None, 1));
        provider.request().await;
        provider.request().await;

        let mut provider = MockProvider::start(busy(status, headers)).await;
        let bench = Bench::openai(&provider.base_url).await;
        let _token = bench.issue();
        assert_eq!(whole_answer(&bench).await.0, 400);
        provider.request().await;
        provider.request().await;
        assert!(provider.nothing_came(), "once and no more");
    }
}

/// A long wait is the caller's: it is told, and not waited for.
#[tokio::test]
async fn a_long_wait_is_told_to_the_caller() {
    for (status, headers, class, seconds) in [
        (429, "retry-after: 30\r\n", Class::Rate, 30),
        (503, "retry-after: 7200\r\n", Class::Server, 60),
        (429, "retry-after-ms: 20000\r\n", Class::Rate, 20),
    ] {
        let mut provider = MockProvider::start(busy(status, headers)).await;
        let bench = Bench::openai(&provider.base_url).await;
        let token = bench.issue();
        assert_eq!(whole_answer(&bench).await.0, 400);
        let failure = token.failure().expect("a failure");
        assert_eq!(failure.class(), class);
        assert_eq!(failure.retry_after, Some(Duration::from_secs(seconds)));
        provider.request().await;
        assert!(provider.nothing_came());
    }
}

/// What the turn did between its calls would be done twice.
#[tokio::test]
async fn only_the_first_call_of_a_turn_is_made_again() {
    let scripts = vec![mock_provider::answer(), busy(429, "retry-after: 0\r\n")];
    let mut provider = MockProvider::start_each(scripts).await;
    let bench = Bench::openai(&provider.base_url).await;
    let token = bench.issue();
    assert_eq!(whole_answer(&bench).await.0, 200);
    assert_eq!(whole_answer(&bench).await.0, 400);
    assert_eq!(token.failure().unwrap().retry_after, None);
    provider.request().await;
    provider.request().await;
    assert!(provider.nothing_came());
}

/// Interim answers, a head and a body without end: each is given up at its bound, by itself.
#[tokio::test]
async fn what_a_provider_sends_without_end_is_given_up() {
    let kibibytes = |text: &str, count: usize| send(text.repeat(1024 * count / text.len() + 1));
    let interim = vec![kibibytes("HTTP/1.1 100 Continue\r\n\r\n", 512), Act::Hang];
    let hints = vec![
        kibibytes("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n", 512),
        Act::Hang,
    ];
    let head = vec![
        send("HTTP/1.1 200 OK\r\n"),
        kibibytes("x-a: b\r\n", 512),
        Act::Hang,
    ];
    let blank = vec![send(STREAM_HEAD), chunk(&"\n".repeat(64 * 1024)), Act::Hang];
    for (name, script) in [
        ("interim", interim),
        ("hints", hints),
        ("head", head),
        ("blank", blank),
    ] {
        let mut provider = MockProvider::start(script).await;
        let bench = Bench::openai(&provider.base_url).await;
        let token = bench.issue();
        assert_eq!(whole_answer(&bench).await.0, 400, "{name}");
        assert!(token.failure().is_some(), "{name}");
        provider.disconnect().await;
    }
}

/// Each piece costs a turn of the executor, however small it is.
#[tokio::test]
async fn an_answer_in_dust_is_given_up() {
    let dust = send("1\r\nx\r\n".repeat(60_000));
    let script = vec![send(STREAM_HEAD), chunk("data: {"), dust, Act::Hang];
    let mut provider = MockProvider::start(script).await;
    let bench = Bench::openai(&provider.base_url).await;
    let token = bench.issue();
    assert_eq!(whole_answer(&bench).await.0, 200);
    let failure = token.failure().expect("a failure");
    assert_eq!(failure.code, Some("answer_too_large"));
    provider.disconnect().await;
}
