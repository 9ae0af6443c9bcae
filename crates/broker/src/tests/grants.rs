//! Who gets through, and how a turn's end ends its calls.

use std::time::Duration;

use runner::Deadline;
use serde_json::json;

use super::mock_provider::{self, Act, MockProvider, STREAM_HEAD, chunk, send};
use super::{Bench, PATIENCE, error_code, question};
use crate::ProviderFailureClass;
use crate::grants::MAX_MODEL_CALLS;

fn endless() -> Vec<Act> {
    vec![
        send(STREAM_HEAD),
        chunk(&mock_provider::created()),
        chunk(&mock_provider::delta("Hi")),
        Act::Hang,
    ]
}

#[tokio::test]
async fn a_credential_lives_from_issue_to_drop() {
    let mut provider = MockProvider::start(mock_provider::answer()).await;
    let bench = Bench::openai(&provider.base_url).await;
    let unknown = bench.ask(&question("hello?")).await;
    assert_eq!(
        error_code(unknown).await,
        (401, "invalid_credential".into())
    );

    let token = bench.issue();
    assert_eq!(bench.ask(&question("hello?")).await.status(), 200);
    provider.request().await;
    drop(token);
    assert_eq!(bench.ask(&question("hello?")).await.status(), 401);

    let expired = bench.issue_until(Deadline::after(Duration::ZERO));
    assert_eq!(bench.ask(&question("hello?")).await.status(), 401);
    assert_eq!(expired.model_calls(), 0);
    assert!(provider.nothing_came());
}

/// A turn that is replaced must not take its successor's credential with it.
#[tokio::test]
async fn a_credential_issued_again_belongs_to_the_newer_turn() {
    let provider = MockProvider::start(mock_provider::answer()).await;
    let bench = Bench::openai(&provider.base_url).await;
    let older = bench.issue();
    let newer = bench.issue();
    drop(older);
    assert_eq!(bench.ask(&question("hello?")).await.status(), 200);
    assert_eq!(newer.model_calls(), 1);
}

#[tokio::test]
async fn only_one_door_is_open() {
    let mut provider = MockProvider::start(mock_provider::answer()).await;
    let bench = Bench::openai(&provider.base_url).await;
    let token = bench.issue();
    let base_url = &bench.base_url;
    let post = |path: &str| {
        bench
            .child
            .post(format!("{base_url}{path}"))
            .bearer_auth(super::CREDENTIAL)
    };
    for path in [
        "/models",
        "/responses/compact",
        "/responses/",
        "/chat/completions",
        "/../v1/files",
    ] {
        let refused = post(path).send().await.expect("an answer");
        assert_eq!(
            error_code(refused).await,
            (404, "unknown_path".into()),
            "{path}"
        );
    }
    let get = bench
        .child
        .get(format!("{base_url}/responses"))
        .send()
        .await
        .expect("an answer");
    assert_eq!(get.headers()["allow"], "POST");
    assert_eq!(get.status(), 405);
    let basic = bench
        .child
        .post(format!("{base_url}/responses"))
        .basic_auth("a", Some(super::CREDENTIAL));
    assert_eq!(basic.send().await.expect("an answer").status(), 401);
    assert_eq!(
        token.failure(),
        None,
        "what needs no credential is nobody's failure"
    );

    let compressed = bench.request().header("content-encoding", "zstd").body("x");
    assert_eq!(compressed.send().await.expect("an answer").status(), 415);
    let large = bench.request().body(vec![b' '; 8 * 1024 * 1024 + 1]);
    assert_eq!(large.send().await.expect("an answer").status(), 413);
    assert!(provider.nothing_came());
}

#[tokio::test]
async fn a_model_beyond_the_grant_is_refused_and_recorded() {
    let mut provider = MockProvider::start(mock_provider::answer()).await;
    let bench = Bench::openai(&provider.base_url).await;
    let token = bench.issue();
    let mut body = question("hello?");
    body["model"] = json!("gpt-5.5-pro");
    assert_eq!(
        error_code(bench.ask(&body).await).await,
        (403, "model_not_granted".into())
    );
    let failure = token.failure().expect("a failure");
    assert_eq!(failure.class(), ProviderFailureClass::Model);
    assert!(failure.detail().contains("CHAT_ALLOWED_MODELS"));
    assert_eq!(token.model_calls(), 0);
    assert!(provider.nothing_came());
}

