use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::units::Seconds;

/// `[limits]`: how many calls run and wait.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct LimitSettings {
    /// Turns that run at once; further calls wait in the queue. Tenants share them fairly.
    #[schemars(range(min = 1, max = 1024), extend("unit" = "turns"))]
    #[schemars(extend("env" = "PORTCULLIS_MAX_CONCURRENT_TURNS", "default" = 16))]
    pub max_concurrent_turns: usize,

    /// Calls that may wait for a turn; over it the answer is 503, first for the tenant with the most.
    #[schemars(range(min = 1, max = 10_000), extend("unit" = "calls"))]
    #[schemars(extend("env" = "PORTCULLIS_QUEUE_DEPTH", "default" = 64))]
    pub queue_depth: usize,

    /// How long a call waits for a turn; then the answer is 503.
    #[serde(rename = "queue_wait_sec", with = "Seconds")]
    #[schemars(range(min = 1, max = 120))]
    #[schemars(extend("env" = "PORTCULLIS_QUEUE_WAIT_SEC", "default" = 10))]
    pub queue_wait: Duration,
}
