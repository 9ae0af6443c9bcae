use std::path::PathBuf;

/// Why the broker cannot start. Never holds a key.
#[derive(Debug, thiserror::Error)]
pub enum BrokerStartError {
    #[error("cannot read PORTCULLIS_CA_FILE {}", path.display())]
    CaFile {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("PORTCULLIS_CA_FILE {} holds no usable PEM certificate", path.display())]
    CaFormat { path: PathBuf },
    #[error("the provider's address is not an http or https URL")]
    ProviderUrl,
    /// It would go around the company's proxy otherwise.
    #[error(
        "HTTPS_PROXY, HTTP_PROXY or ALL_PROXY, which the way to the provider would take, is not the URL of an HTTP proxy: write http://user:password@host:port, with user and password percent-encoded where they are needed at all"
    )]
    ProxyUrl,
    #[error("the provider's key has characters that an HTTP header cannot carry")]
    ProviderKey,
    #[error("cannot set up TLS for the way to the model provider")]
    Tls(#[source] rustls::Error),
}
