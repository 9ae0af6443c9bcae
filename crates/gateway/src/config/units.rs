//! How settings are written where the program holds them in another unit: for `#[serde(with = "…")]`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

/// A `Duration`, written in seconds.
#[derive(JsonSchema)]
#[schemars(transparent, extend("unit" = "seconds"))]
pub(super) struct Seconds(#[expect(dead_code, reason = "only its schema is used")] u64);

/// Bytes, written in MiB.
#[derive(JsonSchema)]
#[schemars(transparent, extend("unit" = "MiB"))]
pub(super) struct Mebibytes(#[expect(dead_code, reason = "only its schema is used")] u64);

/// A secret: masked wherever settings are shown, and also read from a file that `<key>_file` or
/// `<VARIABLE>_FILE` names.
#[derive(JsonSchema)]
#[schemars(transparent, extend("format" = "secret", "writeOnly" = true))]
pub(super) struct Secret(#[expect(dead_code, reason = "only its schema is used")] String);

impl Seconds {
    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_secs)
    }
}

impl Mebibytes {
    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
        u64::deserialize(from).map(bytes)
    }

    pub(super) fn deserialize_optional<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<u64>, D::Error> {
        Option::<u64>::deserialize(from).map(|mebibytes| mebibytes.map(bytes))
    }
}

/// The ranges of the settings stay far below where this saturates.
fn bytes(mebibytes: u64) -> u64 {
    mebibytes.saturating_mul(1024 * 1024)
}
