//! The one configured way out, and the only holder of the provider's key.

use std::error::Error as _;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, PROXY_AUTHORIZATION, USER_AGENT};
use http::uri::Authority;
use http::{Extensions, HeaderName, HeaderValue, Method, Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::{CaptureConnection, capture_connection};
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use runner::Deadline;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::settings::{AzureSettings, ConnectionSettings, OpenAiSettings, ProviderSettings};

use super::answer;
use super::connection::{Connector, Traffic};
use super::demo;
use super::event_stream::EventStream;
use super::failure::{ProviderFailure, code};
use super::request::LeanRequest;
use super::start_error::BrokerStartError;

const OUR_NAME: &str = concat!("portcullis/", env!("CARGO_PKG_VERSION"));

/// Before a model call is made again that the provider was too busy for: when it did not say how long,
/// and at least and at most. A caller can wait longer by itself.
const RETRY_PAUSE: Duration = Duration::from_millis(500);
const MIN_RETRY_PAUSE: Duration = Duration::from_millis(100);
const MAX_RETRY_PAUSE: Duration = Duration::from_secs(10);

/// Where model calls go.
pub(super) enum Provider {
    Endpoint(Box<Endpoint>),
    /// The broker answers itself; nothing leaves the machine.
    Demo,
}

impl Provider {
    pub(super) fn new(settings: &ProviderSettings) -> Result<Self, BrokerStartError> {
        match settings {
            ProviderSettings::OpenAi(settings) => Endpoint::openai(settings).map(Self::endpoint),
            ProviderSettings::Azure(settings) => Endpoint::azure(settings).map(Self::endpoint),
            ProviderSettings::Demo => Ok(Self::Demo),
        }
    }

    fn endpoint(endpoint: Endpoint) -> Self {
        Self::Endpoint(Box::new(endpoint))
    }

    /// Resolves with the head of a streamed answer. Dropping the future cancels the call.
    pub(super) async fn respond(
        &self,
        request: &LeanRequest,
        turn: &TurnState,
    ) -> Result<EventStream, ProviderFailure> {
        match self {
            Self::Endpoint(endpoint) => endpoint.respond(request, turn).await,
            Self::Demo => Ok(demo::respond(request)),
        }
    }
}

/// An HTTP endpoint with the Responses API.
pub(super) struct Endpoint {
    /// Keeps connections for the next call.
    client: Client<Connector, Full<Bytes>>,
    /// Makes a new one for each call.
    fresh: Client<Connector, Full<Bytes>>,
    connector: Connector,
    uri: Uri,
    key: (HeaderName, HeaderValue),
    retries: u32,
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
        Self::new(&url, key, &settings.connection)
    }

    fn azure(settings: &AzureSettings) -> Result<Self, BrokerStartError> {
        let url = azure_url(&settings.endpoint, &settings.api_version)?;
        let name = HeaderName::from_static("api-key");
        let key = (name, key_header(settings.api_key.clone())?);
        Self::new(&url, key, &settings.connection)
    }

    fn new(
        url: &Url,
        key: (HeaderName, HeaderValue),
        settings: &ConnectionSettings,
    ) -> Result<Self, BrokerStartError> {
        let uri: Uri = url
            .as_str()
            .parse()
            .map_err(|_| BrokerStartError::ProviderUrl)?;
        let proxy = if is_loopback(url) {
            None
        } else {
            settings.proxies.proxy_for(&uri)?
        };
        let connector = Connector::new(&uri, settings.ca_file.as_deref(), proxy)?;
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_timer(TokioTimer::new());
        let client = builder
            .pool_idle_timeout(settings.idle_timeout)
            .build(connector.clone());
        let fresh = builder.pool_max_idle_per_host(0).build(connector.clone());
        Ok(Self {
            client,
            fresh,
            connector,
            uri,
            key,
            retries: settings.retries,
        })
    }

    /// Asks for what costs nothing, the list of the models, in the way a model call goes.
    pub(super) async fn list_models(&self) -> Result<Response<Incoming>, ProviderFailure> {
        let uri =
            models_uri(&self.uri).ok_or_else(|| ProviderFailure::network("connect_failed"))?;
        let request = self.request(Method::GET, uri, Bytes::new());
        let response = self.client.request(request).await;
        response.map_err(|error| not_answered(&error))
    }

    /// Scheme, host and port, which hold no secret.
    pub(super) fn origin(&self) -> String {
        let scheme = self.uri.scheme_str().unwrap_or_default();
        let authority = self.uri.authority().map_or("", Authority::as_str);
        format!("{scheme}://{authority}")
    }

    /// Asks, and asks again where that cannot run anything twice: on a fresh connection if a kept one was
    /// closed meanwhile; after a moment if the provider was too busy, as long as the turn has done nothing.
    async fn respond(
        &self,
        request: &LeanRequest,
        turn: &TurnState,
    ) -> Result<EventStream, ProviderFailure> {
        let body = request.to_bytes();
        let mut retries = self.retries;
        loop {
            let mut failure = match self.ask(body.clone()).await {
                Ok(stream) => return Ok(stream),
                Err(failure) => failure,
            };
            if !turn.is_first_call {
                // The caller cannot ask again without running again what ran before.
                failure.retry_after = None;
                return Err(failure);
            }
            let wait = failure
                .retry_after
                .unwrap_or(RETRY_PAUSE)
                .max(MIN_RETRY_PAUSE);
            let is_worth_it = wait <= MAX_RETRY_PAUSE && wait < turn.deadline.remaining() / 2;
            if retries == 0 || !failure.is_passing() || !is_worth_it {
                return Err(failure);
            }
            retries -= 1;
            tracing::info!(
                wait_ms = wait.as_millis(),
                code = failure.code,
                "model call is tried again"
            );
            tokio::time::sleep(wait).await;
        }
    }

    pub(super) async fn ask(&self, body: Bytes) -> Result<EventStream, ProviderFailure> {
        let mut request = self.request(Method::POST, self.uri.clone(), body.clone());
        let captured = capture_connection(&mut request);
        let response = match self.client.request(request).await {
            Err(error) if ended_at_rest(&captured) => {
                tracing::debug!(%error, "a kept connection to the provider was closed");
                let request = self.request(Method::POST, self.uri.clone(), body);
                self.fresh.request(request).await
            }
            response => response,
        };
        let response = response.map_err(|error| not_answered(&error))?;
        answer::open(response).await
    }

    fn request(&self, method: Method, uri: Uri, body: Bytes) -> Request<Full<Bytes>> {
        let authorization = self.connector.proxy_authorization(&uri);
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(USER_AGENT, HeaderValue::from_static(OUR_NAME));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        if let Some(authorization) = authorization {
            headers.insert(PROXY_AUTHORIZATION, authorization);
        }
        let (name, key) = &self.key;
        headers.insert(name.clone(), key.clone());
        request
    }
}

