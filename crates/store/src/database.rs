//! The connections, and the one difference between the databases that the rest need not know.

pub(crate) mod dialect;

use std::path::Path;
use std::time::Duration;

use secrecy::ExposeSecret;
use sqlx::any::{AnyArguments, AnyConnectOptions, AnyPoolOptions};
use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyConnection, AnyPool, ConnectOptions, Connection, Executor};
use url::Url;

use crate::{Location, StoreError, StoreSettings, migrations};
use dialect::{Dialect, Statement};

/// SQLite's readers do not wait for its writer, and so need connections of their own.
const SQLITE_READERS: u32 = 4;

pub(crate) type Query = sqlx::query::Query<'static, Any, AnyArguments<'static>>;

/// How much of a transaction a crash of the server may lose.
#[derive(Clone, Copy)]
pub(crate) enum Durability {
    /// What is committed stays.
    Full,
    /// The last moments may be lost, for what only lives a minute anyway. PostgreSQL answers earlier.
    Relaxed,
}

pub(crate) struct Database {
    dialect: Dialect,
    writers: AnyPool,
    readers: AnyPool,
    operation_timeout: Duration,
    max_connections: u32,
}

impl Database {
    pub(crate) async fn open(settings: &StoreSettings) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        tokio::time::timeout(settings.operation_timeout * 4, Self::connect(settings))
            .await
            .map_err(|_| StoreError::TimedOut)?
    }

    /// Says of a file where it is, which the database's own failures do not.
    async fn connect(settings: &StoreSettings) -> Result<Self, StoreError> {
        match (Self::try_connect(settings).await, &settings.location) {
            (Err(StoreError::ReadOnly), Location::Sqlite(path)) => {
                Err(StoreError::NotWritable(path.clone()))
            }
            (result, _) => result,
        }
    }

    async fn try_connect(settings: &StoreSettings) -> Result<Self, StoreError> {
        let (dialect, options) = connect_options(settings)?;
        // Not through the pool, which would try a refused connection again until its own deadline.
        let mut first = tokio::time::timeout(settings.acquire_timeout, options.connect())
            .await
            .map_err(|_| StoreError::TimedOut)??;
        prepare_connection(&mut first, dialect, settings.operation_timeout).await?;
        migrations::run(&mut first, dialect).await?;
        first.close().await?;

        let pool = |connections: u32| {
            let timeout = settings.operation_timeout;
            AnyPoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(settings.acquire_timeout)
                // `Database::session` looks by itself, in the same round trip that begins.
                .test_before_acquire(false)
                .idle_timeout(None)
                .after_connect(move |connection, _| {
                    Box::pin(async move { prepare_connection(connection, dialect, timeout).await })
                })
                .connect_lazy_with(options.clone())
        };
        let (writers, readers, max_connections) = match dialect {
            Dialect::Sqlite => (pool(1), pool(SQLITE_READERS), SQLITE_READERS),
            Dialect::Postgres => {
                let shared = pool(settings.max_connections);
                (shared.clone(), shared, settings.max_connections)
            }
        };
        Ok(Self {
            dialect,
            writers,
            readers,
            operation_timeout: settings.operation_timeout,
            max_connections,
        })
    }

    pub(crate) async fn close(&self) {
        self.writers.close().await;
        self.readers.close().await;
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Runs an operation to its deadline. Its session is closed if it does not come to its end.
    pub(crate) async fn run<T>(
        &self,
        operation: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        tokio::time::timeout(self.operation_timeout, operation)
            .await
            .map_err(|_| StoreError::TimedOut)?
    }

    /// A connection that only reads, each statement by itself.
    pub(crate) async fn read(&self) -> Result<Session, StoreError> {
        self.session(&self.readers, None).await
    }

    /// A transaction that writes: nothing of it stays unless [`Session::commit`] has returned.
    pub(crate) async fn write(&self, durability: Durability) -> Result<Session, StoreError> {
        let begin = match (self.dialect, durability) {
            (Dialect::Sqlite, _) => "BEGIN IMMEDIATE",
            (Dialect::Postgres, Durability::Full) => "BEGIN",
            (Dialect::Postgres, Durability::Relaxed) => "BEGIN; SET LOCAL synchronous_commit = off",
        };
        self.session(&self.writers, Some(begin)).await
    }

    /// A server that was started anew has closed every connection of the pool. So one that fails before
    /// anything was done on it is replaced, until all of them have been.
    async fn session(
        &self,
        pool: &AnyPool,
        begin: Option<&'static str>,
    ) -> Result<Session, StoreError> {
        let mut attempts_left = self.max_connections;
        loop {
            let mut session = Session {
                connection: pool.acquire().await?,
                dialect: self.dialect,
                ended: false,
            };
            let ready = match begin {
                Some(begin) => session.connection.execute(begin).await.map(|_| ()),
                None if self.dialect == Dialect::Postgres => session.connection.ping().await,
                None => Ok(()),
            };
            match ready.map_err(StoreError::from) {
                Ok(()) => return Ok(session),
                Err(StoreError::Unreachable(_)) if attempts_left > 0 => attempts_left -= 1,
                Err(error) => return Err(error),
            }
        }
    }
}

