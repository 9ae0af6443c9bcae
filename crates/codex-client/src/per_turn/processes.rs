//! Starts processes for one turn each, and limits how many run at once.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use runner::{CommandSpec, Deadline, Limits, OutputLimit, Stdin};
use secrecy::SecretString;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout_at;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::confinement::Confinement;
use crate::credential::new_credential;
use crate::driver::Driver;
use crate::home::Home;
use crate::per_turn::contract;
use crate::per_turn::exec;
use crate::settings::ClientSettings;
use crate::thread_profile::ThreadProfile;
use crate::turn::{LeaseError, Turn, TurnFailure};

use crate::per_turn::command::TurnContext;
use crate::per_turn::process::{Reader, TurnProcess};

/// A longer line is dropped. A whole answer may be one line.
const MAX_LINE_BYTES: usize = 16 * 1024 * 1024;

/// Starts a process for each turn, within a limit. Cheap to clone.
#[derive(Clone)]
pub(crate) struct TurnProcesses {
    shared: Arc<Shared>,
}

struct Shared {
    program: PathBuf,
    search_path: OsString,
    driver: Driver,
    state_dir: PathBuf,
    confinement: Confinement,
    kill_grace: Duration,
    max_unread_bytes: usize,
    tracker: TaskTracker,
    /// A permit is held until its process has ended, so a process that takes long to end delays the next.
    permits: Arc<Semaphore>,
    max_processes: usize,
    running: Mutex<Vec<Arc<AtomicU32>>>,
    closing: CancellationToken,
}

/// The right to start one process, and the credential that it will have.
pub(crate) struct ProcessLease {
    shared: Arc<Shared>,
    instructions: Option<String>,
    credential: SecretString,
    permit: OwnedSemaphorePermit,
}

