use std::path::Path;

use schemars::JsonSchema;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use store::{Location, StoreError};

use crate::config::units::Secret;

const FILE_NAME: &str = "portcullis.db";

/// `[database]`, as it is written.
#[derive(Deserialize, JsonSchema)]
pub(in crate::config) struct DatabaseSection {
    /// Where keys, limits and usage are kept: `postgres://user:password@host/database` where several gateways
    /// share them, or `sqlite:/path/of/a/file`. When not set: `SQLite`, portcullis.db in the data directory.
    #[schemars(with = "Option<Secret>", extend("env" = "PORTCULLIS_DATABASE_URL"))]
    url: Option<SecretString>,
}

impl DatabaseSection {
    pub(in crate::config) fn location(&self, data_dir: &Path) -> Result<Location, StoreError> {
        match &self.url {
            Some(url) => Location::parse(url.expose_secret()),
            None => Ok(Location::Sqlite(data_dir.join(FILE_NAME))),
        }
    }
}