/// What of its turn a model call has to know.
pub(super) struct TurnState {
    pub(super) deadline: Deadline,
    /// Nothing has been answered in the turn, so Codex has done nothing.
    pub(super) is_first_call: bool,
}

fn ended_at_rest(captured: &CaptureConnection) -> bool {
    let mut extras = Extensions::new();
    if let Some(connected) = captured.connection_metadata().as_ref() {
        connected.get_extras(&mut extras);
    }
    extras.get().is_some_and(Traffic::ended_at_rest)
}

fn models_uri(responses: &Uri) -> Option<Uri> {
    let path = responses.path().strip_suffix("responses")?;
    let query = responses.query().map(|query| format!("?{query}"));
    let path = format!("{path}models{}", query.unwrap_or_default());
    let mut parts = responses.clone().into_parts();
    parts.path_and_query = Some(path.parse().ok()?);
    Uri::from_parts(parts).ok()
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

/// A proxy cannot reach this machine's loopback, whatever the proxy variables say.
fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn not_answered(error: &legacy::Error) -> ProviderFailure {
    if answer::is_too_much(error) {
        return answer::too_large();
    }
    ProviderFailure::network(network_code(error))
}

/// Why a request got no answer, as a code: the error's own words hold the address.
fn network_code(error: &legacy::Error) -> &'static str {
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
