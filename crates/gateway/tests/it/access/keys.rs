use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use test_postgres::{Durability, Server};

use crate::support::caller::{Answer, Exchange, head};
use crate::support::running::portcullis;
use crate::support::test_app::TestApp;
use crate::support::toolchains::skipped;

use super::issuer::Issuer;

/// A gateway that takes keys, and how they are made.
pub(super) struct Keyed {
    pub(super) app: TestApp,
    database: String,
}

impl Keyed {
    pub(super) async fn start(database: String, settings: &[(&str, &str)]) -> Self {
        let base = [
            ("PORTCULLIS_AUTH", "keys"),
            ("PORTCULLIS_DATABASE_URL", database.as_str()),
        ];
        let app = TestApp::with_fake_codex("", &[&base, settings].concat()).await;
        Self { app, database }
    }

    /// With a database of its own.
    pub(super) async fn alone(directory: &Path, settings: &[(&str, &str)]) -> Self {
        Self::start(sqlite(directory), settings).await
    }

    /// What `portcullis keys …` prints.
    pub(super) fn keys(&self, arguments: &[&str]) -> String {
        keys(&self.database, arguments)
    }

    pub(super) async fn get(&self, path: &str, key: &str) -> Answer {
        get(self.app.address, path, &[("x-api-key", key)]).await
    }

    pub(super) async fn ask(&self, body: &Value, key: &str) -> Answer {
        let headers = [("Authorization", format!("Bearer {key}"))];
        let headers = headers
            .each_ref()
            .map(|(name, value)| (*name, value.as_str()));
        self.app
            .send_with(&headers, body.to_string())
            .await
            .answer()
            .await
    }

    pub(super) async fn question(&self, key: &str) -> Answer {
        self.ask(&json!({ "message": "hello", "stream": false }), key)
            .await
    }
}

pub(super) fn sqlite(directory: &Path) -> String {
    format!("sqlite:{}", directory.join("test.db").display())
}

