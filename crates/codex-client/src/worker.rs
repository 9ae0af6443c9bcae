//! One warm `codex app-server` process: its handshake, its prepared threads, its turns.

mod io;

use std::collections::{HashMap, VecDeque};
use std::fmt::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use runner::{ChildHandle, CommandSpec, Interrupt, Limits, Stdin};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::event_queue::EventQueue;
use crate::home::Home;
use crate::profile;
use crate::protocol::{self, RpcError, ThreadStarted, TurnStarted};
use crate::turn::{Turn, TurnEnd, TurnFailure};

/// Lines that the gateway has for the process and that it has not read yet.
const OUTGOING_LINES: usize = 64;

/// The longest line that is believed: a whole answer is repeated in `turn/completed`.
const MAX_LINE_BYTES: usize = 16 * 1024 * 1024;

/// A healthy process answers in milliseconds; one that does not within this time is replaced.
const REPLY_TIMEOUT: Duration = Duration::from_secs(10);

/// How often, and after which pause, a request is repeated that the process was too busy for.
const OVERLOAD_RETRIES: u32 = 3;
const OVERLOAD_PAUSE: Duration = Duration::from_millis(50);

/// What every worker is made from.
#[derive(Debug)]
pub(crate) struct Blueprint {
    pub(crate) program: PathBuf,
    pub(crate) state_dir: PathBuf,
    pub(crate) model: String,
    pub(crate) broker_base_url: String,
    pub(crate) kill_grace: Duration,
    pub(crate) turns_per_process: usize,
    pub(crate) max_unread_bytes: usize,
    pub(crate) tracker: TaskTracker,
    /// Cancelled when the pool shuts down: what has not started by then never will.
    pub(crate) closing: CancellationToken,
    /// Changes whenever a worker's condition or load does.
    pub(crate) changed: watch::Sender<u64>,
}

pub(crate) struct Worker {
    blueprint: Arc<Blueprint>,
    process: ChildHandle,
    outgoing: mpsc::Sender<Vec<u8>>,
    working_dir: PathBuf,
    born: Instant,
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
    active: usize,
    turns_started: u64,
    turns_completed: u64,
    protocol_errors: u32,
}

/// A thread that waits for its turn. Its credential is worth nothing until the broker is told.
#[derive(Debug)]
pub(crate) struct PreparedThread {
    pub(crate) id: String,
    pub(crate) credential: SecretString,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Condition {
    #[default]
    Starting,
    Ready,
    /// Takes no new turn; stopped when the last one has ended.
    Retiring,
    Gone,
}

type Reply = Result<Box<RawValue>, RpcError>;

#[derive(Debug, Error)]
pub(crate) enum LaunchError {
    #[error("its private directory could not be made: {0}")]
    Home(#[from] std::io::Error),
    #[error(transparent)]
    Spawn(#[from] runner::SpawnError),
    #[error("it did not complete the app-server handshake ({0})")]
    Handshake(CallError),
    #[error("it could not start a thread ({0})")]
    Thread(CallError),
    #[error("the pool was shut down meanwhile")]
    Closing,
}

#[derive(Debug, Error)]
pub(crate) enum CallError {
    #[error("the process ended")]
    Gone,
    #[error("no reply within {} s", REPLY_TIMEOUT.as_secs())]
    Timeout,
    #[error("JSON-RPC error {}", .0.code)]
    Refused(RpcError),
    #[error("a reply that is not of the protocol")]
    Malformed,
    #[error("no randomness: {0}")]
    Random(getrandom::Error),
}

impl fmt::Debug for Worker {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Worker(pid {})", self.process.pid())
    }
}

impl Worker {
    /// Starts a process and brings it to the point where a turn can begin at once.
    pub(crate) async fn launch(blueprint: Arc<Blueprint>) -> Result<Arc<Self>, LaunchError> {
        let config = profile::config_toml(&blueprint.model, &blueprint.broker_base_url);
        let home = Home::create(&blueprint.state_dir, &config)?;
        let spec = CommandSpec {
            program: blueprint.program.clone(),
            args: profile::arguments(),
            env: profile::environment(home.path()),
            current_dir: home.working_dir(),
            stdin: Stdin::Open,
        };
        let limits = Limits {
            max_line_bytes: MAX_LINE_BYTES,
            kill_grace: blueprint.kill_grace,
        };
        let child = runner::spawn(spec, limits, None, &blueprint.tracker)?;
        let (outgoing, lines_out) = mpsc::channel(OUTGOING_LINES);
        let worker = Arc::new(Self {
            blueprint,
            process: child.handle,
            outgoing,
            working_dir: home.working_dir(),
            born: Instant::now(),
            state: Mutex::default(),
        });
        io::attach(&worker, home, child.stdin, child.stdout, lines_out);

        let outcome = tokio::select! {
            biased;
            () = worker.blueprint.closing.cancelled() => Err(LaunchError::Closing),
            outcome = worker.get_ready() => outcome,
        };
        if let Err(error) = outcome {
            worker.stop().await;
            return Err(error);
        }
        worker.prepare_threads();
        worker.announce();
        Ok(worker)
    }

