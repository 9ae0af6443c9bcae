//! TLS: the certificate that the gateway shows, and the certificates that it asks for.
//!
//! What is wrong with a file is said by its role, without its content.

mod certificate;
mod reload;

use std::path::PathBuf;
use std::sync::Arc;

use rustls::crypto::ring::{Ticketer, default_provider};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{
    ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{Error as RustlsError, RootCertStore, ServerConfig};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::bounded_file;
use certificate::Validity;

pub use certificate::EXPIRY_NOTICE;
pub use reload::Certificates;

/// A chain with a few intermediates has some 10 KiB; a bundle of every public root has 200.
const FILE_LIMIT_BYTES: u64 = 1024 * 1024;

/// The files that the settings name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate first, then its chain.
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// Who signs the certificates that callers must show, if they must.
    pub client_ca: Option<PathBuf>,
}

/// Which of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsFile {
    Certificate,
    Key,
    ClientCa,
}

#[derive(Debug, Error)]
#[error("{}: {detail}", file.variable())]
pub struct TlsError {
    pub file: TlsFile,
    pub detail: String,
}

/// What a handshake needs, made of files that fit together.
#[derive(Debug)]
pub struct LoadedTls {
    pub config: Arc<ServerConfig>,
    pub validity: Validity,
    /// The key's file can be read by other users.
    pub key_is_open: bool,
}

/// The content of the files.
pub(crate) struct TlsContent {
    certificate: String,
    key: String,
    key_is_open: bool,
    client_ca: Option<String>,
}

impl TlsFile {
    fn variable(self) -> &'static str {
        match self {
            Self::Certificate => "PORTCULLIS_TLS_CERT_FILE",
            Self::Key => "PORTCULLIS_TLS_KEY_FILE",
            Self::ClientCa => "PORTCULLIS_TLS_CLIENT_CA_FILE",
        }
    }

    fn refuse(self, detail: impl Into<String>) -> TlsError {
        let detail = detail.into();
        TlsError { file: self, detail }
    }
}

impl TlsFiles {
    /// Blocks on the files.
    pub fn load(&self) -> Result<LoadedTls, TlsError> {
        self.read()?.load()
    }

    fn read(&self) -> Result<TlsContent, TlsError> {
        let read = |path: &PathBuf, file: TlsFile| {
            bounded_file::read(path, FILE_LIMIT_BYTES).map_err(|detail| file.refuse(detail))
        };
        let certificate = read(&self.certificate, TlsFile::Certificate)?;
        let key = read(&self.key, TlsFile::Key)?;
        let client_ca = self.client_ca.as_ref();
        let client_ca = client_ca.map(|path| read(path, TlsFile::ClientCa));
        Ok(TlsContent {
            certificate: certificate.content,
            key_is_open: key.read_by_others,
            key: key.content,
            client_ca: client_ca.transpose()?.map(|file| file.content),
        })
    }
}

impl TlsContent {
    /// To tell whether the files have changed.
    fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for part in [
            Some(&self.certificate),
            Some(&self.key),
            self.client_ca.as_ref(),
        ] {
            let part = part.map_or("", String::as_str);
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
        hash.finalize().into()
    }

    fn load(&self) -> Result<LoadedTls, TlsError> {
        let chain = certificates(&self.certificate, TlsFile::Certificate)?;
        let validity =
            Validity::of(&chain[0]).map_err(|detail| TlsFile::Certificate.refuse(detail))?;
        validity
            .check()
            .map_err(|detail| TlsFile::Certificate.refuse(detail))?;
        let provider = Arc::new(default_provider());
        let key =
            CertifiedKey::from_der(chain, private_key(&self.key)?, &provider).map_err(|error| {
                match error {
                    RustlsError::InconsistentKeys(_) => TlsFile::Key
                        .refuse("is not the key of the certificate in PORTCULLIS_TLS_CERT_FILE"),
                    RustlsError::InvalidCertificate(_) => {
                        TlsFile::Certificate.refuse(format!("cannot be used: {error}"))
                    }
                    _ => TlsFile::Key.refuse(format!("cannot be used: {error}")),
                }
            })?;
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(|error| TlsFile::Certificate.refuse(error.to_string()))?;
        let certificate = Arc::new(OneCertificate(Arc::new(key)));
        let mut config = if let Some(client_ca) = &self.client_ca {
            let verifier =
                WebPkiClientVerifier::builder_with_provider(roots(client_ca)?.into(), provider)
                    .build()
                    .map_err(|error| {
                        TlsFile::ClientCa.refuse(format!("cannot be used: {error}"))
                    })?;
            let mut config = builder
                .with_client_cert_verifier(verifier)
                .with_cert_resolver(certificate);
            // A resumed session would not look at the caller's certificate again, which may have expired.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
            config
        } else {
            let mut config = builder
                .with_no_client_auth()
                .with_cert_resolver(certificate);
            config.ticketer = Ticketer::new()
                .map_err(|error| TlsFile::Key.refuse(format!("no session tickets: {error}")))?;
            config
        };
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(LoadedTls {
            config: Arc::new(config),
            validity,
            key_is_open: self.key_is_open,
        })
    }
}

/// Shown to everybody, whatever name they ask for, or none.
#[derive(Debug)]
struct OneCertificate(Arc<CertifiedKey>);

impl ResolvesServerCert for OneCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// At least one.
fn certificates(pem: &str, file: TlsFile) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let certificates = read.map_err(|_| file.refuse("is not well-formed PEM"))?;
    if certificates.is_empty() {
        return Err(file.refuse("holds no PEM certificate (a line -----BEGIN CERTIFICATE-----)"));
    }
    Ok(certificates)
}

fn private_key(pem: &str) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| {
        let is_encrypted = pem.contains("ENCRYPTED");
        TlsFile::Key.refuse(if is_encrypted {
            "is encrypted with a password: `openssl pkey` writes one without it, to a file of mode 0600"
        } else {
            "holds no PEM private key (a line -----BEGIN PRIVATE KEY-----)"
        })
    })
}

fn roots(pem: &str) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem, TlsFile::ClientCa)? {
        roots
            .add(certificate)
            .map_err(|error| TlsFile::ClientCa.refuse(format!("cannot be used: {error}")))?;
    }
    Ok(roots)
}
