//! Every refusal of the contract that needs no turn: status, code, and what a caller can do about it.

use serde_json::{Value, json};

use crate::support::caller::{Answer, Exchange, head};
use crate::support::test_app::TestApp;

async fn refused(app: &TestApp, body: &Value) -> Answer {
    app.send(body).await.answer().await
}

fn without_id(mut problem: Value) -> Value {
    problem["request_id"] = json!("[uuid]");
    problem
}

#[tokio::test]
async fn a_body_that_is_not_right_is_told_all_that_is_wrong() {
    let app = TestApp::with_fake_codex("", &[]).await;
    let wrong = json!({
        "mode": "chatter", "message": 1, "context": ["x"], "skill": {}, "extra": "x", "stream": "yes",
        "conversation_id": 7, "messages": [], "a/b~c": 1,
    });
    let all_at_once = refused(&app, &wrong).await.problem(422, "invalid_request");
    insta::assert_json_snapshot!("everything_wrong_at_once", without_id(all_at_once));

    let extra = json!({ "message": "x", "extra": {
        "model": "gpt-secret", "reasoning_effort": "maximal", "output_schema": 1, "skills": "all", "colour": 1,
    } });
    let extra = refused(&app, &extra).await.problem(422, "invalid_extra");
    insta::assert_json_snapshot!("everything_wrong_in_extra", without_id(extra));

    for (body, status, code) in [
        (json!({}), 400, "missing_message"),
        (json!({ "message": "" }), 400, "missing_message"),
        (json!({ "message": null }), 400, "missing_message"),
        (json!({ "mode": "tool" }), 400, "missing_skill"),
        (
            json!({ "mode": "tool", "skill": "code-search" }),
            400,
            "unknown_skill",
        ),
        (json!([]), 422, "invalid_request"),
        (json!("message"), 422, "invalid_request"),
        (
            json!({ "message": "x", "conversation_id": "c" }),
            422,
            "invalid_request",
        ),
        (
            json!({ "message": "x", "skill": "s" }),
            422,
            "invalid_request",
        ),
    ] {
        let answer = refused(&app, &body).await;
        answer.problem(status, code);
        assert!(!answer.headers.contains_key("retry-after"), "{body}");
    }
    app.stop().await;
}

#[tokio::test]
async fn a_request_that_is_not_for_here_is_refused() {
    let app = TestApp::with_fake_codex(
        "",
        &[
            ("PORTCULLIS_ALLOWED_HOSTS", "gate.example"),
            ("PORTCULLIS_ALLOWED_ORIGINS", "https://chat.example"),
        ],
    )
    .await;
    let own = format!("http://{}", app.address);
    let body = json!({ "message": "hello" }).to_string();
    for (headers, status, code) in [
        (vec![("Accept", "text/html")], 406, "not_acceptable"),
        (
            vec![("Content-Type", "text/plain")],
            415,
            "unsupported_media_type",
        ),
        (
            vec![("Content-Type", "application/x-www-form-urlencoded")],
            415,
            "unsupported_media_type",
        ),
        (vec![("Host", "evil.example")], 421, "host_not_allowed"),
        (
            vec![("Host", "127.0.0.1.evil.example")],
            421,
            "host_not_allowed",
        ),
        (
            vec![("Host", "localhost@evil.example")],
            421,
            "host_not_allowed",
        ),
        (vec![("Host", "")], 421, "host_not_allowed"),
        (
            vec![("Host", "localhost"), ("Host", "evil.example")],
            421,
            "host_not_allowed",
        ),
        (
            vec![("Origin", "https://evil.example")],
            403,
            "origin_not_allowed",
        ),
        (vec![("Origin", "null")], 403, "origin_not_allowed"),
        (
            vec![("Origin", "http://localhost.evil.example")],
            403,
            "origin_not_allowed",
        ),
        (
            vec![("Origin", &own), ("Origin", "https://evil.example")],
            403,
            "origin_not_allowed",
        ),
    ] {
        let answer = app.send_with(&headers, &body).await.answer().await;
        answer.problem(status, code);
    }
    for headers in [
        vec![("Host", "localhost:8000")],
        vec![("Host", "[::1]:8000")],
        vec![("Host", "GATE.example")],
        vec![("Origin", own.as_str())],
        vec![("Origin", "https://chat.example")],
        vec![("Content-Type", "Application/JSON; charset=utf-8")],
        vec![("Accept", "text/event-stream, application/json;q=0.5")],
    ] {
        let answer = app.send_with(&headers, &body).await.answer().await;
        assert_eq!(answer.status, 200, "{headers:?}: {}", answer.text());
    }
    app.stop().await;
}

