//! The way out through a company's network: a proxy that makes tunnels, and certificates of its own issuer.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use secrecy::SecretString;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_util::task::TaskTracker;

use super::mock_provider::{self, Act, MockProvider};
use super::{Bench, KEY, PATIENCE, openai, question};
use crate::{ProviderFailureClass as Class, ProviderSettings, Proxies};

/// Never resolved: only a proxy can know it.
const HOST: &str = "provider.invalid";

const USER: &str = "gate%20keeper";
const PASSWORD: &str = "p%40ss%3Aword";

/// `gate keeper:p@ss:word`
const CREDENTIALS: &str = "basic Z2F0ZSBrZWVwZXI6cEBzczp3b3Jk";

/// An issuer that only its own file makes known.
struct Issuer {
    authority: CertifiedIssuer<'static, KeyPair>,
    _directory: TempDir,
    file: PathBuf,
}

impl Issuer {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("ca.pem");
        fs::write(&file, authority.pem()).unwrap();
        Self {
            authority,
            _directory: directory,
            file,
        }
    }

    /// Speaks TLS as one of these names.
    fn acceptor(&self, names: &[&str]) -> TlsAcceptor {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(names).unwrap();
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                key.serialize_der().try_into().unwrap(),
            )
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// Accepts connections and has each of them served.
async fn listen<Serve, Served>(serve: Serve) -> u16
where
    Serve: Fn(TcpStream) -> Served + Send + 'static,
    Served: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let tracker = TaskTracker::new();
    let connections = tracker.clone();
    tracker.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            connections.spawn(serve(stream));
        }
    });
    port
}

fn port_of(provider: &MockProvider) -> u16 {
    let address = provider.base_url.trim_start_matches("http://127.0.0.1:");
    address.trim_end_matches("/v1").parse().unwrap()
}

/// Puts TLS before a server; the port that it is reached on.
async fn with_tls(acceptor: TlsAcceptor, port: u16) -> u16 {
    listen(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                return;
            };
            let mut server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut stream, &mut server).await;
        }
    })
    .await
}

#[derive(Clone, Copy)]
enum Manner {
    /// Passes everything on to this port, whatever host it is asked for.
    Obliging(u16),
    /// Says only this.
    Saying(&'static str),
    /// Passes so many of the answer's bytes on, and closes.
    Cutting(u16, u64),
}

/// A proxy, and the heads of what it was asked for.
struct Proxy {
    port: u16,
    heads: mpsc::Receiver<String>,
}

impl Proxy {
    async fn start(manner: Manner) -> Self {
        let (sender, heads) = mpsc::channel(16);
        let port = listen(move |stream| serve(stream, manner, sender.clone())).await;
        Self { port, heads }
    }

    async fn head(&mut self) -> String {
        let head = tokio::time::timeout(PATIENCE, self.heads.recv()).await;
        head.expect("a request in time").expect("a request")
    }
}

async fn serve(mut client: TcpStream, manner: Manner, heads: mpsc::Sender<String>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = client.read_u8().await else {
            return;
        };
        head.push(byte);
    }
    let is_tunnel = head.starts_with(b"CONNECT ");
    let text = String::from_utf8(head.clone()).unwrap();
    let _ = heads.send(text.to_ascii_lowercase()).await;
    let (port, limit) = match manner {
        Manner::Obliging(port) => (port, u64::MAX),
        Manner::Cutting(port, limit) => (port, limit),
        Manner::Saying(answer) => {
            let _ = client.write_all(answer.as_bytes()).await;
            return;
        }
    };
    let mut server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    if is_tunnel {
        let answer = b"HTTP/1.1 200 Connection established\r\n\r\n";
        client.write_all(answer).await.unwrap();
    } else {
        // What is for the proxy stays here.
        let lines = text.split_inclusive("\r\n");
        let kept: String = lines
            .filter(|line| !line.to_ascii_lowercase().starts_with("proxy-"))
            .collect();
        server.write_all(kept.as_bytes()).await.unwrap();
    }
    relay(client, server, limit).await;
}

async fn relay(client: TcpStream, server: impl AsyncRead + AsyncWrite, limit: u64) {
    let (mut from_client, mut to_client) = client.into_split();
    let (from_server, mut to_server) = tokio::io::split(server);
    let mut from_server = from_server.take(limit);
    tokio::select! {
        _ = tokio::io::copy(&mut from_client, &mut to_server) => {}
        _ = tokio::io::copy(&mut from_server, &mut to_client) => {}
    }
}

fn through(proxy: &str) -> Proxies {
    Proxies {
        https: SecretString::from(proxy),
        http: SecretString::from(proxy),
        exceptions: String::new(),
    }
}

