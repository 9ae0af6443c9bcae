//! What belongs to a call whatever it asks for.

use std::time::{Duration, Instant};

use runner::Deadline;

/// All calls are one tenant's until there is access control.
pub const TENANT: &str = "default";

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
