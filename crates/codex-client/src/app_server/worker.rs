//! One warm `codex app-server` process, from its start to its end.

mod calls;
mod io;
mod outgoing;
mod slot;
mod threads;
mod turns;

use std::collections::{HashMap, VecDeque};
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use runner::{Bridge, ChildHandle, CommandSpec, Interrupt, Limits, OutputLimit, Stdin};
use serde_json::Value;
use thiserror::Error;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app_server::event_queue::EventQueue;
use crate::app_server::protocol;
use crate::confinement::{Closing, Confinement};
use crate::home::Home;
use crate::profile;
use crate::thread_profile::ThreadProfile;
use crate::turn::{TurnEnd, TurnFailure};

pub(crate) use calls::CallError;
use calls::Reply;
use outgoing::{Outgoing, outgoing};
pub(crate) use slot::Slot;
use threads::PreparedThread;
pub(crate) use threads::ThreadLease;
pub(crate) use turns::WarmTurn;

/// A longer line is dropped. `turn/completed` repeats a whole answer in one line.
const MAX_LINE_BYTES: usize = 16 * 1024 * 1024;

/// What all workers of a pool have in common.
pub(crate) struct WorkerConfig {
    pub(crate) program: PathBuf,
    pub(crate) search_path: OsString,
    pub(crate) state_dir: PathBuf,
    pub(crate) model: String,
    pub(crate) confinement: Confinement,
    pub(crate) kill_grace: Duration,
    pub(crate) turns_per_process: usize,
    pub(crate) max_unread_bytes: usize,
    pub(crate) tracker: TaskTracker,
    /// Cancelled when the pool shuts down. Launches end then.
    pub(crate) closing: CancellationToken,
    /// Changes whenever the condition or load of a worker changes.
    pub(crate) changed: watch::Sender<u64>,
}

