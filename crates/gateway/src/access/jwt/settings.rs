use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use broker::ConnectionSettings;
use jsonwebtoken::Algorithm;

/// Whose tokens are taken, and how they are read.
#[derive(Clone, Debug)]
pub struct JwtSettings {
    /// As it stands in the tokens.
    pub issuer: String,
    pub keys: KeySource,
    /// One of these must be in a token.
    pub audience: Vec<String>,
    /// Never one with a shared secret.
    pub algorithms: Vec<Algorithm>,
    pub clock_skew: Duration,
    pub claims: ClaimNames,
    /// What the values of the scopes' claim stand for. If it is empty, they are scopes themselves.
    pub scope_map: BTreeMap<String, Vec<String>>,
    /// Between two looks at the keys.
    pub refresh: Duration,
    /// How long keys are used after the last look that succeeded.
    pub stale: Duration,
    pub connection: ConnectionSettings,
}

/// Where the issuer's keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// Where the issuer's own document says (OpenID Connect Discovery 1.0).
    Discovery,
    Url(String),
    File(PathBuf),
}

/// A dot leads into an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimNames {
    pub subject: String,
    pub tenant: Option<String>,
    pub team: Option<String>,
    pub scopes: String,
}
