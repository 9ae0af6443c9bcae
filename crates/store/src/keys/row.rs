//! A key as a row: hashes as hexadecimal, lists and limits as JSON, times as microseconds.

use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::{Key, KeySecret};
use crate::StoreError;
use crate::check::timestamp;

pub(super) fn to_key(row: &AnyRow) -> Result<Key, StoreError> {
    let time = |column: &str| -> Result<_, StoreError> {
        row.try_get::<Option<i64>, _>(column)?
            .map(timestamp)
            .transpose()
    };
    let mut secrets = vec![KeySecret {
        sha256: from_hex(&row.try_get::<String, _>("secret_sha256")?)?,
        expires_at: None,
    }];
    if let Some(previous) = row.try_get::<Option<String>, _>("previous_sha256")? {
        secrets.push(KeySecret {
            sha256: from_hex(&previous)?,
            expires_at: time("previous_expires_at")?,
        });
    }
    Ok(Key {
        public_id: row.try_get("public_id")?,
        label: row.try_get("label")?,
        tenant: row.try_get("tenant")?,
        team: row.try_get("team")?,
        scopes: from_json(&row.try_get::<String, _>("scopes")?)?,
        limits: from_json(&row.try_get::<String, _>("limits")?)?,
        secrets,
        created_at: timestamp(row.try_get("created_at")?)?,
        expires_at: time("expires_at")?,
        revoked_at: time("revoked_at")?,
        last_used_at: time("last_used_at")?,
        read_at: timestamp(row.try_get("read_at")?)?,
    })
}

pub(super) fn to_json(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|_| StoreError::Unreadable("a value that is no JSON"))
}

fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|_| StoreError::Unreadable("keys: scopes or limits"))
}

pub(super) fn to_hex(hash: &[u8; 32]) -> String {
    use std::fmt::Write;

    hash.iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

fn from_hex(text: &str) -> Result<[u8; 32], StoreError> {
    let unreadable = || StoreError::Unreadable("keys: the hash of a secret");
    if text.len() != 64 || !text.is_ascii() {
        return Err(unreadable());
    }
    let mut hash = [0; 32];
    for (byte, digits) in hash.iter_mut().zip(text.as_bytes().chunks(2)) {
        let digits = std::str::from_utf8(digits).map_err(|_| unreadable())?;
        *byte = u8::from_str_radix(digits, 16).map_err(|_| unreadable())?;
    }
    Ok(hash)
}
