//! Every setting there is: reading, refusing, printing and documenting all walk this table.
//!
//! To add a setting: a row here, its default in `defaults.toml`, its field in `settings.rs` and
//! its line in `resolve.rs`; the tests name whichever is missing.

use super::kind::{Item, Kind};
use super::redaction::REDACT_RULES_VARIABLE;
use super::setting::{always, count, optional};

pub(super) use super::setting::{Presence, Setting};

/// Names the file of settings; not a setting itself.
pub(super) const CONFIG_VARIABLE: &str = "PORTCULLIS_CONFIG";

/// Variables of the design that later versions read, each with the values that say what this version
/// does anyway. Those are taken with a warning; any other would give false safety if it were ignored.
pub(super) const LATER_VARIABLES: [(&str, &[&str]); 4] = [
    ("PORTCULLIS_ADMIN_BIND", &[]),
    ("PORTCULLIS_AUTH", &["none"]),
    ("PORTCULLIS_DATABASE_URL", &[]),
    ("PORTCULLIS_JOB_TTL_SEC", &[]),
];

/// A variable that begins like this is meant for the gateway, or a slip. All others (`CODEX_HOME`,
/// `OPENAI_ORG_ID`, …) may belong to somebody else.
pub(super) const OWN_PREFIXES: [&str; 7] = [
    "PORTCULLIS_",
    "CODEX_POOL_",
    "CODEX_LIMIT_",
    "CODEX_SANDBOX_",
    "CODEX_CHAT_",
    "CHAT_MAX_",
    "CHAT_ALLOWED_",
];

/// Families of names in which a name that is nearly a setting is a slip, and refused.
pub(super) const OWN_FAMILIES: [&str; 2] = ["CODEX_", "CHAT_"];

/// Variables of the Codex CLI that look like slips of ours.
pub(super) const OF_THE_CLI: [&str; 1] = ["CODEX_SANDBOX"];

