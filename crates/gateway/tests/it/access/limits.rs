use std::fs;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use test_postgres::{Durability, Server};

use crate::support::running::portcullis;

use super::keys::{Keyed, sqlite};

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
