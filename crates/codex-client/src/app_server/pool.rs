//! The pool of warm app-servers: it decides which process serves a turn, and when one is started or replaced.

mod maintainer;

use std::sync::Arc;

use parking_lot::Mutex;
use runner::Deadline;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app_server::worker::{Condition, Slot, ThreadLease, Worker, WorkerConfig};
use crate::settings::{ClientSettings, PoolLimits};
use crate::thread_profile::ThreadProfile;
use crate::turn::LeaseError;

/// A pool of warm `codex app-server` processes. Cheap to clone.
///
/// A process serves one tenant, from its first turn to its end; until then it belongs to nobody, so
/// spare ones can be started ahead of need.
#[derive(Clone)]
pub(crate) struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    config: Arc<WorkerConfig>,
    limits: PoolLimits,
    state: Mutex<State>,
    closing: CancellationToken,
}

#[derive(Debug, Default)]
struct State {
    members: Vec<Member>,
    starting: usize,
    /// The tenants of the calls that wait for a free slot.
    waiting: Vec<String>,
    /// Consecutive failures of launches and first turns.
    failures: u32,
    failed_at: Option<Instant>,
    not_before: Option<Instant>,
    /// Why the last launch or first turn failed. `None` after the next success.
    last_failure: Option<String>,
}

#[derive(Debug)]
struct Member {
    worker: Arc<Worker>,
    /// Set by the first lease, and never changed.
    tenant: Option<String>,
    idle_since: Option<Instant>,
    /// It has been asked to end, so its end is not a failure.
    stopping: bool,
}

/// After so many consecutive failures, calls are refused at once instead of waiting for a process.
const FAILURES_UNTIL_REFUSAL: u32 = 3;

/// A snapshot of the pool's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolStatus {
    pub ready: usize,
    pub starting: usize,
    pub active_turns: usize,
    /// Why no process can be started, as long as none is ready.
    pub failure: Option<String>,
}

impl Pool {
    /// Begins to start processes. The pool's tasks run on `tracker` until [`Pool::shutdown`].
    pub(crate) fn start(settings: ClientSettings, tracker: &TaskTracker) -> Self {
        let closing = CancellationToken::new();
        let config = WorkerConfig {
            program: settings.program,
            search_path: settings.search_path,
            state_dir: settings.state_dir,
            model: settings.model,
            confinement: settings.confinement,
            kill_grace: settings.kill_grace,
            turns_per_process: settings.pool.turns_per_process,
            max_unread_bytes: settings.max_unread_bytes,
            tracker: tracker.clone(),
            closing: closing.clone(),
            changed: watch::Sender::new(0),
        };
        let shared = Arc::new(Shared {
            config: Arc::new(config),
            limits: settings.pool,
            state: Mutex::default(),
            closing,
        });
        tracker.spawn(maintainer::maintain(Arc::clone(&shared)));
        Self { shared }
    }

    /// Leases a thread of a process that serves only `tenant`. Waits for a free one until `deadline`.
    pub(crate) async fn lease(
        &self,
        tenant: &str,
        profile: &ThreadProfile,
        deadline: Deadline,
    ) -> Result<ThreadLease, LeaseError> {
        let mut changed = self.shared.config.changed.subscribe();
        let mut waiting = None;
        loop {
            changed.mark_unchanged();
            if self.shared.closing.is_cancelled() {
                return Err(LeaseError::Closing);
            }
            if let Some(slot) = self.shared.take_slot(tenant) {
                match timeout_at(deadline.instant(), slot.prepare(profile)).await {
                    Ok(Ok(lease)) => return Ok(lease),
                    // The profile is refused, and another process would refuse it too.
                    Ok(Err(error)) if error.is_refusal() && !profile.is_plain() => {
                        return Err(LeaseError::Refused);
                    }
                    Ok(Err(error)) => {
                        // An overloaded process is asked again, unless another one is free.
                        if error.is_overload() {
                            waiting.get_or_insert_with(|| Waiting::new(&self.shared, tenant));
                        }
                        continue;
                    }
                    Err(_) => return Err(LeaseError::Busy),
                }
            }
            waiting.get_or_insert_with(|| Waiting::new(&self.shared, tenant));
            if let Some(reason) = self.shared.refusal() {
                return Err(LeaseError::Unavailable { reason });
            }
            tokio::select! {
                outcome = timeout_at(deadline.instant(), changed.changed()) => {
                    if outcome.is_err() {
                        return Err(LeaseError::Busy);
                    }
                }
                () = self.shared.closing.cancelled() => {}
            }
        }
    }

