//! What was used, by day, tenant, team, key and model.

use std::sync::Arc;

use jiff::civil::Date;
use serde::Serialize;
use sqlx::Row;
use sqlx::any::AnyRow;

use crate::database::dialect::{Statement, statement};
use crate::database::{Database, Session};
use crate::{Account, StoreError};

/// What one turn has used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub model: String,
    /// All that went in, what came from the provider's cache included.
    pub input_tokens: u64,
    pub cached_input_tokens: u64,
    /// All that came out, reasoning included.
    pub output_tokens: u64,
    pub reasoning_tokens: u64,
    /// In millionths of the unit of money.
    pub cost_micros: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsageGroup {
    Key,
    Team,
    Tenant,
    Model,
    Day,
}

/// Which rows count. The days are those of UTC, both included.
#[derive(Clone, Debug, Default)]
pub struct UsageFilter {
    pub tenant: Option<String>,
    pub team: Option<String>,
    pub key: Option<String>,
    pub model: Option<String>,
    pub since: Option<Date>,
    pub until: Option<Date>,
}

/// The sum of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UsageRow {
    /// The tenant of a key or of a team, whose names belong to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The key, team, tenant, model or day. Empty for what had no team.
    pub name: String,
    pub calls: u64,
    pub input_tokens: u64,
    pub cached_input_tokens: u64,
    pub output_tokens: u64,
    pub reasoning_tokens: u64,
    pub cost_micros: u64,
}

const ADD: Statement = statement!(
    "INSERT INTO usage (day, tenant, team, key_id, model, calls, input_tokens, cached_input_tokens, \
     output_tokens, reasoning_tokens, cost_micros) VALUES ($1, $2, $3, $4, $5, 1, $6, $7, $8, $9, $10) \
     ON CONFLICT (day, tenant, team, key_id, model) DO UPDATE SET \
     calls = usage.calls + 1, \
     input_tokens = usage.input_tokens + excluded.input_tokens, \
     cached_input_tokens = usage.cached_input_tokens + excluded.cached_input_tokens, \
     output_tokens = usage.output_tokens + excluded.output_tokens, \
     reasoning_tokens = usage.reasoning_tokens + excluded.reasoning_tokens, \
     cost_micros = usage.cost_micros + excluded.cost_micros"
);

/// `SELECT` by one group: the tenant where the group's names belong to one, then the name.
macro_rules! sums {
    ($tenant:literal, $name:literal) => {
        statement!(
            "SELECT ", $tenant, " AS tenant, ", $name, " AS name, CAST(SUM(calls) AS BIGINT) AS calls, \
             CAST(SUM(input_tokens) AS BIGINT) AS input_tokens, \
             CAST(SUM(cached_input_tokens) AS BIGINT) AS cached_input_tokens, \
             CAST(SUM(output_tokens) AS BIGINT) AS output_tokens, \
             CAST(SUM(reasoning_tokens) AS BIGINT) AS reasoning_tokens, \
             CAST(SUM(cost_micros) AS BIGINT) AS cost_micros FROM usage \
             WHERE ($1 IS NULL OR tenant = $1) AND ($2 IS NULL OR team = $2) AND ($3 IS NULL OR key_id = $3) \
             AND ($4 IS NULL OR model = $4) AND ($5 IS NULL OR day >= $5) AND ($6 IS NULL OR day <= $6) \
             GROUP BY 1, 2 ORDER BY 1, 2"
        )
    };
}

const BY_KEY: Statement = sums!("tenant", "key_id");
const BY_TEAM: Statement = sums!("tenant", "team");
const BY_TENANT: Statement = sums!("CAST(NULL AS TEXT)", "tenant");
const BY_MODEL: Statement = sums!("CAST(NULL AS TEXT)", "model");
const BY_DAY: Statement = sums!("CAST(NULL AS TEXT)", "day");

/// The usage in a [`Store`](crate::Store).
#[derive(Clone)]
pub struct UsageStore {
    database: Arc<Database>,
}

impl UsageStore {
    pub(crate) fn new(database: Arc<Database>) -> Self {
        Self { database }
    }

    /// The sums of the rows that the filter lets through.
    pub async fn report(
        &self,
        filter: &UsageFilter,
        group: UsageGroup,
    ) -> Result<Vec<UsageRow>, StoreError> {
        let statement = match group {
            UsageGroup::Key => &BY_KEY,
            UsageGroup::Team => &BY_TEAM,
            UsageGroup::Tenant => &BY_TENANT,
            UsageGroup::Model => &BY_MODEL,
            UsageGroup::Day => &BY_DAY,
        };
        self.database
            .run(async {
                let mut session = self.database.read().await?;
                let query = session
                    .query(statement)
                    .bind(filter.tenant.clone())
                    .bind(filter.team.clone())
                    .bind(filter.key.clone())
                    .bind(filter.model.clone())
                    .bind(filter.since.map(|day| day.to_string()))
                    .bind(filter.until.map(|day| day.to_string()));
                let rows = query.fetch_all(session.connection()).await?;
                session.release();
                rows.iter().map(usage_row).collect()
            })
            .await
    }
}

/// Adds a turn to its row, within the transaction of the session.
pub(crate) async fn add(
    session: &mut Session,
    day: &str,
    account: &Account,
    usage: &Usage,
) -> Result<(), StoreError> {
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let query = session
        .query(&ADD)
        .bind(day.to_owned())
        .bind(account.tenant.clone())
        .bind(account.team.clone().unwrap_or_default())
        .bind(account.key.clone())
        .bind(usage.model.clone())
        .bind(signed(usage.input_tokens))
        .bind(signed(usage.cached_input_tokens))
        .bind(signed(usage.output_tokens))
        .bind(signed(usage.reasoning_tokens))
        .bind(signed(usage.cost_micros));
    query.execute(session.connection()).await?;
    Ok(())
}

fn usage_row(row: &AnyRow) -> Result<UsageRow, StoreError> {
    let number = |column: &str| -> Result<u64, StoreError> {
        Ok(u64::try_from(row.try_get::<i64, _>(column)?).unwrap_or(0))
    };
    Ok(UsageRow {
        tenant: row.try_get("tenant")?,
        name: row.try_get("name")?,
        calls: number("calls")?,
        input_tokens: number("input_tokens")?,
        cached_input_tokens: number("cached_input_tokens")?,
        output_tokens: number("output_tokens")?,
        reasoning_tokens: number("reasoning_tokens")?,
        cost_micros: number("cost_micros")?,
    })
}
