//! A small document from outside that is no model's, such as the keys of an issuer: by the way out that model
//! calls take, with the same proxies and certificates.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, PROXY_AUTHORIZATION};
use http::{HeaderValue, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use thiserror::Error;
use tokio::time::timeout;

use crate::connection::Connector;
use crate::providers::{is_loopback, network_code, parse_url};
use crate::settings::ConnectionSettings;
use crate::start_error::BrokerStartError;

/// For the connection and the whole document.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// Holds no word of an answer.
#[derive(Debug, Error)]
pub enum FetchError {
    #[error("the address is not https, which only this machine's loopback need not be")]
    NotHttps,
    #[error(transparent)]
    Setup(#[from] BrokerStartError),
    #[error("there was no answer ({0})")]
    NotAnswered(&'static str),
    /// Redirects are not followed: the address is the operator's choice, not the other side's.
    #[error("the answer was {0}")]
    Status(StatusCode),
    #[error("the answer was cut off, or is over {0} bytes")]
    Body(usize),
    #[error("the answer took too long")]
    TimedOut,
}

/// Gets what is at `url`, with at most `max_bytes`.
pub async fn fetch_document(
    url: &str,
    settings: &ConnectionSettings,
    max_bytes: usize,
) -> Result<Bytes, FetchError> {
    let parsed = parse_url(url)?;
    let is_local = is_loopback(&parsed);
    if parsed.scheme() != "https" && !is_local {
        return Err(FetchError::NotHttps);
    }
    let uri: Uri = parsed.as_str().parse().map_err(|_| FetchError::NotHttps)?;
    let proxy = if is_local {
        None
    } else {
        settings.proxies.proxy_for(&uri)?
    };
    let connector = Connector::new(&uri, settings.ca_file.as_deref(), proxy)?;
    let mut request = Request::new(Empty::<Bytes>::new());
    let headers = request.headers_mut();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    if let Some(authorization) = connector.proxy_authorization(&uri) {
        headers.insert(PROXY_AUTHORIZATION, authorization);
    }
    *request.uri_mut() = uri;
    let client = Client::builder(TokioExecutor::new()).build(connector);
    let fetching = async {
        let response = client.request(request).await;
        let response = response.map_err(|error| FetchError::NotAnswered(network_code(&error)))?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status()));
        }
        let body = Limited::new(response.into_body(), max_bytes)
            .collect()
            .await;
        Ok(body.map_err(|_| FetchError::Body(max_bytes))?.to_bytes())
    };
    let fetched = timeout(TIME_LIMIT, fetching).await;
    fetched.unwrap_or(Err(FetchError::TimedOut))
}
