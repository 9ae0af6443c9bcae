//! What belongs to a call whatever it asks for.

use std::time::{Duration, Instant};

use runner::Deadline;

use super::record::Record;

/// One call of the model or of a skill. It is made when the head of its request has arrived.
#[derive(Debug)]
pub struct Call {
    pub request_id: String,
    pub accepted: Instant,
    pub deadline: Deadline,
    pub caller: Caller,
    pub record: Record,
}

/// On whose behalf a call is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Processes, places in the queue and credentials are kept apart by it.
    pub tenant: String,
    /// The public part of the key that the caller has shown.
    pub key_id: Option<String>,
    pub scopes: Scopes,
}

/// What a caller may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scopes {
    Everything,
}

impl Call {
    pub fn new(record: Record, caller: Caller, timeout: Duration) -> Self {
        Self {
            request_id: record.request_id().to_owned(),
            accepted: record.accepted(),
            deadline: Deadline::after(timeout.saturating_sub(record.accepted().elapsed())),
            caller,
            record,
        }
    }
}

impl Caller {
    /// Whoever calls, as long as there is no access control.
    pub fn everybody() -> Self {
        Self {
            tenant: "default".to_owned(),
            key_id: None,
            scopes: Scopes::Everything,
        }
    }
}
