//! The public client. It works the same with every driver.

use runner::Deadline;
use secrecy::SecretString;
use tokio_util::task::TaskTracker;

use crate::app_server::pool::{Pool, PoolStatus};
use crate::app_server::worker::ThreadLease;
use crate::driver::Driver;
use crate::home::HOMES;
use crate::per_turn::processes::{ProcessLease, TurnProcesses};
use crate::settings::ClientSettings;
use crate::thread_profile::ThreadProfile;
use crate::turn::{LeaseError, Turn, TurnFailure};
use crate::turn_stream::TurnStream;

/// Runs turns on a Codex CLI. Cheap to clone.
#[derive(Clone)]
pub struct CodexClient {
    processes: Processes,
}

#[derive(Clone)]
enum Processes {
    Warm(Pool),
    PerTurn(TurnProcesses),
}

/// A snapshot of the client's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientStatus {
    Pool(PoolStatus),
    PerTurn { active_turns: usize },
}

impl CodexClient {
    /// Removes the remains of an earlier run. With the driver `app-server` it also begins to start
    /// processes. Must be called within a tokio runtime. Its tasks run on `tracker` until
    /// [`CodexClient::shutdown`].
    pub fn start(settings: ClientSettings, tracker: &TaskTracker) -> std::io::Result<Self> {
        let removed = HOMES.remove_left_behind(&settings.state_dir)?;
        if removed > 0 {
            tracing::info!(
                removed,
                "removed what an earlier run left in the state directory"
            );
        }
        let processes = match &settings.driver {
            Driver::AppServer => Processes::Warm(Pool::start(settings, tracker)),
            Driver::Exec | Driver::Contract(_) => {
                Processes::PerTurn(TurnProcesses::new(settings, tracker))
            }
        };
        Ok(Self { processes })
    }

    /// Leases one turn on a process that serves only `tenant`. Waits for a free one until `deadline`.
    pub async fn lease(
        &self,
        tenant: &str,
        profile: &ThreadProfile,
        deadline: Deadline,
    ) -> Result<TurnLease, LeaseError> {
        let lease = match &self.processes {
            Processes::Warm(pool) => Lease::Warm(pool.lease(tenant, profile, deadline).await?),
            Processes::PerTurn(_) if !profile.tools.is_empty() => return Err(LeaseError::NoTools),
            Processes::PerTurn(processes) => {
                Lease::PerTurn(Box::new(processes.lease(profile, deadline).await?))
            }
        };
        Ok(TurnLease { lease })
    }

    pub fn status(&self) -> ClientStatus {
        match &self.processes {
            Processes::Warm(pool) => ClientStatus::Pool(pool.status()),
            Processes::PerTurn(processes) => ClientStatus::PerTurn {
                active_turns: processes.active_turns(),
            },
        }
    }

    /// Ids of the running processes, for diagnosis and tests.
    pub fn process_ids(&self) -> Vec<u32> {
        match &self.processes {
            Processes::Warm(pool) => pool.process_ids(),
            Processes::PerTurn(processes) => processes.process_ids(),
        }
    }

    /// Refuses new leases and stops every process. Returns when no process is left.
    pub async fn shutdown(&self) {
        match &self.processes {
            Processes::Warm(pool) => pool.shutdown().await,
            Processes::PerTurn(processes) => processes.shutdown().await,
        }
    }
}

impl ClientStatus {
    /// Whether a turn could start now.
    pub fn is_ready(&self) -> bool {
        match self {
            Self::Pool(pool) => pool.ready > 0,
            Self::PerTurn { .. } => true,
        }
    }

    pub fn active_turns(&self) -> usize {
        match self {
            Self::Pool(pool) => pool.active_turns,
            Self::PerTurn { active_turns } => *active_turns,
        }
    }
}

/// The right to start one turn. The broker accepts its credential only after the caller has registered it
/// there. Dropping the lease gives the right back.
#[derive(Debug)]
pub struct TurnLease {
    lease: Lease,
}

#[derive(Debug)]
enum Lease {
    Warm(ThreadLease),
    PerTurn(Box<ProcessLease>),
}

impl TurnLease {
    /// The credential with which the process will call the broker in this turn.
    pub fn credential(&self) -> &SecretString {
        match &self.lease {
            Lease::Warm(lease) => lease.credential(),
            Lease::PerTurn(lease) => lease.credential(),
        }
    }

    /// Starts the turn. Dropping the future or the stream ends it.
    pub async fn start_turn(self, turn: &Turn) -> Result<TurnStream, TurnFailure> {
        match self.lease {
            Lease::Warm(lease) => {
                let warm = lease.start_turn(turn).await?;
                Ok(TurnStream::warm(warm))
            }
            Lease::PerTurn(lease) => {
                let process = lease.start_turn(turn).await?;
                Ok(TurnStream::of_process(process))
            }
        }
    }
}
