//! The issuer's keys: got, kept, and got again.
//!
//! Callers can make the gateway ask the issuer, with the name of a key that it does not know. They can do so
//! twice a minute, whatever they send, and all who wait for an answer share it.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use broker::{FetchError, fetch_document};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use thiserror::Error;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use super::error::{Failed, JwtError};
use super::key_set::{KeySet, NoKey};
use super::settings::{JwtSettings, KeySource};
use crate::bounded_file;

/// Between two looks that callers have caused.
const ASKED_PAUSE: Duration = Duration::from_secs(30);

/// After a look that failed; it doubles, up to the usual interval.
const FIRST_PAUSE: Duration = Duration::from_secs(2);

const MAX_DOCUMENT_BYTES: usize = 256 * 1024;

#[derive(Debug)]
pub(super) struct Issuer {
    settings: Arc<JwtSettings>,
    kept: ArcSwapOption<Kept>,
    /// Held during a look.
    last_look: Mutex<Option<Instant>>,
}

#[derive(Debug)]
struct Kept {
    keys: KeySet,
    since: Instant,
}

/// Holds no word of an answer.
#[derive(Debug, Error)]
pub(super) enum LookError {
    #[error("the discovery document: {0}")]
    Discovery(FetchError),
    #[error("the discovery document is not one, or is another issuer's")]
    OtherIssuer,
    #[error("the keys: {0}")]
    Keys(#[from] FetchError),
    #[error("the file of keys {0}")]
    File(String),
    #[error("the keys are not a JSON Web Key Set")]
    NotKeys,
    #[error("the keys hold none that a signature can be checked with")]
    NoKeys,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

impl Issuer {
    pub(super) fn new(settings: Arc<JwtSettings>) -> Self {
        Self {
            settings,
            kept: ArcSwapOption::empty(),
            last_look: Mutex::new(None),
        }
    }

    /// Keeps the keys fresh, for ever.
    pub(super) async fn follow(self: Arc<Self>) {
        let refresh = self.settings.refresh;
        let mut pause = FIRST_PAUSE;
        loop {
            let mut last_look = self.last_look.lock().await;
            let succeeded = self.look(&mut last_look).await;
            drop(last_look);
            if succeeded {
                pause = FIRST_PAUSE;
                sleep(refresh).await;
            } else {
                sleep(pause.min(refresh)).await;
                pause *= 2;
            }
        }
    }

    pub(super) fn has_keys(&self) -> bool {
        self.fresh().is_some()
    }

    /// The keys, unless they are too old.
    fn fresh(&self) -> Option<Arc<Kept>> {
        let kept = self.kept.load_full()?;
        let most = self.settings.refresh + self.settings.stale;
        (kept.since.elapsed() <= most).then_some(kept)
    }

    /// The key of a token; if it is not known, after a look.
    pub(super) async fn key(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<DecodingKey, Failed> {
        let asked = Instant::now();
        match self.find(id, algorithm) {
            Some(Ok(key)) => return Ok(key),
            Some(Err(NoKey::Ambiguous)) => return Err(Failed::not_valid("ambiguous key")),
            Some(Err(NoKey::Unknown)) | None => {}
        }
        let mut last_look = self.last_look.lock().await;
        // Somebody may have looked while this one waited.
        let has_been = last_look.is_some_and(|at| at >= asked || at.elapsed() < ASKED_PAUSE);
        if !has_been {
            self.look(&mut last_look).await;
        }
        drop(last_look);
        match self.find(id, algorithm) {
            Some(found) => found.map_err(|_| Failed::not_valid("unknown key")),
            None => Err(Failed {
                error: JwtError::NoKeys,
                check: "keys of the issuer",
            }),
        }
    }

    fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<Result<DecodingKey, NoKey>> {
        let kept = self.fresh()?;
        Some(kept.keys.find(id, algorithm))
    }

    /// Whether keys were got.
    async fn look(&self, last_look: &mut Option<Instant>) -> bool {
        let looked = look(&self.settings).await;
        *last_look = Some(Instant::now());
        match looked {
            Ok(keys) => {
                tracing::debug!(keys = keys.len(), "the issuer's keys were got");
                let since = Instant::now();
                self.kept.store(Some(Arc::new(Kept { keys, since })));
                true
            }
            Err(error) => {
                tracing::warn!(%error, "the keys of PORTCULLIS_JWT_ISSUER could not be got");
                false
            }
        }
    }
}

/// Gets the keys, once.
pub(super) async fn look(settings: &JwtSettings) -> Result<KeySet, LookError> {
    let connection = &settings.connection;
    let document = match &settings.keys {
        KeySource::File(path) => {
            let path = path.clone();
            let reading = tokio::task::spawn_blocking(move || {
                bounded_file::read(&path, MAX_DOCUMENT_BYTES as u64)
            });
            let read = reading
                .await
                .unwrap_or_else(|_| Err("was not read".to_owned()));
            read.map_err(LookError::File)?.content.into()
        }
        KeySource::Url(url) => fetch_document(url, connection, MAX_DOCUMENT_BYTES).await?,
        KeySource::Discovery => {
            let url = jwks_url(settings).await?;
            fetch_document(&url, connection, MAX_DOCUMENT_BYTES).await?
        }
    };
    let keys = KeySet::parse(&document).ok_or(LookError::NotKeys)?;
    if keys.len() == 0 {
        return Err(LookError::NoKeys);
    }
    Ok(keys)
}

/// Where the issuer says that its keys are (OpenID Connect Discovery 1.0, section 4).
async fn jwks_url(settings: &JwtSettings) -> Result<String, LookError> {
    let issuer = &settings.issuer;
    let url = format!(
        "{}/.well-known/openid-configuration",
        issuer.trim_end_matches('/')
    );
    let document = fetch_document(&url, &settings.connection, MAX_DOCUMENT_BYTES).await;
    let document = document.map_err(LookError::Discovery)?;
    let document: Discovery =
        serde_json::from_slice(&document).map_err(|_| LookError::OtherIssuer)?;
    if document.issuer != *issuer {
        return Err(LookError::OtherIssuer);
    }
    Ok(document.jwks_uri)
}
