use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse,
};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

/// More than any issuer has at once.
const MAX_KEYS: usize = 100;

/// The keys of an issuer that signatures can be checked with (RFC 7517).
#[derive(Debug)]
pub(super) struct KeySet(Vec<Key>);

#[derive(Debug)]
struct Key {
    id: Option<String>,
    /// What the key itself is limited to.
    algorithm: Option<KeyAlgorithm>,
    curve: Option<EllipticCurve>,
    decoding: DecodingKey,
}

/// Why there is no key for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoKey {
    Unknown,
    /// Two keys have the name, or the token names none of several.
    Ambiguous,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

impl KeySet {
    /// `None` if the document is no set of keys. Keys that are for something else are left out.
    pub(super) fn parse(document: &[u8]) -> Option<Self> {
        let document: Document = serde_json::from_slice(document).ok()?;
        if document.keys.len() > MAX_KEYS {
            return None;
        }
        let keys = document.keys.into_iter().filter_map(Key::parse);
        Some(Self(keys.collect()))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The one key that a token with this header can be signed with.
    pub(super) fn find(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<DecodingKey, NoKey> {
        let mut suitable = self
            .0
            .iter()
            .filter(|key| key.suits(algorithm) && (id.is_none() || key.id.as_deref() == id));
        match (suitable.next(), suitable.next()) {
            (Some(key), None) => Ok(key.decoding.clone()),
            (None, _) => Err(NoKey::Unknown),
            (Some(_), Some(_)) => Err(NoKey::Ambiguous),
        }
    }
}

impl Key {
    fn parse(key: Value) -> Option<Self> {
        let key: Jwk = serde_json::from_value(key).ok()?;
        let common = &key.common;
        let use_is_other = common
            .public_key_use
            .as_ref()
            .is_some_and(|purpose| *purpose != PublicKeyUse::Signature);
        let operations = common.key_operations.as_ref();
        let cannot_verify =
            operations.is_some_and(|operations| !operations.contains(&KeyOperations::Verify));
        if use_is_other || cannot_verify {
            return None;
        }
        let curve = match &key.algorithm {
            AlgorithmParameters::RSA(_) => None,
            AlgorithmParameters::EllipticCurve(parameters) => Some(parameters.curve.clone()),
            AlgorithmParameters::OctetKeyPair(parameters) => Some(parameters.curve.clone()),
            // A secret that is published is none.
            _ => return None,
        };
        Some(Self {
            decoding: DecodingKey::from_jwk(&key).ok()?,
            id: key.common.key_id,
            algorithm: key.common.key_algorithm,
            curve,
        })
    }

    fn suits(&self, algorithm: Algorithm) -> bool {
        let curve = match algorithm {
            Algorithm::ES256 => Some(EllipticCurve::P256),
            Algorithm::ES384 => Some(EllipticCurve::P384),
            Algorithm::EdDSA => Some(EllipticCurve::Ed25519),
            _ if algorithm.family() == AlgorithmFamily::Rsa => None,
            _ => return false,
        };
        self.decoding.family() == algorithm.family()
            && self.curve == curve
            && self.algorithm.is_none_or(|own| own == algorithm.into())
    }
}
