use std::fmt;

use http::Uri;
use http::uri::{Authority, Scheme};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use secrecy::{ExposeSecret, SecretString};

use crate::start_error::BrokerStartError;

/// The proxies that the way to the provider may take. Their URLs may hold a password and are never shown.
#[derive(Clone, Default)]
pub struct Proxies {
    /// For a provider on https: `HTTPS_PROXY`, or `ALL_PROXY`.
    pub https: SecretString,
    /// For a provider on http: `HTTP_PROXY`, or `ALL_PROXY`.
    pub http: SecretString,
    /// `NO_PROXY`: hosts that are reached without a proxy.
    pub exceptions: String,
}

impl Proxies {
    /// Reads the usual variables, in capitals or not.
    pub fn from_environment() -> Self {
        Self {
            https: variable(&["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]).into(),
            http: variable(&["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"]).into(),
            exceptions: variable(&["NO_PROXY", "no_proxy"]),
        }
    }

    /// The proxy on the way to `provider`. One that cannot be used is an error: to go without it is not what
    /// the operator wants.
    pub(crate) fn proxy_for(&self, provider: &Uri) -> Result<Option<Intercept>, BrokerStartError> {
        let proxy = if provider.scheme() == Some(&Scheme::HTTPS) {
            self.https.expose_secret()
        } else {
            self.http.expose_secret()
        };
        if proxy.is_empty() {
            return Ok(None);
        }
        let matcher = Matcher::builder().all(proxy);
        let proxy = matcher.build().intercept(provider);
        let proxy = proxy.filter(|proxy| is_http(proxy.uri()));
        // A matcher without a proxy intercepts nothing, so the exceptions are tried with one that has any.
        let matcher = Matcher::builder().all("http://any").no(&*self.exceptions);
        if matcher.build().intercept(provider).is_none() {
            return Ok(None);
        }
        proxy.map(Some).ok_or(BrokerStartError::ProxyUrl)
    }
}

impl fmt::Debug for Proxies {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Proxies(..)")
    }
}

fn is_http(proxy: &Uri) -> bool {
    let authority = proxy.authority().map_or("", Authority::as_str);
    let has_port = authority
        .rsplit(']')
        .next()
        .is_some_and(|end| end.contains(':'));
    matches!(proxy.scheme_str(), Some("http" | "https"))
        && (proxy.port_u16().is_some() || !has_port)
}

#[expect(
    clippy::disallowed_methods,
    reason = "these variables are the system's, and belong to no setting of ours"
)]
fn variable(names: &[&str]) -> String {
    let mut values = names.iter().filter_map(|name| std::env::var(name).ok());
    values.find(|value| !value.is_empty()).unwrap_or_default()
}
