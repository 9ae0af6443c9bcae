//! The threads of a process. Some are prepared ahead, so that a turn need not wait for one.

use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;

use crate::app_server::protocol::{self, ThreadStarted};
use crate::credential::new_credential;
use crate::profile;
use crate::thread_profile::ThreadProfile;

use super::calls::CallError;
use super::slot::Slot;
use super::{Condition, Worker};

/// A thread without a turn yet. The broker does not accept its credential before the turn starts.
#[derive(Debug)]
pub(crate) struct PreparedThread {
    pub(crate) id: String,
    pub(crate) credential: SecretString,
}

/// A thread for one turn. Dropping it makes the process forget the thread, which takes a megabyte of memory
/// there. A thread is never used a second time.
#[derive(Debug)]
struct OwnedThread {
    worker: Arc<Worker>,
    prepared: PreparedThread,
}

/// What a turn needs of a worker: a thread and a slot. The thread is dropped before the slot.
#[derive(Debug)]
pub(crate) struct ThreadLease {
    thread: OwnedThread,
    /// The names of the tools that the turn may call.
    tools: Vec<String>,
    slot: Slot,
}

impl Worker {
    /// Prepares threads in the background, one after the other, until there is one for each possible turn.
    pub(crate) fn prepare_threads(self: &Arc<Self>) {
        {
            let mut state = self.state.lock();
            let full = state.prepared.len() >= self.config.turns_per_process;
            if full || state.preparing || state.condition != Condition::Ready {
                return;
            }
            state.preparing = true;
        }
        let worker = Arc::clone(self);
        self.config.tracker.spawn(async move {
            let asked = Instant::now();
            let outcome = worker.start_thread(&ThreadProfile::default()).await;
            worker.state.lock().preparing = false;
            match outcome {
                Ok(thread) => {
                    worker.state.lock().prepared.push_back(thread);
                    worker.announce();
                    worker.prepare_threads();
                }
                Err(error) => worker.handle_failed_thread(asked, &error),
            }
        });
    }

    /// Takes a prepared thread, or starts one. Prepared ones are for chats without tools.
    async fn take_thread(
        self: &Arc<Self>,
        profile: &ThreadProfile,
    ) -> Result<OwnedThread, CallError> {
        if profile.is_plain()
            && let Some(prepared) = self.take_prepared()
        {
            return Ok(OwnedThread::new(Arc::clone(self), prepared));
        }
        let worker = Arc::clone(self);
        let profile = profile.clone();
        // In a task of its own: if the caller leaves, the thread is still received, and then dropped.
        let starting = self.config.tracker.spawn(async move {
            let asked = Instant::now();
            let started = worker.start_thread(&profile).await;
            if let Err(error) = &started
                && (profile.is_plain() || !error.is_refusal())
            {
                worker.handle_failed_thread(asked, error);
            }
            started.map(|prepared| OwnedThread::new(worker, prepared))
        });
        starting.await.unwrap_or(Err(CallError::Gone))
    }

    fn take_prepared(&self) -> Option<PreparedThread> {
        self.state.lock().prepared.pop_front()
    }

    pub(super) async fn start_thread(
        &self,
        profile: &ThreadProfile,
    ) -> Result<PreparedThread, CallError> {
        let credential = new_credential().map_err(CallError::Random)?;
        let parameters =
            profile::thread_start(&self.working_dir, credential.expose_secret(), profile);
        let outcome: Result<ThreadStarted, CallError> =
            self.call("thread/start", &parameters).await;
        let is_overloaded = outcome.as_ref().is_err_and(CallError::is_overload);
        self.state.lock().is_overloaded = is_overloaded;
        Ok(PreparedThread {
            id: outcome?.thread.id,
            credential,
        })
    }

    /// Decides what a failed `thread/start` means for the process. An overloaded one is healthy.
    fn handle_failed_thread(&self, asked: Instant, error: &CallError) {
        let reason = format!("a thread could not be started: {error}");
        match error {
            CallError::Gone => {}
            _ if error.is_overload() => {}
            CallError::Timeout => self.handle_silence(asked, &reason),
            CallError::Refused(_) | CallError::Malformed | CallError::Random(_) => {
                self.quarantine(&reason);
            }
        }
    }
}

impl OwnedThread {
    fn new(worker: Arc<Worker>, prepared: PreparedThread) -> Self {
        Self { worker, prepared }
    }
}

impl Drop for OwnedThread {
    fn drop(&mut self) {
        self.worker.send_request(
            "thread/unsubscribe",
            &protocol::thread_unsubscribe(&self.prepared.id),
        );
    }
}

impl Slot {
    /// Gets a thread for the slot.
    pub(crate) async fn prepare(self, profile: &ThreadProfile) -> Result<ThreadLease, CallError> {
        let thread = self.worker().take_thread(profile).await?;
        let tools = profile.tools.iter().map(|tool| tool.name.clone());
        Ok(ThreadLease {
            thread,
            tools: tools.collect(),
            slot: self,
        })
    }
}

impl ThreadLease {
    pub(crate) fn worker(&self) -> &Arc<Worker> {
        self.slot.worker()
    }

    pub(crate) fn thread_id(&self) -> &str {
        &self.thread.prepared.id
    }

    pub(crate) fn tools(&self) -> &[String] {
        &self.tools
    }

    /// The credential with which the process will call the broker in the turn.
    pub(crate) fn credential(&self) -> &SecretString {
        &self.thread.prepared.credential
    }
}
