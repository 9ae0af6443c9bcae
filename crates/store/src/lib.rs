//! What is durable: keys, limits with their leases, usage. In SQLite or PostgreSQL, chosen by the URL.
//!
//! One schema and one set of statements serve both. Every operation ends within a deadline, and every
//! failure is a [`StoreError`] that says what to do. This crate knows no HTTP, no gateway and no redaction.

mod account;
mod check;
mod database;
mod error;
mod keys;
mod limits;
mod migrations;
mod settings;
mod usage;

pub use account::Account;
pub use check::Check;
pub use error::StoreError;
pub use keys::{Key, KeyChanges, KeyFilter, KeySecret, Keys, NewKey};
pub use limits::{
    AccountLimits, AccountUsage, Admission, Admitted, Amount, Consumption, Decision, Extension,
    ExtensionDecision, Limit, LimitState, Limits, LimitsStore, Refusal, Settled, Settlement,
    Subject, Swept,
};
pub use settings::{Location, StoreSettings};
pub use usage::{Usage, UsageFilter, UsageGroup, UsageRow, UsageStore};

use std::sync::Arc;

use database::Database;

/// A database that is open, with its schema in place. Cloning shares it.
#[derive(Clone)]
pub struct Store {
    database: Arc<Database>,
    keys: Keys,
}

impl Store {
    /// Connects, and brings an older schema up to date. Several gateways may do that at once.
    pub async fn open(settings: &StoreSettings) -> Result<Self, StoreError> {
        let database = Arc::new(Database::open(settings).await?);
        Ok(Self {
            keys: Keys::new(Arc::clone(&database)),
            database,
        })
    }

    /// Asks the database for its clock and its schema, for `/readyz` and `portcullis doctor`.
    pub async fn check(&self) -> Result<Check, StoreError> {
        check::check(&self.database).await
    }

    /// Waits for what is under way, and closes all connections.
    pub async fn close(&self) {
        self.database.close().await;
    }

    pub fn keys(&self) -> Keys {
        self.keys.clone()
    }

    pub fn limits(&self) -> LimitsStore {
        LimitsStore::new(Arc::clone(&self.database))
    }

    pub fn usage(&self) -> UsageStore {
        UsageStore::new(Arc::clone(&self.database))
    }
}
