//! The turns of a process: their start, and their end when the caller has dropped them.

use std::sync::Arc;

use serde_json::Value;
use tokio::time::{Instant, timeout};

use crate::app_server::event_queue::EventQueue;
use crate::app_server::protocol::{self, TurnStarted};
use crate::turn::{Turn, TurnEnd, TurnEvent, TurnFailure};

use super::Worker;
use super::calls::CallError;
use super::threads::ThreadLease;

/// A turn on a warm process. Dropping it interrupts the turn. If the process does not obey within the grace,
/// it is killed.
#[derive(Debug)]
pub(crate) struct WarmTurn {
    worker: Arc<Worker>,
    queue: Arc<EventQueue>,
    /// Taken when the turn is settled. The slot is free only after that.
    lease: Option<ThreadLease>,
    fetched_any: bool,
}

impl ThreadLease {
    /// Starts the turn on the leased thread. Dropping the future or the returned turn interrupts it.
    pub(crate) async fn start_turn(self, turn: &Turn) -> Result<WarmTurn, TurnFailure> {
        let worker = Arc::clone(self.worker());
        let thread_id = self.thread_id().to_owned();
        let queue = Arc::new(EventQueue::new(
            thread_id,
            worker.config.max_unread_bytes,
            self.tools().to_vec(),
        ));
        let warm = WarmTurn {
            worker: Arc::clone(&worker),
            queue: Arc::clone(&queue),
            lease: Some(self),
            fetched_any: false,
        };
        worker.start_turn(&queue, turn).await?;
        Ok(warm)
    }
}

impl WarmTurn {
    pub(crate) async fn next(&mut self) -> Option<TurnEvent> {
        let event = self.queue.next().await?;
        if !self.fetched_any {
            self.fetched_any = true;
            // Threads for the next turns are prepared now. Earlier, that would delay the first token of
            // this turn.
            self.worker.prepare_threads();
        }
        Some(event)
    }

    pub(crate) async fn over(&self) {
        self.queue.settled().await;
    }
}

impl Drop for WarmTurn {
    fn drop(&mut self) {
        if let Some(lease) = self.lease.take() {
            self.worker.settle(Arc::clone(&self.queue), lease);
        }
    }
}

impl Worker {
    /// Starts `turn` on the thread of `queue`, which receives all its events.
    async fn start_turn(
        self: &Arc<Self>,
        queue: &Arc<EventQueue>,
        turn: &Turn,
    ) -> Result<(), TurnFailure> {
        let parameters = protocol::turn_start(queue.thread_id(), turn, &self.config.model);
        self.state
            .lock()
            .turns
            .insert(queue.thread_id().to_owned(), Arc::clone(queue));
        let (worker, queue) = (Arc::clone(self), Arc::clone(queue));
        // In a task of its own: if the caller leaves, the queue still learns whether there is a turn to
        // interrupt.
        let starting = self.config.tracker.spawn(async move {
            let outcome = worker.request_turn(&queue, &parameters).await;
            if let Err(failure) = &outcome {
                queue.settle(TurnEnd::Failed(failure.clone()));
            }
            outcome
        });
        starting.await.unwrap_or(Err(TurnFailure::Crashed))
    }

    async fn request_turn(
        &self,
        queue: &EventQueue,
        parameters: &Value,
    ) -> Result<(), TurnFailure> {
        let asked = Instant::now();
        let is_wanted = || !queue.is_abandoned();
        match self
            .call_while::<TurnStarted>(is_wanted, "turn/start", parameters)
            .await
        {
            Ok(started) => {
                queue.set_turn_id(&started.turn.id);
                Ok(())
            }
            Err(error) if error.is_overload() => Err(TurnFailure::Overloaded),
            Err(CallError::Refused(error)) => Err(TurnFailure::Refused { code: error.code }),
            Err(CallError::Timeout) => {
                self.handle_silence(asked, "turn/start was not answered");
                Err(TurnFailure::Unresponsive)
            }
            Err(CallError::Malformed | CallError::Random(_)) => {
                self.quarantine("turn/start was not answered as it should be");
                Err(TurnFailure::Unresponsive)
            }
            Err(CallError::Gone) => Err(TurnFailure::Crashed),
        }
    }

    /// Ends a turn whose stream was dropped, then gives its slot back. If the process does not end the turn
    /// within the grace, the process is killed.
    fn settle(self: &Arc<Self>, queue: Arc<EventQueue>, lease: ThreadLease) {
        if queue.is_settled() {
            // With the lean profile the CLI starts no process, so one that does is not trusted.
            if self.process.has_descendants() {
                self.quarantine("it has started another process");
            }
            self.release(&queue, lease);
            return;
        }
        queue.abandon();
        let worker = Arc::clone(self);
        self.config.tracker.spawn(async move {
            let interrupted = timeout(worker.config.kill_grace, async {
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
            } else if worker.process.has_descendants() {
                worker
                    .kill("an interrupted turn has left a process running")
                    .await;
            }
            worker.release(&queue, lease);
        });
    }

    fn release(&self, queue: &EventQueue, lease: ThreadLease) {
        let removed = self.state.lock().turns.remove(queue.thread_id());
        // Dropped without the lock: unread tool calls in it send an answer to the process.
        drop(removed);
        drop(lease);
    }
}
