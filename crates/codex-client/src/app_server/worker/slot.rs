use std::sync::Arc;

use super::{Condition, Worker};

/// One of the turns that a worker runs at once. Dropping it makes room for another turn.
#[derive(Debug)]
pub(crate) struct Slot {
    worker: Arc<Worker>,
}

impl Worker {
    /// Takes a slot for one turn, if the process accepts turns and has room.
    pub(crate) fn take_slot(self: &Arc<Self>) -> Option<Slot> {
        {
            let mut state = self.state.lock();
            let free = state.active < self.config.turns_per_process;
            // A process that cannot be written to has ended, but has not been reaped yet.
            if state.condition != Condition::Ready || !free || self.outgoing.is_closed() {
                return None;
            }
            state.active += 1;
            state.turns_started += 1;
        }
        self.process.reset_output();
        self.announce();
        Some(Slot {
            worker: Arc::clone(self),
        })
    }
}

impl Slot {
    pub(crate) fn worker(&self) -> &Arc<Worker> {
        &self.worker
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.worker.state.lock().active -= 1;
        self.worker.prepare_threads();
        self.worker.announce();
    }
}
