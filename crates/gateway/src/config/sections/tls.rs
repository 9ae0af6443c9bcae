use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::tls::TlsFiles;

/// `[tls]`, as it is written.
#[derive(Deserialize, JsonSchema)]
#[expect(
    clippy::struct_field_names,
    reason = "the keys of the section, which name files"
)]
pub(in crate::config) struct TlsSection {
    /// The gateway's certificate, then its chain. With it, the gateway speaks TLS alone. The files are read
    /// again on SIGHUP and within seconds after a change.
    #[schemars(extend("env" = "PORTCULLIS_TLS_CERT_FILE", "format" = "pem-file"))]
    pub(in crate::config) cert_file: Option<PathBuf>,

    /// The private key of the certificate, not encrypted, in a file of mode 0600.
    #[schemars(extend("env" = "PORTCULLIS_TLS_KEY_FILE", "format" = "pem-file"))]
    pub(in crate::config) key_file: Option<PathBuf>,

    /// Certificates of the authorities that sign callers' certificates. With it, a caller must show such a
    /// certificate, and must still authenticate.
    #[schemars(extend("env" = "PORTCULLIS_TLS_CLIENT_CA_FILE", "format" = "pem-file"))]
    pub(in crate::config) client_ca_file: Option<PathBuf>,
}

impl TlsSection {
    /// `None` without TLS.
    pub(in crate::config) fn files(&self) -> Option<TlsFiles> {
        Some(TlsFiles {
            certificate: self.cert_file.clone()?,
            key: self.key_file.clone()?,
            client_ca: self.client_ca_file.clone(),
        })
    }
}
