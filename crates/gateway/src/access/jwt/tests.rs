//! Tokens of our own making, each wrong in one way.

mod issuer;
mod keys;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};

use super::*;
use issuer::{AUDIENCE, SigningKey, TestIssuer, now, signed};

fn with(claims: &Value, name: &str, value: Value) -> Value {
    let mut claims = claims.clone();
    claims[name] = value;
    claims
}

fn without(claims: &Value, name: &str) -> Value {
    let mut claims = claims.clone();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

async fn refuse_all(verifier: &JwtVerifier, tokens: &[(&str, String)]) {
    for (what, token) in tokens {
        let said = verifier.verify(token).await;
        assert_eq!(said, Err(JwtError::NotValid), "{what}");
    }
}

#[tokio::test]
async fn a_good_token_says_who_calls() {
    let key = SigningKey::new("one");
    let issuer = TestIssuer::start(&[key.jwk()]).await;
    let verifier = issuer.verifier();
    let claims = issuer.claims();
    let said = verifier.verify(&key.token(&claims)).await.unwrap();
    assert_eq!(said.subject, "ada");
    assert_eq!((said.tenant, said.team), (None, None));
    assert_eq!(said.scopes, ["chat", "skill:review"]);
    assert_eq!(Some(said.expires_at.as_second()), claims["exp"].as_i64());
    let many = with(&claims, "aud", json!(["somebody", AUDIENCE]));
    assert!(verifier.verify(&key.token(&many)).await.is_ok());
    assert!(verifier.is_ready());
}

#[tokio::test]
async fn a_token_that_is_wrong_in_one_way_is_refused() {
    let (key, other) = (SigningKey::new("one"), SigningKey::new("one"));
    let issuer = TestIssuer::start(&[key.jwk()]).await;
    let verifier = issuer.verifier();
    let good = issuer.claims();
    let header =
        |name: &str, value: Value| with(&json!({ "alg": "EdDSA", "kid": "one" }), name, value);
    let tampered = {
        let token = key.token(&good);
        let (head, rest) = token.split_once('.').unwrap();
        let (_, signature) = rest.split_once('.').unwrap();
        let claims = URL_SAFE_NO_PAD.encode(with(&good, "sub", json!("eve")).to_string());
        format!("{head}.{claims}.{signature}")
    };
    let secret = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key.pair.public_key().as_ref());
    let confused = signed(&json!({ "alg": "HS256", "kid": "one" }), &good, |message| {
        ring::hmac::sign(&secret, message).as_ref().to_vec()
    });
    let unsigned = signed(&json!({ "alg": "none" }), &good, |_| Vec::new());
    let not_valid = [
        ("another key", other.token(&good)),
        ("changed claims", tampered),
        ("the public key as a secret", confused),
        ("no signature", unsigned),
        (
            "another algorithm of the key",
            key.token_with(&header("alg", json!("ES256")), &good),
        ),
        (
            "an algorithm that is not taken",
            key.token_with(&header("alg", json!("RS512")), &good),
        ),
        (
            "an extension",
            key.token_with(&header("crit", json!(["b64"])), &good),
        ),
        (
            "another kind of token",
            key.token_with(&header("typ", json!("logout+jwt")), &good),
        ),
        (
            "a key in the token",
            other.token_with(&header("jwk", other.jwk()), &good),
        ),
    ];
    refuse_all(&verifier, &not_valid).await;
}

#[tokio::test]
async fn a_token_with_a_claim_that_is_wrong_is_refused() {
    let key = SigningKey::new("one");
    let issuer = TestIssuer::start(&[key.jwk()]).await;
    let verifier = issuer.verifier();
    let good = issuer.claims();
    let not_valid = [
        (
            "another issuer",
            key.token(&with(&good, "iss", json!("https://evil.example"))),
        ),
        (
            "several issuers",
            key.token(&with(&good, "iss", json!([issuer.url(), "x"]))),
        ),
        ("no issuer", key.token(&without(&good, "iss"))),
        (
            "another audience",
            key.token(&with(&good, "aud", json!("somebody"))),
        ),
        ("no audience", key.token(&without(&good, "aud"))),
        ("no end", key.token(&without(&good, "exp"))),
        (
            "an end that is no number",
            key.token(&with(&good, "exp", json!("never"))),
        ),
        (
            "not yet",
            key.token(&with(&good, "nbf", json!(now() + 120))),
        ),
        (
            "made in the future",
            key.token(&with(&good, "iat", json!(now() + 120))),
        ),
        ("nobody", key.token(&without(&good, "sub"))),
        ("an empty name", key.token(&with(&good, "sub", json!("")))),
        (
            "a name with a line break",
            key.token(&with(&good, "sub", json!("a\nb"))),
        ),
        (
            "scopes of no form",
            key.token(&with(&good, "scope", json!({ "chat": true }))),
        ),
        (
            "too long",
            key.token(&with(&good, "pad", json!("x".repeat(8192)))),
        ),
        ("no token", "pc_abc".to_owned()),
        ("nothing", String::new()),
        ("too many parts", format!("{}.x", key.token(&good))),
    ];
    refuse_all(&verifier, &not_valid).await;
    let expired = with(&good, "exp", json!(now() - 120));
    assert_eq!(
        verifier.verify(&key.token(&expired)).await,
        Err(JwtError::Expired)
    );
    // Within the skew of the clocks.
    for (name, time) in [
        ("exp", now() - 30),
        ("nbf", now() + 30),
        ("iat", now() + 30),
    ] {
        let token = key.token(&with(&good, name, json!(time)));
        assert!(verifier.verify(&token).await.is_ok(), "{name}");
    }
}

