//! What tokens of an identity provider hold.

use jsonwebtoken::{Algorithm, AlgorithmFamily};
use url::Url;

use crate::access::scopes::Scopes;

use super::address::host_over_http;

/// Kept as it is written: an issuer is compared letter by letter.
pub(super) fn issuer(text: &str) -> Result<String, String> {
    let url = Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"));
    let url = url.ok_or("must be a URL that begins with https://")?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a user name or password".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must end with its path: leave out what follows ? or #".to_owned());
    }
    if host_over_http(text).is_some() {
        return Err("must be https: over http anyone on the way could change the keys".to_owned());
    }
    Ok(text.to_owned())
}

pub(super) fn algorithm(text: &str) -> Result<String, String> {
    let algorithm: Option<Algorithm> = text.parse().ok();
    match algorithm.filter(|algorithm| algorithm.family() != AlgorithmFamily::Hmac) {
        Some(_) => Ok(text.to_owned()),
        None => Err(
            "must be one of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA: \
             with a shared secret, whoever can check a token can make one"
                .to_owned(),
        ),
    }
}

pub(super) fn claim(text: &str) -> Result<String, String> {
    let is_name =
        !text.is_empty() && text.len() <= 128 && text.bytes().all(|byte| byte.is_ascii_graphic());
    if is_name {
        Ok(text.to_owned())
    } else {
        Err("must be 1 to 128 visible ASCII characters".to_owned())
    }
}

/// `value=scope scope`.
pub(super) fn scope_mapping(text: &str) -> Result<String, String> {
    let (value, scopes) = text
        .split_once('=')
        .ok_or("must be VALUE=SCOPE, or VALUE=SCOPE SCOPE")?;
    let value = claim(value.trim())?;
    let scopes: Vec<&str> = scopes.split_ascii_whitespace().collect();
    if scopes.is_empty() {
        return Err("names no scope after =".to_owned());
    }
    Scopes::parse(scopes.iter().copied()).map_err(
        |_| "maps to something that is no scope, such as chat, skill:NAME or models:NAME",
    )?;
    Ok(format!("{value}={}", scopes.join(" ")))
}
