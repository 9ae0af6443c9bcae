//! Who may begin a turn now: requests a minute, turns at once, tokens and money, each for the key, its team
//! and its tenant.
//!
//! What is reserved for a turn stands in its lease, and counts for as long as the lease lives. So there is
//! no counter that a gateway's death could leave wrong: a lease that is not renewed stops counting.

mod account;
mod admission;
mod decision;
mod settlement;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::database::Database;
use crate::{Account, StoreError, Usage};

/// What one key, team or tenant may use. What is not set is not limited.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u32>,
    /// How many requests may come at once; as many as in a minute if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burst: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_concurrent_turns: Option<u32>,
    /// Days and months are those of UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_day: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_month: Option<u64>,
    /// In millionths of the unit of money.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_micros_per_month: Option<u64>,
    /// What goes over a limit is only recorded.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub shadow: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountLimits {
    pub key: Limits,
    pub team: Limits,
    pub tenant: Limits,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    Key,
    Team,
    Tenant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    RequestsPerMinute,
    MaxConcurrentTurns,
    TokensPerDay,
    TokensPerMonth,
    CostMicrosPerMonth,
}

/// What a turn may use: before it, the most that is to be expected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    pub tokens: u64,
    pub cost_micros: u64,
}

/// A turn that asks to begin.
#[derive(Clone, Debug)]
pub struct Admission {
    /// New for each turn, such as its request's id.
    pub lease_id: String,
    /// Which gateway runs it, for people who look at the database.
    pub gateway: String,
    pub account: Account,
    pub limits: AccountLimits,
    pub reserve: Amount,
    /// How long the turn counts without a heartbeat.
    pub lease_ttl: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    Admitted(Admitted),
    /// Nothing was charged and nothing reserved, for no subject.
    Refused(Refusal),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// Every limit that is set, as it stands after this turn.
    pub states: Vec<LimitState>,
    /// What would have refused the turn, had the limits of that subject not been in shadow.
    pub shadowed: Vec<Refusal>,
}

/// Where a subject stands against one of its limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitState {
    pub subject: Subject,
    pub limit: Limit,
    /// What the limit allows.
    pub quota: u64,
    pub remaining: u64,
    /// Until all of it is there again; nothing for the turns at once, which end when they end.
    pub reset_after: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub state: LimitState,
    /// When a try has a chance; nothing for the turns at once.
    pub retry_after: Option<Duration>,
}

/// A turn that goes on and needs more than was reserved.
#[derive(Clone, Debug)]
pub struct Extension {
    pub lease_id: String,
    pub account: Account,
    pub limits: AccountLimits,
    /// What comes on top of what is reserved.
    pub more: Amount,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExtensionDecision {
    Extended,
    /// The reservation is as it was.
    Refused(Refusal),
    /// The lease has expired and was swept, or is settled.
    LeaseLost,
}

/// What a turn has used, at its end. It counts whether or not its lease still lives.
#[derive(Clone, Debug)]
pub struct Settlement {
    pub lease_id: String,
    pub account: Account,
    pub usage: Usage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    Now,
    /// An earlier try had succeeded; this one changed nothing.
    Before,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Turns whose gateway has died or was cut off.
    pub leases: u64,
    /// Marks against a second settlement that were old enough to go.
    pub settlements: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Consumption {
    pub used: u64,
    /// For turns that run now.
    pub reserved: u64,
}

/// What a subject has used and reserved, whether or not there is a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountUsage {
    pub subject: Subject,
    pub concurrent_turns: u64,
    pub tokens_today: Consumption,
    pub tokens_this_month: Consumption,
    pub cost_micros_this_month: Consumption,
    pub day_ends: Timestamp,
    pub month_ends: Timestamp,
}

/// The limits of a [`Store`](crate::Store).
#[derive(Clone)]
pub struct LimitsStore {
    database: Arc<Database>,
}

impl LimitsStore {
    pub(crate) fn new(database: Arc<Database>) -> Self {
        Self { database }
    }

    /// Decides on all limits at once, and takes what the turn needs if none refuses it.
    pub async fn admit(&self, admission: &Admission) -> Result<Decision, StoreError> {
        self.database
            .run(admission::admit(&self.database, admission))
            .await
    }

    /// Reserves more for a turn that goes on.
    pub async fn extend(&self, extension: &Extension) -> Result<ExtensionDecision, StoreError> {
        self.database
            .run(admission::extend(&self.database, extension))
            .await
    }

    /// Renews the leases of turns that still run. Returns those that are gone: their turns no longer count
    /// against the turns at once, and nothing is reserved for them.
    pub async fn heartbeat(
        &self,
        lease_ids: &[String],
        lease_ttl: Duration,
    ) -> Result<Vec<String>, StoreError> {
        self.database
            .run(admission::heartbeat(&self.database, lease_ids, lease_ttl))
            .await
    }

    /// Counts what a turn has used, once, and ends its lease. On an error the caller keeps the settlement
    /// and tries again, within a week.
    pub async fn settle(&self, settlement: &Settlement) -> Result<Settled, StoreError> {
        self.database
            .run(settlement::settle(&self.database, settlement))
            .await
    }

    /// Ends the lease of a turn that has used nothing.
    pub async fn release(&self, lease_id: &str) -> Result<(), StoreError> {
        self.database
            .run(settlement::release(&self.database, lease_id))
            .await
    }

    /// Deletes what no longer counts. Any gateway may do it, every minute or so.
    pub async fn sweep(&self) -> Result<Swept, StoreError> {
        self.database.run(settlement::sweep(&self.database)).await
    }

    /// Where an account stands: its key, its team if it has one, its tenant.
    pub async fn usage_of(&self, account: &Account) -> Result<Vec<AccountUsage>, StoreError> {
        self.database
            .run(account::usage_of(&self.database, account))
            .await
    }
}
