//! How much memory the requests of children may take: a sum for each child, and one over all.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::refusal::Refusal;

/// Over all children. A request is a few kilobytes for a question, and about a megabyte for a context of
/// the largest size.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// For each turn that a child may run at once, and at least.
const MAX_BYTES_PER_TURN: usize = 2 * 1024 * 1024;
const MIN_CHILD_BYTES: usize = 16 * 1024 * 1024;

/// Bodies that are taken apart at once, in threads of their own.
const MAX_HEAVY: usize = 2;

/// For all children together.
#[derive(Clone)]
pub(super) struct Room {
    all: Arc<Semaphore>,
    heavy: Arc<Semaphore>,
}

/// For one child.
pub(super) struct ChildRoom {
    room: Room,
    own: Arc<Semaphore>,
}

/// What one request takes of both; given back when it is dropped.
pub(super) struct Place {
    room: Room,
    own: Arc<Semaphore>,
    held: Vec<OwnedSemaphorePermit>,
}

impl Room {
    pub(super) fn new() -> Self {
        Self {
            all: Arc::new(Semaphore::new(MAX_BYTES)),
            heavy: Arc::new(Semaphore::new(MAX_HEAVY)),
        }
    }

    pub(super) fn for_child(&self, turns: usize) -> Arc<ChildRoom> {
        let bytes = turns.saturating_mul(MAX_BYTES_PER_TURN);
        Arc::new(ChildRoom {
            room: self.clone(),
            own: Arc::new(Semaphore::new(bytes.clamp(MIN_CHILD_BYTES, MAX_BYTES))),
        })
    }

    /// A turn to do what keeps a thread busy.
    pub(super) async fn heavy_work(&self) -> Option<OwnedSemaphorePermit> {
        // The semaphore is never closed.
        Arc::clone(&self.heavy).acquire_owned().await.ok()
    }
}

impl ChildRoom {
    pub(super) fn place(&self) -> Place {
        Place {
            room: self.room.clone(),
            own: Arc::clone(&self.own),
            held: Vec::new(),
        }
    }
}

impl Place {
    /// Takes room for `bytes` more. A child that asks for more than its own share is refused at once; for
    /// the share of all it waits, as long as its caller lets it.
    pub(super) async fn take(&mut self, bytes: usize) -> Result<(), Refusal> {
        let bytes = u32::try_from(bytes).map_err(|_| Refusal::TooLarge)?;
        let own = Arc::clone(&self.own).try_acquire_many_owned(bytes);
        let own = own.map_err(|_| Refusal::NoRoom)?;
        let all = Arc::clone(&self.room.all).acquire_many_owned(bytes).await;
        let all = all.map_err(|_| Refusal::NoRoom)?;
        self.held.extend([own, all]);
        Ok(())
    }
}