fn provider(base_url: &str, proxies: Proxies, ca_file: Option<PathBuf>) -> ProviderSettings {
    let ProviderSettings::OpenAi(mut settings) = openai(base_url) else {
        unreachable!("a provider");
    };
    settings.connection.proxies = proxies;
    settings.connection.ca_file = ca_file;
    ProviderSettings::OpenAi(settings)
}

/// Asks once: the answer, or the failure's code.
async fn ask(bench: &Bench) -> Result<String, &'static str> {
    let token = bench.issue();
    let response = bench.ask(&question("hello?")).await;
    let text = response.text().await.unwrap_or_default();
    let Some(failure) = token.failure() else {
        return Ok(text);
    };
    let told = format!("{failure:?} {} {text}", failure.detail());
    for secret in [USER, PASSWORD, "p@ss:word", KEY] {
        assert!(!told.contains(secret), "{told}");
    }
    assert_eq!(failure.class(), Class::Network, "{told}");
    Err(failure.code.expect("a code"))
}

#[tokio::test]
async fn a_private_issuer_is_trusted_where_its_file_is_named_and_nowhere_else() {
    let issuer = Issuer::new();
    let mut model = MockProvider::start(mock_provider::answer()).await;
    let port = with_tls(issuer.acceptor(&["localhost"]), port_of(&model)).await;
    let base_url = format!("https://localhost:{port}/v1");
    let told = |ca_file| provider(&base_url, Proxies::default(), ca_file);
    let bench = Bench::start(&told(Some(issuer.file.clone()))).await;
    for _ in 0..2 {
        let answer = ask(&bench).await.unwrap();
        assert!(answer.contains("response.completed"), "{answer}");
        let received = model.request().await;
        assert!(received.head.contains(&format!("bearer {KEY}")));
        assert_eq!(received.connection, 1, "a TLS connection is kept");
    }
    let another = Issuer::new();
    for ca_file in [None, Some(another.file.clone())] {
        let bench = Bench::start(&told(ca_file)).await;
        assert_eq!(ask(&bench).await, Err("tls_failed"));
    }
    let wrong_name = with_tls(issuer.acceptor(&["other.invalid"]), port_of(&model)).await;
    let base_url = format!("https://localhost:{wrong_name}/v1");
    let told = provider(&base_url, Proxies::default(), Some(issuer.file.clone()));
    assert_eq!(ask(&Bench::start(&told).await).await, Err("tls_failed"));
    assert!(model.nothing_came(), "no request without a handshake");
}

/// The provider closes each connection in order, and says so in TLS.
#[tokio::test]
async fn a_kept_tls_connection_that_was_closed_costs_no_call() {
    let issuer = Issuer::new();
    let scripts = vec![
        mock_provider::answer(),
        vec![Act::Close],
        mock_provider::answer(),
    ];
    let model = MockProvider::start_each(scripts).await;
    let port = with_tls(issuer.acceptor(&["localhost"]), port_of(&model)).await;
    let base_url = format!("https://localhost:{port}/v1");
    let told = provider(&base_url, Proxies::default(), Some(issuer.file.clone()));
    let bench = Bench::start(&told).await;
    for _ in 0..2 {
        assert!(ask(&bench).await.unwrap().contains("response.completed"));
    }
}

#[tokio::test]
async fn a_tunnel_carries_calls_and_only_the_proxy_gets_its_credentials() {
    let issuer = Issuer::new();
    for scheme in ["http", "https"] {
        let mut model = MockProvider::start(mock_provider::answer()).await;
        let port = with_tls(issuer.acceptor(&[HOST]), port_of(&model)).await;
        let mut proxy = Proxy::start(Manner::Obliging(port)).await;
        let proxy_port = match scheme {
            "https" => with_tls(issuer.acceptor(&["localhost"]), proxy.port).await,
            _ => proxy.port,
        };
        let url = format!("{scheme}://{USER}:{PASSWORD}@localhost:{proxy_port}");
        let base_url = format!("https://{HOST}/v1");
        let told = provider(&base_url, through(&url), Some(issuer.file.clone()));
        assert!(!format!("{told:?}").contains(PASSWORD));
        let bench = Bench::start(&told).await;
        for _ in 0..2 {
            assert!(ask(&bench).await.unwrap().contains("response.completed"));
            let received = model.request().await;
            assert!(received.head.starts_with("post /v1/responses http/1.1\r\n"));
            assert!(received.head.contains(&format!("host: {HOST}\r\n")));
            assert!(received.head.contains(&format!("bearer {KEY}")));
            assert!(!received.head.contains("proxy"), "{}", received.head);
            assert_eq!(received.connection, 1, "a tunnel is kept");
        }
        let head = proxy.head().await;
        let line = format!("connect {HOST}:443 http/1.1\r\n");
        assert!(head.starts_with(&line), "{head}");
        let credentials = CREDENTIALS.to_ascii_lowercase();
        assert!(head.contains(&format!("proxy-authorization: {credentials}\r\n")));
        assert!(!head.contains(KEY) && !head.contains("bearer"), "{head}");
    }
}

