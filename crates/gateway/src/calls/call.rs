//! What belongs to a call whatever it asks for.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use runner::Deadline;

use super::record::Record;
use crate::access::caller::Caller;
use crate::access::limits::Lease;

/// One call of the model or of a skill. It is made when the head of its request has arrived.
#[derive(Debug)]
pub struct Call {
    pub request_id: String,
    pub accepted: Instant,
    pub deadline: Deadline,
    pub caller: Caller,
    pub record: Record,
    /// What it may use, once that is decided.
    pub lease: OnceLock<Lease>,
}

impl Call {
    pub fn new(record: Record, caller: Caller, timeout: Duration) -> Self {
        Self {
            request_id: record.request_id().to_owned(),
            accepted: record.accepted(),
            deadline: Deadline::after(timeout.saturating_sub(record.accepted().elapsed())),
            caller,
            record,
            lease: OnceLock::new(),
        }
    }
}
