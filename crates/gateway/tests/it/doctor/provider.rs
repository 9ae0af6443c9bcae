//! The way to the provider: reached, refused, closed, silent.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::{Scene, no_secret_is_in};
use crate::provider::CANARY;
use crate::test_app::KEY;

/// A provider that says `answer` to whatever comes, and what came. With an empty answer it says nothing.
pub(super) fn answering(answer: String) -> (SocketAddr, mpsc::Receiver<String>) {
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
                if answer.starts_with("not TLS") {
                    break;
                }
            }
            let _ = heads.try_send(String::from_utf8_lossy(&head).to_lowercase());
            let _ = stream.write_all(answer.as_bytes());
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
        (http("404 X", CANARY), "ok", &["no list of models"]),
        (
            http("302 X\r\nlocation: https://elsewhere.example", ""),
            "warning",
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
