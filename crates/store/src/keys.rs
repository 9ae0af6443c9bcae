//! API keys: who they are, the hashes of their secrets, what they may do.

mod last_use;
mod row;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use sqlx::Row;

use crate::database::dialect::{Statement, statement};
use crate::database::{Database, Durability, Query, Session};
use crate::{Limits, StoreError};
use last_use::LastUse;

/// A key that is to be made. Its secret stays with the caller; only the hash comes here.
#[derive(Clone, Debug)]
pub struct NewKey {
    pub public_id: String,
    pub secret_sha256: [u8; 32],
    /// What people call it. Unique among the keys that are not revoked.
    pub label: String,
    pub tenant: String,
    pub team: Option<String>,
    pub scopes: Vec<String>,
    pub limits: Limits,
    pub expires_at: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub public_id: String,
    pub label: String,
    pub tenant: String,
    pub team: Option<String>,
    pub scopes: Vec<String>,
    pub limits: Limits,
    /// The newest first. While a rotation's overlap lasts there is a second one.
    pub secrets: Vec<KeySecret>,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
    /// To the minute or so.
    pub last_used_at: Option<Timestamp>,
    /// When this was read, on the database's clock.
    pub read_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySecret {
    pub sha256: [u8; 32],
    pub expires_at: Option<Timestamp>,
}

impl Key {
    /// Whether the key may be used at this time, with one of its secrets.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }

    /// The secrets that count at this time; none of a key that is revoked or expired.
    pub fn live_secrets(&self, now: Timestamp) -> impl Iterator<Item = &KeySecret> {
        let live = self.is_live(now);
        self.secrets
            .iter()
            .filter(move |secret| live && secret.expires_at.is_none_or(|end| now < end))
    }
}

#[derive(Clone, Debug, Default)]
pub struct KeyFilter {
    pub tenant: Option<String>,
    pub team: Option<String>,
    /// Revoked keys are left out unless this is set.
    pub include_revoked: bool,
}

/// The keys that were made, revoked or rotated since a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyChanges {
    /// What to ask from next time.
    pub version: i64,
    pub public_ids: Vec<String>,
}

const INSERT: Statement = statement!(
    "INSERT INTO keys (public_id, label, tenant, team, scopes, limits, secret_sha256, created_at, expires_at, \
     changed_in) VALUES ($1, $2, $3, $4, $5, $6, $7, ",
    now,
    ", $8, $9)"
);
const NEXT_VERSION: Statement =
    statement!("UPDATE key_changes SET version = version + 1 RETURNING version");
const FIND: Statement = statement!(
    "SELECT keys.*, ",
    now,
    " AS read_at FROM keys WHERE public_id = $1"
);
const LIST: Statement = statement!(
    "SELECT keys.*, ",
    now,
    " AS read_at FROM keys \
     WHERE ($1 IS NULL OR tenant = $1) AND ($2 IS NULL OR team = $2) AND ($3 = 1 OR revoked_at IS NULL) \
     ORDER BY created_at, public_id"
);
/// A public id goes before a label: `$1` of one key may be the label of another.
const RESOLVE: Statement = statement!(
    "SELECT public_id FROM keys WHERE revoked_at IS NULL AND (public_id = $1 OR label = $1) \
     ORDER BY CASE WHEN public_id = $1 THEN 0 ELSE 1 END LIMIT 1"
);
const REVOKE: Statement = statement!(
    "UPDATE keys SET revoked_at = ",
    now,
    ", changed_in = $2 WHERE public_id = $1 \
     RETURNING *, ",
    now,
    " AS read_at"
);
const ROTATE: Statement = statement!(
    "UPDATE keys SET previous_sha256 = secret_sha256, previous_expires_at = ",
    now,
    " + $3, \
     secret_sha256 = $2, changed_in = $4 WHERE public_id = $1 RETURNING *, ",
    now,
    " AS read_at"
);
const CHANGES: Statement = statement!(
    "SELECT version, public_id FROM key_changes LEFT JOIN keys ON keys.changed_in > $1 \
     AND keys.changed_in <= key_changes.version"
);
const USED: Statement = statement!(
    "UPDATE keys SET last_used_at = ",
    now,
    " WHERE public_id IN (SELECT value FROM ",
    texts_1,
    ")"
);

/// The keys of a [`Store`](crate::Store). Cloning shares them.
#[derive(Clone)]
pub struct Keys {
    database: Arc<Database>,
    last_use: Arc<LastUse>,
}

impl Keys {
    pub(crate) fn new(database: Arc<Database>) -> Self {
        Self {
            database,
            last_use: Arc::default(),
        }
    }