/// A browser asks first, and shows the answer to the page only if it may see it.
#[tokio::test]
async fn a_page_of_an_allowed_origin_can_call_and_no_other_can() {
    let settings = [("PORTCULLIS_ALLOWED_ORIGINS", "https://chat.example")];
    let app = TestApp::with_fake_codex("", &settings).await;
    let preflight = async |origin: &str| {
        let mut exchange = Exchange::open(app.address).await;
        let headers = [
            ("Origin", origin),
            ("Access-Control-Request-Method", "POST"),
            ("Access-Control-Request-Headers", "content-type"),
        ];
        exchange
            .send(head("OPTIONS /chat", app.address, &headers))
            .await;
        exchange.head().await
    };
    let allowed = preflight("https://chat.example").await;
    assert_eq!(allowed.status, 204);
    assert_eq!(
        allowed.headers["access-control-allow-origin"],
        "https://chat.example"
    );
    assert!(allowed.headers["access-control-allow-methods"].contains("POST"));
    assert!(allowed.headers["access-control-allow-headers"].contains("content-type"));
    let refused = preflight("https://evil.example").await;
    assert_eq!(refused.status, 403);
    assert!(!refused.headers.contains_key("access-control-allow-origin"));

    let body = json!({ "message": "Hello?" }).to_string();
    let mut answer = app
        .send_with(&[("Origin", "https://chat.example")], &body)
        .await;
    let seen = answer.head().await;
    assert_eq!(
        seen.headers["access-control-allow-origin"],
        "https://chat.example"
    );
    assert_eq!(seen.headers["vary"], "origin");
    answer.frames().await;
    app.stop().await;
}

#[tokio::test]
async fn paths_and_methods_that_do_not_exist_say_so() {
    let app = TestApp::with_fake_codex("", &[]).await;
    let request = async |line: &str| {
        let mut exchange = Exchange::open(app.address).await;
        exchange.send(head(line, app.address, &[])).await;
        exchange.answer().await
    };
    request("GET /nothing").await.problem(404, "not_found");
    request("GET /chat/").await.problem(404, "not_found");
    let not_allowed = request("GET /chat").await;
    not_allowed.problem(405, "method_not_allowed");
    assert_eq!(not_allowed.headers["allow"], "POST");
    let not_allowed = request("DELETE /livez").await;
    not_allowed.problem(405, "method_not_allowed");
    assert_eq!(not_allowed.headers["allow"], "GET,HEAD");
    let index = request("GET /").await;
    assert!(index.text().contains("POST /chat"));
    assert_eq!(
        request("GET /livez").await.json(),
        json!({ "status": "ok" })
    );
    app.stop().await;
}

#[tokio::test]
async fn a_body_over_the_limit_is_not_read() {
    let app = TestApp::with_fake_codex("", &[("PORTCULLIS_MAX_BODY_BYTES", "2048")]).await;
    let fits = json!({ "message": "x".repeat(2000), "stream": false });
    assert_eq!(refused(&app, &fits).await.status, 200);

    // Declared: the answer comes before a byte of the body.
    let mut declared = Exchange::open(app.address).await;
    let headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", "2049"),
    ];
    declared
        .send(head("POST /chat", app.address, &headers))
        .await;
    declared.answer().await.problem(413, "body_too_large");

    // Not declared: as soon as there is too much of it.
    let mut chunked = Exchange::open(app.address).await;
    let headers = [
        ("Content-Type", "application/json"),
        ("Transfer-Encoding", "chunked"),
    ];
    chunked
        .send(head("POST /chat", app.address, &headers))
        .await;
    chunked
        .send(format!("800\r\n{}\r\n1\r\nx\r\n", "x".repeat(2048)))
        .await;
    chunked.answer().await.problem(413, "body_too_large");
    app.stop().await;
}

