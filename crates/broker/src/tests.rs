//! The broker over real sockets: a child on one side, a scripted provider on the other.

mod beginnings;
mod budget;
mod children;
mod connections;
mod demo;
mod failures;
mod forwarding;
mod grants;
mod mock_provider;
mod way_out;

use std::net::SocketAddr;
use std::time::Duration;

use redact::Redactor;
use runner::Deadline;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::settings::{ConnectionSettings, OpenAiSettings, ProviderSettings};
use crate::{Broker, Grant, Proxies, TurnToken};

const KEY: &str = "sk-the-real-key";
const CREDENTIAL: &str = "turn-credential";

/// More than any event here takes; only a failing test waits for it.
const PATIENCE: Duration = Duration::from_secs(10);

/// A broker, its provider, and a client that behaves as the CLI does.
struct Bench {
    broker: Broker,
    address: SocketAddr,
    base_url: String,
    shutdown: CancellationToken,
    child: reqwest::Client,
}

impl Bench {
    async fn start(provider: &ProviderSettings) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let shutdown = CancellationToken::new();
        let address = listener.local_addr().expect("its address");
        let redactor = Redactor::with_default_rules();
        let broker = Broker::start(provider, redactor, &TaskTracker::new(), shutdown.clone());
        let broker = broker.expect("a broker");
        broker.serve(listener, 4, CancellationToken::new());
        Self::beside(broker, address, shutdown)
    }

    /// Another child of the same broker.
    async fn another_child(&self) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("its address");
        self.broker.serve(listener, 4, CancellationToken::new());
        Self::beside(self.broker.clone(), address, self.shutdown.clone())
    }

    fn beside(broker: Broker, address: SocketAddr, shutdown: CancellationToken) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let child = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([])
            .build()
            .expect("a client");
        Self {
            broker,
            base_url: format!("http://{address}/v1"),
            address,
            shutdown,
            child,
        }
    }

    async fn openai(base_url: &str) -> Self {
        Self::start(&openai(base_url)).await
    }

    fn issue(&self) -> TurnToken {
        self.issue_until(Deadline::after(Duration::from_mins(1)))
    }

    fn issue_until(&self, deadline: Deadline) -> TurnToken {
        let grant = grant(deadline);
        self.broker.issue(&SecretString::from(CREDENTIAL), grant)
    }

    fn request(&self) -> reqwest::RequestBuilder {
        self.child
            .post(format!("{}/responses", self.base_url))
            .bearer_auth(CREDENTIAL)
            .header("content-type", "application/json")
    }

    async fn ask(&self, body: &Value) -> reqwest::Response {
        let sent = self.request().body(body.to_string()).send();
        tokio::time::timeout(PATIENCE, sent)
            .await
            .expect("in time")
            .expect("an answer")
    }
}

fn grant(deadline: Deadline) -> Grant {
    Grant {
        turn_id: "turn-1".into(),
        tenant: "acme".into(),
        models: vec!["gpt-4o-mini".into()],
        deadline,
        reasoning_effort: None,
        output_schema: None,
        max_tokens: None,
        safety_identifier: None,
        tools: Vec::new(),
    }
}

fn openai(base_url: &str) -> ProviderSettings {
    ProviderSettings::OpenAi(OpenAiSettings {
        api_key: SecretString::from(KEY),
        model: "gpt-4o-mini".into(),
        base_url: base_url.into(),
        connection: connection(),
    })
}

fn connection() -> ConnectionSettings {
    ConnectionSettings {
        ca_file: None,
        proxies: Proxies::default(),
        idle_timeout: Duration::from_secs(20),
        retries: 1,
    }
}

fn question(text: &str) -> Value {
    json!({
        "model": "gpt-4o-mini",
        "stream": true,
        "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}],
        "tools": [{"type": "function", "name": "request_user_input"}],
        "client_metadata": {"x-codex-installation-id": "959d2931"}
    })
}

/// Why a broker with these settings does not start.
fn start_error(provider: &ProviderSettings) -> String {
    let redactor = Redactor::with_default_rules();
    let started = Broker::start(
        provider,
        redactor,
        &TaskTracker::new(),
        CancellationToken::new(),
    );
    started.err().expect("refused").to_string()
}

async fn error_code(response: reqwest::Response) -> (u16, String) {
    let status = response.status().as_u16();
    let body: Value = serde_json::from_str(&response.text().await.expect("a body")).expect("JSON");
    (
        status,
        body["error"]["code"].as_str().expect("a code").to_owned(),
    )
}
