//! The memory that requests of children may use: a limit for each child, and one over all children.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::refusal::Refusal;

/// Over all children. A request is a few kilobytes for a question, and about a megabyte for a context of
/// the largest size.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// For each turn that a child may run at once, and at least.
const MAX_BYTES_PER_TURN: usize = 2 * 1024 * 1024;
const MIN_CHILD_BYTES: usize = 16 * 1024 * 1024;

/// Large bodies that are parsed at once, in blocking threads.
const MAX_CONCURRENT_PARSES: usize = 2;

/// For all children together.
#[derive(Clone)]
pub(super) struct MemoryBudget {
    all: Arc<Semaphore>,
    parses: Arc<Semaphore>,
}

/// For one child.
pub(super) struct ChildMemoryBudget {
    memory_budget: MemoryBudget,
    own: Arc<Semaphore>,
}

/// The memory of one request, counted against both limits. Dropping it releases the memory.
pub(super) struct MemoryReservation {
    memory_budget: MemoryBudget,
    own: Arc<Semaphore>,
    held: Vec<OwnedSemaphorePermit>,
}

impl MemoryBudget {
    pub(super) fn new() -> Self {
        Self {
            all: Arc::new(Semaphore::new(MAX_BYTES)),
            parses: Arc::new(Semaphore::new(MAX_CONCURRENT_PARSES)),
        }
    }

    pub(super) fn for_child(&self, turns: usize) -> Arc<ChildMemoryBudget> {
        let bytes = turns.saturating_mul(MAX_BYTES_PER_TURN);
        Arc::new(ChildMemoryBudget {
            memory_budget: self.clone(),
            own: Arc::new(Semaphore::new(bytes.clamp(MIN_CHILD_BYTES, MAX_BYTES))),
        })
    }

    /// Waits for a permit to parse one large body.
    pub(super) async fn parse_permit(&self) -> Option<OwnedSemaphorePermit> {
        // The semaphore is never closed.
        Arc::clone(&self.parses).acquire_owned().await.ok()
    }
}

impl ChildMemoryBudget {
    pub(super) fn reserve(&self) -> MemoryReservation {
        MemoryReservation {
            memory_budget: self.memory_budget.clone(),
            own: Arc::clone(&self.own),
            held: Vec::new(),
        }
    }
}

impl MemoryReservation {
    /// Reserves `bytes` more. A child that asks for more than its own share is refused at once. For
    /// memory that other children hold, the request waits.
    pub(super) async fn grow(&mut self, bytes: usize) -> Result<(), Refusal> {
        let bytes = u32::try_from(bytes).map_err(|_| Refusal::TooLarge)?;
        let own = Arc::clone(&self.own).try_acquire_many_owned(bytes);
        let own = own.map_err(|_| Refusal::MemoryBudgetExhausted)?;
        let all = Arc::clone(&self.memory_budget.all)
            .acquire_many_owned(bytes)
            .await;
        let all = all.map_err(|_| Refusal::MemoryBudgetExhausted)?;
        self.held.extend([own, all]);
        Ok(())
    }
}
