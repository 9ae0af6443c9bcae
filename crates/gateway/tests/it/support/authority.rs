//! An authority that signs certificates, and a client that trusts it.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use tokio::io::{self, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::support::world::in_time;

pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key.
pub(crate) struct Signed {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Term {
    Running,
    Expired,
    EndsSoon,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    pub(crate) fn sign(&self, term: Term) -> Signed {
        let key = KeyPair::generate().unwrap();
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        match term {
            Term::Running => {}
            Term::Expired => params.not_after = date_time_ymd(2021, 1, 1),
            Term::EndsSoon => {
                let now = std::time::SystemTime::now();
                params.not_after = (now + std::time::Duration::from_hours(120)).into();
            }
        }
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Signed { certificate, key }
    }

    /// Connects as a client that shows `shown`, if anything, and offers these versions of HTTP.
    pub(crate) async fn connect(
        &self,
        address: SocketAddr,
        shown: Option<&Signed>,
        versions: &[&str],
    ) -> io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match shown {
            None => builder.with_no_client_auth(),
            Some(shown) => {
                let key = PrivateKeyDer::try_from(shown.key.serialize_der()).unwrap();
                let chain = vec![shown.certificate.der().clone()];
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        let versions = versions.iter().map(|version| version.as_bytes().to_vec());
        config.alpn_protocols = versions.collect();
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from("localhost").unwrap();
        in_time(
            "a handshake",
            TlsConnector::from(Arc::new(config)).connect(name, stream),
        )
        .await
    }

    /// All that comes for a probe; an error if the handshake fails, before or after the client's part.
    pub(crate) async fn probe(
        &self,
        address: SocketAddr,
        shown: Option<&Signed>,
    ) -> io::Result<String> {
        let mut stream = self.connect(address, shown, &["http/1.1"]).await?;
        let request = "GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        in_time("an answer", stream.read_to_string(&mut answer)).await?;
        Ok(answer)
    }
}

impl Signed {
    pub(crate) fn write_certificate(&self, path: &Path) {
        fs::write(path, self.certificate.pem()).unwrap();
    }

    pub(crate) fn write_key(&self, path: &Path) {
        fs::write(path, self.key.serialize_pem()).unwrap();
    }

    pub(crate) fn der(&self) -> &[u8] {
        self.certificate.der()
    }
}