#[tokio::test]
async fn a_head_that_does_not_end_is_not_waited_for() {
    let app = TestApp::with_fake_codex("", &[("PORTCULLIS_HEADER_TIMEOUT_SEC", "1")]).await;
    let mut slow = Exchange::open(app.address).await;
    slow.send("POST /chat HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        .await;
    let mut silent = Exchange::open(app.address).await;
    silent.send("").await;
    let (slow, silent) = tokio::join!(slow.closed(), silent.closed());
    for said in [slow, silent] {
        let said = String::from_utf8(said).unwrap();
        assert!(
            said.is_empty() || said.starts_with("HTTP/1.1 408"),
            "{said}"
        );
    }
    app.stop().await;
}

#[tokio::test]
async fn a_request_has_the_callers_id_or_a_new_one() {
    let app = TestApp::with_fake_codex("", &[]).await;
    let long = "x".repeat(128);
    for id in ["a", "trace/1=ä".trim_end_matches('ä'), long.as_str()] {
        let answer = app
            .send_with(&[("X-Request-Id", id)], "{}")
            .await
            .answer()
            .await;
        assert_eq!(answer.headers["x-request-id"], id);
        answer.problem(400, "missing_message");
    }
    let too_long = "x".repeat(129);
    for id in ["", "two words", "ümlaut", too_long.as_str()] {
        let answer = app
            .send_with(&[("X-Request-Id", id)], "{}")
            .await
            .answer()
            .await;
        let given = &answer.headers["x-request-id"];
        assert_eq!(
            given.parse::<uuid::Uuid>().unwrap().get_version_num(),
            7,
            "{given}"
        );
        answer.problem(400, "missing_message");
    }
    app.stop().await;
}

/// A refusal never repeats what it was sent.
#[tokio::test]
async fn a_refusal_and_its_log_hold_no_content() {
    const CANARY: &str = "canary-5e2c";
    let app = TestApp::with_fake_codex("", &[]).await;
    for body in [
        format!("{{\"message\": {CANARY}}}"),
        json!({ "message": "x", "mode": CANARY, "stream": CANARY }).to_string(),
        json!({ "message": "x", "extra": { "model": CANARY, "reasoning_effort": CANARY } })
            .to_string(),
        json!({ "mode": "tool", "skill": CANARY }).to_string(),
        json!({ "message": "x", "conversation_id": CANARY }).to_string(),
    ] {
        let answer = app
            .send_with(
                &[("Origin", "http://localhost:1"), ("Cookie", CANARY)],
                &body,
            )
            .await
            .answer()
            .await;
        assert!(answer.status >= 400);
        assert!(!answer.text().contains(CANARY), "{}", answer.text());
        let answer = app.send_with(&[], &body).await.answer().await;
        assert!((400..500).contains(&answer.status), "{}", answer.text());
        assert!(!answer.text().contains(CANARY), "{}", answer.text());
    }
    app.get(&format!("/{CANARY}?{CANARY}"))
        .await
        .problem(404, "not_found");
    assert_eq!(app.ask(CANARY).await.status, 200);
    app.ask(&format!("{CANARY} fake:fail:other"))
        .await
        .problem(502, "codex_failed");
    assert!(!app.log.text().contains(CANARY), "{}", app.log.text());
    app.stop().await;
}

/// A caller chooses names too, and a name comes back.
#[tokio::test]
async fn a_secret_that_stands_where_a_name_should_does_not_come_back() {
    let secret = ["ghp", "_", "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8"].concat();
    let app = TestApp::with_fake_codex("", &[]).await;
    let id = [("X-Request-Id", secret.as_str())];
    let answer = app.send_with(&id, "{}").await.answer().await;
    answer.problem(400, "missing_message");
    assert!(!answer.headers["x-request-id"].contains(&secret[..12]));

    let long = format!("{}{secret}", "x".repeat(40));
    for body in [
        json!({ "message": "x", &secret: 1 }),
        json!({ "message": "x", &secret: 1, "other": 2 }),
        json!({ "message": "x", &long: 1 }),
        json!({ "message": "x", "extra": { &secret: 1, "model": 7 } }),
        json!({ "message": "fake:answer x", "extra": { &secret: 1, &long: 2 }, "stream": false }),
        json!({ "message": "fake:answer x", "extra": { &secret: 1, &long: 2 } }),
    ] {
        let answer = app.send(&body).await.answer().await;
        let text = String::from_utf8(answer.body).unwrap();
        assert!(!text.contains(&secret[..12]), "{text}");
    }
    app.stop().await;
}