    pub(crate) fn status(&self) -> PoolStatus {
        let state = self.shared.state.lock();
        let ready = state
            .members
            .iter()
            .filter(|member| member.worker.condition() == Condition::Ready)
            .count();
        PoolStatus {
            ready,
            starting: state.starting,
            active_turns: state
                .members
                .iter()
                .map(|member| member.worker.active_turns())
                .sum(),
            failure: state.last_failure.clone().filter(|_| ready == 0),
        }
    }

    pub(crate) fn process_ids(&self) -> Vec<u32> {
        let state = self.shared.state.lock();
        state
            .members
            .iter()
            .map(|member| member.worker.process_id())
            .collect()
    }

    /// Refuses new leases and stops every process. Returns when no process is left.
    pub(crate) async fn shutdown(&self) {
        self.shared.closing.cancel();
        let mut changed = self.shared.config.changed.subscribe();
        loop {
            changed.mark_unchanged();
            {
                let mut state = self.shared.state.lock();
                for member in &mut state.members {
                    self.shared.stop(member);
                }
                let gone = |member: &Member| member.worker.condition() == Condition::Gone;
                if state.starting == 0 && state.members.iter().all(gone) {
                    return;
                }
            }
            // This cannot fail: the pool owns the sender.
            let _ = changed.changed().await;
        }
    }
}

impl Shared {
    /// Takes the best slot for a turn of `tenant`. Processes of the tenant come first, then those without a
    /// tenant, and overloaded ones last. Among equals, one with a prepared thread comes first, then the one
    /// with the fewest turns.
    fn take_slot(&self, tenant: &str) -> Option<Slot> {
        let mut state = self.state.lock();
        let mut candidates: Vec<&mut Member> = state
            .members
            .iter_mut()
            .filter(|member| member.tenant.as_deref().is_none_or(|owner| owner == tenant))
            .collect();
        candidates.sort_by_key(|member| {
            (
                member.worker.is_overloaded() && !member.worker.has_prepared_thread(),
                member.tenant.is_none(),
                !member.worker.has_prepared_thread(),
                member.worker.active_turns(),
            )
        });
        candidates.into_iter().find_map(|member| {
            let slot = member.worker.take_slot()?;
            member.tenant.get_or_insert_with(|| tenant.to_owned());
            member.idle_since = None;
            Some(slot)
        })
    }

    fn stop(&self, member: &mut Member) {
        if !member.stopping {
            member.stopping = true;
            let worker = Arc::clone(&member.worker);
            self.config
                .tracker
                .spawn(async move { worker.stop().await });
        }
    }

    /// The reason to refuse calls at once: no process is ready, and starts have failed repeatedly.
    fn refusal(&self) -> Option<String> {
        let state = self.state.lock();
        let hopeless = state.failures >= FAILURES_UNTIL_REFUSAL
            && state
                .members
                .iter()
                .all(|member| member.worker.condition() != Condition::Ready);
        state.last_failure.clone().filter(|_| hopeless)
    }
}

impl Member {
    fn new(worker: Arc<Worker>) -> Self {
        Self {
            worker,
            tenant: None,
            idle_since: None,
            stopping: false,
        }
    }
}

/// Registers a waiting call, so that the maintainer starts a process for it.
struct Waiting<'call> {
    pool: &'call Shared,
    tenant: &'call str,
}

impl<'call> Waiting<'call> {
    fn new(pool: &'call Shared, tenant: &'call str) -> Self {
        pool.state.lock().waiting.push(tenant.to_owned());
        pool.config.announce();
        Self { pool, tenant }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let waiting = &mut self.pool.state.lock().waiting;
        if let Some(at) = waiting.iter().position(|tenant| tenant == self.tenant) {
            waiting.swap_remove(at);
        }
    }
}
