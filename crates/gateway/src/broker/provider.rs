//! The one configured way out, and the only holder of the provider's key.

use std::error::Error as _;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderName, HeaderValue};
use reqwest::{Certificate, Client, ClientBuilder, Url};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::config::{AzureSettings, OpenAiSettings, ProviderSettings};

use super::BrokerStartError;
use super::demo;
use super::failure::{ProviderFailure, ProviderFailureClass, code, code_of_error};
use super::relay::EventStream;
use super::request::LeanRequest;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Shorter than the minute after which load balancers commonly drop an idle connection: a request on a
/// dropped one fails, and is not repeated because it may have been run.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(50);

/// Of an error answer, what is read for its code.
const MAX_ERROR_BYTES: usize = 64 * 1024;
const ERROR_BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// Where model calls go.
pub(super) enum Provider {
    Endpoint(Endpoint),
    /// The broker answers itself; nothing leaves the machine.
    Demo,
}

impl Provider {
    pub(super) fn new(settings: &ProviderSettings) -> Result<Self, BrokerStartError> {
        match settings {
            ProviderSettings::OpenAi(settings) => Endpoint::openai(settings).map(Self::Endpoint),
            ProviderSettings::Azure(settings) => Endpoint::azure(settings).map(Self::Endpoint),
            ProviderSettings::Demo => Ok(Self::Demo),
        }
    }

    /// Resolves with the head of a streamed answer. Dropping the future cancels the call.
    pub(super) async fn respond(
        &self,
        request: &LeanRequest,
    ) -> Result<EventStream, ProviderFailure> {
        match self {
            Self::Endpoint(endpoint) => endpoint.respond(request).await,
            Self::Demo => Ok(demo::respond(request)),
        }
    }
}

/// An HTTP endpoint with the Responses API.
pub(super) struct Endpoint {
    client: Client,
    url: Url,
    key: (HeaderName, HeaderValue),
}

impl Endpoint {
    fn openai(settings: &OpenAiSettings) -> Result<Self, BrokerStartError> {
        let url = parse_url(&format!(
            "{}/responses",
            settings.base_url.trim_end_matches('/')
        ))?;
        let key = settings.api_key.expose_secret();
        // In one piece and of the exact size, so that no half-written copy is left on the heap.
        let mut value = String::with_capacity("Bearer ".len() + key.len());
        value.push_str("Bearer ");
        value.push_str(key);
        let key = (AUTHORIZATION, key_header(value.into())?);
        Ok(Self {
            client: client(&url, settings.ca_file.as_deref())?,
            url,
            key,
        })
    }

    fn azure(settings: &AzureSettings) -> Result<Self, BrokerStartError> {
        let url = azure_url(&settings.endpoint, &settings.api_version)?;
        let key = (
            HeaderName::from_static("api-key"),
            key_header(settings.api_key.clone())?,
        );
        Ok(Self {
            client: client(&url, settings.ca_file.as_deref())?,
            url,
            key,
        })
    }

    /// Asks for what costs nothing, the list of the models, in the way a model call goes, and gives the
    /// status. The answer itself is not read.
    pub(super) async fn list_models(&self, limit: Duration) -> Result<u16, ProviderFailure> {
        let mut url = self.url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop().push("models");
        }
        let (name, key) = &self.key;
        let request = self.client.get(url).header(name, key).timeout(limit);
        let response = request.send().await;
        response
            .map(|response| response.status().as_u16())
            .map_err(|error| ProviderFailure::network(network_code(&error)))
    }

    /// Scheme, host and port, which hold no secret.
    pub(super) fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    async fn respond(&self, request: &LeanRequest) -> Result<EventStream, ProviderFailure> {
        let (name, key) = &self.key;
        let response = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "text/event-stream")
            .header(name, key)
            .body(request.to_bytes())
            .send()
            .await
            .map_err(|error| ProviderFailure::network(network_code(&error)))?;
        if !response.status().is_success() {
            return Err(refused(response).await);
        }
        if !is_event_stream(&response) {
            return Err(ProviderFailure {
                class: ProviderFailureClass::Server,
                status: Some(response.status().as_u16()),
                code: Some(code::NOT_AN_EVENT_STREAM.into()),
            });
        }
        let stream = response.bytes_stream();
        Ok(Box::pin(stream.map(|chunk| {
            chunk.map_err(|_| ProviderFailure::network(code::CONNECTION_LOST))
        })))
    }
}

