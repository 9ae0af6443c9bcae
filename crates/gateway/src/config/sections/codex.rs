use std::path::PathBuf;
use std::time::Duration;

use codex_client::{ArgumentTemplate, DriverChoice};
use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::config::units::{Mebibytes, Seconds};

/// `[codex]`: which CLI is run, and how it is spoken to.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct CodexSettings {
    /// The Codex CLI. When not set: the one in codex/, else codex on PATH.
    #[schemars(extend("env" = "CODEX_BIN", "format" = "executable"))]
    pub bin: Option<PathBuf>,

    /// How the CLI is spoken to; auto asks it. app-server keeps processes warm, exec starts one for each
    /// turn, contract is for a CLI of your own.
    #[serde(with = "Driver")]
    #[schemars(extend("env" = "CODEX_DRIVER", "default" = "auto"))]
    pub driver: DriverChoice,

    /// What a CLI of your own is called with for a chat; docs/contract.md has the placeholders.
    #[serde(rename = "chat_args", deserialize_with = "argument_templates")]
    #[schemars(with = "Vec<String>", extend("format" = "arguments"))]
    #[schemars(extend("env" = "CODEX_CHAT_ARGS", "default" = ["chat", "{stream}", "{json}"]))]
    pub chat_arguments: Vec<ArgumentTemplate>,

    /// Refuse a CLI that is not the pinned version, instead of using it with a warning.
    #[schemars(extend("env" = "CODEX_VERSION_STRICT", "default" = false))]
    pub version_strict: bool,

    /// Between the interrupt of a turn and the kill of its process.
    #[serde(rename = "kill_grace_sec", with = "Seconds")]
    #[schemars(range(min = 1, max = 30))]
    #[schemars(extend("env" = "CODEX_KILL_GRACE_SEC", "default" = 2))]
    pub kill_grace: Duration,

    /// Where each worker's private `CODEX_HOME` is made. When not set: in memory where possible.
    #[schemars(extend("env" = "CODEX_STATE_DIR", "format" = "directory"))]
    pub state_dir: Option<PathBuf>,

    pub pool: PoolSettings,
    pub sandbox: SandboxSection,
}

/// `[codex.pool]`: the processes that are kept warm.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct PoolSettings {
    /// CLI processes kept warm at most.
    #[schemars(range(min = 1, max = 64), extend("unit" = "processes"))]
    #[schemars(extend("env" = "CODEX_POOL_MAX_PROCESSES", "default" = 4))]
    pub max_processes: usize,

    /// Turns that run at once on one process. Times `max_processes` it should reach
    /// `limits.max_concurrent_turns`.
    #[schemars(range(min = 1, max = 64), extend("unit" = "turns"))]
    #[schemars(extend("env" = "CODEX_POOL_TURNS_PER_PROCESS", "default" = 4))]
    pub turns_per_process: usize,

    /// Turns after which a process is replaced.
    #[schemars(range(min = 1, max = 1_000_000), extend("unit" = "turns"))]
    #[schemars(extend("env" = "CODEX_POOL_MAX_TURNS", "default" = 200))]
    pub max_turns: u64,

    /// Age at which a process is replaced.
    #[serde(rename = "max_age_sec", with = "Seconds")]
    #[schemars(range(min = 10, max = 86_400))]
    #[schemars(extend("env" = "CODEX_POOL_MAX_AGE_SEC", "default" = 1800))]
    pub max_age: Duration,

    /// Resident memory at which a process is replaced.
    #[serde(rename = "max_rss_mb", with = "Mebibytes")]
    #[schemars(range(min = 64, max = 65_536))]
    #[schemars(extend("env" = "CODEX_POOL_MAX_RSS_MB", "default" = 512))]
    pub max_rss_bytes: u64,
}

