//! Why the store could not do what it was asked: what has happened, and what to do about it.

use std::path::PathBuf;

use sqlx::error::DatabaseError;

/// No message has a URL in it, because a URL may hold a password.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(
        "the database's URL cannot be used: {0}; write `sqlite:<file>` or `postgres://user@host/database`"
    )]
    BadUrl(&'static str),
    #[error("the directory {} of the database does not exist; make it, or name another", .0.display())]
    DirectoryMissing(PathBuf),
    #[error("the database cannot be written at {}; give the gateway's user the right to write the directory and the file", .0.display())]
    NotWritable(PathBuf),
    #[error(
        "the database is locked by another process; end what holds it, such as an open `sqlite3`"
    )]
    Locked,
    #[error(
        "the database's file is damaged or is none; restore it from a backup, or move it away to begin anew"
    )]
    Damaged(#[source] sqlx::Error),
    #[error("the database's disk is full, or its quota is used up; make room")]
    DiskFull,
    #[error(
        "the database can only be read; PostgreSQL may be a standby, and a file may lack the right to write"
    )]
    ReadOnly,
    #[error(
        "the database has schema {found}, and this program knows schemas up to {known}; use the newer program"
    )]
    NewerSchema { found: i64, known: i64 },
    #[error(
        "the database's schema could not be brought to version {version}; nothing of that version was kept"
    )]
    Migration {
        version: i64,
        #[source]
        cause: Box<StoreError>,
    },
    #[error(
        "the database's server cannot be reached; see that it runs and that host and port are right"
    )]
    Unreachable(#[source] sqlx::Error),
    #[error(
        "the database did not answer in time; see that its server is not overloaded or stopped"
    )]
    TimedOut,
    #[error("the database refuses the user or the password; correct them in its URL")]
    AccessDenied,
    #[error(
        "the server has no such database; make it with `createdb`, or correct the name in the URL"
    )]
    NoSuchDatabase,
    #[error(
        "the database's user lacks a right; it must own the schema, or may create and change its tables"
    )]
    PermissionDenied,
    #[error(
        "the server accepts no more connections; raise its `max_connections`, or lower the gateway's"
    )]
    TooManyConnections,
    #[error("TLS to the database's server failed; look at `sslmode` and `sslrootcert` of its URL")]
    Tls(#[source] sqlx::Error),
    #[error(
        "a key with this label or this public id exists; choose another label, or revoke that key"
    )]
    KeyExists,
    #[error("the database holds what this program cannot read in {0}")]
    Unreadable(&'static str),
    #[error("the database refused a statement")]
    Unexpected(#[source] sqlx::Error),
}

impl StoreError {
    /// Whether the database is away for now, so that the same call may succeed later.
    pub fn is_unavailable(&self) -> bool {
        matches!(
            self,
            Self::Locked
                | Self::DiskFull
                | Self::ReadOnly
                | Self::Unreachable(_)
                | Self::TimedOut
                | Self::AccessDenied
                | Self::TooManyConnections
                | Self::Tls(_)
        )
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::PoolTimedOut => Self::TimedOut,
            sqlx::Error::Tls(_) => Self::Tls(error),
            sqlx::Error::Configuration(_) => Self::BadUrl("a part of it cannot be understood"),
            sqlx::Error::Io(_)
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::Protocol(_) => Self::Unreachable(error),
            sqlx::Error::Database(inner) => match classify(inner.as_ref()) {
                Some(known) => known,
                None => Self::of_database(error),
            },
            _ => Self::Unexpected(error),
        }
    }
}

impl StoreError {
    /// The failures that keep their cause, because an operator wants to read it.
    fn of_database(error: sqlx::Error) -> Self {
        let code = error
            .as_database_error()
            .and_then(|inner| inner.code().map(std::borrow::Cow::into_owned));
        match code.as_deref() {
            Some(code) if is_sqlite(&error, code, &[11, 26]) => Self::Damaged(error),
            // PostgreSQL: connection exceptions, and a server that starts, stops or has lost a process.
            Some(code) if code.starts_with("08") || code.starts_with("57P") => {
                Self::Unreachable(error)
            }
            Some(code) if code.starts_with("XX00") => Self::Damaged(error),
            _ => Self::Unexpected(error),
        }
    }
}

/// SQLite's codes are numbers whose low byte says the kind; PostgreSQL's are five characters.
fn is_sqlite(error: &sqlx::Error, code: &str, kinds: &[i32]) -> bool {
    let sqlite = error.as_database_error().is_some_and(|inner| {
        inner
            .try_downcast_ref::<sqlx::sqlite::SqliteError>()
            .is_some()
    });
    sqlite
        && code
            .parse::<i32>()
            .is_ok_and(|number| kinds.contains(&(number & 0xff)))
}

fn classify(error: &dyn DatabaseError) -> Option<StoreError> {
    let code = error.code()?;
    if error
        .try_downcast_ref::<sqlx::sqlite::SqliteError>()
        .is_some()
    {
        let number: i32 = code.parse().ok()?;
        return match (number & 0xff, number >> 8) {
            (5 | 6, _) => Some(StoreError::Locked),
            // SQLITE_READONLY, and SQLITE_CANTOPEN, of a directory that vanished or cannot be written.
            (8 | 14, _) => Some(StoreError::ReadOnly),
            // SQLITE_FULL, and SQLITE_IOERR_WRITE, which a limit on the size of files gives.
            (13, _) | (10, 3) => Some(StoreError::DiskFull),
            _ => None,
        };
    }
    match &*code {
        "28P01" | "28000" => Some(StoreError::AccessDenied),
        "3D000" => Some(StoreError::NoSuchDatabase),
        "42501" => Some(StoreError::PermissionDenied),
        "53100" => Some(StoreError::DiskFull),
        "53300" => Some(StoreError::TooManyConnections),
        "25006" => Some(StoreError::ReadOnly),
        // Lock, statement or idle transaction timeouts; a deadlock ends at once, and a second try gets through.
        "55P03" | "57014" | "25P03" | "40001" | "40P01" => Some(StoreError::TimedOut),
        _ => None,
    }
}