#[tokio::test]
async fn a_turn_has_its_share_of_calls() {
    let provider = MockProvider::start(mock_provider::answer()).await;
    let bench = Bench::openai(&provider.base_url).await;
    let token = bench.issue();
    for _ in 0..MAX_MODEL_CALLS {
        let answer = bench.ask(&question("hello?")).await;
        answer.text().await.expect("a whole answer");
    }
    let refused = error_code(bench.ask(&question("hello?")).await).await;
    assert_eq!(refused, (400, "too_many_model_calls".into()));
    assert_eq!(token.model_calls(), MAX_MODEL_CALLS);
}

#[tokio::test]
async fn the_drop_of_a_token_closes_the_providers_connection() {
    let mut provider = MockProvider::start(endless()).await;
    let bench = Bench::openai(&provider.base_url).await;
    let token = bench.issue();
    let mut response = bench.ask(&question("hello?")).await;
    response
        .chunk()
        .await
        .expect("a stream")
        .expect("a first chunk");
    let dropped = tokio::time::Instant::now();
    drop(token);
    provider.disconnect().await;
    assert!(
        dropped.elapsed() < Duration::from_secs(1),
        "{:?}",
        dropped.elapsed()
    );
    let rest = tokio::time::timeout(PATIENCE, response.bytes())
        .await
        .expect("an end");
    assert!(rest.is_err(), "a cut answer must not look whole");
}

#[tokio::test]
async fn the_drop_of_a_token_cancels_a_call_without_answer() {
    let mut provider = MockProvider::start(vec![Act::Hang]).await;
    let bench = Bench::openai(&provider.base_url).await;
    let token = bench.issue();
    let body = question("hello?");
    let (refused, ()) = tokio::join!(bench.ask(&body), async {
        provider.request().await;
        drop(token);
        provider.disconnect().await;
    });
    assert_eq!(error_code(refused).await, (400, "turn_ended".into()));
}

#[tokio::test]
async fn a_child_that_goes_away_cancels_its_call() {
    for script in [endless(), vec![Act::Hang]] {
        let mut provider = MockProvider::start(script).await;
        let bench = Bench::openai(&provider.base_url).await;
        let _token = bench.issue();
        let body = question("hello?");
        let call = async {
            let mut response = bench.ask(&body).await;
            while response.chunk().await.is_ok_and(|chunk| chunk.is_some()) {}
        };
        tokio::select! {
            () = call => panic!("the provider never ends its answer"),
            _ = provider.request() => {}
        }
        provider.disconnect().await;
    }
}

/// The caller knows its deadline and answers 504: it is no failure of the provider.
#[tokio::test]
async fn the_deadline_ends_a_call_wherever_it_is() {
    for script in [endless(), vec![Act::Hang]] {
        let mut provider = MockProvider::start(script).await;
        let bench = Bench::openai(&provider.base_url).await;
        let token = bench.issue_until(Deadline::after(Duration::from_millis(300)));
        let response = bench.ask(&question("hello?")).await;
        if response.status() == 200 {
            assert!(
                tokio::time::timeout(PATIENCE, response.bytes())
                    .await
                    .expect("an end")
                    .is_err()
            );
        } else {
            assert_eq!(error_code(response).await, (400, "turn_ended".into()));
        }
        provider.disconnect().await;
        assert_eq!(token.failure(), None);
    }
}

#[tokio::test]
async fn shutdown_ends_everything() {
    let mut provider = MockProvider::start(endless()).await;
    let bench = Bench::openai(&provider.base_url).await;
    let _token = bench.issue();
    let response = bench.ask(&question("hello?")).await;
    bench.shutdown.cancel();
    provider.disconnect().await;
    assert!(
        tokio::time::timeout(PATIENCE, response.bytes())
            .await
            .expect("an end")
            .is_err()
    );
    let refused = bench.request().body("{}").send().await;
    assert!(refused.is_err(), "nobody listens any more");
}