pub(super) const SETTINGS: &[Setting] = &[
    always(
        "server.bind",
        "PORTCULLIS_BIND",
        Kind::LoopbackAddress,
        "Where the gateway listens. This version has no access control, so it serves this machine only.",
    ),
    always(
        "server.allowed_hosts",
        "PORTCULLIS_ALLOWED_HOSTS",
        Kind::List(Item::Host),
        "Host headers accepted beside localhost and the loopback addresses: the names under which a proxy on this machine passes requests on.",
    ),
    always(
        "server.allowed_origins",
        "PORTCULLIS_ALLOWED_ORIGINS",
        Kind::List(Item::Origin),
        "Origin headers accepted beside the gateway's own: the sites whose pages may call it.",
    ),
    always(
        "server.max_body_bytes",
        "PORTCULLIS_MAX_BODY_BYTES",
        count(1024, 64 * 1024 * 1024, "bytes"),
        "The largest request body; over it the answer is 413.",
    ),
    always(
        "server.header_timeout_sec",
        "PORTCULLIS_HEADER_TIMEOUT_SEC",
        count(1, 120, "seconds"),
        "How long a connection may take for the head of a request.",
    ),
    always(
        "server.keep_alive_sec",
        "PORTCULLIS_KEEP_ALIVE_SEC",
        count(1, 3600, "seconds"),
        "How long a connection is kept for the next request. Longer than the proxy before it keeps one.",
    ),
    always(
        "server.max_connections",
        "PORTCULLIS_MAX_CONNECTIONS",
        count(16, 65_536, "connections"),
        "Connections on which calls are answered at once; fewer where the system allows fewer open files. Probes have a reserve beyond it, and idle connections are closed first.",
    ),
    always(
        "server.max_connections_per_address",
        "PORTCULLIS_MAX_CONNECTIONS_PER_ADDRESS",
        count(1, 65_536, "connections"),
        "Connections from one address; from one /64 network with IPv6.",
    ),
    always(
        "server.trusted_addresses",
        "PORTCULLIS_TRUSTED_ADDRESSES",
        Kind::List(Item::Address),
        "Addresses that may have any number of connections: proxies, whose connections are many people's.",
    ),
    always(
        "server.min_body_rate",
        "PORTCULLIS_MIN_BODY_RATE",
        count(0, 1024 * 1024, "bytes a second"),
        "The least rate at which a body must arrive, over 5 s; under it the answer is 408.",
    ),
    always(
        "server.drain_sec",
        "PORTCULLIS_DRAIN_SEC",
        count(0, 600, "seconds"),
        "What running turns get after SIGTERM before they are interrupted.",
    ),
    always(
        "server.data_dir",
        "PORTCULLIS_DATA_DIR",
        Kind::Directory,
        "Where the gateway keeps what it stores. A relative path starts at the directory of start.",
    ),
    always(
        "limits.max_concurrent_turns",
        "PORTCULLIS_MAX_CONCURRENT_TURNS",
        count(1, 1024, "turns"),
        "Turns that run at once; further calls wait in the queue. Tenants share them fairly.",
    ),
    always(
        "limits.queue_depth",
        "PORTCULLIS_QUEUE_DEPTH",
        count(1, 10_000, "calls"),
        "Calls that may wait for a turn; over it the answer is 503, first for the tenant with the most.",
    ),
    always(
        "limits.queue_wait_sec",
        "PORTCULLIS_QUEUE_WAIT_SEC",
        count(1, 120, "seconds"),
        "How long a call waits for a turn; then the answer is 503.",
    ),
    always(
        "chat.stream_enabled",
        "STREAM_ENABLED",
        Kind::Switch,
        "Answer as a stream unless the caller asks for JSON.",
    ),
    always(
        "chat.timeout_sec",
        "CODEX_TIMEOUT_SEC",
        count(1, 120, "seconds"),
        "The whole synchronous call, the wait for a turn included; then the answer is 504.",
    ),
    always(
        "chat.max_input_chars",
        "CHAT_MAX_INPUT_CHARS",
        count(1, 10_000_000, "characters"),
        "A longer message is cut at its end and marked.",
    ),
    always(
        "chat.max_context_chars",
        "CHAT_MAX_CTX_CHARS",
        count(1, 10_000_000, "characters"),
        "A longer context is cut in its middle and marked.",
    ),
    always(
        "chat.max_output_chars",
        "CHAT_MAX_OUTPUT_CHARS",
        count(1, 10_000_000, "characters"),
        "A longer answer ends there, marked, and its turn is stopped.",
    ),
    always(
        "chat.max_skill_calls",
        "CHAT_MAX_SKILL_CALLS",
        count(1, 30, "calls"),
        "Skills that the model may call by itself in one turn; further calls are refused to it.",
    ),
    always(
        "chat.allowed_models",
        "CHAT_ALLOWED_MODELS",
        Kind::List(Item::Model),
        "Models a caller may name. The configured model is always one of them.",
    ),
    optional(
        "codex.bin",
        "CODEX_BIN",
        Kind::ExecutableFile,
        "The Codex CLI. When not set: the one in codex/, else codex on PATH.",
    ),
    always(
        "codex.driver",
        "CODEX_DRIVER",
        Kind::Choice(&["auto", "app-server", "exec", "contract"]),
        "How the CLI is spoken to; auto asks it.",
    ),
    always(
        "codex.chat_args",
        "CODEX_CHAT_ARGS",
        Kind::List(Item::Argument),
        "What a CLI of your own is called with for a chat; docs/contract.md has the placeholders.",
    ),
    always(
        "codex.version_strict",
        "CODEX_VERSION_STRICT",
        Kind::Switch,
        "Refuse a CLI that is not the pinned version, instead of using it with a warning.",
    ),
    always(
        "codex.kill_grace_sec",
        "CODEX_KILL_GRACE_SEC",
        count(1, 30, "seconds"),
        "Between the interrupt of a turn and the kill of its process.",
    ),
    optional(
        "codex.state_dir",
        "CODEX_STATE_DIR",
        Kind::Directory,
        "Where each worker's private CODEX_HOME is made. When not set: in memory where possible.",
    ),
    always(
        "codex.pool.max_processes",
        "CODEX_POOL_MAX_PROCESSES",
        count(1, 64, "processes"),
        "CLI processes kept warm at most.",
    ),
    always(
        "codex.pool.turns_per_process",
        "CODEX_POOL_TURNS_PER_PROCESS",
        count(1, 64, "turns"),
        "Turns that run at once on one process.",
    ),
    always(
        "codex.pool.max_turns",
        "CODEX_POOL_MAX_TURNS",
        count(1, 1_000_000, "turns"),
        "Turns after which a process is replaced.",
    ),
    always(
        "codex.pool.max_age_sec",
        "CODEX_POOL_MAX_AGE_SEC",
        count(10, 86_400, "seconds"),
        "Age at which a process is replaced.",
    ),
    always(
        "codex.pool.max_rss_mb",
        "CODEX_POOL_MAX_RSS_MB",
        count(64, 65_536, "MiB"),
        "Resident memory at which a process is replaced.",
    ),
    always(
        "codex.sandbox.mode",
        "PORTCULLIS_SANDBOX",
        Kind::Choice(&["required", "auto", "off"]),
        "Whether Codex runs in a sandbox: required refuses to start without, auto warns, off does not try.",
    ),
    optional(
        "codex.sandbox.bubblewrap",
        "CODEX_SANDBOX_BWRAP",
        Kind::ExecutableFile,
        "The bubblewrap program. When not set: the one in the CLI's package, else bwrap on PATH.",
    ),
    always(
        "codex.sandbox.read_paths",
        "CODEX_SANDBOX_READ_PATHS",
        Kind::List(Item::Path),
        "What the CLI may read in the sandbox beside itself and, if it is not static, the system's programs and libraries.",
    ),
    always(
        "codex.sandbox.scratch_mb",
        "CODEX_LIMIT_SCRATCH_MB",
        count(8, 65_536, "MiB"),
        "The size of each process's private directory, and of its /tmp, both in memory.",
    ),
    always(
        "codex.sandbox.memory_mb",
        "CODEX_LIMIT_MEMORY_MB",
        count(256, 1_048_576, "MiB"),
        "The private memory of a process in the sandbox.",
    ),
    optional(
        "codex.sandbox.address_space_mb",
        "CODEX_LIMIT_ADDRESS_SPACE_MB",
        count(1024, 1_048_576, "MiB"),
        "What a process in the sandbox may map or reserve. When not set: as the program needs.",
    ),
    always(
        "codex.sandbox.processes",
        "CODEX_LIMIT_PROCESSES",
        count(32, 65_536, "processes"),
        "Processes and threads in one sandbox. The kernel does not hold root to it.",
    ),
    always(
        "codex.sandbox.open_files",
        "CODEX_LIMIT_OPEN_FILES",
        count(64, 65_536, "files"),
        "Open files of a process in the sandbox.",
    ),
    always(
        "codex.sandbox.file_size_mb",
        "CODEX_LIMIT_FILE_SIZE_MB",
        count(1, 65_536, "MiB"),
        "The largest file that a process in the sandbox can write.",
    ),
    always(
        "codex.sandbox.cpu_sec",
        "CODEX_LIMIT_CPU_SEC",
        count(10, 86_400, "seconds"),
        "Processor time of a process in the sandbox; then it is killed and replaced.",
    ),
    always(
        "skills.dir",
        "PORTCULLIS_SKILLS_DIR",
        Kind::Directory,
        "The skills, one TOML file each; docs/skills.md says how to write one.",
    ),
    always(
        "skills.workspaces",
        "PORTCULLIS_WORKSPACES",
        Kind::List(Item::Workspace),
        "The directories that skills may work on; a caller chooses one by its name.",
    ),
    always(
        "skills.workspace_tests",
        "PORTCULLIS_WORKSPACE_TESTS",
        Kind::List(Item::WorkspaceTests),
        "What runs the tests of each workspace.",
    ),
    always(
        "skills.read_paths",
        "PORTCULLIS_SKILL_READ_PATHS",
        Kind::List(Item::Path),
        "What skills may read in their sandbox beside the workspace and the system's programs and libraries: toolchains.",
    ),
    always(
        "skills.search_drops_hidden",
        "PORTCULLIS_SEARCH_DROPS_HIDDEN",
        Kind::Switch,
        "Leave out of a search every match on a line of which something is hidden, as if there were none. Else who may search can find out what is hidden, by guessing it letter by letter.",
    ),
    always(
        "provider.kind",
        "LLM_PROVIDER",
        Kind::Choice(&["openai", "azure", "demo"]),
        "Who answers the model calls. demo is built in: it needs no key, and nothing leaves the machine.",
    ),
    always(
        "provider.plain_http_hosts",
        "PORTCULLIS_PLAIN_HTTP_HOSTS",
        Kind::List(Item::Host),
        "Hosts of the provider that may be called over http, beside this machine: the key and every text travel in the clear.",
    ),
    optional(
        "provider.ca_file",
        "PORTCULLIS_CA_FILE",
        Kind::CertificateFile,
        "Root certificates trusted beside the usual ones on the way to the provider.",
    ),
    always(
        "provider.idle_sec",
        "PORTCULLIS_PROVIDER_IDLE_SEC",
        count(1, 600, "seconds"),
        "How long an unused connection to the provider is kept; shorter than the provider keeps it.",
    ),
    always(
        "provider.retries",
        "PORTCULLIS_PROVIDER_RETRIES",
        count(0, 3, "times"),
        "How often a turn's first model call is made again that the provider was too busy for (429, 503).",
    ),
    optional(
        "provider.openai.api_key",
        "OPENAI_API_KEY",
        Kind::Secret,
        "The key; required with provider.kind openai.",
    ),
    always(
        "provider.openai.model",
        "OPENAI_MODEL",
        Kind::ModelName,
        "The model of a call that names none.",
    ),
    always(
        "provider.openai.base_url",
        "OPENAI_BASE_URL",
        Kind::BaseUrl,
        "Any endpoint with the Responses API; /responses is appended.",
    ),
    optional(
        "provider.azure.api_key",
        "AZURE_OPENAI_API_KEY",
        Kind::Secret,
        "The key; required with provider.kind azure.",
    ),
    optional(
        "provider.azure.endpoint",
        "AZURE_OPENAI_ENDPOINT",
        Kind::AzureEndpoint,
        "The resource's endpoint, such as https://name.openai.azure.com; required with provider.kind azure.",
    ),
    optional(
        "provider.azure.deployment",
        "AZURE_OPENAI_DEPLOYMENT",
        Kind::ModelName,
        "The deployment, sent as the model; required with provider.kind azure.",
    ),
    optional(
        "provider.azure.api_version",
        "AZURE_OPENAI_API_VERSION",
        Kind::ApiVersion,
        "The value of api-version; required with provider.kind azure.",
    ),
    optional(
        "redaction.rules_file",
        REDACT_RULES_VARIABLE,
        Kind::RedactionRulesFile,
        "Rules that add to, change or switch off the built-in ones; docs/redaction.md says how.",
    ),
    always(
        "log.filter",
        "PORTCULLIS_LOG",
        Kind::LogFilter,
        "What is logged to stderr. Logs hold metadata only, at every level.",
    ),
    always(
        "log.format",
        "PORTCULLIS_LOG_FORMAT",
        Kind::Choice(&["json", "text"]),
        "json for machines, text for people.",
    ),
];
