//! The turns of a process: a place for each, its start, and what is done when nobody wants it any more.

use std::sync::Arc;

use tokio::time::timeout;

use crate::event_queue::EventQueue;
use crate::protocol::{self, TurnStarted};
use crate::turn::{Turn, TurnEnd, TurnFailure};

use super::calls::CallError;
use super::{Condition, Worker};

/// A turn's place on a worker; free again when dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    worker: Arc<Worker>,
}

impl Worker {
    /// A place for one turn, if the process takes any.
    pub(crate) fn take_slot(self: &Arc<Self>) -> Option<Slot> {
        let mut state = self.state.lock();
        let free = state.active < self.blueprint.turns_per_process;
        // A process that cannot be written to is dead, a moment before its burial.
        if state.condition != Condition::Ready || !free || self.outgoing.is_closed() {
            return None;
        }
        state.active += 1;
        state.turns_started += 1;
        Some(Slot {
            worker: Arc::clone(self),
        })
    }

    /// Starts `turn` on `thread`. The queue has the turn's events from its first one on.
    pub(crate) async fn start_turn(
        &self,
        queue: &Arc<EventQueue>,
        turn: &Turn,
    ) -> Result<(), TurnFailure> {
        self.state
            .lock()
            .turns
            .insert(queue.thread_id().to_owned(), Arc::clone(queue));
        let parameters = protocol::turn_start(queue.thread_id(), turn, &self.blueprint.model);
        match self.call::<TurnStarted>("turn/start", &parameters).await {
            Ok(started) => {
                queue.set_turn_id(&started.turn.id);
                Ok(())
            }
            Err(error) => {
                let failure = match error {
                    CallError::Refused(error) if error.code == protocol::OVERLOADED => {
                        TurnFailure::Overloaded
                    }
                    CallError::Refused(error) => TurnFailure::Refused { code: error.code },
                    CallError::Timeout | CallError::Malformed | CallError::Random(_) => {
                        self.quarantine("turn/start was not answered");
                        TurnFailure::Unresponsive
                    }
                    CallError::Gone => TurnFailure::Crashed,
                };
                queue.settle(TurnEnd::Failed(failure.clone()));
                Err(failure)
            }
        }
    }

    /// Ends what is left of a turn whose stream was dropped, then frees its place. A turn that the
    /// process does not end within the grace takes the process with it.
    pub(crate) fn settle(self: &Arc<Self>, queue: Arc<EventQueue>, slot: Slot) {
        if queue.is_settled() {
            self.release(&queue, slot);
            return;
        }
        let worker = Arc::clone(self);
        self.blueprint.tracker.spawn(async move {
            let interrupted = timeout(worker.blueprint.kill_grace, async {
                queue.turn_id_or_settled().await;
                if let Some(turn_id) = queue.turn_id() {
                    worker.send_request(
                        "turn/interrupt",
                        &protocol::turn_interrupt(queue.thread_id(), &turn_id),
                    );
                }
                queue.settled().await;
            });
            if interrupted.await.is_err() {
                worker
                    .kill("a turn was not interrupted within the grace")
                    .await;
            }
            worker.release(&queue, slot);
        });
    }

    fn release(&self, queue: &EventQueue, slot: Slot) {
        self.state.lock().turns.remove(queue.thread_id());
        self.send_request(
            "thread/unsubscribe",
            &protocol::thread_unsubscribe(queue.thread_id()),
        );
        drop(slot);
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
