//! The end of a turn: what it has used is counted once, and its lease goes.

use sqlx::Row;

use super::account::{Names, Period};
use super::admission::signed;
use super::{Settled, Settlement, Swept};
use crate::StoreError;
use crate::check::timestamp;
use crate::database::dialect::{Statement, statement};
use crate::database::{Database, Durability};
use crate::usage;

const MARK: Statement = statement!(
    "INSERT INTO settlements (lease_id, settled_at) VALUES ($1, ",
    now,
    ") ON CONFLICT DO NOTHING \
     RETURNING settled_at"
);
const END_LEASE: Statement = statement!("DELETE FROM leases WHERE lease_id = $1");
const COUNT: Statement = statement!(
    "INSERT INTO accounts (kind, tenant, name, day, day_tokens, month, month_tokens, month_cost_micros) \
     SELECT kind, $1, name, $5, $7, $6, $7, $8 FROM \
     (SELECT 'key' AS kind, $2 AS name UNION ALL SELECT 'team', $3 UNION ALL SELECT 'tenant', $4) AS charged \
     WHERE name IS NOT NULL ON CONFLICT (kind, tenant, name) DO UPDATE SET \
     day_tokens = excluded.day_tokens + CASE WHEN accounts.day = excluded.day THEN accounts.day_tokens ELSE 0 END, \
     day = excluded.day, \
     month_tokens = excluded.month_tokens + \
     CASE WHEN accounts.month = excluded.month THEN accounts.month_tokens ELSE 0 END, \
     month_cost_micros = excluded.month_cost_micros + \
     CASE WHEN accounts.month = excluded.month THEN accounts.month_cost_micros ELSE 0 END, \
     month = excluded.month"
);
const SWEEP_LEASES: Statement = statement!("DELETE FROM leases WHERE expires_at <= ", now);
/// A week: longer than any gateway keeps a settlement that it could not write.
const SWEEP_SETTLEMENTS: Statement = statement!(
    "DELETE FROM settlements WHERE settled_at <= ",
    now,
    " - 604800000000"
);

pub(super) async fn settle(
    database: &Database,
    settlement: &Settlement,
) -> Result<Settled, StoreError> {
    let usage = &settlement.usage;
    let mut session = database.write(Durability::Full).await?;
    let query = session.query(&MARK).bind(settlement.lease_id.clone());
    let Some(marked) = query.fetch_optional(session.connection()).await? else {
        session.rollback().await?;
        return Ok(Settled::Before);
    };
    let period = Period::of(timestamp(marked.try_get(0)?)?)?;
    let Names {
        tenant,
        names: [key, team, itself],
    } = Names::of(&settlement.account);
    let query = session
        .query(&COUNT)
        .bind(tenant)
        .bind(key)
        .bind(team)
        .bind(itself)
        .bind(period.day.clone())
        .bind(period.month)
        .bind(signed(
            usage.input_tokens.saturating_add(usage.output_tokens),
        ))
        .bind(signed(usage.cost_micros));
    query.execute(session.connection()).await?;
    // Accounts are locked before leases, as by a turn that asks for more.
    let query = session.query(&END_LEASE).bind(settlement.lease_id.clone());
    query.execute(session.connection()).await?;
    usage::add(&mut session, &period.day, &settlement.account, usage).await?;
    session.commit().await?;
    Ok(Settled::Now)
}

pub(super) async fn release(database: &Database, lease_id: &str) -> Result<(), StoreError> {
    let mut session = database.write(Durability::Relaxed).await?;
    let query = session.query(&END_LEASE).bind(lease_id.to_owned());
    query.execute(session.connection()).await?;
    session.commit().await
}

pub(super) async fn sweep(database: &Database) -> Result<Swept, StoreError> {
    let mut session = database.write(Durability::Relaxed).await?;
    let query = session.query(&SWEEP_LEASES);
    let leases = query.execute(session.connection()).await?.rows_affected();
    let query = session.query(&SWEEP_SETTLEMENTS);
    let settlements = query.execute(session.connection()).await?.rows_affected();
    session.commit().await?;
    Ok(Swept {
        leases,
        settlements,
    })
}