/// The address of Azure's Responses API.
///
/// A dated version: `/openai/responses?api-version=2025-04-01-preview`. The v1 API, whose versions have
/// no dates: `/openai/v1/responses`, with `api-version=preview` for what is not released and none for
/// what is (<https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle>,
/// <https://learn.microsoft.com/azure/ai-foundry/openai/how-to/responses>). The deployment is the
/// request's `model` in both.
fn azure_url(endpoint: &str, api_version: &str) -> Result<Url, BrokerStartError> {
    let endpoint = endpoint.trim_end_matches('/');
    match api_version {
        "v1" | "latest" => parse_url(&format!("{endpoint}/openai/v1/responses")),
        version => {
            let path = if version == "preview" {
                "/openai/v1/responses"
            } else {
                "/openai/responses"
            };
            let mut url = parse_url(&format!("{endpoint}{path}"))?;
            url.query_pairs_mut().append_pair("api-version", version);
            Ok(url)
        }
    }
}

fn parse_url(text: &str) -> Result<Url, BrokerStartError> {
    Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or(BrokerStartError::ProviderUrl)
}

/// Requests share the key's one buffer, which is zeroed when the last of them is gone.
fn key_header(value: SecretString) -> Result<HeaderValue, BrokerStartError> {
    struct KeyBytes(SecretString);
    impl AsRef<[u8]> for KeyBytes {
        fn as_ref(&self) -> &[u8] {
            self.0.expose_secret().as_bytes()
        }
    }
    let mut header = HeaderValue::from_maybe_shared(Bytes::from_owner(KeyBytes(value)))
        .map_err(|_| BrokerStartError::ProviderKey)?;
    header.set_sensitive(true);
    Ok(header)
}

fn client(url: &Url, ca_file: Option<&Path>) -> Result<Client, BrokerStartError> {
    // Another part of the process may have installed it first; that one is ring as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = Client::builder()
        .user_agent(concat!("portcullis/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(POOL_IDLE_TIMEOUT)
        .tcp_nodelay(true);
    let builder = if is_loopback(url) {
        builder.no_proxy()
    } else {
        builder
    };
    let builder = if url.scheme() == "http" {
        // No redirect leads to https from here, and a machine without root certificates may still talk
        // to a model on its own network.
        builder.tls_certs_only([])
    } else {
        with_extra_root(builder, ca_file)?
    };
    builder.build().map_err(BrokerStartError::Client)
}

fn with_extra_root(
    builder: ClientBuilder,
    ca_file: Option<&Path>,
) -> Result<ClientBuilder, BrokerStartError> {
    let Some(path) = ca_file else {
        return Ok(builder);
    };
    let pem = std::fs::read(path).map_err(|source| BrokerStartError::CaFile {
        path: path.to_owned(),
        source,
    })?;
    match Certificate::from_pem_bundle(&pem) {
        Ok(roots) if !roots.is_empty() => Ok(builder.tls_certs_merge(roots)),
        _ => Err(BrokerStartError::CaFormat {
            path: path.to_owned(),
        }),
    }
}

/// A proxy cannot reach this machine's loopback, whatever the proxy variables say.
fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn is_event_stream(response: &reqwest::Response) -> bool {
    let headers = response.headers();
    let media_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .unwrap_or_default();
    // Nothing was offered to the provider that would let it compress.
    media_type.trim().eq_ignore_ascii_case("text/event-stream")
        && !headers.contains_key(CONTENT_ENCODING)
}

/// Reads the code of an error answer, and nothing else of it.
async fn refused(response: reqwest::Response) -> ProviderFailure {
    let status = response.status().as_u16();
    let mut body = Vec::new();
    let mut chunks = response.bytes_stream();
    let read = async {
        while let Some(Ok(chunk)) = chunks.next().await
            && body.len() + chunk.len() <= MAX_ERROR_BYTES
        {
            body.extend_from_slice(&chunk);
        }
    };
    // A slow or cut body still has its status.
    let _ = tokio::time::timeout(ERROR_BODY_TIMEOUT, read).await;
    let body = serde_json::from_slice::<Value>(&body).unwrap_or_default();
    ProviderFailure::from_status(status, body.get("error").and_then(code_of_error))
}

/// Why a request got no answer, as a code: the error's own words hold the address.
fn network_code(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        return "connect_timeout";
    }
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            if is_tls(error) {
                return "tls_failed";
            }
            if error.kind() == io::ErrorKind::ConnectionRefused {
                return "connection_refused";
            }
        }
        // The resolver's error has no type of its own.
        if error.to_string().starts_with("dns error") {
            return "name_not_resolved";
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
