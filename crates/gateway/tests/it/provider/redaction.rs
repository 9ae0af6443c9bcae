//! The doors: what the client sends, what goes to the model, what comes back. Behind each stands the
//! same engine; here is shown that nothing goes around it.

use serde_json::json;

use crate::support::caller::text_of;
use crate::support::provider::MockProvider;
use crate::support::test_app::TestApp;

/// Secrets in their published formats, assembled so that no scanner takes this file for a leak; each
/// with what stands around it and what must be left.
fn secrets() -> Vec<(String, &'static str)> {
    let aws = ["AKIA", "IOSFODNN7", "EXAMPLE"].concat();
    let bearer = ["mF_9.B5f", "-4.1JqM0aZ", "81kq2Xw7"].concat();
    let card = ["4111 1111", " 1111 1111"].concat();
    let iban = ["DE89 3704 ", "0044 0532 ", "0130 00"].concat();
    vec![
        (aws, "aws_access_key"),
        (bearer, "bearer_token"),
        (card, "payment_card"),
        (iban, "iban"),
    ]
}

/// A text with all of them, and the same text with the marks that must stand in their place.
fn text_with_secrets() -> (String, String) {
    let secrets = secrets();
    let mut raw = String::new();
    let mut redacted = String::new();
    for (frame, (secret, rule)) in [
        "key {} ok; ",
        "Authorization: Bearer {}\n",
        "card {}, ",
        "to {}.",
    ]
    .iter()
    .zip(&secrets)
    {
        raw.push_str(&frame.replace("{}", secret));
        redacted.push_str(&frame.replace("{}", &format!("[REDACTED:{rule}]")));
    }
    (raw, redacted)
}

fn assert_hidden(text: &str) {
    for (secret, _) in secrets() {
        for part in secret.as_bytes().windows(8) {
            let part = std::str::from_utf8(part).unwrap();
            assert!(!text.contains(part), "a part of a secret is left in {text}");
        }
    }
}

#[tokio::test]
async fn a_secret_that_comes_one_character_a_delta_does_not_reach_the_caller() {
    let mut provider = MockProvider::start().await;
    let app = TestApp::with_real_codex(&provider, &[]).await;
    let (raw, redacted) = text_with_secrets();
    let mut caller = app.send(&json!({ "message": "Show me." })).await;
    let mut call = provider.call().await;
    call.begin().await;
    for character in raw.chars() {
        call.delta(character.encode_utf8(&mut [0; 4])).await;
    }
    call.finish().await;
    let frames = caller.frames().await;
    assert_eq!(text_of(&frames), redacted);
    for frame in &frames {
        assert_hidden(&frame.data.to_string());
    }
    let counts = &frames.last().unwrap().data["meta"]["redactions"]["response"];
    for (_, rule) in secrets() {
        assert_eq!(counts[rule], 1, "{counts}");
    }
    app.stop().await;
}

/// Two pieces, cut at every possible place.
#[tokio::test]
async fn no_cut_lets_a_secret_through() {
    let mut provider = MockProvider::start().await;
    let app = TestApp::with_real_codex(&provider, &[]).await;
    let (raw, redacted) = text_with_secrets();
    for cut in 1..raw.len() {
        let mut caller = app.send(&json!({ "message": "Show me." })).await;
        let mut call = provider.call().await;
        call.begin().await;
        call.delta(&raw[..cut]).await;
        call.delta(&raw[cut..]).await;
        call.finish().await;
        assert_eq!(text_of(&caller.frames().await), redacted, "cut at {cut}");
    }
    app.stop().await;
}

#[tokio::test]
async fn what_the_client_sends_is_redacted_before_codex_has_it() {
    let mut provider = MockProvider::start().await;
    let app = TestApp::with_real_codex(&provider, &[]).await;
    let (raw, redacted) = text_with_secrets();
    let body = json!({ "message": raw, "context": raw, "stream": false });
    let caller = app.send(&body).await;
    let call = provider.call().await;
    let texts: Vec<String> = call
        .user_texts()
        .into_iter()
        .map(ToOwned::to_owned)
        .collect();
    assert_eq!(texts[0], redacted);
    assert!(texts[1].contains(&redacted), "{}", texts[1]);
    assert_hidden(&String::from_utf8_lossy(&call.body_bytes));
    call.answer("Seen.").await;
    let answer = caller.answer().await.json();
    let counts = &answer["meta"]["redactions"];
    for (_, rule) in secrets() {
        assert_eq!(counts["request"][rule], 2, "{counts}");
    }
    assert_eq!(
        counts["upstream"],
        json!({}),
        "there was nothing left for the second door"
    );
    app.stop().await;
}

