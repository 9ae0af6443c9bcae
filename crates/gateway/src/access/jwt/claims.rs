use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::settings::JwtSettings;
use super::token::VerifiedToken;

/// What stands in records and limits.
const MAX_NAME_CHARS: usize = 256;

const MAX_SCOPES: usize = 256;

type Claims = Map<String, Value>;

/// Reads the claims of a token whose signature, issuer, audience and times are good. The error says which
/// check failed.
pub(super) fn read(claims: &Claims, settings: &JwtSettings) -> Result<VerifiedToken, &'static str> {
    // An array of issuers is no issuer, though some of it may be the right one.
    if claims.get("iss").and_then(Value::as_str) != Some(&settings.issuer) {
        return Err("issuer");
    }
    let skew = SignedDuration::try_from(settings.clock_skew).map_err(|_| "issued at")?;
    if let Some(issued) = claims.get("iat")
        && time(issued).ok_or("issued at")? > Timestamp::now() + skew
    {
        return Err("issued at");
    }
    let names = &settings.claims;
    let optional = |name: &Option<String>, check| {
        let name = name.as_deref().map(|name| text(find(claims, name)));
        name.map(|text| text.ok_or(check)).transpose()
    };
    Ok(VerifiedToken {
        subject: text(find(claims, &names.subject)).ok_or("subject")?,
        tenant: optional(&names.tenant, "tenant")?,
        team: optional(&names.team, "team")?,
        scopes: scopes(find(claims, &names.scopes), settings).ok_or("scopes")?,
        expires_at: claims.get("exp").and_then(time).ok_or("expiry")?,
    })
}

fn time(value: &Value) -> Option<Timestamp> {
    let seconds = value.as_i64().or_else(|| {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "it is checked by the timestamp"
        )]
        value.as_f64().map(|seconds| seconds as i64)
    })?;
    Timestamp::from_second(seconds).ok()
}

/// The claim of that very name, or else the one that its dots lead to.
fn find<'claims>(claims: &'claims Claims, name: &str) -> Option<&'claims Value> {
    claims.get(name).or_else(|| {
        let mut parts = name.split('.');
        let first = claims.get(parts.next()?)?;
        parts.try_fold(first, |value, part| value.get(part))
    })
}

fn text(value: Option<&Value>) -> Option<String> {
    let text = value?.as_str()?;
    let is_name = !text.is_empty()
        && text.chars().count() <= MAX_NAME_CHARS
        && !text.chars().any(char::is_control);
    is_name.then(|| text.to_owned())
}

/// A text with spaces (RFC 8693, section 4.2), or an array of texts. Without the claim there are none.
fn scopes(value: Option<&Value>, settings: &JwtSettings) -> Option<Vec<String>> {
    let values: Vec<&str> = match value {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(text)) => text.split_ascii_whitespace().collect(),
        Some(Value::Array(items)) => items.iter().map(Value::as_str).collect::<Option<_>>()?,
        Some(_) => return None,
    };
    if values.len() > MAX_SCOPES {
        return None;
    }
    let mut scopes = Vec::new();
    for value in values {
        let mapped = settings.scope_map.get(value);
        let own = settings.scope_map.is_empty().then(|| value.to_owned());
        scopes.extend(mapped.into_iter().flatten().cloned().chain(own));
    }
    scopes.sort_unstable();
    scopes.dedup();
    Some(scopes)
}
