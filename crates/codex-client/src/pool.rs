//! The pool of warm app-servers: who gets which process, and when one is started or replaced.

mod keeper;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use runner::Deadline;
use secrecy::SecretString;
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::confinement::Confinement;
use crate::event_queue::EventQueue;
use crate::home;
use crate::turn::{Turn, TurnFailure, TurnStream};
use crate::worker::{Blueprint, Condition, Place, Slot, Worker};

/// What the client needs to know; every value has been checked by whoever made it.
#[derive(Clone)]
pub struct ClientSettings {
    /// The native Codex program.
    pub program: PathBuf,
    /// Directory for private `CODEX_HOME`s, best on a memory-backed file system.
    pub state_dir: PathBuf,
    /// The model of a turn that names none.
    pub model: String,
    /// What stands around every process.
    pub confinement: Confinement,
    /// Between an interrupt and the kill.
    pub kill_grace: Duration,
    /// Text of one turn that may wait unread before the turn is ended.
    pub max_unread_bytes: usize,
    pub pool: PoolLimits,
}

#[derive(Clone, Debug)]
pub struct PoolLimits {
    pub max_processes: usize,
    /// Turns at once on one process.
    pub turns_per_process: usize,
    /// A process is replaced after this many turns, …
    pub max_turns: u64,
    /// … at this age, …
    pub max_age: Duration,
    /// … or when its resident memory is over this.
    pub max_rss_bytes: u64,
}

/// A pool of warm `codex app-server` processes. Cheap to clone.
///
/// A process serves one tenant, from its first turn to its end; until then it belongs to nobody, so
/// spare ones can be started ahead of need.
#[derive(Clone)]
pub struct CodexClient {
    pool: Arc<Pool>,
}

struct Pool {
    blueprint: Arc<Blueprint>,
    limits: PoolLimits,
    state: Mutex<State>,
    closing: CancellationToken,
}

#[derive(Debug, Default)]
struct State {
    members: Vec<Member>,
    starting: usize,
    /// The tenants of the calls that wait for a place now.
    waiting: Vec<String>,
    /// Launches, or first turns, that failed without a success between them.
    failures: u32,
    failed_at: Option<Instant>,
    not_before: Option<Instant>,
    /// Why the last launch, or the last first turn, failed; gone with the next that does not.
    last_failure: Option<String>,
}

#[derive(Debug)]
struct Member {
    worker: Arc<Worker>,
    /// Set by the first lease, never changed.
    tenant: Option<String>,
    idle_since: Option<Instant>,
    /// It has been told to end; its end is no failure.
    stopping: bool,
}

/// Failures in a row after which a call is refused at once instead of waiting for a process.
const FAILURES_UNTIL_REFUSAL: u32 = 3;

#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum LeaseError {
    #[error("no Codex process became free in time")]
    Busy,
    #[error("Codex does not start: {reason}")]
    Unavailable { reason: String },
    #[error("the gateway is shutting down")]
    Closing,
}

/// How the pool is at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolStatus {
    pub ready: usize,
    pub starting: usize,
    pub active_turns: usize,
    /// Why no process could be started, while that is so.
    pub failure: Option<String>,
}

