//! What the database says of itself, for readiness and the doctor.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use sqlx::Row;

use crate::database::Database;
use crate::database::dialect::{Dialect, Statement, statement};
use crate::{StoreError, migrations};

const CLOCK: Statement = statement!("SELECT ", now, " AS now");

#[derive(Clone, Debug)]
pub struct Check {
    /// `SQLite` or `PostgreSQL`.
    pub database: &'static str,
    pub schema_version: i64,
    /// How long one question takes, on a connection that is open.
    pub latency: Duration,
    /// How far the database's clock is ahead of this machine's, to the precision of `latency`.
    pub clock_difference: SignedDuration,
}

pub(crate) async fn check(database: &Database) -> Result<Check, StoreError> {
    database
        .run(async {
            let mut session = database.read().await?;
            let version = migrations::version(session.connection(), database.dialect()).await?;
            let asked = Instant::now();
            let query = session.query(&CLOCK);
            let row = query.fetch_one(session.connection()).await?;
            let latency = asked.elapsed();
            let theirs = timestamp(row.try_get(0)?)?;
            let clock_difference = Timestamp::now().duration_until(theirs);
            session.release();
            Ok(Check {
                database: match database.dialect() {
                    Dialect::Sqlite => "SQLite",
                    Dialect::Postgres => "PostgreSQL",
                },
                schema_version: version.ok_or(StoreError::Unreadable("schema_version"))?,
                latency,
                clock_difference,
            })
        })
        .await
}

/// A time as the database holds it, in microseconds.
pub(crate) fn timestamp(microseconds: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_microsecond(microseconds).map_err(|_| StoreError::Unreadable("a time"))
}
