//! A turn that begins, goes on, or asks for more: one transaction each.

use std::time::Duration;

use sqlx::Row;

use super::account::{Names, SUBJECTS, Standing, lock};
use super::decision::{Question, Verdict};
use super::{
    AccountLimits, Admission, Admitted, Amount, Decision, Extension, ExtensionDecision, Limits,
    Refusal,
};
use crate::StoreError;
use crate::database::dialect::{Statement, statement};
use crate::database::{Database, Durability};

const BEGIN_TURN: Statement = statement!(
    first,
    "UPDATE accounts SET arrival_at = \
     CASE kind WHEN 'key' THEN $5 WHEN 'team' THEN $6 ELSE $7 END \
     WHERE tenant = $1 AND ((kind = 'key' AND name = $2) OR (kind = 'team' AND name = $3) \
     OR (kind = 'tenant' AND name = $4))",
    then,
    "INSERT INTO leases (lease_id, gateway, tenant, team, key_id, tokens, cost_micros, expires_at) \
     VALUES ($8, $9, $1, $10, $11, $12, $13, ",
    now,
    " + $14)"
);
const EXTEND_LEASE: Statement = statement!(
    "UPDATE leases SET tokens = tokens + $2, cost_micros = cost_micros + $3 WHERE lease_id = $1"
);
const HEARTBEAT: Statement = statement!(
    "UPDATE leases SET expires_at = ",
    now,
    " + $2 WHERE lease_id IN (SELECT value FROM ",
    texts_1,
    ") \
     RETURNING lease_id"
);

impl AccountLimits {
    fn in_order(&self) -> [&Limits; 3] {
        [&self.key, &self.team, &self.tenant]
    }
}

impl Limits {
    fn any(&self) -> bool {
        self.requests_per_minute.is_some()
            || self.max_concurrent_turns.is_some()
            || self.has_budget()
    }

    fn has_budget(&self) -> bool {
        self.tokens_per_day.is_some()
            || self.tokens_per_month.is_some()
            || self.cost_micros_per_month.is_some()
    }
}

pub(super) async fn admit(
    database: &Database,
    admission: &Admission,
) -> Result<Decision, StoreError> {
    let limits = admission.limits.in_order();
    let durability = if limits.iter().any(|limits| limits.has_budget()) {
        Durability::Full
    } else {
        Durability::Relaxed
    };
    let names = Names::of(&admission.account).only(limits.map(Limits::any));
    let mut session = database.write(durability).await?;
    let standing = lock(&mut session, &names, &admission.account).await?;
    let verdicts = verdicts(&standing, &names, limits, |question| {
        question.begin(admission.reserve)
    });
    let arrivals = verdicts
        .each_ref()
        .map(|verdict| verdict.as_ref().and_then(|verdict| verdict.arrival_at));
    let admitted = match weigh(verdicts, limits) {
        Ok(admitted) => admitted,
        Err(refusal) => {
            session.rollback().await?;
            return Ok(Decision::Refused(refusal));
        }
    };
    // Of the names, those whose requests are counted.
    let Names {
        tenant,
        names: [key, team, itself],
    } = names.only(arrivals.map(|arrival| arrival.is_some()));
    let [key_arrival, team_arrival, tenant_arrival] = arrivals;
    let account = &admission.account;
    let query = session
        .query(&BEGIN_TURN)
        .bind(tenant)
        .bind(key)
        .bind(team)
        .bind(itself)
        .bind(key_arrival)
        .bind(team_arrival)
        .bind(tenant_arrival)
        .bind(admission.lease_id.clone())
        .bind(admission.gateway.clone())
        .bind(account.team.clone())
        .bind(account.key.clone())
        .bind(signed(admission.reserve.tokens))
        .bind(signed(admission.reserve.cost_micros))
        .bind(microseconds(admission.lease_ttl));
    query.execute(session.connection()).await?;
    session.commit().await?;
    Ok(Decision::Admitted(admitted))
}

pub(super) async fn extend(
    database: &Database,
    extension: &Extension,
) -> Result<ExtensionDecision, StoreError> {
    let limits = extension.limits.in_order();
    let names = Names::of(&extension.account).only(limits.map(Limits::has_budget));
    let mut session = database.write(Durability::Full).await?;
    let standing = lock(&mut session, &names, &extension.account).await?;
    let verdicts = verdicts(&standing, &names, limits, |question| {
        question.budgets(extension.more)
    });
    if let Err(refusal) = weigh(verdicts, limits) {
        session.rollback().await?;
        return Ok(ExtensionDecision::Refused(refusal));
    }
    let Amount {
        tokens,
        cost_micros,
    } = extension.more;
    let query = session
        .query(&EXTEND_LEASE)
        .bind(extension.lease_id.clone())
        .bind(signed(tokens))
        .bind(signed(cost_micros));
    let extended = query.execute(session.connection()).await?.rows_affected();
    session.commit().await?;
    Ok(if extended == 0 {
        ExtensionDecision::LeaseLost
    } else {
        ExtensionDecision::Extended
    })
}

pub(super) async fn heartbeat(
    database: &Database,
    lease_ids: &[String],
    lease_ttl: Duration,
) -> Result<Vec<String>, StoreError> {
    if lease_ids.is_empty() {
        return Ok(Vec::new());
    }
    let texts =
        serde_json::to_string(lease_ids).map_err(|_| StoreError::Unreadable("a list of leases"))?;
    let mut session = database.write(Durability::Relaxed).await?;
    let query = session
        .query(&HEARTBEAT)
        .bind(texts)
        .bind(microseconds(lease_ttl));
    let rows = query.fetch_all(session.connection()).await?;
    session.commit().await?;
    let renewed = rows
        .iter()
        .map(|row| row.try_get(0))
        .collect::<Result<Vec<String>, _>>()?;
    Ok(lease_ids
        .iter()
        .filter(|lease_id| !renewed.contains(lease_id))
        .cloned()
        .collect())
}

/// One verdict for each subject that has limits.
fn verdicts(
    standing: &Standing,
    names: &Names,
    limits: [&Limits; 3],
    ask: impl Fn(&Question<'_>) -> Verdict,
) -> [Option<Verdict>; 3] {
    std::array::from_fn(|index| {
        names.names[index].as_ref()?;
        Some(ask(&Question {
            subject: SUBJECTS[index],
            limits: limits[index],
            counters: &standing.counters[index],
            held: standing.held[index],
            period: &standing.period,
            now: standing.now,
        }))
    })
}

/// Puts the verdicts together. Of several refusals, the one that lasts longest is told: a caller that obeys
/// a shorter one would only meet the longer.
fn weigh(verdicts: [Option<Verdict>; 3], limits: [&Limits; 3]) -> Result<Admitted, Refusal> {
    let mut states = Vec::new();
    let mut shadowed = Vec::new();
    let mut refusals: Vec<Refusal> = Vec::new();
    for (verdict, limits) in verdicts.into_iter().zip(limits) {
        let Some(verdict) = verdict else { continue };
        states.extend(verdict.states);
        if limits.shadow {
            &mut shadowed
        } else {
            &mut refusals
        }
        .extend(verdict.violations);
    }
    match refusals
        .into_iter()
        .max_by_key(|refusal| refusal.retry_after)
    {
        Some(refusal) => Err(refusal),
        None => Ok(Admitted { states, shadowed }),
    }
}

/// Columns are signed. More than they hold is as good as no end.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn microseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX / 2)
}
