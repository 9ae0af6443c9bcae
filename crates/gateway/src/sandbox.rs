//! The sandbox as this gateway has it: found, proven at start by running the CLI in it, or refused.
//!
//! Never weaker than the setting says: with `required`, what cannot be enforced ends the start.

pub(crate) mod remedy;

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use codex_client::{
    BrokerBridge, Installation, Probe, ProbeError, SandboxSettings, packaged_bubblewrap,
};
use redact::Redactor;
use runner::{
    ControlGroups, Launcher, NoControlGroups, ProgramUser, ResourceLimits, SandboxTools,
    find_bubblewrap, read_paths,
};
use thiserror::Error;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use crate::config::{CodexSettings, SandboxMode, SandboxSection};

/// Bridges that wait to be served; the pool starts one process at a time.
const WAITING_BRIDGES: usize = 16;

/// The address space of the native Codex, which does not start with less than 600 MB of it, …
const STATIC_ADDRESS_SPACE_BYTES: u64 = 4 << 30;

/// … and of any other program: Node reserves 10 GB for the WebAssembly in its HTTP client.
const ADDRESS_SPACE_BYTES: u64 = 64 << 30;

/// How Codex processes are confined, as it was found at start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SandboxStatus {
    /// Without control groups, the limits hold for each process alone.
    Enforced {
        control_groups: Result<(), NoControlGroups>,
    },
    /// By the setting.
    Off,
    /// `auto`, and it cannot be made here.
    Unusable(Unusable),
}

/// What is needed to set the sandbox up.
pub struct SandboxContext<'start> {
    pub settings: &'start CodexSettings,
    /// The Codex program.
    pub program: PathBuf,
    /// This gateway's own program, which is the launcher inside.
    pub launcher: &'start Path,
    /// Directories that may hold the pinned CLI.
    pub roots: &'start [PathBuf],
    pub search_path: &'start OsStr,
    /// Where the homes of Codex processes are made.
    pub state_dir: &'start Path,
    pub data_dir: &'start Path,
    pub redactor: &'start Redactor,
    pub tasks: &'start TaskTracker,
}

/// The CLI has answered, within the sandbox if there is one.
pub struct Established {
    pub installation: Installation,
    pub status: SandboxStatus,
    /// With the bridges that its processes will open.
    pub sandbox: Option<(SandboxSettings, mpsc::Receiver<BrokerBridge>)>,
}

/// Why there is no sandbox, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{reason}. {remedy}")]
pub struct Unusable {
    pub reason: String,
    pub remedy: String,
}

#[derive(Debug, Error)]
pub enum EstablishError {
    #[error(
        "the sandbox is required (PORTCULLIS_SANDBOX) and cannot be used: {0} docs/sandbox.md has the requirements of each environment"
    )]
    Required(Unusable),
    #[error("{0}. {advice}", advice = remedy::of_probe(.0))]
    Probe(#[from] ProbeError),
}

/// Asks the CLI for its version in the sandbox; the answer proves both.
pub async fn establish(context: SandboxContext<'_>) -> Result<Established, EstablishError> {
    let mode = context.settings.sandbox.mode;
    if mode == SandboxMode::Off {
        tracing::warn!("the sandbox is off (PORTCULLIS_SANDBOX=off): {NOT_ENFORCED}");
        return outside(context, SandboxStatus::Off).await;
    }
    let unusable = match inside(&context).await? {
        Ok(established) => return Ok(established),
        Err(unusable) => unusable,
    };
    if mode == SandboxMode::Required {
        return Err(EstablishError::Required(unusable));
    }
    tracing::warn!(
        reason = %unusable.reason,
        remedy = %unusable.remedy,
        "THERE IS NO SANDBOX (PORTCULLIS_SANDBOX=auto): {NOT_ENFORCED}"
    );
    outside(context, SandboxStatus::Unusable(unusable)).await
}

const NOT_ENFORCED: &str = "Codex processes can reach the network, read what this user can read, and \
    have no limit on memory, processes, files or processor time";

async fn outside(
    context: SandboxContext<'_>,
    status: SandboxStatus,
) -> Result<Established, EstablishError> {
    let installation = ask(&context, None).await?;
    Ok(Established {
        installation,
        status,
        sandbox: None,
    })
}

/// The inner error is about the sandbox, the outer one about the CLI.
async fn inside(
    context: &SandboxContext<'_>,
) -> Result<Result<Established, Unusable>, EstablishError> {
    let (bridges, waiting) = mpsc::channel(WAITING_BRIDGES);
    let groups = control_groups();
    let sandbox = match find(context, bridges, groups.clone().ok()) {
        Ok(sandbox) => sandbox,
        Err(unusable) => return Ok(Err(unusable)),
    };
    match ask(context, Some(&sandbox)).await {
        Ok(installation) => Ok(Ok(Established {
            installation,
            status: SandboxStatus::Enforced {
                control_groups: groups.map(drop),
            },
            sandbox: Some((sandbox, waiting)),
        })),
        Err(ProbeError::Sandbox(error)) => {
            let reason = error.to_string();
            let remedy = remedy::of_refusal(&reason);
            Ok(Err(Unusable { reason, remedy }))
        }
        Err(error) if error.is_of_the_program() => {
            // Either it is not the CLI at all, or it misses something in there.
            ask(context, None).await?;
            let program = context.program.display();
            Ok(Err(Unusable {
                reason: format!("{program} does not run inside it"),
                remedy: remedy::MISSING_PATHS.to_owned(),
            }))
        }
        Err(error) => Err(error.into()),
    }
}

