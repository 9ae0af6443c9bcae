//! How an answer ended, and that nothing is no answer.

use serde_json::{Value, json};

use crate::support::caller::{Exchange, text_of};
use crate::support::provider::{MockProvider, ModelCall};
use crate::support::test_app::TestApp;

/// Some text, broken off for `reason`.
async fn break_off(mut call: ModelCall, reason: &str) {
    call.begin().await;
    call.delta("As far as ").await;
    call.delta("it came").await;
    call.incomplete(reason).await;
}

#[tokio::test]
async fn what_was_broken_off_is_an_answer_as_far_as_it_came() {
    let mut provider = MockProvider::start().await;
    let app = TestApp::with_real_codex(&provider, &[]).await;
    for (reason, finish) in [
        ("max_output_tokens", "length"),
        ("content_filter", "content_filter"),
    ] {
        let whole = app
            .send(&json!({ "message": "Talk.", "stream": false }))
            .await;
        break_off(provider.call().await, reason).await;
        let answer = whole.answer().await;
        assert_eq!(answer.chat(), "As far as it came");
        assert_eq!(answer.json()["meta"]["finish_reason"], finish);

        let mut streamed = app.send(&json!({ "message": "Talk." })).await;
        break_off(provider.call().await, reason).await;
        let frames = streamed.frames().await;
        assert_eq!(text_of(&frames), "As far as it came");
        let last = frames.last().unwrap();
        assert_eq!(last.event, "done");
        assert_eq!(last.data["meta"]["finish_reason"], finish);

        // Before any text there is nothing to give.
        let nothing = app
            .send(&json!({ "message": "Talk.", "stream": false }))
            .await;
        let mut call = provider.call().await;
        call.begin().await;
        call.incomplete(reason).await;
        let problem = nothing.answer().await.problem(502, "provider_failed");
        assert_eq!(problem["meta"]["finish_reason"], finish);
    }
    assert!(provider.nothing_came(), "a call was made again");
    app.stop().await;
}

/// Whether the answer had begun or not.
async fn failure(mut caller: Exchange) -> Value {
    if caller.head().await.status == 200 {
        let frames = caller.frames().await;
        return frames.last().unwrap().data["error"].clone();
    }
    caller.answer().await.json()
}

#[tokio::test]
async fn nothing_is_no_answer() {
    let reasoning = json!({ "type": "reasoning", "id": "rs_1", "summary": [], "content": [] });
    let message = |text: &str| {
        json!({
            "type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
            "content": [{ "type": "output_text", "text": text, "annotations": [] }],
        })
    };
    let mut provider = MockProvider::start().await;
    for driver in ["app-server", "exec"] {
        let app = TestApp::with_real_codex(&provider, &[("CODEX_DRIVER", driver)]).await;
        for (items, said) in [
            (vec![], "gave no answer"),
            (vec![message("")], "message was empty"),
            (vec![message(" \n ")], "gave no answer"),
            (vec![reasoning.clone()], "gave no answer"),
            (vec![reasoning.clone(), message("")], "message was empty"),
        ] {
            for stream in [true, false] {
                let body = json!({ "message": "Talk.", "stream": stream });
                let caller = app.send(&body).await;
                let mut call = provider.call().await;
                call.head_of_stream().await;
                let created = json!({ "response": { "id": "resp_1", "output": [] } });
                call.event("response.created", created).await;
                for (index, item) in items.iter().enumerate() {
                    let data = json!({ "output_index": index, "item": item });
                    call.event("response.output_item.done", data).await;
                }
                call.complete(&items).await;
                let problem = failure(caller).await;
                assert_eq!(problem["code"], "provider_failed", "{driver} {items:?}");
                assert_eq!(problem["meta"]["finish_reason"], "empty");
                let detail = problem["detail"].as_str().unwrap();
                assert!(detail.contains(said), "{driver} {items:?}: {detail}");
            }
        }
        app.stop().await;
    }
}

#[tokio::test]
async fn a_refusal_is_an_answer_and_says_so() {
    let mut provider = MockProvider::start().await;
    let app = TestApp::with_real_codex(&provider, &[]).await;
    let caller = app
        .send(&json!({ "message": "Talk.", "stream": false }))
        .await;
    let mut call = provider.call().await;
    call.head_of_stream().await;
    let created = json!({ "response": { "id": "resp_1", "output": [] } });
    call.event("response.created", created).await;
    let item = json!({
        "type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
        "content": [{ "type": "refusal", "refusal": "I will not." }],
    });
    let data = json!({ "output_index": 0, "item": item });
    call.event("response.output_item.done", data).await;
    call.complete(&[item]).await;
    let answer = caller.answer().await;
    assert_eq!(answer.chat(), "I will not.");
    assert_eq!(answer.json()["meta"]["finish_reason"], "refusal");
    app.stop().await;
}

#[tokio::test]
async fn every_answer_says_how_it_ended() {
    let mut provider = MockProvider::start().await;
    let app = TestApp::with_real_codex(&provider, &[]).await;
    for stream in [true, false] {
        let mut caller = app
            .send(&json!({ "message": "Hello", "stream": stream }))
            .await;
        provider.call().await.answer("Hello.").await;
        let meta: Value = if stream {
            caller.frames().await.last().unwrap().data["meta"].clone()
        } else {
            caller.answer().await.json()["meta"].clone()
        };
        assert_eq!(meta["finish_reason"], "stop");
    }
    app.stop().await;
}
