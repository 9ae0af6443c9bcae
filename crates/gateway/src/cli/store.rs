//! The database of the settings, for a command that needs nothing else.

use store::{Store, StoreError};

use crate::app;
use crate::config::{self, Environment, Overrides};

/// Opens the database, does the work and closes it. A missing key of the provider is no matter here.
pub(super) fn with(work: impl AsyncFnOnce(Store) -> Result<(), String>) -> Result<(), String> {
    let overrides = Overrides { demo: true };
    let loaded = config::load(&Environment::from_process(), &overrides);
    let settings = loaded.map_err(|error| error.to_string())?.settings;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("the runtime could not be started: {error}"))?;
    runtime.block_on(async {
        let store = app::open_store(&settings).await.map_err(failed)?;
        let outcome = work(store.clone()).await;
        store.close().await;
        outcome
    })
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub(super) fn failed(error: StoreError) -> String {
    error.to_string()
}