    /// Fails with [`StoreError::KeyExists`] if the label or the public id is taken.
    pub async fn create(&self, key: &NewKey) -> Result<(), StoreError> {
        self.database
            .run(async {
                let mut session = self.database.write(Durability::Full).await?;
                let version = next_version(&mut session).await?;
                let inserted = session
                    .query(&INSERT)
                    .bind(key.public_id.clone())
                    .bind(key.label.clone())
                    .bind(key.tenant.clone())
                    .bind(key.team.clone())
                    .bind(row::to_json(&key.scopes)?)
                    .bind(row::to_json(&key.limits)?)
                    .bind(row::to_hex(&key.secret_sha256))
                    .bind(key.expires_at.map(Timestamp::as_microsecond))
                    .bind(version)
                    .execute(session.connection())
                    .await;
                match inserted {
                    Ok(_) => session.commit().await,
                    Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
                        Err(StoreError::KeyExists)
                    }
                    Err(error) => Err(error.into()),
                }
            })
            .await
    }

    pub async fn find(&self, public_id: &str) -> Result<Option<Key>, StoreError> {
        self.database
            .run(async {
                let mut session = self.database.read().await?;
                let query = session.query(&FIND).bind(public_id.to_owned());
                let found = query.fetch_optional(session.connection()).await?;
                session.release();
                found.as_ref().map(row::to_key).transpose()
            })
            .await
    }

    pub async fn list(&self, filter: &KeyFilter) -> Result<Vec<Key>, StoreError> {
        self.database
            .run(async {
                let mut session = self.database.read().await?;
                let query = session
                    .query(&LIST)
                    .bind(filter.tenant.clone())
                    .bind(filter.team.clone())
                    .bind(i64::from(filter.include_revoked));
                let rows = query.fetch_all(session.connection()).await?;
                session.release();
                rows.iter().map(row::to_key).collect()
            })
            .await
    }

    /// Ends a key, by its public id or its label. None if no live key has that name.
    pub async fn revoke(&self, name: &str) -> Result<Option<Key>, StoreError> {
        self.change(name, |session, public_id, version| {
            session.query(&REVOKE).bind(public_id).bind(version)
        })
        .await
    }

    /// Gives a key a new secret. The old one counts for `overlap` more, and one older still no longer.
    pub async fn rotate(
        &self,
        name: &str,
        secret_sha256: &[u8; 32],
        overlap: Duration,
    ) -> Result<Option<Key>, StoreError> {
        let overlap = i64::try_from(overlap.as_micros()).unwrap_or(i64::MAX / 2);
        self.change(name, |session, public_id, version| {
            session
                .query(&ROTATE)
                .bind(public_id)
                .bind(row::to_hex(secret_sha256))
                .bind(overlap)
                .bind(version)
        })
        .await
    }

    async fn change(
        &self,
        name: &str,
        statement: impl FnOnce(&Session, String, i64) -> Query,
    ) -> Result<Option<Key>, StoreError> {
        self.database
            .run(async {
                let mut session = self.database.write(Durability::Full).await?;
                let version = next_version(&mut session).await?;
                let query = session.query(&RESOLVE).bind(name.to_owned());
                let Some(found) = query.fetch_optional(session.connection()).await? else {
                    session.rollback().await?;
                    return Ok(None);
                };
                let query = statement(&session, found.try_get("public_id")?, version);
                let changed = query.fetch_one(session.connection()).await?;
                let key = row::to_key(&changed)?;
                session.commit().await?;
                Ok(Some(key))
            })
            .await
    }

    /// The version of the keys, and which have changed since an earlier one. A gateway that keeps keys asks
    /// this every few seconds, beginning with 0 and an empty cache.
    pub async fn changes_since(&self, version: i64) -> Result<KeyChanges, StoreError> {
        self.database
            .run(async {
                let mut session = self.database.read().await?;
                let query = session.query(&CHANGES).bind(version);
                let rows = query.fetch_all(session.connection()).await?;
                session.release();
                let mut changes = KeyChanges {
                    version,
                    public_ids: Vec::new(),
                };
                for found in &rows {
                    changes.version = found.try_get("version")?;
                    changes
                        .public_ids
                        .extend(found.try_get::<Option<String>, _>("public_id")?);
                }
                Ok(changes)
            })
            .await
    }

    /// Remembers that a key was used, in memory alone.
    pub fn note_used(&self, public_id: &str) {
        self.last_use.note(public_id);
    }

    /// Writes down what [`Keys::note_used`] remembers, each key once a minute at most.
    pub async fn write_last_used(&self) -> Result<(), StoreError> {
        let Some(public_ids) = self.last_use.take() else {
            return Ok(());
        };
        self.database
            .run(async {
                let mut session = self.database.write(Durability::Relaxed).await?;
                let query = session.query(&USED).bind(row::to_json(&public_ids)?);
                query.execute(session.connection()).await?;
                session.commit().await
            })
            .await
    }
}

/// Locks the counter, so that the changes of keys have one order.
async fn next_version(session: &mut Session) -> Result<i64, StoreError> {
    let query = session.query(&NEXT_VERSION);
    Ok(query.fetch_one(session.connection()).await?.try_get(0)?)
}