/// Why a process could not be started. For the log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error("its private directory could not be made: {0}")]
    Home(#[from] io::Error),
    #[error(transparent)]
    Spawn(#[from] runner::SpawnError),
    #[error(transparent)]
    Sandbox(#[from] runner::SandboxError),
    #[error("the client is shutting down")]
    Closing,
}

impl TurnProcesses {
    pub(crate) fn new(settings: ClientSettings, tracker: &TaskTracker) -> Self {
        Self {
            shared: Arc::new(Shared {
                program: settings.program,
                search_path: settings.search_path,
                driver: settings.driver,
                state_dir: settings.state_dir,
                confinement: settings.confinement,
                kill_grace: settings.kill_grace,
                max_unread_bytes: settings.max_unread_bytes,
                tracker: tracker.clone(),
                permits: Arc::new(Semaphore::new(settings.max_turn_processes)),
                max_processes: settings.max_turn_processes,
                running: Mutex::default(),
                closing: CancellationToken::new(),
            }),
        }
    }

    pub(crate) async fn lease(
        &self,
        profile: &ThreadProfile,
        deadline: Deadline,
    ) -> Result<ProcessLease, LeaseError> {
        let shared = Arc::clone(&self.shared);
        let waiting = timeout_at(
            deadline.instant(),
            Arc::clone(&shared.permits).acquire_owned(),
        );
        let permit = tokio::select! {
            biased;
            () = shared.closing.cancelled() => return Err(LeaseError::Closing),
            permit = waiting => permit.map_err(|_| LeaseError::Busy)?,
        };
        let permit = permit.map_err(|_| LeaseError::Closing)?;
        let credential = new_credential().map_err(|error| LeaseError::Unavailable {
            reason: format!("the system gives no random numbers: {error}"),
        })?;
        Ok(ProcessLease {
            shared,
            instructions: profile.instructions.clone(),
            credential,
            permit,
        })
    }

    pub(crate) fn active_turns(&self) -> usize {
        self.shared.max_processes - self.shared.permits.available_permits()
    }

    pub(crate) fn process_ids(&self) -> Vec<u32> {
        let running = self.shared.running.lock();
        let known = running.iter().map(|pid| pid.load(Ordering::Relaxed));
        known.filter(|pid| *pid != 0).collect()
    }

    /// Returns when all processes have ended. The caller drops all turns.
    pub(crate) async fn shutdown(&self) {
        self.shared.closing.cancel();
        let all = u32::try_from(self.shared.max_processes).unwrap_or(u32::MAX);
        // This cannot fail: the semaphore is never closed.
        let _ = self.shared.permits.acquire_many(all).await;
    }
}

impl ProcessLease {
    pub(crate) fn credential(&self) -> &SecretString {
        &self.credential
    }

    /// Starts the process. Returns when it can read the question.
    pub(crate) async fn start_turn(self, turn: &Turn) -> Result<TurnProcess, TurnFailure> {
        self.start(turn).await.map_err(|error| {
            tracing::error!(%error, "a Codex process did not start");
            TurnFailure::NotStarted
        })
    }

    async fn start(self, turn: &Turn) -> Result<TurnProcess, StartError> {
        let Self {
            shared,
            instructions,
            credential,
            permit,
        } = self;
        let mut home = Home::create(&shared.state_dir)?;
        let context = TurnContext {
            turn,
            instructions: instructions.as_deref(),
            credential: &credential,
            broker_base_url: &shared.confinement.broker_base_url(),
            search_path: &shared.search_path,
        };
        let (command, reader) = match &shared.driver {
            Driver::Contract(settings) => (
                contract::command(settings, &mut home, &context)?,
                Reader::Contract(contract::Reader::new(
                    settings.options,
                    shared.max_unread_bytes,
                )),
            ),
            Driver::Exec | Driver::AppServer => (
                exec::command(&mut home, &context)?,
                Reader::Exec(exec::Reader::default()),
            ),
        };
        let spec = CommandSpec {
            program: shared.program.clone(),
            args: command.arguments,
            env: command.environment,
            current_dir: home.working_dir(),
            stdin: Stdin::Bytes(command.input.into_bytes()),
            sandbox: shared.confinement.around(&home),
        };
        let limits = Limits {
            max_line_bytes: MAX_LINE_BYTES,
            kill_grace: shared.kill_grace,
            output: OutputLimit::default(),
        };
        let child = runner::spawn(spec, limits, None, &shared.tracker)?;
        let process = TurnProcess::new(
            child.handle,
            child.stdout,
            reader,
            shared.kill_grace,
            shared.tracker.clone(),
        );
        let gone = CancellationToken::new();
        let pid = shared.reap(&process, home, permit, gone.clone());
        if let Some(bridge) = child.bridge {
            let listener = bridge.open().await?;
            let handed_over = shared.confinement.hand_over(listener, gone).await;
            handed_over.map_err(|_| StartError::Closing)?;
        }
        // In a sandbox, it is the program's id only from now on.
        pid.store(process.handle().pid(), Ordering::Relaxed);
        Ok(process)
    }
}

impl Shared {
    /// Waits in the background for the end of the process, then removes its home and gives its permit back.
    /// Returns where the caller has to store the process id.
    fn reap(
        self: &Arc<Self>,
        process: &TurnProcess,
        home: Home,
        permit: OwnedSemaphorePermit,
        gone: CancellationToken,
    ) -> Arc<AtomicU32> {
        let shared = Arc::clone(self);
        let exited = process.handle().exited();
        let pid = Arc::new(AtomicU32::new(0));
        self.running.lock().push(Arc::clone(&pid));
        let noted = Arc::clone(&pid);
        self.tracker.spawn(async move {
            exited.await;
            gone.cancel();
            let mut running = shared.running.lock();
            running.retain(|other| !Arc::ptr_eq(other, &noted));
            drop(running);
            drop(home);
            drop(permit);
        });
        pid
    }
}

impl std::fmt::Debug for ProcessLease {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "ProcessLease")
    }
}
