//! What is sent with a secret in it.

use std::iter;

use serde_json::{Value, json};

use super::places::secret;

/// Whole requests, by what is wrong with them.
pub(super) fn requests() -> Vec<(String, Vec<u8>)> {
    const HOST: &str = "Host: localhost\r\nConnection: close\r\n";
    let s = secret(1);
    let mut requests = vec![
        ("method", format!("{s} /chat HTTP/1.1\r\n{HOST}\r\n")),
        (
            "method and path",
            format!("{s} /{s}?{s}={s} HTTP/1.1\r\n{HOST}\r\n"),
        ),
        ("path", format!("GET /{s} HTTP/1.1\r\n{HOST}\r\n")),
        (
            "query",
            format!("GET /readyz?token={s} HTTP/1.1\r\n{HOST}\r\n"),
        ),
        (
            "target",
            format!("GET http://{s}/chat HTTP/1.1\r\n{HOST}\r\n"),
        ),
        ("version", format!("GET / HTTP/{s}\r\n{HOST}\r\n")),
        ("no request at all", format!("{s}\r\n\r\n")),
        (
            "header name",
            format!("GET /livez HTTP/1.1\r\n{HOST}{s}: x\r\n\r\n"),
        ),
        (
            "a header's form",
            format!("GET /livez HTTP/1.1\r\n{HOST}{s}\r\n\r\n"),
        ),
        (
            "host",
            format!("GET /livez HTTP/1.1\r\nConnection: close\r\nHost: {s}\r\n\r\n"),
        ),
        (
            "malformed body",
            post("application/json", &format!("{{\"message\": {s}")),
        ),
        (
            "body that is no object",
            post("application/json", &format!("\"{s}\"")),
        ),
        ("content type", post(&s, "{}")),
        (
            "charset",
            post(&format!("application/json; charset={s}"), "{}"),
        ),
    ];
    for name in [
        "X-Request-Id",
        "Accept",
        "Origin",
        "Authorization",
        "Content-Encoding",
        "Content-Length",
        "Transfer-Encoding",
        "Expect",
        "Cookie",
        "Upgrade",
        "Last-Event-ID",
        "Idempotency-Key",
        "Prefer",
        "Access-Control-Request-Method",
        "traceparent",
        "X-Forwarded-For",
    ] {
        let head = format!(
            "POST /chat HTTP/1.1\r\n{HOST}Content-Type: application/json\r\n{name}: {s}\r\n\r\n"
        );
        requests.push((name, head));
    }
    let ids = ["{s}", "call-{s}", "{s}.{s}", "Bearer:{s}", "?token={s}"];
    for id in ids.map(|id| id.replace("{s}", &s)) {
        requests.push((
            "id",
            format!("GET /{s} HTTP/1.1\r\n{HOST}X-Request-Id: {id}\r\n\r\n"),
        ));
    }
    let own = |(name, request): (&str, String)| (name.to_owned(), request.into_bytes());
    requests.into_iter().map(own).collect()
}

fn post(content_type: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST /chat HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: {content_type}\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
}

/// Bodies that are refused before there is a turn.
pub(super) fn bodies() -> Vec<Value> {
    let s = secret(1);
    let long = format!("{}{s}{}", "x".repeat(40), "y".repeat(40));
    let mut bodies = vec![
        json!({ &s: 1 }),
        json!({ "message": "x", &s: 1, &long: 2 }),
        json!({ "message": "x", "mode": s }),
        json!({ "message": "x", "mode": { &s: &s } }),
        json!({ "message": { &s: &s } }),
        json!({ "message": "x", "context": [&s] }),
        json!({ "message": "x", "stream": s }),
        json!({ "message": "x", "conversation_id": s }),
        json!({ "message": "x", "skill": s }),
        json!({ "message": "x", "extra": s }),
        json!({ "mode": "tool", "skill": s }),
        json!({ "mode": "tool", "skill": s, "extra": { &s: &s } }),
    ];
    for key in [
        "model",
        "reasoning_effort",
        "output_schema",
        "skills",
        "workspace",
    ] {
        for value in [json!(s), json!([s]), json!({ &s: &s }), json!([[s]])] {
            let skills = if key == "workspace" {
                json!([s])
            } else {
                Value::Null
            };
            let mut extra = json!({ "skills": skills, "model": 7, &s: &s });
            extra[key] = value;
            bodies.push(json!({ "message": "x", "extra": extra }));
        }
    }
    bodies
}

