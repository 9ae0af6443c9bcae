//! Where the three subjects of an account stand: what they have used, and what their live leases hold.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::{AccountUsage, Amount, Consumption, Subject};
use crate::check::timestamp;
use crate::database::Database;
use crate::database::Session;
use crate::database::dialect::{Statement, statement};
use crate::{Account, StoreError};

/// In the order of `kind`, so that no two transactions wait for each other.
const LOCK: Statement = statement!(
    "SELECT kind, arrival_at, day, day_tokens, month, month_tokens, month_cost_micros FROM accounts \
     WHERE tenant = $1 AND ((kind = 'key' AND name = $2) OR (kind = 'team' AND name = $3) \
     OR (kind = 'tenant' AND name = $4)) ORDER BY kind",
    for_update
);
const READ: Statement = statement!(
    "SELECT kind, arrival_at, day, day_tokens, month, month_tokens, month_cost_micros FROM accounts \
     WHERE tenant = $1 AND ((kind = 'key' AND name = $2) OR (kind = 'team' AND name = $3) \
     OR (kind = 'tenant' AND name = $4))"
);
const MAKE: Statement = statement!(
    "INSERT INTO accounts (kind, tenant, name) SELECT kind, $1, name FROM \
     (SELECT 'key' AS kind, $2 AS name UNION ALL SELECT 'team', $3 UNION ALL SELECT 'tenant', $4) AS wanted \
     WHERE name IS NOT NULL ON CONFLICT DO NOTHING"
);
/// Read after the accounts are locked, so that it shows every turn that was admitted before.
const LEASES: Statement = statement!(
    "SELECT ",
    now,
    " AS now, \
     CAST(COALESCE(SUM(CASE WHEN key_id = $2 THEN 1 ELSE 0 END), 0) AS BIGINT) AS key_turns, \
     CAST(COALESCE(SUM(CASE WHEN key_id = $2 THEN tokens ELSE 0 END), 0) AS BIGINT) AS key_tokens, \
     CAST(COALESCE(SUM(CASE WHEN key_id = $2 THEN cost_micros ELSE 0 END), 0) AS BIGINT) AS key_cost, \
     CAST(COALESCE(SUM(CASE WHEN team = $3 THEN 1 ELSE 0 END), 0) AS BIGINT) AS team_turns, \
     CAST(COALESCE(SUM(CASE WHEN team = $3 THEN tokens ELSE 0 END), 0) AS BIGINT) AS team_tokens, \
     CAST(COALESCE(SUM(CASE WHEN team = $3 THEN cost_micros ELSE 0 END), 0) AS BIGINT) AS team_cost, \
     COUNT(*) AS tenant_turns, \
     CAST(COALESCE(SUM(tokens), 0) AS BIGINT) AS tenant_tokens, \
     CAST(COALESCE(SUM(cost_micros), 0) AS BIGINT) AS tenant_cost \
     FROM leases WHERE tenant = $1 AND expires_at > ",
    now
);

/// What a subject has used by itself. The default is that of one that was never seen.
#[derive(Clone, Debug, Default)]
pub(super) struct Counters {
    pub(super) arrival_at: i64,
    day: String,
    day_tokens: u64,
    month: String,
    month_tokens: u64,
    month_cost_micros: u64,
}

impl Counters {
    fn of_row(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            arrival_at: row.try_get("arrival_at")?,
            day: row.try_get("day")?,
            day_tokens: unsigned(row.try_get("day_tokens")?),
            month: row.try_get("month")?,
            month_tokens: unsigned(row.try_get("month_tokens")?),
            month_cost_micros: unsigned(row.try_get("month_cost_micros")?),
        })
    }

    /// What has been used in this period; what was used in an earlier one counts no more.
    pub(super) fn used(&self, period: &Period) -> (u64, Amount) {
        let tokens_today = if self.day == period.day {
            self.day_tokens
        } else {
            0
        };
        let this_month = if self.month == period.month {
            Amount {
                tokens: self.month_tokens,
                cost_micros: self.month_cost_micros,
            }
        } else {
            Amount::default()
        };
        (tokens_today, this_month)
    }
}

/// The live leases of a subject.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Held {
    pub(super) turns: u64,
    pub(super) reserved: Amount,
}

/// The day and the month of a time, in UTC.
#[derive(Clone, Debug)]
pub(super) struct Period {
    pub(super) day: String,
    pub(super) month: String,
    pub(super) day_ends: Timestamp,
    pub(super) month_ends: Timestamp,
}

impl Period {
    pub(super) fn of(now: Timestamp) -> Result<Self, StoreError> {
        let date = now.to_zoned(TimeZone::UTC).date();
        let start_of = |date: Result<Date, jiff::Error>| -> Result<Timestamp, jiff::Error> {
            Ok(date?.to_zoned(TimeZone::UTC)?.timestamp())
        };
        let out_of_range = |_| StoreError::Unreadable("the clock");
        Ok(Self {
            day: date.to_string(),
            month: date.strftime("%Y-%m").to_string(),
            day_ends: start_of(date.tomorrow()).map_err(out_of_range)?,
            month_ends: start_of(date.last_of_month().tomorrow()).map_err(out_of_range)?,
        })
    }
}