impl CodexClient {
    /// Removes what an earlier run left behind and begins to start processes. Must be called within a
    /// runtime; the pool's tasks run on `tracker` until [`CodexClient::shutdown`].
    pub fn start(settings: ClientSettings, tracker: &TaskTracker) -> std::io::Result<Self> {
        let removed = home::remove_left_behind(&settings.state_dir)?;
        if removed > 0 {
            tracing::info!(
                removed,
                "removed what an earlier run left in the state directory"
            );
        }
        let closing = CancellationToken::new();
        let blueprint = Blueprint {
            program: settings.program,
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
        let pool = Arc::new(Pool {
            blueprint: Arc::new(blueprint),
            limits: settings.pool,
            state: Mutex::default(),
            closing,
        });
        tracker.spawn(keeper::keep(Arc::clone(&pool)));
        Ok(Self { pool })
    }

    /// A thread of a process that serves `tenant` alone. Waits for a free place until `deadline`.
    pub async fn lease(&self, tenant: &str, deadline: Deadline) -> Result<ThreadLease, LeaseError> {
        let mut changed = self.pool.blueprint.changed.subscribe();
        let mut waiting = None;
        loop {
            changed.mark_unchanged();
            if self.pool.closing.is_cancelled() {
                return Err(LeaseError::Closing);
            }
            if let Some(slot) = self.pool.take_slot(tenant) {
                match timeout_at(deadline.instant(), slot.furnish()).await {
                    Ok(Ok(place)) => return Ok(ThreadLease { place }),
                    Ok(Err(error)) => {
                        // An overloaded process is asked again, unless another one takes the call.
                        if error.is_overload() {
                            waiting.get_or_insert_with(|| Waiting::new(&self.pool, tenant));
                        }
                        continue;
                    }
                    Err(_) => return Err(LeaseError::Busy),
                }
            }
            waiting.get_or_insert_with(|| Waiting::new(&self.pool, tenant));
            if let Some(reason) = self.pool.refusal() {
                return Err(LeaseError::Unavailable { reason });
            }
            tokio::select! {
                outcome = timeout_at(deadline.instant(), changed.changed()) => {
                    if outcome.is_err() {
                        return Err(LeaseError::Busy);
                    }
                }
                () = self.pool.closing.cancelled() => {}
            }
        }
    }

    pub fn status(&self) -> PoolStatus {
        let state = self.pool.state.lock();
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

    /// Process ids of the pool, for diagnosis and tests.
    pub fn process_ids(&self) -> Vec<u32> {
        let state = self.pool.state.lock();
        state
            .members
            .iter()
            .map(|member| member.worker.process_id())
            .collect()
    }

    /// Refuses new leases, stops every process, and returns when none is left.
    pub async fn shutdown(&self) {
        self.pool.closing.cancel();
        let mut changed = self.pool.blueprint.changed.subscribe();
        loop {
            changed.mark_unchanged();
            {
                let mut state = self.pool.state.lock();
                for member in &mut state.members {
                    self.pool.stop(member);
                }
                let gone = |member: &Member| member.worker.condition() == Condition::Gone;
                if state.starting == 0 && state.members.iter().all(gone) {
                    return;
                }
            }
            // The sender lives in the pool, so this can only mean a change.
            let _ = changed.changed().await;
        }
    }
}

impl Pool {
    /// The best slot for a turn of `tenant`: on one of its own processes, one with a thread ready
    /// before one without, the least loaded first; else on a process that belongs to nobody yet; else
    /// on one that was overloaded.
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
            self.blueprint
                .tracker
                .spawn(async move { worker.stop().await });
        }
    }

    /// Why waiting is pointless, if it is: nothing runs, and starting has failed again and again.
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

/// A call that waits, counted so that the keeper can start a process for it.
struct Waiting<'call> {
    pool: &'call Pool,
    tenant: &'call str,
}

impl<'call> Waiting<'call> {
    fn new(pool: &'call Pool, tenant: &'call str) -> Self {
        pool.state.lock().waiting.push(tenant.to_owned());
        pool.blueprint.announce();
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

/// A thread that is ready for one turn. Its credential is worth nothing until the broker has been
/// told of it; a lease that is dropped gives its place back.
#[derive(Debug)]
pub struct ThreadLease {
    place: Place,
}

impl ThreadLease {
    /// What the process will show to the broker in this turn.
    pub fn credential(&self) -> &SecretString {
        self.place.credential()
    }

    /// Starts the turn. From here on, dropping the future or the stream interrupts it.
    pub async fn start_turn(self, turn: &Turn) -> Result<TurnStream, TurnFailure> {
        let worker = Arc::clone(self.place.worker());
        let thread_id = self.place.thread_id().to_owned();
        let queue = Arc::new(EventQueue::new(thread_id, worker.max_unread_bytes()));
        let stream = TurnStream::new(Arc::clone(&worker), Arc::clone(&queue), self.place);
        worker.start_turn(&queue, turn).await?;
        Ok(stream)
    }
}
