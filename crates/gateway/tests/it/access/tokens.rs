use std::time::Duration;

use gateway::access::jwt::{JwtError, JwtSettings, JwtVerifier};
use gateway::config::{self, Environment, Overrides};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::support::running::portcullis;
use crate::support::toolchains::skipped;
use crate::support::world::until;

use super::issuer::Issuer;

const AUDIENCE: &str = "https://gateway.example/";

fn settings(variables: &[(&str, &str)]) -> JwtSettings {
    let environment: Environment = variables.iter().copied().collect();
    let loaded = config::load(&environment, &Overrides { demo: true }).unwrap();
    loaded.settings.jwt.unwrap()
}

#[tokio::test]
async fn tokens_of_a_real_issuer_are_taken_and_its_new_keys_are_found() {
    let Some(issuer) = Issuer::start(None) else {
        return skipped("tokens of a real issuer: run `make test`, which installs it");
    };
    let audiences = format!("{AUDIENCE},{AUDIENCE}ES256,{AUDIENCE}EdDSA");
    let variables = [
        ("PORTCULLIS_JWT_ISSUER", issuer.url.as_str()),
        ("PORTCULLIS_JWT_AUDIENCE", audiences.as_str()),
        ("PORTCULLIS_JWT_TENANT_CLAIM", "organisation"),
    ];
    let (tasks, closing) = (TaskTracker::new(), CancellationToken::new());
    let verifier = JwtVerifier::start(settings(&variables), &tasks, closing.clone());
    until("the keys", || verifier.is_ready()).await;
    for algorithm in ["", "ES256", "EdDSA"] {
        let token = issuer.token(&format!("{AUDIENCE}{algorithm}")).await;
        let said = verifier.verify(&token).await.unwrap();
        assert_eq!(said.subject, "caller");
        assert_eq!(said.tenant.as_deref(), Some("acme"));
        assert_eq!(said.scopes, ["chat", "skill:review"]);
    }
    let elsewhere = issuer.token("https://elsewhere.example/").await;
    assert_eq!(verifier.verify(&elsewhere).await, Err(JwtError::NotValid));

    let output = portcullis(&["doctor", "--demo", "--json"], &variables)
        .output()
        .unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let checks = report["checks"].as_array().unwrap();
    let check = checks
        .iter()
        .find(|check| check["name"] == "jwt_issuer")
        .unwrap();
    assert_eq!(check["status"], "ok", "{check}");
    assert!(check["detail"].as_str().unwrap().ends_with("has 3 keys"));

    let old = issuer.token(AUDIENCE).await;
    let url = issuer.url.clone();
    drop(issuer);
    assert!(
        verifier.verify(&old).await.is_ok(),
        "its last keys are used"
    );
    let issuer = Issuer::start(Some(&url)).unwrap();
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(31)).await;
    tokio::time::resume();
    let new = issuer.token(AUDIENCE).await;
    assert!(verifier.verify(&new).await.is_ok());
    assert_eq!(verifier.verify(&old).await, Err(JwtError::NotValid));
    closing.cancel();
    tasks.close();
    tasks.wait().await;
}
