//! Where the database is, and how it is reached.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::StoreError;

/// What a PostgreSQL URL may say after its `?`. Others are refused: a mistyped `sslmode` would be no TLS.
const POSTGRES_PARAMETERS: [&str; 15] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "ssl-ca",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "statement-cache-capacity",
    "user",
    "ssl-mode",
];

#[derive(Clone, Debug)]
pub struct StoreSettings {
    pub location: Location,
    /// Connections to PostgreSQL. SQLite has one that writes and a few that read.
    pub max_connections: u32,
    /// How long an operation waits for a connection.
    pub acquire_timeout: Duration,
    /// How long an operation may take in all; then it is [`StoreError::TimedOut`].
    pub operation_timeout: Duration,
}

impl StoreSettings {
    pub fn new(location: Location) -> Self {
        Self {
            location,
            max_connections: 8,
            acquire_timeout: Duration::from_secs(2),
            operation_timeout: Duration::from_secs(5),
        }
    }
}

/// Which database. Its `Debug` hides the URL, which may hold a password.
#[derive(Clone, Debug)]
pub enum Location {
    Sqlite(PathBuf),
    Postgres(SecretString),
}

impl Location {
    /// Reads `sqlite:<path>` (relative, or absolute as `sqlite:///path`), or `postgres://…`.
    pub fn parse(url: &str) -> Result<Self, StoreError> {
        let (scheme, rest) = url
            .split_once(':')
            .ok_or(StoreError::BadUrl("it has no scheme"))?;
        match scheme {
            "sqlite" => Self::parse_sqlite(rest),
            "postgres" | "postgresql" => Self::parse_postgres(url),
            _ => Err(StoreError::BadUrl(
                "its scheme is neither `sqlite` nor `postgres`",
            )),
        }
    }

    fn parse_sqlite(rest: &str) -> Result<Self, StoreError> {
        let path = rest.strip_prefix("//").unwrap_or(rest);
        if path.is_empty() {
            return Err(StoreError::BadUrl("it names no file"));
        }
        if path.contains(['?', '#']) || path == ":memory:" {
            return Err(StoreError::BadUrl(
                "after `sqlite:` stands the path of a file and nothing else",
            ));
        }
        Ok(Self::Sqlite(PathBuf::from(path)))
    }

    fn parse_postgres(url: &str) -> Result<Self, StoreError> {
        let parsed =
            Url::parse(url).map_err(|_| StoreError::BadUrl("it cannot be read as a URL"))?;
        if parsed
            .query_pairs()
            .any(|(name, _)| !POSTGRES_PARAMETERS.contains(&&*name))
        {
            return Err(StoreError::BadUrl(
                "it has a parameter that PostgreSQL's URLs do not know",
            ));
        }
        let names_host = parsed.host_str().is_some_and(|host| !host.is_empty())
            || parsed
                .query_pairs()
                .any(|(name, _)| name == "host" || name == "hostaddr");
        if !names_host {
            return Err(StoreError::BadUrl("it names no host"));
        }
        let names_database = !parsed.path().trim_start_matches('/').is_empty()
            || parsed.query_pairs().any(|(name, _)| name == "dbname");
        if !names_database {
            return Err(StoreError::BadUrl("it names no database"));
        }
        Ok(Self::Postgres(SecretString::from(url.to_owned())))
    }

    /// What may be printed: the kind, with the file or the host and the database, and no password.
    pub fn describe(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("SQLite, {}", path.display()),
            Self::Postgres(url) => {
                let Ok(url) = Url::parse(url.expose_secret()) else {
                    return "PostgreSQL".to_owned();
                };
                let host = url.host_str().unwrap_or("a socket");
                format!("PostgreSQL, {host}{}", url.path())
            }
        }
    }
}
