//! Who gets in: a bounded number of turns at once, a bounded queue before them, a bounded wait, and
//! fairness between tenants.

mod queue;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use runner::Deadline;
use tokio::time::timeout_at;
use tokio_util::sync::CancellationToken;

use crate::config::LimitSettings;
use crate::error::{ErrorCode, Problem};

pub use queue::Permit;
use queue::{Entry, TurnQueue};

/// Admits calls to the work. It holds no text and knows nothing of HTTP.
#[derive(Clone, Debug)]
pub struct Admission {
    queue: Arc<TurnQueue>,
    limits: LimitSettings,
    draining: CancellationToken,
}

impl Admission {
    /// `draining` is cancelled when the gateway begins to shut down.
    pub fn new(limits: LimitSettings, draining: CancellationToken) -> Self {
        Self {
            queue: TurnQueue::new(limits.max_concurrent_turns, limits.queue_depth),
            limits,
            draining,
        }
    }

    pub fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    /// A permit, at once or after a wait in the queue: no longer than the queue allows, nor than the
    /// call has time. Dropping the future leaves the queue.
    pub async fn admit(&self, tenant: &str, deadline: Deadline) -> Result<Permit, Problem> {
        if self.is_draining() {
            return Err(draining());
        }
        let slot = match self.queue.enter(tenant) {
            Entry::Admitted(permit) => return Ok(permit),
            Entry::Waiting(slot) => slot,
            Entry::Full => return Err(self.queue_full()),
        };
        let until = deadline.min_after(self.limits.queue_wait);
        tokio::select! {
            // What is given in the same moment goes to nobody: a drain begins with no new work.
            biased;
            () = self.draining.cancelled() => Err(draining()),
            outcome = timeout_at(until.instant(), slot.turn()) => match outcome {
                Ok(Some(permit)) => Ok(permit),
                Ok(None) => Err(self.gave_way()),
                Err(_) => Err(self.waited_in_vain()),
            },
        }
    }

    fn queue_full(&self) -> Problem {
        overloaded(format!(
            "All {} turns are taken and {} calls wait already. Try again later.",
            self.limits.max_concurrent_turns, self.limits.queue_depth
        ))
    }

    fn gave_way(&self) -> Problem {
        overloaded(format!(
            "All {} turns are taken and {} calls wait already, more of them yours than anyone else's: the newest gave way to another caller's. Send fewer at once, or try again later.",
            self.limits.max_concurrent_turns, self.limits.queue_depth
        ))
    }

    fn waited_in_vain(&self) -> Problem {
        overloaded(format!(
            "None of the {} turns came free for this call within {} s. Try again later.",
            self.limits.max_concurrent_turns,
            self.limits.queue_wait.as_secs()
        ))
    }
}

fn overloaded(detail: String) -> Problem {
    Problem::new(ErrorCode::Overloaded, detail)
}

pub fn draining() -> Problem {
    Problem::new(
        ErrorCode::Draining,
        "The gateway is shutting down and takes no new work. Try again in a few seconds.",
    )
}
