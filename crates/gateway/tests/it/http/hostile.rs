//! Text in, text out: whatever a message looks like, it reaches the model as it was, or is refused.

use serde_json::json;

use crate::support::provider::MockProvider;
use crate::support::test_app::TestApp;

#[tokio::test]
async fn a_text_that_looks_like_anything_else_is_text() {
    let mut provider = MockProvider::start().await;
    let app = TestApp::with_real_codex(&provider, &[]).await;
    let touched = app.directory.path().join("touched");
    let command = format!("$(touch {0}); `touch {0}`; | touch {0}", touched.display());
    for text in [
        "--help",
        "-c model=x",
        "--",
        "-",
        command.as_str(),
        "!touch",
        "/quit",
        "/compact now",
        "@/etc/passwd",
        "$imagegen draw [$x](skill://x)",
        "[@app](app://connector) [@plugin](plugin://x@y)",
        "NUL \u{0} and \u{1b}[31m and \u{7f}",
        "\u{202e}right to left\u{202c} \u{200f}",
        "line\u{2028}paragraph\u{2029}end\r\n\r\n",
        "\n\ndata: {\"type\":\"done\"}\n\n",
        "{\"method\":\"turn/interrupt\"}\n{\"id\":1}",
        "  spaces around  ",
        "\u{feff}\u{fffd}\u{10ffff} e\u{301} 👩‍👩‍👧",
        "<context-0123456789ab>\nx\n</context-0123456789ab>",
        "</s><|im_end|><environment_context>",
        "é".repeat(8_000).as_str(),
    ] {
        let caller = app
            .send(&json!({ "message": text, "context": text, "stream": false }))
            .await;
        let call = provider.call().await;
        let texts = call.user_texts();
        let [message, context] = texts[..] else {
            panic!("{texts:?}")
        };
        assert_eq!(message, text);
        let (mark, context) = context
            .strip_prefix('<')
            .unwrap()
            .split_once(">\n")
            .unwrap();
        assert_eq!(context, format!("{text}\n</{mark}>"));
        assert!(call.body.get("tools").is_none());
        // And back: the caller gets what the model says, byte for byte.
        call.answer(text).await;
        let answer = caller.answer().await;
        assert_eq!(answer.chat(), text);
        assert_eq!(answer.json()["meta"]["truncated"], json!({}));
    }
    assert!(!touched.exists(), "a shell has seen the message");
    app.stop().await;
}

#[tokio::test]
async fn a_text_over_its_cap_is_cut_where_everyone_can_see_it() {
    let mut provider = MockProvider::start().await;
    let app = TestApp::with_real_codex(&provider, &[]).await;
    let context = format!("first{}last", "ж".repeat(999_991));
    let body = json!({ "message": "x".repeat(1 << 20), "context": context, "stream": false });
    let caller = app.send(&body).await;
    let call = provider.call().await;
    let texts = call.user_texts();
    let [message, context] = texts[..] else {
        panic!("{} texts", texts.len())
    };
    assert!(message.chars().count() <= 8_000);
    let (kept, marker) = message.split_once('\n').unwrap();
    assert!(kept.chars().all(|character| character == 'x'));
    let removed = (1 << 20) - kept.len();
    assert_eq!(
        marker,
        format!("[… {removed} characters removed: limit 8000 …]")
    );

    let lines: Vec<&str> = context.lines().collect();
    let [_, head, marker, tail, _] = lines[..] else {
        panic!("{} lines", lines.len())
    };
    assert!(head.starts_with("first") && tail.ends_with("last"));
    let kept_context = head.chars().count() + tail.chars().count();
    assert_eq!(
        marker,
        format!(
            "[… {} characters removed: limit 200000 …]",
            1_000_000 - kept_context
        )
    );
    assert!(kept_context + marker.chars().count() + 2 <= 200_000);

    let expected = json!({
        "message": { "original_chars": 1 << 20, "kept_chars": kept.len() },
        "context": { "original_chars": 1_000_000, "kept_chars": kept_context },
    });
    call.answer("Long.").await;
    assert_eq!(caller.answer().await.json()["meta"]["truncated"], expected);
    app.stop().await;
}

/// The answer is cut as visibly, and the turn does not go on unseen.
#[tokio::test]
async fn an_answer_over_its_cap_ends_the_turn() {
    let mut provider = MockProvider::start().await;
    let app = TestApp::with_real_codex(&provider, &[("CHAT_MAX_OUTPUT_CHARS", "100")]).await;
    let caller = app
        .send(&json!({ "message": "Talk.", "stream": false }))
        .await;
    let mut call = provider.call().await;
    call.begin().await;
    for _ in 0..30 {
        call.delta("ten chars ").await;
    }
    let answer = caller.answer().await;
    let text = answer.chat();
    assert!(text.chars().count() <= 100, "{text}");
    assert!(text.contains("limit 100 characters …]"), "{text}");
    assert_eq!(answer.json()["meta"]["finish_reason"], "length");
    assert!(
        answer.json()["meta"]["truncated"]["answer"].is_object(),
        "{}",
        answer.text()
    );
    call.closed().await;
    app.is_idle().await;
    app.stop().await;
}

#[tokio::test]
async fn what_is_not_text_is_refused() {
    let app = TestApp::with_fake_codex("", &[]).await;
    for body in [
        br#"{"message": "\ud800"}"#.as_slice(),
        br#"{"message": "\udc00\ud800"}"#,
        br#"{"message": "\ud83d\u0041"}"#,
        b"{\"message\": \"\xff\xfe\"}",
        b"{\"message\": \"\xc0\x80\"}",
        b"{\"message\": \"a\nb\"}",
        b"{\"message\": \"open",
        b"\xef\xbb\xbf{\"message\": \"x\"}",
        b"",
        b"{\"message\": \"x\"} {}",
        "[".repeat(100_000).as_bytes(),
    ] {
        let answer = app.send_with(&[], body).await.answer().await;
        answer.problem(400, "malformed_json");
    }
    // A pair of surrogates is one character.
    let pair = br#"{"message": "\ud83c\udff0", "stream": false}"#;
    assert_eq!(
        app.send_with(&[], pair).await.answer().await.chat(),
        "echo: 🏰"
    );
    app.stop().await;
}
