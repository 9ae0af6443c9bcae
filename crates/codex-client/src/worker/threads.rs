//! The threads of a process: a stock prepared ahead, so that a turn need not wait for its own.

use std::fmt::Write as _;
use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};

use crate::profile;
use crate::protocol::ThreadStarted;

use super::calls::CallError;
use super::{Condition, Worker};

/// A thread that waits for its turn. Its credential is worth nothing until the broker is told.
#[derive(Debug)]
pub(crate) struct PreparedThread {
    pub(crate) id: String,
    pub(crate) credential: SecretString,
}

impl Worker {
    /// A thread prepared ahead, or else one made now.
    pub(crate) async fn take_thread(self: &Arc<Self>) -> Result<PreparedThread, CallError> {
        let prepared = self.state.lock().prepared.pop_front();
        if let Some(thread) = prepared {
            return Ok(thread);
        }
        let started = self.start_thread().await;
        if let Err(error) = &started {
            self.quarantine(&format!("a thread could not be started: {error}"));
        }
        started
    }

    /// Fills the stock of prepared threads in the background, one after the other.
    pub(crate) fn prepare_threads(self: &Arc<Self>) {
        {
            let mut state = self.state.lock();
            let full = state.prepared.len() >= self.blueprint.turns_per_process;
            if full || state.preparing || state.condition != Condition::Ready {
                return;
            }
            state.preparing = true;
        }
        let worker = Arc::clone(self);
        self.blueprint.tracker.spawn(async move {
            let outcome = worker.start_thread().await;
            worker.state.lock().preparing = false;
            match outcome {
                Ok(thread) => {
                    worker.state.lock().prepared.push_back(thread);
                    worker.announce();
                    worker.prepare_threads();
                }
                Err(error) => worker.quarantine(&format!("a thread could not be started: {error}")),
            }
        });
    }

    pub(super) async fn start_thread(&self) -> Result<PreparedThread, CallError> {
        let credential = new_credential().map_err(CallError::Random)?;
        let parameters = profile::thread_start(&self.working_dir, credential.expose_secret());
        let started: ThreadStarted = self.call("thread/start", &parameters).await?;
        Ok(PreparedThread {
            id: started.thread.id,
            credential,
        })
    }
}

/// 256 bits from the system, in hexadecimal: cannot be guessed by another process on this machine.
fn new_credential() -> Result<SecretString, getrandom::Error> {
    let mut credential = String::new();
    for _ in 0..4 {
        // Writing to a String cannot fail.
        let _ = write!(credential, "{:016x}", getrandom::u64()?);
    }
    Ok(credential.into())
}
