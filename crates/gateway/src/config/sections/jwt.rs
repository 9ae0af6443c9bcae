use std::path::PathBuf;
use std::time::Duration;

use broker::ConnectionSettings;
use jsonwebtoken::Algorithm;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::access::jwt::{ClaimNames, JwtSettings, KeySource};
use crate::config::format::workspace;
use crate::config::units::Seconds;

/// `[jwt]`, as it is written: tokens of the company's identity provider.
#[derive(Deserialize, JsonSchema)]
pub(in crate::config) struct JwtSection {
    /// The issuer of the tokens, exactly as it stands in them. Its keys are found by OpenID Connect
    /// Discovery, unless `jwks_url` or `jwks_file` names them.
    #[schemars(extend("env" = "PORTCULLIS_JWT_ISSUER", "format" = "issuer"))]
    pub(in crate::config) issuer: Option<String>,

    /// Where the issuer's keys are, as a JSON Web Key Set.
    #[schemars(extend("env" = "PORTCULLIS_JWT_JWKS_URL", "format" = "issuer"))]
    pub(in crate::config) jwks_url: Option<String>,

    /// A file with the issuer's keys, as a JSON Web Key Set.
    #[schemars(extend("env" = "PORTCULLIS_JWT_JWKS_FILE", "format" = "file"))]
    pub(in crate::config) jwks_file: Option<PathBuf>,

    /// Audiences, one of which must be in a token: the names of this gateway at the issuer.
    #[schemars(extend("env" = "PORTCULLIS_JWT_AUDIENCE", "default" = [], "format" = "claim-values"))]
    pub(in crate::config) audience: Vec<String>,

    /// Signature algorithms that are taken. None of them has a shared secret.
    #[schemars(extend("env" = "PORTCULLIS_JWT_ALGORITHMS", "format" = "jwt-algorithms"))]
    #[schemars(extend("default" = ["RS256", "ES256", "EdDSA"]), with = "Vec<String>")]
    algorithms: Vec<Algorithm>,

    /// How far the clocks of issuer and gateway may be apart.
    #[serde(with = "Seconds")]
    #[schemars(range(min = 0, max = 300))]
    #[schemars(extend("env" = "PORTCULLIS_JWT_CLOCK_SKEW_SEC", "default" = 60))]
    clock_skew_sec: Duration,

    /// The claim that says who calls. A dot leads into an object, here and in the other claims.
    #[schemars(extend("env" = "PORTCULLIS_JWT_SUBJECT_CLAIM", "default" = "sub", "format" = "claim"))]
    subject_claim: String,

    /// The claim that names the caller's tenant. If it is set, a token without it is refused; else all
    /// tokens are of one tenant.
    #[schemars(extend("env" = "PORTCULLIS_JWT_TENANT_CLAIM", "format" = "claim"))]
    tenant_claim: Option<String>,

    /// The claim that names the caller's team. If it is set, a token without it is refused.
    #[schemars(extend("env" = "PORTCULLIS_JWT_TEAM_CLAIM", "format" = "claim"))]
    team_claim: Option<String>,

    /// The claim with the caller's scopes, or with what `scope_map` maps to scopes: a string with spaces,
    /// or an array.
    #[schemars(extend("env" = "PORTCULLIS_JWT_SCOPES_CLAIM", "default" = "scope", "format" = "claim"))]
    scopes_claim: String,

    /// What a value of that claim stands for, such as "codex-users=chat skill:*". With a map, other values
    /// stand for nothing; without one, the values are scopes themselves.
    #[schemars(extend("env" = "PORTCULLIS_JWT_SCOPE_MAP", "default" = [], "format" = "scope-map"))]
    scope_map: Vec<String>,

    /// How often the issuer's keys are got again. Beside that, a token with an unknown key has them got, at
    /// most twice a minute.
    #[serde(with = "Seconds")]
    #[schemars(range(min = 60, max = 86_400))]
    #[schemars(extend("env" = "PORTCULLIS_JWT_REFRESH_SEC", "default" = 600))]
    refresh_sec: Duration,

    /// How much longer the last keys are used when the issuer is away.
    #[serde(with = "Seconds")]
    #[schemars(range(min = 0, max = 604_800))]
    #[schemars(extend("env" = "PORTCULLIS_JWT_STALE_SEC", "default" = 14_400))]
    stale_sec: Duration,
}

impl JwtSection {
    /// `None` if no tokens are taken.
    pub(in crate::config) fn resolve(self, connection: ConnectionSettings) -> Option<JwtSettings> {
        let scope_map = self.scope_map.iter().map(|text| {
            let (value, scopes) = workspace::split(text);
            let scopes = scopes.split(' ').map(str::to_owned);
            (value.to_owned(), scopes.collect())
        });
        Some(JwtSettings {
            issuer: self.issuer?,
            keys: match (self.jwks_file, self.jwks_url) {
                (Some(file), _) => KeySource::File(file),
                (None, Some(url)) => KeySource::Url(url),
                (None, None) => KeySource::Discovery,
            },
            audience: self.audience,
            algorithms: self.algorithms,
            clock_skew: self.clock_skew_sec,
            scope_map: scope_map.collect(),
            claims: ClaimNames {
                subject: self.subject_claim,
                tenant: self.tenant_claim,
                team: self.team_claim,
                scopes: self.scopes_claim,
            },
            refresh: self.refresh_sec,
            stale: self.stale_sec,
            connection,
        })
    }
}