pub(crate) struct Worker {
    config: Arc<WorkerConfig>,
    process: ChildHandle,
    outgoing: Outgoing,
    working_dir: PathBuf,
    born: Instant,
    /// The time of the last output of the process, in milliseconds after `born`.
    last_heard_ms: AtomicU64,
    /// Cancelled when the process has ended.
    gone: CancellationToken,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    condition: Condition,
    last_request: u64,
    pending: HashMap<u64, oneshot::Sender<Reply>>,
    turns: HashMap<String, Arc<EventQueue>>,
    prepared: VecDeque<PreparedThread>,
    preparing: bool,
    /// Whether the last `thread/start` was refused because the process was overloaded.
    is_overloaded: bool,
    /// It is being ended, because it does not read its input.
    is_stalled: bool,
    active: usize,
    turns_started: u64,
    turns_completed: u64,
    protocol_errors: u32,
    rss_bytes: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Condition {
    #[default]
    Starting,
    Ready,
    /// Takes no new turns. The pool stops it when its last turn has ended.
    Retiring,
    Gone,
}

#[derive(Debug, Error)]
pub(crate) enum LaunchError {
    #[error("its private directory could not be made: {0}")]
    Home(#[from] std::io::Error),
    #[error(transparent)]
    Spawn(#[from] runner::SpawnError),
    #[error(transparent)]
    Sandbox(#[from] runner::SandboxError),
    #[error("it did not complete the app-server handshake ({0})")]
    Handshake(CallError),
    #[error("it could not start a thread ({0})")]
    Thread(CallError),
    #[error("the pool was shut down meanwhile")]
    Closing,
}

impl WorkerConfig {
    /// Wakes the tasks that wait for a change of the pool or of one of its workers.
    pub(crate) fn announce(&self) {
        self.changed.send_modify(|version| *version += 1);
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Worker(pid {})", self.process.pid())
    }
}

impl Worker {
    /// Starts a process. Returns when a turn could start on it at once.
    pub(crate) async fn launch(config: Arc<WorkerConfig>) -> Result<Arc<Self>, LaunchError> {
        let broker = config.confinement.broker_base_url();
        let config_toml = profile::config_toml(&config.model, &broker, None);
        let mut home = Home::create(&config.state_dir)?;
        home.add_file("config.toml", &config_toml)?;
        let spec = CommandSpec {
            program: config.program.clone(),
            args: vec!["app-server".into(), profile::STRICT_CONFIG.into()],
            env: profile::environment(home.path(), &config.search_path),
            current_dir: home.working_dir(),
            stdin: Stdin::Open,
            sandbox: config.confinement.around(&home),
        };
        let limits = Limits {
            max_line_bytes: MAX_LINE_BYTES,
            kill_grace: config.kill_grace,
            output: OutputLimit::default(),
        };
        let child = runner::spawn(spec, limits, None, &config.tracker)?;
        let (outgoing, lines_out) = outgoing();
        let worker = Arc::new(Self {
            config,
            process: child.handle,
            outgoing,
            working_dir: home.working_dir(),
            born: Instant::now(),
            last_heard_ms: AtomicU64::new(0),
            gone: CancellationToken::new(),
            state: Mutex::default(),
        });
        io::attach(&worker, home, child.stdin, child.stdout, lines_out);

        let outcome = tokio::select! {
            biased;
            () = worker.config.closing.cancelled() => Err(LaunchError::Closing),
            outcome = worker.get_ready(child.bridge) => outcome,
        };
        if let Err(error) = outcome {
            worker.stop().await;
            return Err(error);
        }
        worker.prepare_threads();
        worker.announce();
        Ok(worker)
    }

    async fn get_ready(&self, bridge: Option<Bridge>) -> Result<(), LaunchError> {
        if let Some(bridge) = bridge {
            let listener = bridge.open().await?;
            let confinement = &self.config.confinement;
            let handed_over = confinement.hand_over(listener, self.gone.clone());
            handed_over.await.map_err(|Closing| LaunchError::Closing)?;
        }
        self.call::<Value>("initialize", &protocol::initialize())
            .await
            .map_err(LaunchError::Handshake)?;
        self.send(protocol::notification("initialized"));
        let first = self
            .start_thread(&ThreadProfile::default())
            .await
            .map_err(LaunchError::Thread)?;
        let mut state = self.state.lock();
        state.prepared.push_back(first);
        if state.condition == Condition::Starting {
            state.condition = Condition::Ready;
        }
        Ok(())
    }

    pub(crate) fn condition(&self) -> Condition {
        self.state.lock().condition
    }

    pub(crate) fn active_turns(&self) -> usize {
        self.state.lock().active
    }

    pub(crate) fn turns_started(&self) -> u64 {
        self.state.lock().turns_started
    }

    pub(crate) fn turns_completed(&self) -> u64 {
        self.state.lock().turns_completed
    }

    pub(crate) fn has_prepared_thread(&self) -> bool {
        !self.state.lock().prepared.is_empty()
    }

    pub(crate) fn is_overloaded(&self) -> bool {
        self.state.lock().is_overloaded
    }

    pub(crate) fn born(&self) -> Instant {
        self.born
    }

    pub(crate) fn age(&self) -> Duration {
        self.born.elapsed()
    }

    /// Measures the resident memory. [`Worker::rss_bytes`] returns the last measurement.
    pub(crate) fn measure_memory(&self) {
        let rss_bytes = self.process.rss_bytes();
        self.state.lock().rss_bytes = rss_bytes;
    }

    pub(crate) fn rss_bytes(&self) -> Option<u64> {
        self.state.lock().rss_bytes
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.process.pid()
    }

    /// Makes it take no new turns. The pool stops it when its last turn has ended.
    pub(crate) fn retire(&self) {
        {
            let mut state = self.state.lock();
            if state.condition == Condition::Gone {
                return;
            }
            state.condition = Condition::Retiring;
        }
        self.announce();
    }

    /// Retires a process that misbehaves but still answers. Its turns may end.
    fn quarantine(&self, reason: &str) {
        if self.condition() == Condition::Gone {
            return;
        }
        tracing::warn!(pid = self.process.pid(), reason, "codex worker quarantined");
        self.retire();
    }

    /// Ends a process that does not read its input any more, and fails its turns at once: they could not be
    /// interrupted.
    fn end_stalled(&self, reason: &str) {
        let turns: Vec<_> = {
            let mut state = self.state.lock();
            if state.condition == Condition::Gone || state.is_stalled {
                return;
            }
            state.is_stalled = true;
            state.turns.values().cloned().collect()
        };
        tracing::warn!(pid = self.process.pid(), reason, "codex worker has stalled");
        self.retire();
        for queue in turns {
            queue.settle(TurnEnd::Failed(TurnFailure::InputStalled));
        }
        let process = self.process.clone();
        let ending = async move { process.shutdown(Interrupt::None).await };
        self.config.tracker.spawn(ending);
    }

    /// Handles a request that was not answered in time. A process that has written nothing since is ended.
    /// One that has written something is slow, and is quarantined.
    fn handle_silence(&self, since: Instant, reason: &str) {
        let last_heard = Duration::from_millis(self.last_heard_ms.load(Ordering::Relaxed));
        if self.born + last_heard > since {
            self.quarantine(reason);
        } else {
            self.end_stalled(reason);
        }
    }

    fn heard(&self) {
        let since_birth = u64::try_from(self.age().as_millis()).unwrap_or(u64::MAX);
        self.last_heard_ms.store(since_birth, Ordering::Relaxed);
    }

    async fn kill(&self, reason: &str) {
        tracing::warn!(pid = self.process.pid(), reason, "codex worker killed");
        self.retire();
        self.process.shutdown(Interrupt::None).await;
    }

    /// Interrupts the process, and kills it after the grace. Returns when it has ended.
    pub(crate) async fn stop(&self) {
        self.retire();
        self.process.shutdown(Interrupt::Signal).await;
    }

    fn announce(&self) {
        self.config.announce();
    }
}