/// One connection, taken from the pool for one operation. If it is dropped before its end, the connection
/// is closed with what it had begun, because it may be in the middle of an answer.
pub(crate) struct Session {
    connection: PoolConnection<Any>,
    dialect: Dialect,
    ended: bool,
}

impl Session {
    pub(crate) fn query(&self, statement: &Statement) -> Query {
        sqlx::query(match self.dialect {
            Dialect::Sqlite => statement.sqlite,
            Dialect::Postgres => statement.postgres,
        })
    }

    pub(crate) fn connection(&mut self) -> &mut AnyConnection {
        &mut self.connection
    }

    pub(crate) async fn commit(mut self) -> Result<(), StoreError> {
        self.connection.execute("COMMIT").await?;
        self.ended = true;
        Ok(())
    }

    pub(crate) async fn rollback(mut self) -> Result<(), StoreError> {
        self.connection.execute("ROLLBACK").await?;
        self.ended = true;
        Ok(())
    }

    /// Gives a connection back on which nothing was begun.
    pub(crate) fn release(mut self) {
        self.ended = true;
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if !self.ended {
            self.connection.close_on_drop();
        }
    }
}

async fn prepare_connection(
    connection: &mut AnyConnection,
    dialect: Dialect,
    timeout: Duration,
) -> Result<(), sqlx::Error> {
    let milliseconds = timeout.as_millis();
    let statements = match dialect {
        Dialect::Sqlite => format!(
            "PRAGMA busy_timeout = {milliseconds}; PRAGMA journal_mode = WAL; \
             PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON"
        ),
        Dialect::Postgres => format!(
            "SET statement_timeout = {milliseconds}; SET lock_timeout = {milliseconds}; \
             SET idle_in_transaction_session_timeout = {milliseconds}; SET timezone = 'UTC'"
        ),
    };
    connection.execute(&*statements).await?;
    Ok(())
}

fn connect_options(settings: &StoreSettings) -> Result<(Dialect, AnyConnectOptions), StoreError> {
    let (dialect, url) = match &settings.location {
        Location::Sqlite(path) => (Dialect::Sqlite, sqlite_url(path)?),
        Location::Postgres(url) => {
            let mut url = Url::parse(url.expose_secret())
                .map_err(|_| StoreError::BadUrl("it cannot be read as a URL"))?;
            if !url
                .query_pairs()
                .any(|(name, _)| name == "application_name")
            {
                url.query_pairs_mut()
                    .append_pair("application_name", "portcullis");
            }
            (Dialect::Postgres, url)
        }
    };
    let options = AnyConnectOptions::from_url(&url)?.disable_statement_logging();
    Ok((dialect, options))
}

/// The file's URL. What is wrong with its directory is said here, because SQLite says only that it
/// could not open the file.
fn sqlite_url(path: &Path) -> Result<Url, StoreError> {
    let path = std::path::absolute(path).map_err(|_| StoreError::BadUrl("it names no file"))?;
    let directory = path
        .parent()
        .ok_or(StoreError::BadUrl("it names no file"))?;
    if !directory.is_dir() {
        return Err(StoreError::DirectoryMissing(directory.to_owned()));
    }
    if path.is_dir() {
        return Err(StoreError::BadUrl("it names a directory, not a file"));
    }
    let mut url =
        Url::from_file_path(&path).map_err(|()| StoreError::BadUrl("it names no file"))?;
    url.set_query(Some("mode=rwc"));
    // A URL's scheme cannot be changed from `file`.
    Url::parse(&format!(
        "sqlite{}",
        url.as_str().trim_start_matches("file")
    ))
    .map_err(|_| StoreError::BadUrl("it names no file"))
}
