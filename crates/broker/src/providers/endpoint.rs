use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, PROXY_AUTHORIZATION, USER_AGENT};
use http::uri::Authority;
use http::{Extensions, HeaderName, HeaderValue, Method, Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{CaptureConnection, capture_connection};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use runner::Deadline;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::answer;
use crate::connection::{Connector, Traffic};
use crate::event_stream::EventStream;
use crate::failure::ProviderFailure;
use crate::request::LeanRequest;
use crate::settings::ConnectionSettings;
use crate::start_error::BrokerStartError;

use super::network_error::not_answered;

const OUR_NAME: &str = concat!("portcullis/", env!("CARGO_PKG_VERSION"));

/// Before a model call is made again that the provider was too busy for: when it did not say how long,
/// and at least and at most. A caller can wait longer by itself.
const RETRY_PAUSE: Duration = Duration::from_millis(500);
const MIN_RETRY_PAUSE: Duration = Duration::from_millis(100);
const MAX_RETRY_PAUSE: Duration = Duration::from_secs(10);

/// An HTTP endpoint with the Responses API.
pub(crate) struct Endpoint {
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
    pub(super) fn new(
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
    pub(crate) async fn list_models(&self) -> Result<Response<Incoming>, ProviderFailure> {
        let uri =
            models_uri(&self.uri).ok_or_else(|| ProviderFailure::network("connect_failed"))?;
        let request = self.request(Method::GET, uri, Bytes::new());
        let response = self.client.request(request).await;
        response.map_err(|error| not_answered(&error))
    }

    /// Scheme, host and port, which hold no secret.
    pub(crate) fn origin(&self) -> String {
        let scheme = self.uri.scheme_str().unwrap_or_default();
        let authority = self.uri.authority().map_or("", Authority::as_str);
        format!("{scheme}://{authority}")
    }

    /// Asks, and asks again where that cannot run anything twice: on a fresh connection if a kept one was
    /// closed meanwhile; after a moment if the provider was too busy, as long as the turn has done nothing.
    pub(super) async fn respond(
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

    pub(crate) async fn ask(&self, body: Bytes) -> Result<EventStream, ProviderFailure> {
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

/// What of its turn a model call has to know.
pub(crate) struct TurnState {
    pub(crate) deadline: Deadline,
    /// Nothing has been answered in the turn, so Codex has done nothing.
    pub(crate) is_first_call: bool,
}

pub(crate) fn parse_url(text: &str) -> Result<Url, BrokerStartError> {
    Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or(BrokerStartError::ProviderUrl)
}

/// Requests share the key's one buffer, which is zeroed when the last of them is gone.
pub(super) fn key_header(value: SecretString) -> Result<HeaderValue, BrokerStartError> {
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
pub(crate) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}
