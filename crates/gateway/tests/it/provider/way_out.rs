//! The program in a company's network: a proxy that wants a password, and a provider whose certificate has a
//! private issuer.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_util::task::TaskTracker;

use crate::support::caller::text_of;
use crate::support::codex;
use crate::support::provider::MockProvider;
use crate::support::running::Running;
use crate::support::test_app::KEY;
use crate::support::world::{in_time, processes_of};

/// Never resolved: only the proxy can know it.
const HOST: &str = "provider.invalid";

const PASSWORD: &str = "gate-password-4c21";

/// `keeper:gate-password-4c21`
const CREDENTIALS: &str = "a2VlcGVyOmdhdGUtcGFzc3dvcmQtNGMyMQ==";

#[tokio::test]
async fn a_call_goes_through_the_proxy_and_nobody_else_sees_its_password() {
    let mut provider = MockProvider::start().await;
    let directory = codex::directory();
    let ca_file = directory.path().join("ca.pem");
    let acceptor = acceptor(&ca_file);
    let (proxy, mut heads) = proxy(acceptor, address_of(&provider)).await;
    let state_dir = tempfile::tempdir_in("/dev/shm").unwrap();
    let log = directory.path().join("log");
    let program = codex::real();
    let bubblewrap = codex::bubblewrap();
    let data_dir = directory.path().join("data");
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let settings = [
        ("PORTCULLIS_BIND", "127.0.0.1:0".to_owned()),
        ("PORTCULLIS_LOG", "trace".to_owned()),
        ("PORTCULLIS_DATA_DIR", path(&data_dir)),
        ("CODEX_STATE_DIR", path(state_dir.path())),
        ("CODEX_BIN", path(&program)),
        ("CODEX_SANDBOX_BWRAP", path(&bubblewrap)),
        ("OPENAI_API_KEY", KEY.to_owned()),
        ("OPENAI_BASE_URL", format!("https://{HOST}/v1")),
        ("PORTCULLIS_CA_FILE", path(&ca_file)),
        ("https_proxy", format!("http://keeper:{PASSWORD}@{proxy}")),
        ("NO_PROXY", "other.invalid".to_owned()),
    ];
    let settings: Vec<_> = settings
        .iter()
        .map(|(name, value)| (*name, &**value))
        .collect();
    let served = Running::serve_for_real(File::create(&log).unwrap(), &settings);
    let mut asking = served.post(&json!({ "message": "Hello?" })).await;
    let call = provider.call().await;
    assert!(
        call.head.contains(&format!("bearer {KEY}")),
        "{}",
        call.head
    );
    let told = call.head.clone() + &String::from_utf8_lossy(&call.body_bytes);
    let mut processes = processes_of(state_dir.path());
    processes.retain(|pid| *pid != served.pid());
    assert!(!processes.is_empty());
    let environments = processes.iter().map(|pid| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        String::from_utf8_lossy(&environment).into_owned()
    });
    let environments: Vec<String> = environments.collect();
    call.answer("Through the wall.").await;
    assert_eq!(text_of(&asking.frames().await), "Through the wall.");

    let head = in_time("the tunnel", heads.recv()).await.unwrap();
    assert!(
        head.starts_with(&format!("CONNECT {HOST}:443 HTTP/1.1\r\n")),
        "{head}"
    );
    assert!(head.contains(&format!("Basic {CREDENTIALS}\r\n")), "{head}");
    assert!(!head.contains(KEY), "{head}");
    served.terminate().await;
    let log = fs::read_to_string(log).unwrap();
    assert!(log.contains("model call ended"), "{log}");
    for (place, text) in [
        ("provider", told),
        ("child", environments.concat()),
        ("log", log),
    ] {
        for secret in [PASSWORD, CREDENTIALS] {
            assert!(!text.contains(secret), "{place}: {text}");
        }
        assert!(
            place == "provider" || !text.contains(KEY),
            "{place}: {text}"
        );
    }
}

fn address_of(provider: &MockProvider) -> SocketAddr {
    let address = provider.base_url.trim_start_matches("http://");
    address.trim_end_matches("/v1").parse().unwrap()
}

/// Speaks TLS as the provider; the certificate of its issuer is in `ca_file`.
fn acceptor(ca_file: &Path) -> TlsAcceptor {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    fs::write(ca_file, issuer.pem()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new([HOST.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            key.serialize_der().try_into().unwrap(),
        );
    TlsAcceptor::from(Arc::new(config.unwrap()))
}

/// Opens a tunnel for whoever asks, with the provider's TLS at its other end. Gives the heads that it was
/// asked with.
async fn proxy(
    acceptor: TlsAcceptor,
    provider: SocketAddr,
) -> (SocketAddr, mpsc::Receiver<String>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, heads) = mpsc::channel(16);
    let tracker = TaskTracker::new();
    tracker.clone().spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let (acceptor, sender) = (acceptor.clone(), sender.clone());
            tracker.spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(client.read_u8().await.unwrap());
                }
                sender.send(String::from_utf8(head).unwrap()).await.unwrap();
                client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                let mut client = acceptor.accept(client).await.unwrap();
                let mut provider = TcpStream::connect(provider).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut client, &mut provider).await;
            });
        }
    });
    (address, heads)
}
