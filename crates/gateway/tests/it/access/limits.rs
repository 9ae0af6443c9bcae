use std::fs;
use std::path::Path;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use test_postgres::{Durability, Server};

use crate::support::caller::{Exchange, head};
use crate::support::provider::MockProvider;
use crate::support::running::portcullis;
use crate::support::test_app::TestApp;

use super::keys::{Keyed, keys, sqlite};

const LIMITED: [&str; 7] = [
    "create",
    "--label",
    "limited",
    "--scope",
    "chat",
    "--requests-per-minute",
    "10",
];

/// Sends 64 calls at once to the gateways in turn.
async fn passed(gateways: &[&Keyed], key: &str) -> usize {
    let calls = (0..64).map(|number| gateways[number % gateways.len()].question(key));
    let answers = join_all(calls).await;
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        let problem = answer.problem(429, "rate_limited");
        assert_eq!(problem["limit"]["name"], "requests_per_minute");
        assert!(answer.headers.contains_key("retry-after"));
        assert!(answer.headers["ratelimit-policy"].contains("q=10;w=60"));
    }
    answers.iter().filter(|answer| answer.status == 200).count()
}

#[tokio::test]
async fn of_64_calls_against_10_a_minute_exactly_10_pass() {
    let directory = tempfile::tempdir().unwrap();
    let settings = [("PORTCULLIS_MAX_CONCURRENT_TURNS", "64")];
    let first = Keyed::alone(directory.path(), &settings).await;
    let key = first.keys(&LIMITED);
    assert_eq!(passed(&[&first], &key).await, 10);
    first.app.stop().await;
}

#[tokio::test]
async fn of_64_calls_to_two_gateways_on_one_postgresql_exactly_10_pass() {
    let Some(server) = Server::start(Durability::None) else {
        return;
    };
    let database = server.database().await;
    let settings = [("PORTCULLIS_MAX_CONCURRENT_TURNS", "64")];
    let first = Keyed::start(database.clone(), &settings).await;
    let second = Keyed::start(database, &settings).await;
    let key = first.keys(&LIMITED);
    assert_eq!(passed(&[&first, &second], &key).await, 10);
    first.keys(&["revoke", "limited"]);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(second.get("/usage", &key).await.status, 401);
    first.app.stop().await;
    second.app.stop().await;
}

#[tokio::test]
async fn calls_at_once_are_bounded_and_come_back() {
    let directory = tempfile::tempdir().unwrap();
    let gateway = Keyed::alone(directory.path(), &[]).await;
    let key = gateway.keys(&[
        "create",
        "--label",
        "one",
        "--scope",
        "chat",
        "--max-concurrent-turns",
        "1",
    ]);
    let bearer = format!("Bearer {key}");
    let headers = [("Authorization", bearer.as_str())];
    let body = json!({ "message": "fake:hang-after-delta" }).to_string();
    let mut running = gateway.app.send_with(&headers, body).await;
    running.expect_frame("start").await;
    running.expect_frame("delta").await;
    let problem = gateway.question(&key).await.problem(429, "too_many_turns");
    assert_eq!(problem["limit"]["subject"], "key");
    drop(running);
    gateway.app.is_idle().await;
    // The lease ends just after the turn.
    let mut status = 429;
    for _ in 0..50 {
        status = gateway.question(&key).await.status;
        if status == 200 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(status, 200);
    // And for whoever waits for the answer, before it.
    for _ in 0..5 {
        assert_eq!(gateway.question(&key).await.status, 200);
    }
    gateway.app.stop().await;
}

#[tokio::test]
async fn a_budget_of_tokens_is_reserved_settled_and_used_up() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("gateway.toml");
    let text = "[[tenants]]\nname = \"acme\"\ntokens_per_day = 20000\n\n[[prices]]\nmodel = \"gpt-4o-mini\"\n\
                input = \"1\"\noutput = \"2\"\n";
    fs::write(&file, text).unwrap();
    let settings = [
        ("PORTCULLIS_CONFIG", file.to_str().unwrap()),
        ("PORTCULLIS_RESERVED_TOKENS", "5000"),
        // Its word on what was used counts: the fake one calls no model.
        ("CODEX_DRIVER", "exec"),
    ];
    let gateway = Keyed::alone(directory.path(), &settings).await;
    let key = gateway.keys(&[
        "create", "--label", "a", "--tenant", "acme", "--scope", "chat",
    ]);
    let other = gateway.keys(&[
        "create", "--label", "b", "--tenant", "acme", "--scope", "chat",
    ]);
    let spend = json!({ "message": "fake:usage:9000,500", "stream": false });
    assert_eq!(gateway.ask(&spend, &key).await.status, 200);
    assert_eq!(gateway.ask(&spend, &other).await.status, 200);
    let refused = gateway.question(&key).await;
    let problem = refused.problem(429, "budget_exhausted");
    assert_eq!(
        problem["limit"],
        json!({ "subject": "tenant", "name": "tokens_per_day", "quota": 20000, "remaining": 1000 })
    );
    assert_eq!(refused.headers["x-should-retry"], "false");

    let usage = gateway.get("/usage", &key).await.json();
    let tenant = &usage["usage"][1];
    assert_eq!(tenant["subject"], "tenant");
    assert_eq!(
        tenant["tokens_today"],
        json!({ "used": 19000, "reserved": 0, "limit": 20000 })
    );
    assert_eq!(usage["usage"][0]["tokens_today"]["used"], 9500);
    // 18,000 tokens in at 1, and 1,000 out at 2, a million.
    assert_eq!(tenant["cost_micros_this_month"]["used"], 20_000);

    let database = sqlite(directory.path());
    let environment = [
        ("PORTCULLIS_DATABASE_URL", database.as_str()),
        ("PORTCULLIS_CONFIG", file.to_str().unwrap()),
    ];
    let csv = portcullis(&["usage", "--by", "tenant", "--csv"], &environment)
        .output()
        .unwrap();
    let csv = String::from_utf8(csv.stdout).unwrap();
    assert!(
        csv.ends_with("\"\",\"acme\",2,18000,0,1000,0,0.020000\n"),
        "{csv}"
    );
    gateway.app.stop().await;
}

