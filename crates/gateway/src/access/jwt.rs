//! Tokens of the company's identity provider: JSON Web Tokens (RFC 7519), signed with a key that their issuer
//! publishes, made for this gateway, and read by the claims that the settings name.
//!
//! Whoever is refused learns only whether a token has expired or is not valid; the log says which check
//! failed. No token and no claim of one is ever logged.

mod claims;
mod error;
mod issuer;
mod key_set;
mod settings;
mod signature;
#[cfg(test)]
mod tests;
mod token;

use std::sync::Arc;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use error::Failed;
use issuer::Issuer;

pub use error::JwtError;
pub use settings::{ClaimNames, JwtSettings, KeySource};
pub use token::VerifiedToken;

/// Longer than any token that an identity provider sends in a header.
const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// Those of access tokens, and those of no special kind (RFC 9068, section 4). A token of another kind was
/// made for something else.
const TYPES: [&str; 3] = ["jwt", "at+jwt", "application/at+jwt"];

/// Checks tokens of one issuer.
#[derive(Clone, Debug)]
pub struct JwtVerifier {
    settings: Arc<JwtSettings>,
    issuer: Arc<Issuer>,
}

impl JwtVerifier {
    /// The issuer's keys are got in the background, and again at intervals. An issuer that is away keeps no
    /// gateway from starting.
    pub fn start(settings: JwtSettings, tasks: &TaskTracker, closing: CancellationToken) -> Self {
        let verifier = Self::new(settings);
        let following = Arc::clone(&verifier.issuer).follow();
        tasks.spawn(async move { closing.run_until_cancelled(following).await });
        verifier
    }

    fn new(settings: JwtSettings) -> Self {
        signature::install();
        let settings = Arc::new(settings);
        Self {
            issuer: Arc::new(Issuer::new(Arc::clone(&settings))),
            settings,
        }
    }

    /// Whether tokens can be checked now.
    pub fn is_ready(&self) -> bool {
        self.issuer.has_keys()
    }

    /// How many keys the issuer has, for whoever looks an installation over.
    pub async fn count_keys(settings: &JwtSettings) -> Result<usize, String> {
        let keys = issuer::look(settings).await;
        keys.map(|keys| keys.len())
            .map_err(|error| error.to_string())
    }

    pub async fn verify(&self, token: &str) -> Result<VerifiedToken, JwtError> {
        let verified = self.check(token).await;
        verified.map_err(|Failed { error, check }| {
            tracing::info!(check, "a token was refused");
            error
        })
    }

    async fn check(&self, token: &str) -> Result<VerifiedToken, Failed> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Failed::not_valid("length"));
        }
        let header = decode_header(token).map_err(|_| Failed::not_valid("header"))?;
        self.check_header(&header)?;
        let key = self.issuer.key(header.kid.as_deref(), header.alg).await?;
        let decoded = decode::<Map<String, Value>>(token, &key, &self.validation(header.alg));
        let claims = decoded.map_err(|error| failed(error.kind()))?.claims;
        claims::read(&claims, &self.settings).map_err(Failed::not_valid)
    }

    fn check_header(&self, header: &Header) -> Result<(), Failed> {
        if !self.settings.algorithms.contains(&header.alg) {
            return Err(Failed::not_valid("algorithm"));
        }
        if header.crit.is_some() {
            return Err(Failed::not_valid("critical extension"));
        }
        let kind = header.typ.as_ref().map(|kind| kind.to_ascii_lowercase());
        if kind.is_some_and(|kind| !TYPES.contains(&kind.as_str())) {
            return Err(Failed::not_valid("type"));
        }
        Ok(())
    }

    fn validation(&self, algorithm: Algorithm) -> Validation {
        let mut validation = Validation::new(algorithm);
        validation.leeway = self.settings.clock_skew.as_secs();
        validation.validate_nbf = true;
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation.set_issuer(&[&self.settings.issuer]);
        validation.set_audience(&self.settings.audience);
        validation
    }
}

fn failed(kind: &ErrorKind) -> Failed {
    let check = match kind {
        ErrorKind::ExpiredSignature => {
            let error = JwtError::Expired;
            return Failed {
                error,
                check: "expiry",
            };
        }
        ErrorKind::InvalidSignature => "signature",
        ErrorKind::InvalidIssuer => "issuer",
        ErrorKind::InvalidAudience => "audience",
        ErrorKind::ImmatureSignature => "not before",
        ErrorKind::MissingRequiredClaim(_) => "a claim that is required",
        _ => "form",
    };
    Failed::not_valid(check)
}
