//! The way to the provider: reached, refused, closed, silent.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Scene, no_secret_is_in};
use crate::support::provider::CANARY;
use crate::support::test_app::KEY;

/// A provider that says `answer` to whatever comes, and what came. With an empty answer it says nothing.
pub(super) fn answering(answer: String) -> (SocketAddr, mpsc::Receiver<String>) {
    routed(vec![("", answer)])
}

/// The same, where the beginning of a request's first line chooses the answer; the first that fits.
fn routed(routes: Vec<(&'static str, String)>) -> (SocketAddr, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (heads, seen) = mpsc::sync_channel(16);
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                if stream.read(&mut byte).unwrap_or(0) == 0 {
                    break;
                }
                head.push(byte[0]);
                if routes[0].1.starts_with("not TLS") {
                    break;
                }
            }
            let head = String::from_utf8_lossy(&head).to_lowercase();
            let route = routes.iter().find(|(begin, _)| head.starts_with(begin));
            let _ = stream.write_all(route.unwrap().1.as_bytes());
            let _ = heads.try_send(head);
            kept.push(stream);
        }
    });
    (address, seen)
}

pub(super) fn http(status: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
}

#[test]
fn a_refused_key_is_told_from_a_provider_that_cannot_be_reached() {
    let mut scene = Scene::with(Path::new("/bin/true"));
    for (answer, status, words) in [
        (
            http("401 X", CANARY),
            "failed",
            &["refuses the key", "HTTP 401"][..],
        ),
        (http("403 X", CANARY), "failed", &["refuses the key"]),
        (
            http("404 X", CANARY),
            "warning",
            &["no list of models", "/v1", "--ask"],
        ),
        (
            http("405 X", CANARY),
            "warning",
            &["no list of models", "/v1", "--ask"],
        ),
        (
            http("200 OK", &format!("<html><title>{CANARY}</title></html>")),
            "failed",
            &["a page to log in", "HTTP 200"],
        ),
        (http("200 OK", ""), "failed", &["what is no API's"]),
        (
            http("200 OK", r#"{"error":{"code":"invalid_api_key"}}"#),
            "failed",
            &["refuses the key"],
        ),
        (
            http("403 X", &format!("<html>{CANARY}</html>")),
            "failed",
            &["something on the way", "firewall"],
        ),
        (http("402 X", CANARY), "failed", &["quota"]),
        (
            http("302 X\r\nlocation: https://elsewhere.example", ""),
            "failed",
            &["redirection"],
        ),
        (http("503 X", CANARY), "warning", &["HTTP 503"]),
    ] {
        let (address, _seen) = answering(answer);
        scene.set("OPENAI_BASE_URL", format!("http://{address}/v1"));
        scene.json().says("provider", status, words);
        no_secret_is_in(&scene.run(&[]));
        no_secret_is_in(&scene.run(&["--json"]));
    }
    scene.set("OPENAI_BASE_URL", "http://127.0.0.1:9/v1");
    scene
        .json()
        .says("provider", "failed", &["connection_refused", "firewall"]);

    let (address, _seen) = answering("not TLS at all, but long enough for a record".to_owned());
    scene.set("OPENAI_BASE_URL", format!("https://{address}/v1"));
    scene
        .json()
        .says("provider", "failed", &["tls_failed", "PORTCULLIS_CA_FILE"]);

    let (address, _seen) = answering(String::new());
    scene.set("OPENAI_BASE_URL", format!("http://{address}/v1"));
    let begun = Instant::now();
    scene
        .json()
        .says("provider", "failed", &["connect_timeout"]);
    assert!(begun.elapsed() > Duration::from_secs(5));
    scene.is_untouched();
}

#[test]
fn azure_is_asked_as_azure_wants_to_be() {
    let mut scene = Scene::with(Path::new("/bin/true"));
    let (address, seen) = answering(http("200 OK", "{}"));
    scene.set("LLM_PROVIDER", "azure");
    scene.set("AZURE_OPENAI_API_KEY", KEY);
    scene.set("AZURE_OPENAI_ENDPOINT", format!("http://{address}"));
    scene.set("AZURE_OPENAI_DEPLOYMENT", "ours");
    scene.set("AZURE_OPENAI_API_VERSION", "2025-04-01-preview");
    scene.json().says("provider", "ok", &["takes the key"]);
    let asked = seen.recv().unwrap();
    let line = "get /openai/models?api-version=2025-04-01-preview ";
    assert!(asked.starts_with(line), "{asked}");
    assert!(asked.contains(&format!("api-key: {KEY}")), "{asked}");
}

fn models(names: &[&str]) -> String {
    let list: Vec<_> = names.iter().map(|name| json!({ "id": name })).collect();
    http("200 OK", &json!({ "data": list }).to_string())
}

fn stream(events: &[Value]) -> String {
    let events: Vec<_> = events
        .iter()
        .map(|event| format!("data: {event}\n\n"))
        .collect();
    http(
        "200 OK\r\ncontent-type: text/event-stream",
        &events.concat(),
    )
}

fn answer(text: &str) -> String {
    let item = json!({
        "type": "message", "role": "assistant",
        "content": [{ "type": "output_text", "text": text }],
    });
    let usage = json!({ "input_tokens": 11, "output_tokens": 2, "total_tokens": 13 });
    stream(&[
        json!({ "type": "response.created", "response": { "id": "r" } }),
        json!({ "type": "response.output_item.done", "output_index": 0, "item": item }),
        json!({ "type": "response.completed", "response": { "id": "r", "usage": usage } }),
    ])
}

#[test]
fn the_address_that_was_probably_meant_is_said() {
    let mut scene = Scene::with(Path::new("/bin/true"));
    for (said, meant) in [
        ("", "/v1"),
        ("/v1/engines", "/v1"),
        ("/v2", "/v1"),
        ("/other", "/v1"),
    ] {
        let (address, seen) = routed(vec![
            ("get /v1/models ", models(&["gpt-4o-mini"])),
            ("", http("404 X", CANARY)),
        ]);
        scene.set("OPENAI_BASE_URL", format!("http://{address}{said}"));
        let words = format!("It is probably OPENAI_BASE_URL=http://{address}{meant}");
        scene.json().says("provider", "failed", &[&words]);
        assert!(seen.try_iter().all(|head| head.starts_with("get ")));
    }
}

#[test]
fn of_azure_endpoint_and_version_are_said() {
    let mut scene = Scene::with(Path::new("/bin/true"));
    let (address, _seen) = routed(vec![
        ("get /openai/v1/models ", models(&["gpt-4o-mini"])),
        ("", http("404 X", CANARY)),
    ]);
    scene.set("LLM_PROVIDER", "azure");
    scene.set("AZURE_OPENAI_API_KEY", KEY);
    scene.set("AZURE_OPENAI_DEPLOYMENT", "ours");
    for (path, version, meant) in [
        (
            "",
            "2025-04-01-preview",
            "AZURE_OPENAI_API_VERSION=v1".to_owned(),
        ),
        (
            "/api/x",
            "v1",
            format!("AZURE_OPENAI_ENDPOINT=http://{address}"),
        ),
    ] {
        scene.set("AZURE_OPENAI_ENDPOINT", format!("http://{address}{path}"));
        scene.set("AZURE_OPENAI_API_VERSION", version);
        scene.json().says("provider", "failed", &[&meant]);
    }
}

#[test]
fn a_model_that_the_provider_does_not_list_is_named() {
    let mut scene = Scene::with(Path::new("/bin/true"));
    let (address, _seen) = answering(models(&["gpt-4o-mini", "other", CANARY]));
    scene.set("OPENAI_BASE_URL", format!("http://{address}/v1"));
    scene.json().says("provider", "ok", &["takes the key"]);
    scene.set("OPENAI_MODEL", "gpt-4o-mimi");
    scene.set("CHAT_ALLOWED_MODELS", "other,absent");
    let words = ["does not list gpt-4o-mimi, absent", "OPENAI_MODEL"];
    scene.json().says("provider", "warning", &words);
    no_secret_is_in(&scene.run(&[]));
}

#[test]
fn the_model_is_asked_when_that_is_wanted_and_only_then() {
    let mut scene = Scene::with(Path::new("/bin/true"));
    let (address, seen) = routed(vec![
        ("get ", models(&["gpt-4o-mini"])),
        ("post /v1/responses ", answer("OK")),
    ]);
    scene.set("OPENAI_BASE_URL", format!("http://{address}/v1"));
    let report = scene.json();
    assert!(!report.document.to_string().contains("model_call"));
    assert_eq!(seen.try_iter().count(), 1);
    let report = scene.json_of(&["--json", "--ask"]);
    report.says("model_call", "ok", &["gpt-4o-mini answered", "13 tokens"]);
    assert_eq!(seen.try_iter().count(), 2);
}

#[test]
fn an_answer_decides_where_there_is_no_list() {
    let mut scene = Scene::with(Path::new("/bin/true"));
    let (address, _seen) = routed(vec![
        ("get ", http("404 X", CANARY)),
        ("post /v1/responses ", answer("OK")),
    ]);
    scene.set("OPENAI_BASE_URL", format!("http://{address}/v1"));
    let report = scene.json_of(&["--json", "--ask"]);
    report.says("provider", "ok", &["no list of models"]);
    report.says("model_call", "ok", &[]);
}

#[test]
fn a_question_that_is_not_answered_says_whose_fault_it_is() {
    let mut scene = Scene::with(Path::new("/bin/true"));
    let error = |code: &str| json!({ "error": { "code": code, "message": CANARY } }).to_string();
    let cut = stream(&[json!({ "type": "response.created", "response": { "id": "r" } })]);
    let error_and_silence = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\ndata: {}\n\n",
        json!({ "type": "error", "code": "insufficient_quota", "message": CANARY })
    );
    let failed = json!({
        "type": "response.failed",
        "response": { "error": { "code": "insufficient_quota", "message": CANARY } },
    });
    for (answer, words) in [
        (
            http("404 X", &error("model_not_found")),
            ["(model)", "does not offer"],
        ),
        (
            http("429 X", &error("insufficient_quota")),
            ["(quota)", "balance"],
        ),
        (http("401 X", &error("invalid_api_key")), ["(auth)", "key"]),
        (http("404 X", "<html></html>"), ["(address)", "/v1"]),
        (stream(&[failed]), ["(quota)", "balance"]),
        (error_and_silence, ["(quota)", "balance"]),
        (cut, ["(server)", "stream_cut"]),
        (answer(""), ["(server)", "empty_answer"]),
    ] {
        let (address, _seen) = routed(vec![
            ("get ", models(&["gpt-4o-mini"])),
            ("post /v1/responses ", answer),
        ]);
        scene.set("OPENAI_BASE_URL", format!("http://{address}/v1"));
        let report = scene.json_of(&["--json", "--ask"]);
        report.says("provider", "ok", &[]);
        report.says("model_call", "failed", &words);
        no_secret_is_in(&scene.run(&["--ask"]));
    }
}
