//! How the issuer's keys are got and kept.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::issuer::{SigningKey, TestIssuer};
use crate::access::jwt::{JwtError, JwtVerifier, KeySource};

/// The names of keys that do not exist are anybody's to send.
#[tokio::test]
async fn unknown_keys_have_the_issuer_asked_twice_a_minute_at_most() {
    let key = SigningKey::new("one");
    let issuer = TestIssuer::start(&[key.jwk()]).await;
    let verifier = issuer.verifier();
    let flood = |from: usize| {
        let tokens: Vec<_> = (from..from + 100)
            .map(|index| {
                let header = json!({ "alg": "EdDSA", "kid": format!("unknown-{index}") });
                key.token_with(&header, &issuer.claims())
            })
            .collect();
        let verifier = verifier.clone();
        async move {
            let refused = tokens.iter().map(|token| verifier.verify(token));
            for refused in futures_util::future::join_all(refused).await {
                assert_eq!(refused, Err(JwtError::NotValid));
            }
        }
    };
    let asked = || issuer.asked.load(Ordering::SeqCst);
    flood(0).await;
    flood(100).await;
    assert_eq!(asked(), 1);
    // A new key is known as soon as the issuer may be asked again.
    let new = SigningKey::new("new");
    issuer.publish(&[key.jwk(), new.jwk()]);
    let token = new.token(&issuer.claims());
    assert_eq!(verifier.verify(&token).await, Err(JwtError::NotValid));
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(31)).await;
    tokio::time::resume();
    assert!(verifier.verify(&token).await.is_ok());
    flood(200).await;
    assert_eq!(asked(), 2);
}

#[tokio::test]
async fn an_issuer_that_is_away_is_asked_again_and_its_last_keys_are_used_for_a_time() {
    let key = SigningKey::new("one");
    let issuer = TestIssuer::start(&[]).await;
    let verifier = issuer.verifier();
    let token = key.token(&issuer.claims());
    assert_eq!(verifier.verify(&token).await, Err(JwtError::NoKeys));
    assert!(!verifier.is_ready());

    let tasks = TaskTracker::new();
    let closing = CancellationToken::new();
    let verifier = JwtVerifier::start(issuer.settings(), &tasks, closing.clone());
    issuer.publish(&[key.jwk()]);
    tokio::time::timeout(Duration::from_secs(15), async {
        while !verifier.is_ready() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .unwrap();
    closing.cancel();
    tasks.close();
    tasks.wait().await;

    // From here on nothing that it says is a set of keys.
    *issuer.keys.lock() = "<html>".to_owned();
    tokio::time::pause();
    tokio::time::advance(Duration::from_mins(69)).await;
    tokio::time::resume();
    assert!(verifier.verify(&token).await.is_ok());
    tokio::time::pause();
    tokio::time::advance(Duration::from_mins(2)).await;
    tokio::time::resume();
    assert_eq!(verifier.verify(&token).await, Err(JwtError::NoKeys));
}

#[tokio::test]
async fn keys_come_from_the_issuer_that_was_named_and_no_other() {
    let key = SigningKey::new("one");
    let issuer = TestIssuer::start(&[key.jwk()]).await;
    let reads = |keys: KeySource, issuer: String| {
        let mut settings = TestIssuer::settings_of(issuer);
        settings.keys = keys;
        async move { JwtVerifier::count_keys(&settings).await }
    };
    assert_eq!(reads(KeySource::Discovery, issuer.url()).await, Ok(1));
    // Its document names another one.
    let other = format!("http://localhost:{}", issuer.address.port());
    let error = reads(KeySource::Discovery, other.clone())
        .await
        .unwrap_err();
    assert!(error.contains("another issuer"), "{error}");
    let keys = KeySource::Url(format!("{}/keys", issuer.url()));
    assert_eq!(reads(keys, other.clone()).await, Ok(1));
    let plain = KeySource::Url("http://keys.example/keys".to_owned());
    let error = reads(plain, other.clone()).await.unwrap_err();
    assert!(error.contains("not https"), "{error}");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("keys.json");
    std::fs::write(&file, json!({ "keys": [key.jwk()] }).to_string()).unwrap();
    assert_eq!(
        reads(KeySource::File(file.clone()), other.clone()).await,
        Ok(1)
    );
    std::fs::write(&file, "x".repeat(300_000)).unwrap();
    assert!(reads(KeySource::File(file), other).await.is_err());
    issuer.publish(&vec![key.jwk(); 5000]);
    let error = reads(KeySource::Discovery, issuer.url()).await.unwrap_err();
    assert!(error.contains("over 262144 bytes"), "{error}");
}

/// It could lead to where the gateway alone can go.
#[tokio::test]
async fn a_redirect_is_not_followed() {
    let issuer = TestIssuer::start(&[SigningKey::new("one").jwk()]).await;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
        .await
        .unwrap();
    let mut settings = issuer.settings();
    settings.keys = KeySource::Url(format!("http://{}/keys", listener.local_addr().unwrap()));
    let location = format!("{}/keys", issuer.url());
    let tasks = TaskTracker::new();
    tasks.spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = [0; 4096];
        let _ = stream.read(&mut head).await.unwrap();
        let answer =
            format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(answer.as_bytes()).await.unwrap();
    });
    let error = JwtVerifier::count_keys(&settings).await.unwrap_err();
    assert!(error.contains("302"), "{error}");
    assert_eq!(issuer.asked.load(Ordering::SeqCst), 0);
}
