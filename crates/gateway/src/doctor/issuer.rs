use crate::access::jwt::{JwtSettings, JwtVerifier};

use super::name::JWT_ISSUER;
use super::report::Check;

/// Whether the issuer of tokens is who the settings say, and has keys.
pub(super) async fn check(settings: &JwtSettings) -> Check {
    let issuer = &settings.issuer;
    match JwtVerifier::count_keys(settings).await {
        Ok(1) => Check::ok(JWT_ISSUER, format!("{issuer} has one key")),
        Ok(count) => Check::ok(JWT_ISSUER, format!("{issuer} has {count} keys")),
        Err(error) => Check::failed(
            JWT_ISSUER,
            format!("the keys of {issuer} could not be got: {error}"),
            "Correct PORTCULLIS_JWT_ISSUER, or name the keys by PORTCULLIS_JWT_JWKS_URL or \
             PORTCULLIS_JWT_JWKS_FILE. PORTCULLIS_CA_FILE names a certificate of your own.",
        ),
    }
}