#[tokio::test]
async fn limits_in_shadow_only_record() {
    let directory = tempfile::tempdir().unwrap();
    let gateway = Keyed::alone(directory.path(), &[]).await;
    let key = gateway.keys(&[
        "create",
        "--label",
        "s",
        "--scope",
        "chat",
        "--requests-per-minute",
        "1",
        "--shadow",
    ]);
    for _ in 0..3 {
        assert_eq!(gateway.question(&key).await.status, 200);
    }
    assert!(
        gateway
            .app
            .log
            .text()
            .contains("over a limit that is in shadow")
    );
    gateway.app.stop().await;
}

/// A key with a budget, on the real CLI, and a question with it.
struct Budgeted {
    provider: MockProvider,
    app: TestApp,
    key: String,
}

impl Budgeted {
    async fn start(directory: &Path, limits: &[&str], settings: &[(&str, &str)]) -> Self {
        let provider = MockProvider::start().await;
        let database = sqlite(directory);
        let base = [
            ("PORTCULLIS_AUTH", "keys"),
            ("PORTCULLIS_DATABASE_URL", database.as_str()),
        ];
        let app = TestApp::with_real_codex(&provider, &[&base, settings].concat()).await;
        let create = ["create", "--label", "b", "--scope", "chat"];
        let key = keys(&database, &[&create, limits].concat());
        Self { provider, app, key }
    }

    async fn send(&self, body: &Value) -> Exchange {
        let headers = [("x-api-key", self.key.as_str())];
        self.app.send_with(&headers, body.to_string()).await
    }

    async fn used(&self) -> Value {
        let mut exchange = Exchange::open(self.app.address).await;
        let headers = [("x-api-key", self.key.as_str())];
        exchange
            .send(head("GET /usage", self.app.address, &headers))
            .await;
        exchange.answer().await.json()["usage"][0]["tokens_today"].clone()
    }
}

#[tokio::test]
async fn the_provider_is_told_what_an_answer_may_have_and_for_whom_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let settings = [
        ("PORTCULLIS_RESERVED_TOKENS", "1000"),
        ("PORTCULLIS_SAFETY_IDENTIFIER", "true"),
    ];
    let mut gateway =
        Budgeted::start(directory.path(), &["--tokens-per-day", "5000"], &settings).await;
    let exchange = gateway
        .send(&json!({ "message": "hello", "stream": false }))
        .await;
    let call = gateway.provider.call().await;
    let most = call.body["max_output_tokens"].as_u64().unwrap();
    assert!((1_000..2_100).contains(&most), "{most}");
    let identifier = call.body["safety_identifier"].as_str().unwrap();
    assert_eq!(identifier.len(), 64);
    assert!(!identifier.contains(&gateway.key[3..15]));
    call.answer("Hi.").await;
    assert_eq!(exchange.answer().await.status, 200);
    let used = gateway.used().await;
    assert!(
        used["used"].as_u64().unwrap() > 0 && used["reserved"] == 0,
        "{used}"
    );
    gateway.app.stop().await;
}

#[tokio::test]
async fn who_leaves_before_the_end_is_charged_all_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let limits = ["--tokens-per-day", "100000"];
    let mut gateway = Budgeted::start(directory.path(), &limits, &[]).await;
    let question = "Why? ".repeat(600);
    let mut exchange = gateway.send(&json!({ "message": question })).await;
    let mut call = gateway.provider.call().await;
    call.begin().await;
    call.message_begins().await;
    call.delta("Because. ").await;
    exchange.expect_frame("start").await;
    exchange.expect_frame("delta").await;
    drop(exchange);
    call.closed().await;
    gateway.app.is_idle().await;
    let mut used = gateway.used().await;
    for _ in 0..100 {
        if used["reserved"] == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        used = gateway.used().await;
    }
    // 3,000 characters of a question have about a thousand tokens.
    assert!(used["used"].as_u64().unwrap() >= 700, "{used}");
    gateway.app.stop().await;
}
