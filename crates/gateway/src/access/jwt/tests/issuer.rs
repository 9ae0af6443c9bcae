//! An issuer on loopback that counts who asks, and keys to make tokens with.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use broker::{ConnectionSettings, Proxies};
use jiff::Timestamp;
use jsonwebtoken::Algorithm;
use parking_lot::Mutex;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

use crate::access::jwt::{ClaimNames, JwtSettings, JwtVerifier, KeySource};

pub(super) const AUDIENCE: &str = "https://gateway.example";

/// Of Ed25519.
pub(super) struct SigningKey {
    pub(super) id: &'static str,
    pub(super) pair: Ed25519KeyPair,
}

impl SigningKey {
    pub(super) fn new(id: &'static str) -> Self {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap();
        Self { id, pair }
    }

    pub(super) fn jwk(&self) -> Value {
        let point = URL_SAFE_NO_PAD.encode(self.pair.public_key().as_ref());
        json!({ "kty": "OKP", "crv": "Ed25519", "x": point, "kid": self.id, "use": "sig", "alg": "EdDSA" })
    }

    pub(super) fn token(&self, claims: &Value) -> String {
        self.token_with(&json!({ "alg": "EdDSA", "kid": self.id }), claims)
    }

    pub(super) fn token_with(&self, header: &Value, claims: &Value) -> String {
        signed(header, claims, |message| {
            self.pair.sign(message).as_ref().to_vec()
        })
    }
}

pub(super) fn signed(
    header: &Value,
    claims: &Value,
    sign: impl FnOnce(&[u8]) -> Vec<u8>,
) -> String {
    let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    let message = format!("{header}.{claims}");
    let signature = URL_SAFE_NO_PAD.encode(sign(message.as_bytes()));
    format!("{message}.{signature}")
}

pub(super) fn now() -> i64 {
    Timestamp::now().as_second()
}

/// An issuer on loopback.
pub(super) struct TestIssuer {
    pub(super) address: SocketAddr,
    pub(super) keys: Arc<Mutex<String>>,
    pub(super) asked: Arc<AtomicUsize>,
    server: TaskTracker,
}

impl TestIssuer {
    pub(super) async fn start(keys: &[Value]) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let issuer = Self {
            address,
            keys: Arc::new(Mutex::new(json!({ "keys": keys }).to_string())),
            asked: Arc::default(),
            server: TaskTracker::new(),
        };
        let (keys, asked) = (Arc::clone(&issuer.keys), Arc::clone(&issuer.asked));
        issuer.server.spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = [0; 4096];
                let _ = stream.read(&mut head).await;
                let body = if head.starts_with(b"GET /.well-known/openid-configuration ") {
                    let keys = format!("http://{address}/keys");
                    json!({ "issuer": format!("http://{address}"), "jwks_uri": keys }).to_string()
                } else {
                    asked.fetch_add(1, Ordering::SeqCst);
                    keys.lock().clone()
                };
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
                );
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        issuer
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn publish(&self, keys: &[Value]) {
        *self.keys.lock() = json!({ "keys": keys }).to_string();
    }

    pub(super) fn claims(&self) -> Value {
        json!({
            "iss": self.url(), "aud": AUDIENCE, "sub": "ada", "exp": now() + 300, "iat": now(),
            "scope": "chat skill:review",
        })
    }

    pub(super) fn settings(&self) -> JwtSettings {
        Self::settings_of(self.url())
    }

    pub(super) fn settings_of(issuer: String) -> JwtSettings {
        JwtSettings {
            issuer,
            keys: KeySource::Discovery,
            audience: vec!["other".to_owned(), AUDIENCE.to_owned()],
            algorithms: vec![Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA],
            clock_skew: Duration::from_mins(1),
            claims: ClaimNames {
                subject: "sub".to_owned(),
                tenant: None,
                team: None,
                scopes: "scope".to_owned(),
            },
            scope_map: BTreeMap::new(),
            refresh: Duration::from_mins(10),
            stale: Duration::from_hours(1),
            connection: ConnectionSettings {
                proxies: Proxies::default(),
                ca_file: None,
                idle_timeout: Duration::from_secs(1),
                retries: 0,
            },
        }
    }

    pub(super) fn verifier(&self) -> JwtVerifier {
        JwtVerifier::new(self.settings())
    }
}