#[tokio::test]
async fn a_proxy_is_told_the_whole_address_of_a_provider_without_tls() {
    let mut model = MockProvider::start(mock_provider::answer()).await;
    let mut proxy = Proxy::start(Manner::Obliging(port_of(&model))).await;
    let url = format!("http://{USER}:{PASSWORD}@127.0.0.1:{}", proxy.port);
    let base_url = format!("http://{HOST}:8080/v1");
    let bench = Bench::start(&provider(&base_url, through(&url), None)).await;
    assert!(ask(&bench).await.unwrap().contains("response.completed"));
    let head = proxy.head().await;
    let line = format!("post http://{HOST}:8080/v1/responses http/1.1\r\n");
    assert!(head.starts_with(&line), "{head}");
    let credentials = CREDENTIALS.to_ascii_lowercase();
    assert!(head.contains(&format!("proxy-authorization: {credentials}\r\n")));
    model.request().await;
}

#[tokio::test]
async fn a_proxy_that_fails_is_told_from_the_provider() {
    let issuer = Issuer::new();
    let model = MockProvider::start(mock_provider::answer()).await;
    let tls = with_tls(issuer.acceptor(&[HOST]), port_of(&model)).await;
    let refused = "HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n";
    for (manner, code) in [
        (Manner::Saying(refused), "proxy_refused"),
        (
            Manner::Saying("HTTP/1.1 403 Forbidden\r\n\r\n"),
            "proxy_failed",
        ),
        (
            Manner::Saying("HTTP/1.1 502 Bad Gateway\r\n\r\n"),
            "proxy_failed",
        ),
        (Manner::Saying("SSH-2.0-OpenSSH_9.6\r\n"), "proxy_failed"),
        (Manner::Saying("HTTP/1.1 200"), "proxy_failed"),
        (Manner::Saying(""), "proxy_failed"),
        // In the middle of the handshake.
        (Manner::Cutting(tls, 40), "connect_failed"),
    ] {
        let mut proxy = Proxy::start(manner).await;
        let url = format!("http://{USER}:{PASSWORD}@127.0.0.1:{}", proxy.port);
        let base_url = format!("https://{HOST}/v1");
        let told = provider(&base_url, through(&url), Some(issuer.file.clone()));
        let bench = Bench::start(&told).await;
        assert_eq!(ask(&bench).await, Err(code));
        proxy.head().await;
        assert!(proxy.heads.try_recv().is_err(), "{code}: it is tried once");
    }
}

#[tokio::test]
async fn an_answer_that_the_proxy_cuts_is_a_lost_connection() {
    let issuer = Issuer::new();
    let mut script = mock_provider::answer();
    script.insert(
        2,
        mock_provider::chunk(&mock_provider::delta(&"x".repeat(60_000))),
    );
    let model = MockProvider::start(script).await;
    let tls = with_tls(issuer.acceptor(&[HOST]), port_of(&model)).await;
    let proxy = Proxy::start(Manner::Cutting(tls, 20_000)).await;
    let url = format!("http://127.0.0.1:{}", proxy.port);
    let told = provider(
        &format!("https://{HOST}/v1"),
        through(&url),
        Some(issuer.file.clone()),
    );
    let bench = Bench::start(&told).await;
    assert_eq!(ask(&bench).await, Err("connection_lost"));
}

#[tokio::test]
async fn an_exception_goes_around_the_proxy_and_a_wrong_proxy_is_none() {
    let mut proxy = Proxy::start(Manner::Saying("")).await;
    let url = format!("http://127.0.0.1:{}", proxy.port);
    for exceptions in [
        HOST,
        "invalid",
        ".invalid",
        "*",
        "a.example, provider.invalid",
    ] {
        let mut proxies = through(&url);
        exceptions.clone_into(&mut proxies.exceptions);
        let told = provider(&format!("https://{HOST}/v1"), proxies, None);
        assert_eq!(
            ask(&Bench::start(&told).await).await,
            Err("name_not_resolved")
        );
    }
    assert!(proxy.heads.try_recv().is_err());

    for wrong in [
        "socks5://127.0.0.1:1080",
        "ftp://proxy",
        "http://user:p#ss@proxy:8080",
        "http://",
        "not a URL",
    ] {
        let told = provider(&format!("https://{HOST}/v1"), through(wrong), None);
        let error = super::start_error(&told);
        assert!(error.contains("HTTPS_PROXY"), "{error}");
        assert!(!error.contains("p#ss"), "{error}");
        let mut proxies = through(wrong);
        HOST.clone_into(&mut proxies.exceptions);
        let told = provider(&format!("https://{HOST}/v1"), proxies, None);
        Bench::start(&told).await;
        Bench::start(&provider("http://127.0.0.1:9/v1", through(wrong), None)).await;
    }
}