/// Everything that a decision needs, at one moment.
pub(super) struct Standing {
    pub(super) now: i64,
    pub(super) period: Period,
    pub(super) counters: [Counters; 3],
    pub(super) held: [Held; 3],
}

pub(super) const SUBJECTS: [Subject; 3] = [Subject::Key, Subject::Team, Subject::Tenant];

/// The names of the subjects that a statement is about, in their order.
#[derive(Clone)]
pub(super) struct Names {
    pub(super) tenant: String,
    pub(super) names: [Option<String>; 3],
}

impl Names {
    pub(super) fn of(account: &Account) -> Self {
        Self {
            tenant: account.tenant.clone(),
            names: [
                Some(account.key.clone()),
                account.team.clone(),
                Some(String::new()),
            ],
        }
    }

    /// Those alone that are wanted.
    pub(super) fn only(mut self, wanted: [bool; 3]) -> Self {
        for (name, wanted) in self.names.iter_mut().zip(wanted) {
            if !wanted {
                *name = None;
            }
        }
        self
    }

    fn count(&self) -> usize {
        self.names.iter().flatten().count()
    }
}

/// Locks the subjects until the transaction ends, and reads where they and the leases stand.
pub(super) async fn lock(
    session: &mut Session,
    names: &Names,
    account: &Account,
) -> Result<Standing, StoreError> {
    let mut rows = select(session, &LOCK, names).await?;
    if rows.len() < names.count() {
        let query = bind(session, &MAKE, names);
        query.execute(session.connection()).await?;
        rows = select(session, &LOCK, names).await?;
    }
    standing(session, &rows, account).await
}

async fn standing(
    session: &mut Session,
    rows: &[AnyRow],
    account: &Account,
) -> Result<Standing, StoreError> {
    let mut counters: [Counters; 3] = Default::default();
    for row in rows {
        let index = match &*row.try_get::<String, _>("kind")? {
            "key" => 0,
            "team" => 1,
            "tenant" => 2,
            _ => return Err(StoreError::Unreadable("accounts: a kind")),
        };
        counters[index] = Counters::of_row(row)?;
    }
    let query = session
        .query(&LEASES)
        .bind(account.tenant.clone())
        .bind(account.key.clone())
        .bind(account.team.clone());
    let row = query.fetch_one(session.connection()).await?;
    let held = |turns: &str, tokens: &str, cost: &str| -> Result<Held, StoreError> {
        Ok(Held {
            turns: unsigned(row.try_get(turns)?),
            reserved: Amount {
                tokens: unsigned(row.try_get(tokens)?),
                cost_micros: unsigned(row.try_get(cost)?),
            },
        })
    };
    let now = row.try_get("now")?;
    Ok(Standing {
        now,
        period: Period::of(timestamp(now)?)?,
        counters,
        held: [
            held("key_turns", "key_tokens", "key_cost")?,
            held("team_turns", "team_tokens", "team_cost")?,
            held("tenant_turns", "tenant_tokens", "tenant_cost")?,
        ],
    })
}

pub(super) async fn usage_of(
    database: &Database,
    account: &Account,
) -> Result<Vec<AccountUsage>, StoreError> {
    let mut session = database.read().await?;
    let names = Names::of(account);
    let rows = select(&mut session, &READ, &names).await?;
    let standing = standing(&mut session, &rows, account).await?;
    session.release();
    let period = &standing.period;
    let subjects = SUBJECTS
        .iter()
        .zip(&names.names)
        .zip(standing.counters.iter().zip(&standing.held));
    let known = subjects.filter(|((_, name), _)| name.is_some());
    Ok(known
        .map(|((subject, _), (counters, held))| {
            let (today, month) = counters.used(period);
            let reserved = held.reserved;
            AccountUsage {
                subject: *subject,
                concurrent_turns: held.turns,
                tokens_today: Consumption {
                    used: today,
                    reserved: reserved.tokens,
                },
                tokens_this_month: Consumption {
                    used: month.tokens,
                    reserved: reserved.tokens,
                },
                cost_micros_this_month: Consumption {
                    used: month.cost_micros,
                    reserved: reserved.cost_micros,
                },
                day_ends: period.day_ends,
                month_ends: period.month_ends,
            }
        })
        .collect())
}

fn bind(session: &Session, statement: &Statement, names: &Names) -> crate::database::Query {
    let [key, team, tenant] = names.names.clone();
    session
        .query(statement)
        .bind(names.tenant.clone())
        .bind(key)
        .bind(team)
        .bind(tenant)
}

async fn select(
    session: &mut Session,
    statement: &Statement,
    names: &Names,
) -> Result<Vec<AnyRow>, StoreError> {
    let query = bind(session, statement, names);
    Ok(query.fetch_all(session.connection()).await?)
}

/// Columns are signed, and what they count never is.
fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
