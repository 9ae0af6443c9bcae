//! What belongs to a call whatever it asks for.

use std::time::{Duration, Instant};

use runner::Deadline;
use serde::Serialize;

/// All calls are one tenant's until there is access control.
pub const TENANT: &str = "default";

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model had said all.
    Stop,
    /// The most tokens or characters that an answer may have were reached.
    Length,
    /// The provider's filter broke it off.
    ContentFilter,
    /// The model refused.
    Refusal,
    /// The turn ended well, and nothing was said.
    Empty,
}

/// Made when a call's head has arrived.
#[derive(Clone, Debug)]
pub struct Call {
    pub request_id: String,
    pub accepted: Instant,
    pub deadline: Deadline,
}

impl Call {
    pub fn new(request_id: String, timeout: Duration) -> Self {
        Self {
            request_id,
            accepted: Instant::now(),
            deadline: Deadline::after(timeout),
        }
    }
}

/// Milliseconds with one decimal.
pub fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 10_000.0).round() / 10.0
}
