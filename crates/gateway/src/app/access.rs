//! Who may call, and how much, as this gateway has it: the database open, and what follows it.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use store::{Location, Store, StoreError, StoreSettings};

use super::Shutdown;
use crate::access::authentication::{Authenticator, Credentials};
use crate::access::jwt::JwtVerifier;
use crate::access::limits::CallLimits;
use crate::config::Settings;

/// Opens the database of the settings. The data directory is made where it is missing.
pub(crate) async fn open_store(settings: &Settings) -> Result<Store, StoreError> {
    let is_in = |path: &Path| path.parent() == Some(&settings.server.data_dir);
    if matches!(&settings.database, Location::Sqlite(path) if is_in(path)) {
        // The store says what is wrong if it cannot be used.
        let _ = DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&settings.server.data_dir);
    }
    Store::open(&StoreSettings::new(settings.database.clone())).await
}

pub(super) async fn authenticator(
    settings: &Settings,
    store: &Store,
    shutdown: &Shutdown,
) -> Result<Authenticator, StoreError> {
    let access = &settings.access;
    let (tasks, closing) = (&shutdown.tasks, &shutdown.closing);
    let tokens = settings.jwt.clone().filter(|_| access.takes_tokens());
    let tokens = tokens.map(|jwt| JwtVerifier::start(jwt, tasks, closing.clone()));
    let takes_keys = access.takes_keys(settings.server.is_public());
    if !takes_keys && tokens.is_none() {
        return Ok(Authenticator::None);
    }
    let mut credentials = Credentials::new(tokens);
    if takes_keys {
        let (keys, keep) = (store.keys(), access.key_cache);
        let opening = credentials.with_keys(keys, keep, tasks, closing.clone());
        credentials = opening.await?;
    }
    Ok(Authenticator::Credentials(Box::new(credentials)))
}

pub(super) fn limits(settings: &Settings, store: &Store, shutdown: &Shutdown) -> CallLimits {
    let shared = settings.shared_limits.clone();
    let limits = CallLimits::new(store, shared, settings.access.reserved_tokens);
    let following = limits.clone().follow(shutdown.closing.clone());
    shutdown.tasks.spawn(following);
    limits
}