#[tokio::test]
async fn a_key_is_used_for_what_it_is_for() {
    let key = SigningKey::new("one");
    let document =
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .unwrap();
    let curve = EcdsaKeyPair::from_pkcs8(
        &ECDSA_P256_SHA256_FIXED_SIGNING,
        document.as_ref(),
        &SystemRandom::new(),
    )
    .unwrap();
    let point = curve.public_key().as_ref();
    let curve_jwk = json!({
        "kty": "EC", "crv": "P-256", "kid": "curve",
        "x": URL_SAFE_NO_PAD.encode(&point[1..33]), "y": URL_SAFE_NO_PAD.encode(&point[33..]),
    });
    for (what, keys, id, is_good) in [
        ("as it is", vec![key.jwk()], Some("one"), true),
        (
            "the only one",
            vec![key.jwk(), curve_jwk.clone()],
            None,
            true,
        ),
        (
            "for encryption",
            vec![with(&key.jwk(), "use", json!("enc"))],
            Some("one"),
            false,
        ),
        (
            "to sign alone",
            vec![with(&key.jwk(), "key_ops", json!(["sign"]))],
            Some("one"),
            false,
        ),
        (
            "of another algorithm",
            vec![with(&key.jwk(), "alg", json!("ES256"))],
            Some("one"),
            false,
        ),
        (
            "of another curve",
            vec![with(&key.jwk(), "crv", json!("Ed448"))],
            Some("one"),
            false,
        ),
        (
            "twice",
            vec![key.jwk(), SigningKey::new("one").jwk()],
            Some("one"),
            false,
        ),
        (
            "one of two",
            vec![key.jwk(), SigningKey::new("two").jwk()],
            None,
            false,
        ),
        (
            "beside rubbish",
            vec![json!({ "kty": "?" }), json!(7), key.jwk()],
            Some("one"),
            true,
        ),
    ] {
        let issuer = TestIssuer::start(&keys).await;
        let header = match id {
            Some(id) => json!({ "alg": "EdDSA", "kid": id }),
            None => json!({ "alg": "EdDSA" }),
        };
        let token = key.token_with(&header, &issuer.claims());
        assert_eq!(
            issuer.verifier().verify(&token).await.is_ok(),
            is_good,
            "{what}"
        );
    }
    let issuer = TestIssuer::start(&[key.jwk(), curve_jwk]).await;
    let token = signed(
        &json!({ "alg": "ES256", "kid": "curve" }),
        &issuer.claims(),
        |message| {
            let signature = curve.sign(&SystemRandom::new(), message).unwrap();
            signature.as_ref().to_vec()
        },
    );
    assert!(issuer.verifier().verify(&token).await.is_ok());
    let token = key.token_with(&json!({ "alg": "EdDSA", "kid": "curve" }), &issuer.claims());
    assert!(issuer.verifier().verify(&token).await.is_err());
}

#[tokio::test]
async fn claims_become_tenant_team_and_scopes() {
    let key = SigningKey::new("one");
    let issuer = TestIssuer::start(&[key.jwk()]).await;
    let mut settings = issuer.settings();
    settings.claims = ClaimNames {
        subject: "preferred_username".to_owned(),
        tenant: Some("https://claims.example/org".to_owned()),
        team: Some("department.name".to_owned()),
        scopes: "realm_access.roles".to_owned(),
    };
    let mapped = [
        ("users", &["chat", "skill:*"][..]),
        ("admins", &["admin", "chat"]),
    ];
    settings.scope_map = mapped
        .map(|(value, scopes)| {
            (
                value.to_owned(),
                scopes.iter().map(|scope| (*scope).to_owned()).collect(),
            )
        })
        .into();
    let verifier = JwtVerifier::new(settings);
    let mut claims = issuer.claims();
    claims["preferred_username"] = json!("ada");
    claims["https://claims.example/org"] = json!("acme");
    claims["department"] = json!({ "name": "research" });
    claims["realm_access"] = json!({ "roles": ["users", "admins", "chat-elsewhere"] });
    let said = verifier.verify(&key.token(&claims)).await.unwrap();
    assert_eq!(said.tenant.as_deref(), Some("acme"));
    assert_eq!(said.team.as_deref(), Some("research"));
    assert_eq!(said.scopes, ["admin", "chat", "skill:*"]);
    // A scope by its own name is none where there is a map.
    claims["realm_access"]["roles"] = json!(["admin"]);
    let said = verifier.verify(&key.token(&claims)).await.unwrap();
    assert!(said.scopes.is_empty());
    for missing in ["https://claims.example/org", "department"] {
        let token = key.token(&without(&claims, missing));
        assert_eq!(
            verifier.verify(&token).await,
            Err(JwtError::NotValid),
            "{missing}"
        );
    }
}