    async fn get_ready(&self) -> Result<(), LaunchError> {
        self.call::<Value>("initialize", &protocol::initialize())
            .await
            .map_err(LaunchError::Handshake)?;
        self.send(protocol::notification("initialized"));
        let first = self.start_thread().await.map_err(LaunchError::Thread)?;
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

    pub(crate) fn max_unread_bytes(&self) -> usize {
        self.blueprint.max_unread_bytes
    }

    pub(crate) fn has_prepared_thread(&self) -> bool {
        !self.state.lock().prepared.is_empty()
    }

    pub(crate) fn age(&self) -> Duration {
        self.born.elapsed()
    }

    pub(crate) fn rss_bytes(&self) -> Option<u64> {
        self.process.rss_bytes()
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.process.pid()
    }

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

    /// Takes no new turn from now on. The pool stops it when its last turn has ended.
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

    /// Retires a process that misbehaves. Its other turns may end; it gets no new one.
    fn quarantine(&self, reason: &str) {
        if self.condition() == Condition::Gone {
            return;
        }
        tracing::warn!(pid = self.process.pid(), reason, "codex worker quarantined");
        self.retire();
    }

    async fn kill(&self, reason: &str) {
        tracing::warn!(pid = self.process.pid(), reason, "codex worker killed");
        self.retire();
        self.process.shutdown(Interrupt::None).await;
    }

    /// Interrupt, grace, kill; returns when nothing of it is left.
    pub(crate) async fn stop(&self) {
        self.retire();
        self.process.shutdown(Interrupt::Signal).await;
    }

    fn announce(&self) {
        self.blueprint.changed.send_modify(|version| *version += 1);
    }

    async fn start_thread(&self) -> Result<PreparedThread, CallError> {
        let credential = new_credential().map_err(CallError::Random)?;
        let parameters = profile::thread_start(&self.working_dir, credential.expose_secret());
        let started: ThreadStarted = self.call("thread/start", &parameters).await?;
        Ok(PreparedThread {
            id: started.thread.id,
            credential,
        })
    }

    /// One request and its reply, repeated while the process says that it is overloaded.
    async fn call<T: DeserializeOwned>(
        &self,
        method: &str,
        parameters: &Value,
    ) -> Result<T, CallError> {
        let mut attempt = 0;
        loop {
            match self.call_once(method, parameters).await {
                Err(CallError::Refused(error))
                    if error.code == protocol::OVERLOADED && attempt < OVERLOAD_RETRIES =>
                {
                    attempt += 1;
                    tokio::time::sleep(OVERLOAD_PAUSE * attempt).await;
                }
                Err(error) => return Err(error),
                Ok(reply) => {
                    return serde_json::from_str(reply.get()).map_err(|_| CallError::Malformed);
                }
            }
        }
    }

    async fn call_once(
        &self,
        method: &str,
        parameters: &Value,
    ) -> Result<Box<RawValue>, CallError> {
        let (sender, receiver) = oneshot::channel();
        let id = {
            let mut state = self.state.lock();
            if state.condition == Condition::Gone {
                return Err(CallError::Gone);
            }
            state.last_request += 1;
            let id = state.last_request;
            state.pending.insert(id, sender);
            id
        };
        let exchange = async {
            let line = protocol::request(id, method, parameters);
            self.outgoing
                .send(line)
                .await
                .map_err(|_| CallError::Gone)?;
            receiver
                .await
                .map_err(|_| CallError::Gone)?
                .map_err(CallError::Refused)
        };
        let reply = timeout(REPLY_TIMEOUT, exchange).await;
        self.state.lock().pending.remove(&id);
        reply.unwrap_or(Err(CallError::Timeout))
    }

    /// A request whose reply nobody waits for.
    fn send_request(&self, method: &str, parameters: &Value) {
        let id = {
            let mut state = self.state.lock();
            state.last_request += 1;
            state.last_request
        };
        self.send(protocol::request(id, method, parameters));
    }

    fn send(&self, line: Vec<u8>) {
        if self.outgoing.try_send(line).is_err() && self.condition() != Condition::Gone {
            self.quarantine("it does not read its input");
        }
    }
}

/// A turn's place on a worker; free again when dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    worker: Arc<Worker>,
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

/// 256 bits from the system, in hexadecimal: cannot be guessed by another process on this machine.
fn new_credential() -> Result<SecretString, getrandom::Error> {
    let mut credential = String::new();
    for _ in 0..4 {
        // Writing to a String cannot fail.
        let _ = write!(credential, "{:016x}", getrandom::u64()?);
    }
    Ok(credential.into())
}