/// Whole answers of a provider.
pub(super) fn answers() -> Vec<(String, Vec<u8>)> {
    let s = secret(1);
    let error = json!({
        "error": { "code": s, "type": s, "message": s, "param": s, &s: s }, "detail": s, "message": s,
    });
    let lower = error.to_string().to_lowercase();
    let mut answers = Vec::new();
    for status in [200, 302, 400, 401, 403, 404, 405, 413, 418, 429, 500, 503] {
        for (kind, body) in [
            ("application/json", error.to_string()),
            ("application/json", lower.clone()),
            ("text/html", format!("<p>{s}")),
            (s.as_str(), s.clone()),
        ] {
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 {status} {s}\r\ncontent-type: {kind}\r\nlocation: http://{s}/\r\nx-request-id: {s}\r\n\
                 {s}: {s}\r\nretry-after: {s}\r\nserver: {s}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
            answers.push((format!("{status} {kind}"), answer.into_bytes()));
        }
    }
    for (name, events) in streams(&s) {
        let events = events.iter().map(|event| {
            let kind = event["type"].as_str().unwrap_or_default();
            format!("event: {kind}\ndata: {event}\n\n")
        });
        let events = events.collect::<Vec<_>>().concat();
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-request-id: {s}\r\nconnection: close\r\n\r\n{events}"
        );
        answers.push((name.to_owned(), answer.into_bytes()));
    }
    answers
}

fn streams(s: &str) -> Vec<(&'static str, Vec<Value>)> {
    let created = json!({ "type": "response.created", "response": { "id": s, "model": s } });
    let item = |kind: &str| {
        json!({
            "type": kind, "id": s, "call_id": s, "name": s, "arguments": s, "role": "assistant", "status": s,
            "namespace": s, "summary": [{ "type": "summary_text", "text": s }], "encrypted_content": s, "input": s,
            "content": [{ "type": "output_text", "text": s, "annotations": [{ "type": s, "url": s }] }],
        })
    };
    let done = |item: Value| json!({ "type": "response.output_item.done", "output_index": 0, "item": item });
    let delta = json!({ "type": "response.output_text.delta", "item_id": s, "delta": s });
    let end = |status: &str| {
        json!({
            "type": format!("response.{status}"),
            "response": {
                "id": s, "status": status, "model": s, "output": [],
                "error": { "code": s, "type": s, "message": s, "param": s },
                "incomplete_details": { "reason": s },
                "usage": { "input_tokens": 1, "output_tokens": 1, "total_tokens": 2, s: s },
            },
        })
    };
    let whole = |middle: Vec<Value>, last: Value| {
        iter::once(created.clone())
            .chain(middle)
            .chain([last])
            .collect()
    };
    let bad_usage = json!({
        "type": "response.completed", "response": { "id": s, "usage": { "input_tokens": s, "output_tokens": s } },
    });
    let refusal = json!({
        "type": "message", "id": s, "role": "assistant", "content": [{ "type": "refusal", "refusal": s }],
    });
    vec![
        (
            "a message",
            whole(vec![delta.clone(), done(item("message"))], end("completed")),
        ),
        ("a refusal", whole(vec![done(refusal)], end("completed"))),
        (
            "reasoning",
            whole(vec![done(item("reasoning"))], end("completed")),
        ),
        (
            "a tool call",
            whole(vec![done(item("function_call"))], end("completed")),
        ),
        (
            "a custom call",
            whole(vec![done(item("custom_tool_call"))], end("completed")),
        ),
        (
            "an unknown item",
            whole(vec![done(item(s))], end("completed")),
        ),
        ("a failure", whole(vec![], end("failed"))),
        ("a late failure", whole(vec![delta.clone()], end("failed"))),
        ("a break", whole(vec![], end("incomplete"))),
        (
            "a late break",
            whole(vec![delta.clone()], end("incomplete")),
        ),
        ("another status", whole(vec![delta.clone()], end(s))),
        (
            "an error",
            whole(
                vec![],
                json!({ "type": "error", "code": s, "message": s, "param": s, "error": { "type": s } }),
            ),
        ),
        (
            "another event",
            whole(vec![json!({ "type": s, s: s })], end("completed")),
        ),
        ("no usage", whole(vec![delta], bad_usage)),
        ("no JSON", vec![json!(s), json!([s])]),
    ]
}

