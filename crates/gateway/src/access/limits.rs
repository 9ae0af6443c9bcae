//! How much a caller may use: requests a minute, calls at once, tokens and money, each for its key, its team
//! and its tenant. What a call may need is reserved before it, and what it has used is settled after it.

mod estimate;
mod refusal;
mod upkeep;

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use broker::Usage;
use parking_lot::Mutex;
use store::{
    Account, AccountLimits, AccountUsage, Admission, Admitted, Amount, Decision, LimitState,
    Limits, LimitsStore, Settlement, Store, StoreError,
};
use tokio::time::timeout;
use uuid::Uuid;

use super::caller::Caller;
use crate::config::{Price, SharedLimits};
use crate::error::{ErrorCode, Problem};

pub use estimate::Need;

/// A lease that is not renewed for so long is another gateway's to release.
const LEASE_TTL: Duration = Duration::from_mins(1);

/// How long the end of a call waits for its settlement; then it is written behind it.
const SETTLE_WAIT: Duration = Duration::from_millis(500);

/// Settlements that wait for a database that is away.
const MAX_UNSETTLED: usize = 10_000;

/// A budget that nearly is used up is divided again so often.
const MAX_TRIES: usize = 4;

/// The name of a caller without a key.
const NOBODY: &str = "-";

/// The limits of this gateway's callers. Cheap to clone.
#[derive(Clone)]
pub struct CallLimits {
    parts: Arc<Parts>,
}

struct Parts {
    store: LimitsStore,
    shared: SharedLimits,
    /// Of an answer.
    reserved_tokens: u64,
    /// Names this process in the database.
    gateway: String,
    running: Mutex<HashSet<String>>,
    unsettled: Mutex<VecDeque<Settlement>>,
}

/// What a call may use, from its admission to its settlement.
#[derive(Debug)]
pub struct Lease {
    id: String,
    account: Account,
    price: Option<Price>,
    max_tokens: Option<u64>,
    states: Vec<LimitState>,
    /// The database knows of it.
    is_held: bool,
}

impl Lease {
    /// What the call's turn may use, where a limit is near or far.
    pub fn max_tokens(&self) -> Option<u64> {
        self.max_tokens
    }

    /// Where the caller stands against each of its limits.
    pub fn states(&self) -> &[LimitState] {
        &self.states
    }
}

impl CallLimits {
    pub fn new(store: &Store, shared: SharedLimits, reserved_tokens: u64) -> Self {
        let parts = Parts {
            store: store.limits(),
            shared,
            reserved_tokens,
            gateway: Uuid::now_v7().to_string(),
            running: Mutex::default(),
            unsettled: Mutex::default(),
        };
        Self {
            parts: Arc::new(parts),
        }
    }

    /// Decides on all limits of the caller at once. A refused call has used nothing of any of them.
    pub async fn admit(&self, caller: &Caller, need: &Need) -> Result<Lease, Problem> {
        let account = account(caller);
        let limits = self.limits_of(caller);
        let price = need
            .model
            .as_ref()
            .and_then(|model| self.parts.shared.prices.get(model));
        let mut lease = Lease {
            id: Uuid::now_v7().to_string(),
            account,
            price: price.copied(),
            max_tokens: None,
            states: Vec::new(),
            is_held: false,
        };
        let all = [&limits.key, &limits.team, &limits.tenant];
        if all.iter().all(|limits| **limits == Limits::default()) {
            return Ok(lease);
        }
        let enforced = || all.iter().filter(|limits| !limits.shadow);
        let limits_cost = enforced().any(|limits| limits.cost_micros_per_month.is_some());
        let limits_tokens = limits_cost
            || enforced()
                .any(|limits| limits.tokens_per_day.is_some() || limits.tokens_per_month.is_some());
        if let Some(model) = need
            .model
            .as_ref()
            .filter(|_| limits_cost && price.is_none())
        {
            return Err(refusal::no_price(model));
        }
        let mut tokens = need.most_tokens(self.parts.reserved_tokens);
        for _ in 0..MAX_TRIES {
            let reserve = Amount {
                tokens,
                cost_micros: price.map_or(0, |price| need.cost(tokens, *price)),
            };
            let admission = self.admission(&lease, limits.clone(), reserve);
            let deciding = self.parts.store.admit(&admission).await;
            match deciding.map_err(|error| unavailable(&error))? {
                Decision::Admitted(Admitted { states, shadowed }) => {
                    for refusal in shadowed {
                        refusal::log_shadowed(&lease.account, &refusal);
                    }
                    self.parts.running.lock().insert(lease.id.clone());
                    lease.is_held = true;
                    lease.states = states;
                    lease.max_tokens = (limits_tokens && need.model.is_some()).then_some(tokens);
                    return Ok(lease);
                }
                Decision::Refused(refused) => {
                    let less = need.within(&refused.state, price.copied());
                    match less.filter(|less| *less < tokens) {
                        Some(less) => tokens = less,
                        None => return Err(refusal::problem(&refused)),
                    }
                }
            }
        }
        Err(refusal::contended())
    }

