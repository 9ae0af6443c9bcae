//! The schema, in numbered steps. Several gateways may start at once: one migrates, the others wait.

use sqlx::{AnyConnection, Executor, Row};

use crate::StoreError;
use crate::database::dialect::Dialect;

/// Every step so far, oldest first. A step that has shipped never changes.
const STEPS: [(i64, &str); 2] = [
    (1, include_str!("../migrations/0001_keys.sql")),
    (2, include_str!("../migrations/0002_limits.sql")),
];

/// What this program makes, and the newest that it understands.
pub(crate) const KNOWN_VERSION: i64 = STEPS[STEPS.len() - 1].0;

/// Any number will do, as long as every gateway takes the same: the bytes of `portcull`.
const POSTGRES_LOCK: i64 = i64::from_be_bytes(*b"portcull");

pub(crate) async fn run(
    connection: &mut AnyConnection,
    dialect: Dialect,
) -> Result<(), StoreError> {
    // The usual start finds everything in place, and needs no right to write.
    if let Some(version) = version(connection, dialect).await? {
        refuse_newer(version)?;
        if version == KNOWN_VERSION {
            return Ok(());
        }
    }
    match dialect {
        // Each waits here for the busy timeout, until the one before has committed.
        Dialect::Sqlite => connection.execute("BEGIN IMMEDIATE").await?,
        // Held until the transaction ends, however it ends.
        Dialect::Postgres => {
            connection
                .execute(&*format!(
                    "BEGIN; SELECT pg_advisory_xact_lock({POSTGRES_LOCK})"
                ))
                .await?
        }
    };
    let begun_at = version(connection, dialect).await?.unwrap_or(0);
    refuse_newer(begun_at)?;
    for (number, step) in STEPS.into_iter().filter(|(number, _)| *number > begun_at) {
        connection
            .execute(step)
            .await
            .map_err(|error| StoreError::Migration {
                version: number,
                cause: Box::new(error.into()),
            })?;
    }
    if begun_at == 0 {
        connection
            .execute("CREATE TABLE schema_version (version BIGINT NOT NULL)")
            .await?;
        connection
            .execute("INSERT INTO schema_version (version) VALUES (0)")
            .await?;
    }
    connection
        .execute(&*format!(
            "UPDATE schema_version SET version = {KNOWN_VERSION}"
        ))
        .await?;
    connection.execute("COMMIT").await?;
    Ok(())
}

fn refuse_newer(found: i64) -> Result<(), StoreError> {
    if found > KNOWN_VERSION {
        return Err(StoreError::NewerSchema {
            found,
            known: KNOWN_VERSION,
        });
    }
    Ok(())
}

/// The schema's version; none in a database that has not been used yet.
pub(crate) async fn version(
    connection: &mut AnyConnection,
    dialect: Dialect,
) -> Result<Option<i64>, StoreError> {
    let exists = match dialect {
        Dialect::Sqlite => "SELECT COUNT(*) FROM sqlite_schema WHERE name = 'schema_version'",
        Dialect::Postgres => {
            "SELECT COUNT(*) FROM pg_class WHERE oid = to_regclass('schema_version')"
        }
    };
    let exists: i64 = connection.fetch_one(exists).await?.try_get(0)?;
    if exists == 0 {
        return Ok(None);
    }
    let row = connection
        .fetch_one("SELECT version FROM schema_version")
        .await?;
    Ok(Some(row.try_get(0)?))
}
