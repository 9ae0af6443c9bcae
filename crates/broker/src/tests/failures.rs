//! Each way a provider can fail: its class for the caller, and nothing of its text for the child.

use secrecy::SecretString;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::mock_provider::{
    self, Act, MockProvider, STREAM_END, STREAM_HEAD, chunk, event, send, status,
};
use super::{Bench, question};
use crate::{ProviderFailure, ProviderFailureClass as Class};

/// Stands in every error body here; it must not come out anywhere.
const CANARY: &str = "sk-canary and words of a prompt";

async fn failure_of(script: Vec<Act>) -> (ProviderFailure, u16, String) {
    let provider = MockProvider::start(script).await;
    failure_at(&provider.base_url).await
}

async fn failure_at(base_url: &str) -> (ProviderFailure, u16, String) {
    let bench = Bench::openai(base_url).await;
    let token = bench.issue();
    let mut response = bench.ask(&question("hello?")).await;
    let status = response.status().as_u16();
    let mut text = String::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        text.push_str(&String::from_utf8_lossy(&chunk));
    }
    // Once the child has seen the end of it, the failure is there to read.
    (token.failure().expect("a failure"), status, text)
}

fn error_body(code: &str) -> String {
    json!({"error": {"message": CANARY, "type": "some_error", "code": code}}).to_string()
}

#[tokio::test]
async fn refusals_are_classed_and_never_quoted() {
    for (script, class, code) in [
        (
            status(401, &error_body("invalid_api_key")),
            Class::Auth,
            Some("invalid_api_key"),
        ),
        (status(403, CANARY), Class::Auth, None),
        (
            status(403, &format!("<html>{CANARY}</html>")),
            Class::Network,
            None,
        ),
        (
            status(429, &error_body("insufficient_quota")),
            Class::Quota,
            Some("insufficient_quota"),
        ),
        (
            status(429, &error_body("rate_limit_exceeded")),
            Class::Rate,
            Some("rate_limit_exceeded"),
        ),
        (
            status(404, &error_body("DeploymentNotFound")),
            Class::Model,
            Some("deploymentnotfound"),
        ),
        (
            status(400, &error_body(CANARY)),
            Class::Model,
            Some("other"),
        ),
        (status(500, CANARY), Class::Server, None),
        (status(302, ""), Class::Address, None),
        (status(500, &CANARY.repeat(10_000)), Class::Server, None),
    ] {
        let (failure, status, text) = failure_of(script).await;
        assert_eq!((failure.class(), failure.code), (class, code));
        assert!(failure.status.is_some());
        assert_eq!(status, 400, "a status that the CLI does not retry");
        assert!(
            text.contains("provider_failed") && !text.contains("canary"),
            "{text}"
        );
        assert!(!failure.detail().contains("canary"));
    }
}

#[tokio::test]
async fn failures_inside_a_stream_are_classed() {
    let failed = |code: &str| {
        event(
            &json!({"type": "response.failed", "response": {"error": {"code": code, "message": CANARY}}}),
        )
    };
    for (code, class) in [
        ("insufficient_quota", Class::Quota),
        ("rate_limit_exceeded", Class::Rate),
        ("context_length_exceeded", Class::TooLong),
        ("server_error", Class::Server),
    ] {
        // The provider says nothing more and keeps the connection open: the answer ends all the same.
        let script = vec![
            send(STREAM_HEAD),
            chunk(&mock_provider::created()),
            chunk(&failed(code)),
            Act::Hang,
        ];
        let (failure, status, _) = failure_of(script).await;
        assert_eq!(
            (failure.class(), failure.code, status),
            (class, Some(code), 200)
        );
        assert!(!failure.detail().contains("canary"));
    }
}

#[tokio::test]
async fn broken_streams_are_told_apart() {
    let cut = vec![
        send(STREAM_HEAD),
        chunk(&mock_provider::created()),
        send(STREAM_END),
    ];
    let lost = vec![
        send(STREAM_HEAD),
        chunk(&mock_provider::created()),
        Act::Close,
    ];
    let garbage = vec![
        send(STREAM_HEAD),
        chunk("<html>it works</html>\n\n"),
        send(STREAM_END),
    ];
    let empty = vec![send(STREAM_HEAD), send(STREAM_END)];
    let not_http = vec![send("it works\r\n\r\n"), Act::Close];
    let no_answer = vec![Act::Close];
    for (name, script, class, code) in [
        ("cut", cut, Class::Server, "stream_cut"),
        ("lost", lost, Class::Network, "connection_lost"),
        ("garbage", garbage, Class::Address, "not_an_event_stream"),
        ("empty", empty, Class::Address, "not_an_event_stream"),
        (
            "json",
            status(200, "{\"output\":[]}"),
            Class::Address,
            "not_an_event_stream",
        ),
        ("not http", not_http, Class::Network, "connection_lost"),
        ("no answer", no_answer, Class::Network, "connection_lost"),
    ] {
        let (failure, _, _) = failure_of(script).await;
        assert_eq!(
            (failure.class(), failure.code),
            (class, Some(code)),
            "{name}"
        );
    }
}

#[tokio::test]
async fn an_unreachable_provider_is_a_network_failure() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let (failure, status, _) = failure_at(&format!("http://{address}/v1")).await;
    assert_eq!(failure, ProviderFailure::network("connection_refused"));
    assert_eq!(status, 400);

    // Plain HTTP where TLS is expected.
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let base_url = format!("https://{address}/v1");
    let ((failure, _, _), ()) = tokio::join!(failure_at(&base_url), async {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .expect("written");
    });
    assert_eq!(failure, ProviderFailure::network("tls_failed"));
}

#[tokio::test]
async fn the_first_failure_is_kept() {
    let provider = MockProvider::start(status(401, &error_body("invalid_api_key"))).await;
    let bench = Bench::openai(&provider.base_url).await;
    let token = bench.issue();
    bench.ask(&question("hello?")).await;
    let mut body = question("hello?");
    body["model"] = json!("another");
    bench.ask(&body).await;
    assert_eq!(
        token.failure().map(|failure| failure.class()),
        Some(Class::Auth)
    );
}

#[tokio::test]
async fn bad_settings_stop_the_start_and_never_show_the_key() {
    let settings = |key: &str, base_url: &str, ca_file: Option<&str>| {
        crate::settings::ProviderSettings::OpenAi(crate::settings::OpenAiSettings {
            api_key: SecretString::from(key),
            model: "gpt-4o-mini".into(),
            base_url: base_url.into(),
            connection: crate::settings::ConnectionSettings {
                ca_file: ca_file.map(Into::into),
                ..super::connection()
            },
        })
    };
    for (settings, words) in [
        (
            settings("k", "ftp://host", None),
            "not an http or https URL",
        ),
        (
            settings("canary\nkey", "https://host/v1", None),
            "characters that an HTTP header cannot carry",
        ),
        (
            settings("k", "https://host/v1", Some("/nonexistent")),
            "cannot read PORTCULLIS_CA_FILE",
        ),
        (
            settings("k", "https://host/v1", Some("/dev/null")),
            "no usable PEM certificate",
        ),
    ] {
        let error = super::start_error(&settings);
        assert!(
            error.contains(words) && !error.contains("canary"),
            "{error}"
        );
    }
}
