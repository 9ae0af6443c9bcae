//! The resolved settings, one struct a section. Units are in the names.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use broker::ProviderSettings;
use codex_client::{ArgumentTemplate, DriverChoice};
use redact::Redactor;

/// Everything an operator can set, after every check has passed.
#[derive(Clone, Debug)]
pub struct Settings {
    pub server: ServerSettings,
    pub limits: LimitSettings,
    pub chat: ChatSettings,
    pub codex: CodexSettings,
    pub skills: SkillSettings,
    pub provider: ProviderSettings,
    /// `PORTCULLIS_REDACT_RULES`: the built-in rules, as that file changed them.
    pub redactor: Redactor,
    pub log: LogSettings,
}

#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// `PORTCULLIS_BIND`: loopback only, until access control exists.
    pub bind: SocketAddr,
    /// `PORTCULLIS_ALLOWED_HOSTS`: `Host` values accepted beside the loopback names (no port).
    pub allowed_hosts: Vec<String>,
    /// `PORTCULLIS_ALLOWED_ORIGINS`: `Origin` values accepted beside the gateway's own.
    pub allowed_origins: Vec<String>,
    /// `PORTCULLIS_MAX_BODY_BYTES`
    pub max_body_bytes: usize,
    /// `PORTCULLIS_HEADER_TIMEOUT_SEC`: from the first byte of a request to the end of its head.
    pub header_timeout: Duration,
    /// `PORTCULLIS_KEEP_ALIVE_SEC`: between two requests.
    pub keep_alive: Duration,
    /// `PORTCULLIS_MAX_CONNECTIONS`
    pub max_connections: usize,
    /// `PORTCULLIS_MAX_CONNECTIONS_PER_ADDRESS`
    pub max_connections_per_address: usize,
    /// `PORTCULLIS_TRUSTED_ADDRESSES`: that may have any number of connections.
    pub trusted_addresses: Vec<IpAddr>,
    /// `PORTCULLIS_MIN_BODY_RATE`: bytes a second.
    pub min_body_rate: usize,
    /// `PORTCULLIS_DRAIN_SEC`: what running turns get after SIGTERM.
    pub drain: Duration,
    /// `PORTCULLIS_DATA_DIR`
    pub data_dir: PathBuf,
}

#[derive(Clone, Debug)]
pub struct LimitSettings {
    /// `PORTCULLIS_MAX_CONCURRENT_TURNS`
    pub max_concurrent_turns: usize,
    /// `PORTCULLIS_QUEUE_DEPTH`: calls that may wait for a turn.
    pub queue_depth: usize,
    /// `PORTCULLIS_QUEUE_WAIT_SEC`
    pub queue_wait: Duration,
}

#[derive(Clone, Debug)]
pub struct ChatSettings {
    /// `STREAM_ENABLED`
    pub stream_enabled: bool,
    /// `CODEX_TIMEOUT_SEC`, 1–120: the whole synchronous call.
    pub timeout: Duration,
    /// `CHAT_MAX_INPUT_CHARS`, `CHAT_MAX_CTX_CHARS`, `CHAT_MAX_OUTPUT_CHARS`: Unicode scalar values.
    pub max_input_chars: usize,
    pub max_context_chars: usize,
    pub max_output_chars: usize,
    /// `CHAT_MAX_SKILL_CALLS`: that the model makes by itself in one turn.
    pub max_skill_calls: u32,
    /// `CHAT_ALLOWED_MODELS`; never empty, the configured model is always in it.
    pub allowed_models: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct CodexSettings {
    /// `CODEX_BIN`, when set. Otherwise the installed one is found at start.
    pub bin: Option<PathBuf>,
    /// `CODEX_DRIVER`
    pub driver: DriverChoice,
    /// `CODEX_CHAT_ARGS`: what a company's CLI is called with.
    pub chat_arguments: Vec<ArgumentTemplate>,
    /// `CODEX_VERSION_STRICT`: refuse a CLI that is not the pinned version.
    pub version_strict: bool,
    /// `CODEX_KILL_GRACE_SEC`: between the interrupt and the kill.
    pub kill_grace: Duration,
    /// `CODEX_STATE_DIR`: where each worker's private `CODEX_HOME` is made; memory-backed where possible.
    pub state_dir: Option<PathBuf>,
    pub pool: PoolSettings,
    pub sandbox: SandboxSection,
}

/// What stands around every Codex process.
#[derive(Clone, Debug)]
pub struct SandboxSection {
    /// `PORTCULLIS_SANDBOX`
    pub mode: SandboxMode,
    /// `CODEX_SANDBOX_BWRAP`, when set. Otherwise the CLI's own, or the system's, is found at start.
    pub bubblewrap: Option<PathBuf>,
    /// `CODEX_SANDBOX_READ_PATHS`
    pub read_paths: Vec<PathBuf>,
    /// `CODEX_LIMIT_SCRATCH_MB`: of the private directory, and of `/tmp`.
    pub scratch_bytes: u64,
    /// `CODEX_LIMIT_MEMORY_MB`
    pub memory_bytes: u64,
    /// `CODEX_LIMIT_ADDRESS_SPACE_MB`, when set. Otherwise the program decides.
    pub address_space_bytes: Option<u64>,
    /// `CODEX_LIMIT_PROCESSES`
    pub processes: u64,
    /// `CODEX_LIMIT_OPEN_FILES`
    pub open_files: u64,
    /// `CODEX_LIMIT_FILE_SIZE_MB`
    pub file_size_bytes: u64,
    /// `CODEX_LIMIT_CPU_SEC`
    pub cpu_sec: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SandboxMode {
    /// Without it the gateway does not start.
    Required,
    /// With it where it can be made; a warning where it cannot.
    Auto,
    Off,
}

#[derive(Clone, Debug)]
pub struct PoolSettings {
    /// `CODEX_POOL_MAX_PROCESSES`
    pub max_processes: usize,
    /// `CODEX_POOL_TURNS_PER_PROCESS`: turns at once on one process.
    pub turns_per_process: usize,
    /// `CODEX_POOL_MAX_TURNS`: turns after which a process is replaced.
    pub max_turns: u64,
    /// `CODEX_POOL_MAX_AGE_SEC`
    pub max_age: Duration,
    /// `CODEX_POOL_MAX_RSS_MB`
    pub max_rss_bytes: u64,
}

#[derive(Clone, Debug)]
pub struct SkillSettings {
    /// `PORTCULLIS_SKILLS_DIR`
    pub dir: PathBuf,
    /// `PORTCULLIS_WORKSPACES`, `PORTCULLIS_WORKSPACE_TESTS`
    pub workspaces: Vec<WorkspaceSettings>,
    /// `PORTCULLIS_SKILL_READ_PATHS`
    pub read_paths: Vec<PathBuf>,
    /// `PORTCULLIS_SEARCH_DROPS_HIDDEN`
    pub search_drops_hidden: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkspaceSettings {
    pub name: String,
    pub path: PathBuf,
    /// One of cargo, npm, pytest, go, make.
    pub tests: Option<String>,
}

#[derive(Clone, Debug)]
pub struct LogSettings {
    /// `PORTCULLIS_LOG`: a tracing filter.
    pub filter: String,
    /// `PORTCULLIS_LOG_FORMAT`
    pub format: LogFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Json,
    Text,
}