/// What reaches Codex by another way than message and context meets the engine in the broker: as the
/// files will that a turn reads by itself. Escapes do not hide it, and the request stays whole.
#[tokio::test]
async fn what_codex_sends_to_the_model_is_redacted_in_the_broker() {
    let mut provider = MockProvider::start().await;
    let app = TestApp::with_real_codex(&provider, &[]).await;
    let (raw, redacted) = text_with_secrets();
    let schema = json!({
        "type": "object", "additionalProperties": false, "required": ["answer"],
        "properties": { "answer": { "type": "string", "description": raw } },
    });
    let body =
        json!({ "message": "Hello?", "stream": false, "extra": { "output_schema": schema } });
    let escaped = body.to_string().replace("AKIA", "\\u0041KI\\u0041");
    let caller = app.send_with(&[], escaped).await;
    let call = provider.call().await;
    let sent = &call.body["text"]["format"]["schema"]["properties"]["answer"]["description"];
    assert_eq!(*sent, json!(redacted));
    assert_hidden(&String::from_utf8_lossy(&call.body_bytes));
    let cache_key = call.body["prompt_cache_key"].as_str().unwrap();
    assert!(
        cache_key.parse::<uuid::Uuid>().is_ok(),
        "an id is not taken for a secret"
    );
    call.answer("{\"answer\":\"Hello.\"}").await;
    let answer = caller.answer().await.json();
    let counts = &answer["meta"]["redactions"];
    for (_, rule) in secrets() {
        assert_eq!(counts["upstream"][rule], 1, "{counts}");
    }
    app.stop().await;
}

/// Redact, then cap: the other way round, the first half of a secret at the edge would be text.
#[tokio::test]
async fn a_secret_across_the_edge_of_a_cap_leaves_no_half_of_itself() {
    let mut provider = MockProvider::start().await;
    let settings = [
        ("CHAT_MAX_INPUT_CHARS", "100"),
        ("CHAT_MAX_OUTPUT_CHARS", "100"),
    ];
    let app = TestApp::with_real_codex(&provider, &settings).await;
    let (secret, _) = secrets().swap_remove(0);
    for before in 20..100 {
        let text = format!("{} {secret} {}", "a".repeat(before), "b ".repeat(100));
        let mut caller = app.send(&json!({ "message": text })).await;
        let mut call = provider.call().await;
        assert_hidden(call.user_texts()[0]);
        assert!(call.user_texts()[0].chars().count() <= 100);
        call.begin().await;
        call.delta(&text).await;
        // The turn is ended at the cap: whether the rest is still taken is not the point.
        let answer = text_of(&caller.frames().await);
        assert_hidden(&answer);
        assert!(answer.chars().count() <= 100, "{answer}");
        call.closed().await;
    }
    app.stop().await;
}

#[tokio::test]
async fn what_only_begins_like_a_secret_arrives_whole() {
    let mut provider = MockProvider::start().await;
    let app = TestApp::with_real_codex(&provider, &[]).await;
    for text in [
        "ends in AKIA",
        "-----BEGIN ",
        "eyJ",
        "password=",
        "4111 1111",
        "DE89 3704",
    ] {
        let mut caller = app.send(&json!({ "message": "Show me." })).await;
        let mut call = provider.call().await;
        call.begin().await;
        for character in text.chars() {
            call.delta(character.encode_utf8(&mut [0; 4])).await;
        }
        call.finish().await;
        assert_eq!(text_of(&caller.frames().await), text);
    }
    app.stop().await;
}

/// A stream that breaks off in the middle of a secret does not let go of the half that it had.
#[tokio::test]
async fn a_broken_stream_lets_nothing_go_that_was_kept_back() {
    let mut provider = MockProvider::start().await;
    let app = TestApp::with_real_codex(&provider, &[]).await;
    let (secret, _) = secrets().swap_remove(1);
    let mut caller = app.send(&json!({ "message": "Show me." })).await;
    let mut call = provider.call().await;
    call.begin().await;
    call.delta("The header is Authorization: Bearer ").await;
    call.delta(&secret).await;
    drop(call);
    let frames = caller.frames().await;
    assert_eq!(frames.last().unwrap().event, "error");
    assert_hidden(&text_of(&frames));
    app.stop().await;
}