/// What a CLI may write, of the protocol and beside it.
pub(super) fn lines() -> Vec<String> {
    let s = secret(1);
    let at = json!({ "threadId": "@THREAD@", "turnId": "@TURN@" });
    let with = |more: Value| {
        let mut params = at.clone();
        for (key, value) in more.as_object().unwrap() {
            params[key] = value.clone();
        }
        params
    };
    let mut lines = vec![
        s.clone(),
        json!({ "method": s, "params": { &s: &s } }).to_string(),
        json!({ "id": 90, "method": s, "params": with(json!({ &s: &s })) }).to_string(),
        json!({ "id": s, "method": "item/tool/call", "params": with(json!({ "tool": s, "callId": s, "arguments": s })) }).to_string(),
        json!({ "id": s, "result": s }).to_string(),
        json!({ "id": 91, "error": { "code": -1, "message": s, "data": s } }).to_string(),
        json!({ "method": "item/agentMessage/delta", "params": with(json!({ "itemId": s, "delta": s })) }).to_string(),
        json!({ "method": "error", "params": with(json!({ "error": { "message": s, "codexErrorInfo": s }, "willRetry": true })) }).to_string(),
        json!({ "method": "turn/started", "params": with(json!({ "turn": { "id": s, "status": s } })) }).to_string(),
    ];
    for kind in [
        "agentMessage",
        "reasoning",
        "commandExecution",
        "fileChange",
        "dynamicToolCall",
        s.as_str(),
    ] {
        for method in ["item/started", "item/completed"] {
            let item = json!({
                "type": kind, "id": s, "text": s, "command": s, "title": s, "tool": s, "status": s, "aggregatedOutput": s,
            });
            lines.push(
                json!({ "method": method, "params": with(json!({ "item": item })) }).to_string(),
            );
        }
    }
    lines
}

/// Calls of the shipped skills, with a secret in every value that may have one.
pub(super) fn skill_calls() -> Vec<(&'static str, Value)> {
    let s = secret(10);
    vec![
        ("list-files", json!({})),
        ("list-files", json!({ "path": s })),
        ("list-files", json!({ "globs": [s] })),
        ("read-file", json!({ "path": s })),
        ("read-file", json!({ "path": "plain.txt", &s: s })),
        ("read-file", json!({ "path": format!("../{s}") })),
        ("code-search", json!({ "pattern": "gate" })),
        ("code-search", json!({ "pattern": s })),
        ("code-search", json!({ "pattern": format!("({s}") })),
        (
            "code-search",
            json!({ "pattern": "gate", "path": s, "globs": [s] }),
        ),
        ("code-search", json!({ "pattern": "gate", "workspace": s })),
        ("code-search", json!({ "pattern": { &s: &s } })),
        ("run-tests", json!({})),
        ("run-tests", json!({ "filter": s })),
        ("run-tests", json!({ "filter": [s], &s: 1 })),
    ]
}
