use std::error::Error as _;
use std::io;

use hyper_util::client::legacy;

use crate::answer;
use crate::failure::{ProviderFailure, code};

/// Why a request got no answer.
pub(super) fn not_answered(error: &legacy::Error) -> ProviderFailure {
    if answer::is_too_much(error) {
        return answer::too_large();
    }
    ProviderFailure::network(network_code(error))
}

/// Why a request got no answer, as a code: the error's own words hold the address.
pub(crate) fn network_code(error: &legacy::Error) -> &'static str {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            if is_tls(error) {
                return "tls_failed";
            }
            match error.kind() {
                io::ErrorKind::ConnectionRefused => return "connection_refused",
                io::ErrorKind::TimedOut => return "connect_timeout",
                _ => {}
            }
        }
        // The errors of the resolver and of the tunnel have no types of their own.
        let words = error.to_string();
        if words.starts_with("dns error") {
            return "name_not_resolved";
        }
        match words.strip_prefix("tunnel error: ") {
            Some("proxy authorization required") => return "proxy_refused",
            // The proxy itself was not reached: why stands below.
            None | Some("failed to create underlying connection") => {}
            Some(_) => return "proxy_failed",
        }
        cause = error.source();
    }
    if error.is_connect() {
        "connect_failed"
    } else {
        code::CONNECTION_LOST
    }
}

/// An I/O error hides what it wraps from `source`, and the connector wraps TLS errors twice.
fn is_tls(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| {
        inner.downcast_ref::<rustls::Error>().is_some()
            || inner.downcast_ref::<io::Error>().is_some_and(is_tls)
    })
}