pub(super) fn keys(database: &str, arguments: &[&str]) -> String {
    let environment = [("PORTCULLIS_DATABASE_URL", database)];
    let output = portcullis(&[&["keys"], arguments].concat(), &environment)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

async fn get(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut exchange = Exchange::open(address).await;
    exchange
        .send(head(&format!("GET {path}"), address, headers))
        .await;
    exchange.answer().await
}

#[tokio::test]
async fn nobody_calls_without_a_key_that_counts() {
    let directory = tempfile::tempdir().unwrap();
    let gateway = Keyed::alone(directory.path(), &[]).await;
    let key = gateway.keys(&["create", "--label", "ci", "--scope", "chat"]);
    let address = gateway.app.address;

    assert_eq!(gateway.question(&key).await.status, 200);
    assert_eq!(gateway.get("/usage", &key).await.status, 200);
    for path in ["/livez", "/readyz", "/"] {
        assert_eq!(get(address, path, &[]).await.status, 200, "{path}");
    }
    let wrong_secret = format!(
        "{}{}",
        &key[..key.len() - 1],
        if key.ends_with('x') { 'y' } else { 'x' }
    );
    let unknown = format!("pc_{}_{}", "0".repeat(12), &key[16..]);
    let bearer = format!("Bearer {key}");
    let basic = format!("Basic {key}");
    for headers in [
        vec![],
        vec![("x-api-key", wrong_secret.as_str())],
        vec![("x-api-key", unknown.as_str())],
        vec![("x-api-key", "")],
        vec![("Authorization", basic.as_str())],
        vec![("Authorization", "Bearer")],
        vec![
            ("Authorization", bearer.as_str()),
            ("x-api-key", key.as_str()),
        ],
        vec![("x-api-key", key.as_str()), ("x-api-key", key.as_str())],
    ] {
        let answer = get(address, "/skills", &headers).await;
        answer.problem(401, "unauthenticated");
        assert_eq!(
            answer.headers["www-authenticate"],
            "Bearer realm=\"portcullis\""
        );
    }
    let log = gateway.app.log.text();
    assert!(!log.contains(&key[16..]), "a key is in the log");
    gateway.app.stop().await;
}

#[tokio::test]
async fn a_revoked_or_rotated_key_stops_at_once_on_every_gateway() {
    let directory = tempfile::tempdir().unwrap();
    let database = sqlite(directory.path());
    let first = Keyed::start(database.clone(), &[]).await;
    let second = Keyed::start(database, &[]).await;
    let create = ["create", "--label", "ci", "--scope", "chat"];
    let key = first.keys(&create);
    for gateway in [&first, &second] {
        assert_eq!(gateway.get("/skills", &key).await.status, 200);
    }

    let rotated = first.keys(&["rotate", "ci", "--overlap", "1h"]);
    assert_eq!(rotated[..15], key[..15], "the public part stays");
    for gateway in [&first, &second] {
        assert_eq!(gateway.get("/skills", &rotated).await.status, 200);
        assert_eq!(gateway.get("/skills", &key).await.status, 200, "both live");
    }
    let third = first.keys(&["rotate", "ci", "--overlap", "0s"]);
    first.keys(&["revoke", "ci"]);
    for gateway in [&first, &second] {
        let is_refused = async |key: &str| gateway.get("/skills", key).await.status == 401;
        for key in [&key, &rotated, &third] {
            // Changes are seen within 200 ms.
            let mut refused = is_refused(key).await;
            for _ in 0..50 {
                if refused {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
                refused = is_refused(key).await;
            }
            assert!(refused);
        }
    }
    let list = first.keys(&["list", "--all", "--json"]);
    assert!(
        !list.contains(&key[16..]) && list.contains("revoked_at"),
        "{list}"
    );
    first.app.stop().await;
    second.app.stop().await;
}

#[tokio::test]
async fn what_a_caller_may_not_see_answers_as_if_it_did_not_exist() {
    let directory = tempfile::tempdir().unwrap();
    let skills = directory.path().join("skills");
    std::fs::create_dir(&skills).unwrap();
    for name in ["open", "closed"] {
        let skill = format!(
            "name = \"{name}\"\ndescription = \"Says hello.\"\nresult = \"text\"\n\n[run]\nkind = \"command\"\nprogram = \"/bin/echo\"\nargs = [\"hello\"]\n"
        );
        std::fs::write(skills.join(format!("{name}.toml")), skill).unwrap();
    }
    let skills = skills.to_str().unwrap();
    let settings = [
        ("PORTCULLIS_SKILLS_DIR", skills),
        ("CHAT_ALLOWED_MODELS", "big,bigger"),
    ];
    let gateway = Keyed::alone(directory.path(), &settings).await;
    let scopes = "skill:open,models:big";
    let key = gateway.keys(&["create", "--label", "ci", "--scope", scopes]);
    let chatter = gateway.keys(&["create", "--label", "people", "--scope", "chat,models:big"]);

    let listed = gateway.get("/skills", &key).await.json();
    let names: Vec<_> = listed["skills"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["name"])
        .collect();
    assert_eq!(names, ["open"]);
    let run = async |skill: &str| {
        let body = json!({ "mode": "tool", "skill": skill, "extra": { "x": 1 } });
        let mut problem = gateway.ask(&body, &key).await.json();
        problem["request_id"] = Value::Null;
        problem
    };
    assert_eq!(run("closed").await, run("no-such-skill").await);
    assert_eq!(run("closed").await["code"], "unknown_skill");

    let ask = async |key: &str, model: &str| {
        let body = json!({ "message": "hello", "extra": { "model": model }, "stream": false });
        let mut problem = gateway.ask(&body, key).await.json();
        problem["request_id"] = Value::Null;
        problem
    };
    assert_eq!(
        ask(&chatter, "bigger").await,
        ask(&chatter, "no-such-model").await
    );
    assert!(ask(&chatter, "big").await["answer"].is_string());
    gateway.question(&key).await.problem(403, "forbidden");
    gateway.app.stop().await;
}

#[tokio::test]
async fn many_wrong_keys_hinder_no_right_one() {
    let directory = tempfile::tempdir().unwrap();
    let gateway = Keyed::alone(directory.path(), &[]).await;
    let key = gateway.keys(&["create", "--label", "ci", "--scope", "chat"]);
    let mut statuses = Vec::new();
    for number in 0..200 {
        let wrong = format!("pc_{number:012}_{}", "A".repeat(43));
        statuses.push(gateway.get("/skills", &wrong).await.status);
    }
    assert_eq!(statuses[0], 401);
    assert!(statuses.iter().filter(|status| **status == 429).count() > 100);
    // The first use of a key, from the address with all the failures.
    assert_eq!(gateway.get("/skills", &key).await.status, 200);
    let answer = gateway.get("/skills", "pc_nonsense").await;
    answer.problem(429, "rate_limited");
    assert!(answer.headers.contains_key("retry-after"));
    gateway.app.stop().await;
}

/// The slowest answers wait for the time limit of a connection.
#[tokio::test]
async fn while_the_database_is_away_known_keys_count_and_then_nobody() {
    let Some(mut server) = Server::start(Durability::None) else {
        return;
    };
    let database = server.database().await;
    let settings = [("PORTCULLIS_KEY_CACHE_SEC", "6")];
    let gateway = Keyed::start(database, &settings).await;
    let key = gateway.keys(&["create", "--label", "ci", "--scope", "chat"]);
    let other = gateway.keys(&["create", "--label", "other", "--scope", "chat"]);
    assert_eq!(gateway.get("/skills", &key).await.status, 200);
    server.kill();
    assert_eq!(gateway.get("/skills", &key).await.status, 200);
    let unknown = gateway.get("/skills", &other).await;
    unknown.problem(503, "database_unavailable");
    let status = async |key: &str, expected: u16| {
        for _ in 0..40 {
            if gateway.get("/skills", key).await.status == expected {
                return;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        panic!("never {expected}");
    };
    status(&key, 503).await;
    let readiness = gateway.app.get("/readyz").await;
    assert_eq!(readiness.status, 503);
    server.restart();
    status(&key, 200).await;
    status(&other, 200).await;
    gateway.app.stop().await;
}

#[tokio::test]
async fn a_token_of_a_real_issuer_is_a_caller() {
    const AUDIENCE: &str = "https://gateway.example/";
    let Some(issuer) = Issuer::start(None) else {
        return skipped(
            "a caller with a token of a real issuer: run `make test`, which installs it",
        );
    };
    let directory = tempfile::tempdir().unwrap();
    let settings = [
        ("PORTCULLIS_AUTH", "keys-and-jwt"),
        ("PORTCULLIS_JWT_ISSUER", issuer.url.as_str()),
        ("PORTCULLIS_JWT_AUDIENCE", AUDIENCE),
        ("PORTCULLIS_JWT_TENANT_CLAIM", "organisation"),
    ];
    let gateway = Keyed::alone(directory.path(), &settings).await;
    let token = issuer.token(AUDIENCE).await;
    let bearer = format!("Bearer {token}");
    let address = gateway.app.address;
    let mut answer = get(address, "/usage", &[("Authorization", &bearer)]).await;
    while answer.status == 503 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        answer = get(address, "/usage", &[("Authorization", &bearer)]).await;
    }
    let usage = answer.json();
    assert_eq!(
        (&usage["tenant"], &usage["key_id"]),
        (&json!("acme"), &json!("jwt:caller"))
    );
    let key = gateway.keys(&["create", "--label", "ci", "--scope", "chat"]);
    assert_eq!(gateway.get("/usage", &key).await.status, 200);
    let broken = format!("Bearer {}x", &token[..token.len() - 2]);
    get(address, "/usage", &[("Authorization", &broken)])
        .await
        .problem(401, "unauthenticated");
    assert!(
        !gateway.app.log.text().contains(&token[..20]),
        "a token is in the log"
    );
    gateway.app.stop().await;
}
