//! The database: whether it can be used, and whether its clock is ours.

use std::time::Duration;

use store::Location;

use super::name;
use super::report::Check;
use crate::app;
use crate::config::Settings;

/// Leases and limits are counted by the database's clock, tokens by this machine's.
const MAX_CLOCK_DIFFERENCE: Duration = Duration::from_secs(5);

pub(super) async fn check(settings: &Settings) -> Check {
    let place = settings.database.describe();
    if matches!(&settings.database, Location::Sqlite(path) if !path.exists()) {
        let detail = format!("{place}: is made at the first start");
        return Check::ok(name::DATABASE, detail);
    }
    let checked = async {
        let store = app::open_store(settings).await?;
        let checked = store.check().await;
        store.close().await;
        checked
    };
    match checked.await {
        Ok(found) => {
            let difference = found.clock_difference.unsigned_abs();
            let detail = format!(
                "{place}: schema {}, answers in {:.1} ms",
                found.schema_version,
                found.latency.as_secs_f64() * 1_000.0
            );
            if difference > MAX_CLOCK_DIFFERENCE {
                let detail = format!("{detail}; its clock is {} s off", difference.as_secs());
                let remedy = "set the clocks of this machine and of the database's by NTP";
                return Check::warning(name::DATABASE, detail, remedy);
            }
            Check::ok(name::DATABASE, detail)
        }
        Err(error) => Check::failed(
            name::DATABASE,
            format!("{place}: {error}"),
            "PORTCULLIS_DATABASE_URL names another database; docs/database.md has each message",
        ),
    }
}
