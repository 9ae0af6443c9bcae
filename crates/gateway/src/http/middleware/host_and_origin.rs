//! Who may talk to this gateway from a browser: a page on another site must not reach a gateway on
//! localhost, neither directly (`Origin`) nor by a name that it has pointed here (`Host`).

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Version};

use crate::config::ServerSettings;
use crate::error::{ErrorCode, Problem};

use super::cross_origin;
use crate::http::problem;
use crate::http::state::AppState;

pub(in crate::http) async fn check_host_and_origin(
    State(state): State<Arc<AppState>>,
    request: Request,
    next: Next,
) -> Response {
    let origin = match check(&request, &state.settings) {
        Ok(origin) => origin,
        Err(refusal) => return problem::response(refusal),
    };
    let Some(origin) = origin else {
        return next.run(request).await;
    };
    let mut response = if cross_origin::is_preflight(request.method(), request.headers()) {
        cross_origin::preflight()
    } else {
        next.run(request).await
    };
    cross_origin::allow(&mut response, &origin);
    response
}

/// The origin of the page that asks, if a page does.
fn check(request: &Request, settings: &ServerSettings) -> Result<Option<HeaderValue>, Problem> {
    // A user name before the host is no part of it (RFC 9110, section 4.2.4).
    let host = host(request).filter(|host| !host.as_str().contains('@'));
    let allowed = host
        .as_ref()
        .is_some_and(|host| host_is_allowed(host, settings));
    if !allowed {
        return Err(Problem::new(
            ErrorCode::HostNotAllowed,
            "The Host header names neither this machine's loopback nor a host in PORTCULLIS_ALLOWED_HOSTS.",
        ));
    }
    match origin(request.headers()) {
        Origin::None => Ok(None),
        Origin::Of(origin) if origin_is_allowed(&origin, host.as_ref(), settings) => {
            Ok(request.headers().get(ORIGIN).cloned())
        }
        Origin::Of(_) | Origin::Unreadable => Err(Problem::new(
            ErrorCode::OriginNotAllowed,
            "Pages of this origin may not call the gateway. PORTCULLIS_ALLOWED_ORIGINS names those that may.",
        )),
    }
}

/// The absolute form of the request line goes before the header (RFC 9112, section 3.2.2). Two
/// `Host` headers are none, and so is one that contradicts `:authority` (RFC 9113, section 8.3.1).
fn host(request: &Request) -> Option<Authority> {
    let mut values = request.headers().get_all(HOST).iter();
    let header = values.next();
    if values.next().is_some() {
        return None;
    }
    if let Some(authority) = request.uri().authority() {
        let is_same = header.is_none_or(|header| {
            authority
                .as_str()
                .as_bytes()
                .eq_ignore_ascii_case(header.as_bytes())
        });
        let is_clear = is_same || request.version() != Version::HTTP_2;
        return is_clear.then(|| authority.clone());
    }
    header?.to_str().ok()?.parse().ok()
}

fn host_is_allowed(authority: &Authority, settings: &ServerSettings) -> bool {
    let host = authority.host();
    is_loopback(host)
        || settings
            .allowed_hosts
            .iter()
            .any(|allowed| allowed.eq_ignore_ascii_case(host))
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || address
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

enum Origin {
    /// Not sent by a page.
    None,
    Of(String),
    Unreadable,
}

fn origin(headers: &HeaderMap) -> Origin {
    let mut values = headers.get_all(ORIGIN).iter();
    match (values.next(), values.next()) {
        (None, _) => Origin::None,
        (Some(value), None) => value
            .to_str()
            .map_or(Origin::Unreadable, |origin| Origin::Of(origin.to_owned())),
        (Some(_), Some(_)) => Origin::Unreadable,
    }
}

/// The gateway's own page (the origin is the host itself), or one that the operator has named.
fn origin_is_allowed(origin: &str, host: Option<&Authority>, settings: &ServerSettings) -> bool {
    let own = host.is_some_and(|host| {
        ["http", "https"].iter().any(|scheme| {
            origin
                .strip_prefix(scheme)
                .and_then(|rest| rest.strip_prefix("://"))
                .is_some_and(|rest| rest.eq_ignore_ascii_case(host.as_str()))
        })
    });
    own || settings
        .allowed_origins
        .iter()
        .any(|allowed| allowed.eq_ignore_ascii_case(origin))
}