/// Those of this process, which can divide its own group once.
fn control_groups() -> Result<ControlGroups, NoControlGroups> {
    static GROUPS: OnceLock<Result<ControlGroups, NoControlGroups>> = OnceLock::new();
    GROUPS.get_or_init(ControlGroups::divide).clone()
}

/// Asks the CLI what it is. Its version is its own word, and shown to callers.
async fn ask(
    context: &SandboxContext<'_>,
    sandbox: Option<&SandboxSettings>,
) -> Result<Installation, ProbeError> {
    let settings = context.settings;
    let probe = Probe {
        program: context.program.clone(),
        choice: settings.driver,
        chat_arguments: &settings.chat_arguments,
        search_path: runner::search_path(&context.program, &settings.sandbox.read_paths),
        sandbox: sandbox.map(|sandbox| (sandbox, context.state_dir)),
        tracker: context.tasks,
    };
    let mut installation = probe.ask().await?;
    installation.version = context.redactor.redact(&installation.version).text;
    Ok(installation)
}

fn find(
    context: &SandboxContext<'_>,
    bridges: mpsc::Sender<BrokerBridge>,
    control_groups: Option<ControlGroups>,
) -> Result<SandboxSettings, Unusable> {
    let settings = &context.settings.sandbox;
    let program = &context.program;
    let configured = settings.bubblewrap.as_deref();
    let packaged = packaged_bubblewrap(program, context.roots);
    let bubblewrap = find_bubblewrap(configured, packaged, context.search_path);
    let bubblewrap = bubblewrap.ok_or_else(|| Unusable {
        reason: "there is no bubblewrap".to_owned(),
        remedy: remedy::NO_BUBBLEWRAP.to_owned(),
    })?;
    let launcher = Launcher::new(context.launcher);
    let launcher = launcher.map_err(|error| Unusable {
        reason: error.to_string(),
        remedy: remedy::LAUNCHER.to_owned(),
    })?;
    launcher.prepare().map_err(|error| {
        let reason = error.to_string();
        let remedy = remedy::of_refusal(&reason);
        Unusable { reason, remedy }
    })?;
    std::fs::create_dir_all(context.state_dir).map_err(|error| Unusable {
        reason: format!("{}: {error}", context.state_dir.display()),
        remedy: remedy::STATE_DIR.to_owned(),
    })?;
    let configured = settings.read_paths.iter().cloned();
    let codex_paths = read_paths(program);
    let limits = limits(settings, codex_paths.is_empty());
    let read_paths: Vec<_> = codex_paths.into_iter().chain(configured).collect();
    // It is hidden by what is mounted on it, so it must be there before the first child is. Where it
    // cannot be made now, nobody makes it later.
    let data_dir = context.data_dir;
    if read_paths.iter().any(|path| data_dir.starts_with(path)) {
        let _ = std::fs::create_dir_all(data_dir);
    }
    let hidden = [context.state_dir, data_dir];
    if let Some(hiding) = hidden.iter().find(|path| program.starts_with(path)) {
        return Err(Unusable {
            reason: format!(
                "{} lies in {}, which no sandbox shows",
                program.display(),
                hiding.display()
            ),
            remedy: remedy::HIDDEN_PROGRAM.to_owned(),
        });
    }
    Ok(SandboxSettings {
        tools: SandboxTools {
            bubblewrap,
            launcher,
            control_groups,
        },
        read_paths,
        hidden_paths: hidden.map(Path::to_owned).to_vec(),
        scratch_bytes: settings.scratch_bytes,
        limits,
        bridges,
    })
}

/// What is mapped may be far more than what is used, and how far depends on the program.
fn limits(settings: &SandboxSection, is_static: bool) -> ResourceLimits {
    let reserved = if is_static {
        STATIC_ADDRESS_SPACE_BYTES
    } else {
        ADDRESS_SPACE_BYTES
    };
    let address_space = settings.address_space_bytes;
    ResourceLimits {
        memory_bytes: settings.memory_bytes,
        address_space_bytes: address_space.unwrap_or(reserved.max(settings.memory_bytes)),
        processes: settings.processes,
        open_files: settings.open_files,
        file_size_bytes: settings.file_size_bytes,
        cpu_sec: settings.cpu_sec,
    }
}

impl fmt::Display for SandboxStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Enforced { control_groups } => {
                write!(formatter, "enforced")?;
                if let ProgramUser::Other(number) = ProgramUser::here() {
                    write!(
                        formatter,
                        "; this gateway is root, its programs are user {number}"
                    )?;
                }
                match control_groups {
                    Ok(()) => write!(formatter, "; limits hold for each sandbox as a whole"),
                    Err(_) => write!(formatter, "; limits on memory hold for each process alone"),
                }
            }
            Self::Off => write!(formatter, "off, by PORTCULLIS_SANDBOX"),
            Self::Unusable(Unusable { reason, .. }) => {
                write!(formatter, "NOT ENFORCED: {reason}")
            }
        }
    }
}
