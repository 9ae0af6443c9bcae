use std::collections::HashMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use store::Limits;

use crate::config::format::money;

/// `[[tenants]]`: what all callers of a tenant may use together.
#[derive(Deserialize, JsonSchema)]
pub(in crate::config) struct TenantTable {
    /// The tenant, as it stands in keys and tokens.
    #[schemars(extend("format" = "name"))]
    pub(in crate::config) name: String,
    #[serde(flatten)]
    limits: LimitTable,
}

/// `[[teams]]`: what all callers of a team may use together.
#[derive(Deserialize, JsonSchema)]
pub(in crate::config) struct TeamTable {
    /// The tenant of the team.
    #[schemars(extend("format" = "name"))]
    pub(in crate::config) tenant: String,
    /// The team, as it stands in keys and tokens.
    #[schemars(extend("format" = "name"))]
    pub(in crate::config) name: String,
    #[serde(flatten)]
    limits: LimitTable,
}

/// What is left out is not limited.
#[derive(Deserialize, JsonSchema)]
struct LimitTable {
    /// Calls in any minute.
    #[schemars(range(min = 1, max = 1_000_000), extend("unit" = "calls"))]
    requests_per_minute: Option<u32>,
    /// Of these, calls that may come at once; all of them if left out.
    #[schemars(range(min = 1, max = 1_000_000), extend("unit" = "calls"))]
    burst: Option<u32>,
    /// Calls that run or wait at once.
    #[schemars(range(min = 1, max = 100_000), extend("unit" = "calls"))]
    max_concurrent_turns: Option<u32>,
    /// Tokens in a day of UTC, those that go in and those that come out.
    #[schemars(range(min = 1, max = 1_000_000_000_000_u64), extend("unit" = "tokens"))]
    tokens_per_day: Option<u64>,
    /// Tokens in a month of UTC.
    #[schemars(range(min = 1, max = 1_000_000_000_000_u64), extend("unit" = "tokens"))]
    tokens_per_month: Option<u64>,
    /// Money in a month of UTC, by the prices of `[[prices]]`.
    #[serde(default, deserialize_with = "optional_micros")]
    #[schemars(with = "Option<String>", extend("format" = "money"))]
    cost_per_month: Option<u64>,
    /// Only record what goes over these limits.
    #[serde(default)]
    #[schemars(extend("default" = false))]
    shadow: Option<bool>,
}

/// `[[prices]]`: what a model's tokens cost, in any currency.
#[derive(Deserialize, JsonSchema)]
pub(in crate::config) struct PriceTable {
    #[schemars(extend("format" = "model"))]
    pub(in crate::config) model: String,
    /// Of a million tokens that go in.
    #[serde(deserialize_with = "micros")]
    #[schemars(with = "String", extend("format" = "money"))]
    input: u64,
    /// Of a million of these that the provider had cached; as much as others if left out.
    #[serde(default, deserialize_with = "optional_micros")]
    #[schemars(with = "Option<String>", extend("format" = "money"))]
    cached_input: Option<u64>,
    /// Of a million tokens that come out.
    #[serde(deserialize_with = "micros")]
    #[schemars(with = "String", extend("format" = "money"))]
    output: u64,
}

/// Limits that callers share, and the prices that money is counted by.
#[derive(Clone, Debug, Default)]
pub struct SharedLimits {
    pub tenants: HashMap<String, Limits>,
    /// By tenant and team.
    pub teams: HashMap<(String, String), Limits>,
    pub prices: HashMap<String, Price>,
}

/// Of a million tokens, in millionths of the unit of money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price {
    pub input: u64,
    pub cached_input: u64,
    pub output: u64,
}

pub(in crate::config) fn resolve(
    tenants: Vec<TenantTable>,
    teams: Vec<TeamTable>,
    prices: Vec<PriceTable>,
) -> SharedLimits {
    let tenants = tenants.into_iter();
    let teams = teams.into_iter();
    let prices = prices.into_iter().map(|table| {
        let price = Price {
            input: table.input,
            cached_input: table.cached_input.unwrap_or(table.input),
            output: table.output,
        };
        (table.model, price)
    });
    SharedLimits {
        tenants: tenants
            .map(|table| (table.name, table.limits.into()))
            .collect(),
        teams: teams
            .map(|table| ((table.tenant, table.name), table.limits.into()))
            .collect(),
        prices: prices.collect(),
    }
}

impl TenantTable {
    pub(in crate::config) fn limits_cost(&self) -> bool {
        self.limits.cost_per_month.is_some()
    }
}

impl TeamTable {
    pub(in crate::config) fn limits_cost(&self) -> bool {
        self.limits.cost_per_month.is_some()
    }
}

impl From<LimitTable> for Limits {
    fn from(table: LimitTable) -> Self {
        Self {
            requests_per_minute: table.requests_per_minute,
            burst: table.burst,
            max_concurrent_turns: table.max_concurrent_turns,
            tokens_per_day: table.tokens_per_day,
            tokens_per_month: table.tokens_per_month,
            cost_micros_per_month: table.cost_per_month,
            shadow: table.shadow.unwrap_or_default(),
        }
    }
}

fn micros<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let text = String::deserialize(from)?;
    money::micros(&text).map_err(serde::de::Error::custom)
}

fn optional_micros<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    let text = Option::<String>::deserialize(from)?;
    text.map(|text| money::micros(&text).map_err(serde::de::Error::custom))
        .transpose()
}
