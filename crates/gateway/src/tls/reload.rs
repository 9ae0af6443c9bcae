//! The certificate in use, and its replacement while the gateway runs.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::{LoadedTls, TlsError, TlsFiles};

/// Between two looks at the files. Their content is compared: a Kubernetes secret is a link to a link, and
/// whoever copies files may keep their times.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Of a certificate that ends soon, or of files that cannot be used.
const REMIND_EVERY: Duration = Duration::from_hours(24);

/// What each new connection is answered with.
#[derive(Clone, Debug)]
pub struct Certificates(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    files: TlsFiles,
    current: ArcSwap<ServerConfig>,
    /// Of the files at the start.
    digest: [u8; 32],
    look_now: Notify,
}

impl Certificates {
    pub fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let content = files.read()?;
        let loaded = content.load()?;
        tracing::info!(expires = %loaded.validity.ends, "TLS certificate loaded");
        Ok(Self(Arc::new(Inner {
            files,
            digest: content.digest(),
            current: ArcSwap::new(loaded.config),
            look_now: Notify::new(),
        })))
    }

    pub fn current(&self) -> Arc<ServerConfig> {
        self.0.current.load_full()
    }

    /// Reads the files again, whether they have changed or not.
    pub fn reload(&self) {
        self.0.look_now.notify_one();
    }

    /// Takes up what changes, until `closing`. What cannot be used is refused, once, and the last good
    /// certificate stays.
    pub async fn follow_files(self, closing: CancellationToken) {
        let mut seen = Some(self.0.digest);
        let mut reminded = Instant::now();
        loop {
            let asked = tokio::select! {
                asked = timeout(LOOK_EVERY, self.0.look_now.notified()) => asked.is_ok(),
                () = closing.cancelled() => return,
            };
            let (digest, loaded) = match self.read().await {
                Ok((digest, loaded)) => (Some(digest), loaded),
                Err(error) => (None, Err(error)),
            };
            if digest == seen && !asked {
                if reminded.elapsed() >= REMIND_EVERY {
                    reminded = Instant::now();
                    remind(loaded);
                }
                continue;
            }
            seen = digest;
            match loaded {
                Ok(loaded) => {
                    report(&loaded);
                    self.0.current.store(loaded.config);
                }
                Err(error) => tracing::error!(
                    %error,
                    "the new TLS files cannot be used: the certificate from before stays in use"
                ),
            }
        }
    }

    async fn read(&self) -> Result<([u8; 32], Result<LoadedTls, TlsError>), TlsError> {
        let files = self.0.files.clone();
        let reading = tokio::task::spawn_blocking(move || {
            let content = files.read()?;
            Ok((content.digest(), content.load()))
        });
        reading.await.unwrap_or_else(|_| {
            Err(super::TlsFile::Certificate.refuse("could not be read: the reader ended"))
        })
    }
}

/// That the files in place end soon, or cannot be used any more.
fn remind(loaded: Result<LoadedTls, TlsError>) {
    let notice = match loaded {
        Ok(loaded) => loaded.validity.notice(),
        Err(error) => Some(error.to_string()),
    };
    if let Some(notice) = notice {
        tracing::warn!("{notice}");
    }
}

/// Of a replaced one. What is to be said of the first is among the warnings of the settings.
fn report(loaded: &LoadedTls) {
    tracing::info!(expires = %loaded.validity.ends, "TLS certificate replaced");
    if let Some(notice) = loaded.validity.notice() {
        tracing::warn!("{notice}");
    }
    if loaded.key_is_open {
        tracing::warn!("the file of PORTCULLIS_TLS_KEY_FILE can be read by others: chmod 600 it");
    }
}