    fn admission(&self, lease: &Lease, limits: AccountLimits, reserve: Amount) -> Admission {
        Admission {
            lease_id: lease.id.clone(),
            gateway: self.parts.gateway.clone(),
            account: lease.account.clone(),
            limits,
            reserve,
            lease_ttl: LEASE_TTL,
        }
    }

    /// Counts what a call has used, of the model that it has asked, and gives back the rest.
    pub async fn settle(&self, lease: Lease, used: Option<(String, Usage)>) {
        self.parts.running.lock().remove(&lease.id);
        let Some((model, usage)) = used else {
            if lease.is_held {
                let releasing = self.parts.store.release(&lease.id);
                // Else it expires by itself.
                let _ = timeout(SETTLE_WAIT, releasing).await;
            }
            return;
        };
        let cost_micros = lease.price.map_or(0, |price| estimate::cost(&usage, price));
        let settlement = Settlement {
            lease_id: lease.id,
            account: lease.account,
            usage: store::Usage {
                model,
                input_tokens: usage.input_tokens,
                cached_input_tokens: usage.cached_input_tokens,
                output_tokens: usage.output_tokens,
                reasoning_tokens: usage.reasoning_tokens,
                cost_micros,
            },
        };
        let settling = timeout(SETTLE_WAIT, self.parts.store.settle(&settlement));
        if !matches!(settling.await, Ok(Ok(_))) {
            self.keep(settlement);
        }
    }

    /// A settlement that was written after all changes nothing when it is written again.
    fn keep(&self, settlement: Settlement) {
        let mut unsettled = self.parts.unsettled.lock();
        if unsettled.len() >= MAX_UNSETTLED {
            tracing::error!("the database is away for too long: the usage of a call is lost");
            unsettled.pop_front();
        }
        unsettled.push_back(settlement);
    }

    /// What the caller's key, team and tenant have used, and their limits.
    pub async fn usage_of(
        &self,
        caller: &Caller,
    ) -> Result<(Vec<AccountUsage>, AccountLimits), Problem> {
        let used = self.parts.store.usage_of(&account(caller)).await;
        let used = used.map_err(|error| unavailable(&error))?;
        Ok((used, self.limits_of(caller)))
    }

    fn limits_of(&self, caller: &Caller) -> AccountLimits {
        let SharedLimits { tenants, teams, .. } = &self.parts.shared;
        let team = caller.team.as_ref();
        let team = team.and_then(|team| teams.get(&(caller.tenant.clone(), team.clone())));
        AccountLimits {
            key: caller.limits.clone(),
            team: team.cloned().unwrap_or_default(),
            tenant: tenants.get(&caller.tenant).cloned().unwrap_or_default(),
        }
    }
}

fn account(caller: &Caller) -> Account {
    Account {
        tenant: caller.tenant.clone(),
        team: caller.team.clone(),
        key: caller.key_id.clone().unwrap_or_else(|| NOBODY.to_owned()),
    }
}

fn unavailable(error: &StoreError) -> Problem {
    tracing::error!(%error, "limits cannot be checked");
    Problem::new(
        ErrorCode::DatabaseUnavailable,
        "Limits cannot be checked: the database does not answer. Try again in a few seconds.",
    )
}