/// `[codex.sandbox]`: what stands around every Codex process.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct SandboxSection {
    /// Whether Codex runs in a sandbox: required refuses to start without, auto warns, off does not try.
    /// On an address that others can reach it is required, unless this says otherwise. docs/sandbox.md says
    /// what it enforces and what it needs.
    #[schemars(extend("env" = "PORTCULLIS_SANDBOX", "default" = "auto"))]
    pub mode: SandboxMode,

    /// The bubblewrap program. When not set: the one in the CLI's package, else bwrap on PATH.
    #[schemars(extend("env" = "CODEX_SANDBOX_BWRAP", "format" = "executable"))]
    pub bubblewrap: Option<PathBuf>,

    /// What the CLI may read in the sandbox beside itself and, if it is not static, the system's programs
    /// and libraries.
    #[schemars(extend("env" = "CODEX_SANDBOX_READ_PATHS", "default" = [], "format" = "paths"))]
    pub read_paths: Vec<PathBuf>,

    /// The size of each process's private directory, and of its /tmp, both in memory.
    #[serde(rename = "scratch_mb", with = "Mebibytes")]
    #[schemars(range(min = 8, max = 65_536))]
    #[schemars(extend("env" = "CODEX_LIMIT_SCRATCH_MB", "default" = 64))]
    pub scratch_bytes: u64,

    /// The private memory of a process in the sandbox.
    #[serde(rename = "memory_mb", with = "Mebibytes")]
    #[schemars(range(min = 256, max = 1_048_576))]
    #[schemars(extend("env" = "CODEX_LIMIT_MEMORY_MB", "default" = 2048))]
    pub memory_bytes: u64,

    /// What a process in the sandbox may map or reserve. When not set: as the program needs, which is 4096
    /// for the native Codex and 65536 for any other: Node reserves 10 GB for WebAssembly.
    #[serde(rename = "address_space_mb", default)]
    #[serde(deserialize_with = "Mebibytes::deserialize_optional")]
    #[schemars(with = "Option<Mebibytes>", range(min = 1024, max = 1_048_576))]
    #[schemars(extend("env" = "CODEX_LIMIT_ADDRESS_SPACE_MB"))]
    pub address_space_bytes: Option<u64>,

    /// Processes and threads in one sandbox. The kernel does not hold root to it.
    #[schemars(range(min = 32, max = 65_536), extend("unit" = "processes"))]
    #[schemars(extend("env" = "CODEX_LIMIT_PROCESSES", "default" = 512))]
    pub processes: u64,

    /// Open files of a process in the sandbox.
    #[schemars(range(min = 64, max = 65_536), extend("unit" = "files"))]
    #[schemars(extend("env" = "CODEX_LIMIT_OPEN_FILES", "default" = 512))]
    pub open_files: u64,

    /// The largest file that a process in the sandbox can write.
    #[serde(rename = "file_size_mb", with = "Mebibytes")]
    #[schemars(range(min = 1, max = 65_536))]
    #[schemars(extend("env" = "CODEX_LIMIT_FILE_SIZE_MB", "default" = 32))]
    pub file_size_bytes: u64,

    /// Processor time of a process in the sandbox; then it is killed and replaced.
    #[schemars(range(min = 10, max = 86_400), extend("unit" = "seconds"))]
    #[schemars(extend("env" = "CODEX_LIMIT_CPU_SEC", "default" = 600))]
    pub cpu_sec: u64,
}

/// Without a sandbox, `required` does not start, `auto` warns, and `off` has not tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SandboxMode {
    Required,
    Auto,
    Off,
}

/// How a `DriverChoice` is written.
#[derive(Deserialize, JsonSchema)]
#[serde(remote = "DriverChoice", rename_all = "kebab-case")]
enum Driver {
    Auto,
    AppServer,
    Exec,
    Contract,
}

fn argument_templates<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Vec<ArgumentTemplate>, D::Error> {
    let texts = Vec::<String>::deserialize(from)?;
    let templates = texts.iter().map(|text| ArgumentTemplate::parse(text));
    templates
        .collect::<Result<_, _>>()
        .map_err(D::Error::custom)
}
