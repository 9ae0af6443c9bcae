//! From checked values to the structs of `settings.rs`: one line a field.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use broker::{AzureSettings, ConnectionSettings, OpenAiSettings, ProviderSettings};
use codex_client::{ArgumentTemplate, DriverChoice};
use redact::Redactor;
use secrecy::SecretString;

use super::Loaded;
use super::checks;
use super::kind::Value;
use super::layers::Gathered;
use super::origins::{Origin, Origins};
use super::problem::{ConfigError, Problem};
use super::settings::{
    ChatSettings, CodexSettings, LimitSettings, LogFormat, LogSettings, PoolSettings, SandboxMode,
    SandboxSection, ServerSettings, Settings, SkillSettings,
};
use super::workspace;

const BYTES_PER_MEBIBYTE: u64 = 1024 * 1024;

pub(super) fn resolve(mut gathered: Gathered) -> Result<Loaded, ConfigError> {
    checks::check(&mut gathered);
    let Gathered {
        mut origins,
        problems,
        warnings,
        ..
    } = gathered;
    let problems = if problems.is_empty() {
        match settings(&origins) {
            Ok(settings) => {
                let models = settings.chat.allowed_models.clone();
                origins.refine("chat.allowed_models", Value::List(models));
                return Ok(Loaded {
                    settings,
                    warnings,
                    origins,
                });
            }
            Err(problem) => vec![problem],
        }
    } else {
        problems
    };
    Err(ConfigError {
        problems,
        warnings,
        origins,
    })
}

fn settings(origins: &Origins) -> Result<Settings, Problem> {
    let provider = provider(origins)?;
    Ok(Settings {
        server: server(origins)?,
        limits: LimitSettings {
            max_concurrent_turns: size(origins, "limits.max_concurrent_turns")?,
            queue_depth: size(origins, "limits.queue_depth")?,
            queue_wait: seconds(origins, "limits.queue_wait_sec")?,
        },
        chat: chat(origins, provider.model())?,
        codex: codex(origins)?,
        skills: skills(origins)?,
        provider,
        redactor: redactor(origins, "redaction.rules_file")?,
        log: LogSettings {
            filter: text(origins, "log.filter")?,
            format: log_format(origins, "log.format")?,
        },
    })
}

fn server(origins: &Origins) -> Result<ServerSettings, Problem> {
    Ok(ServerSettings {
        bind: address(origins, "server.bind")?,
        allowed_hosts: list(origins, "server.allowed_hosts")?,
        allowed_origins: list(origins, "server.allowed_origins")?,
        max_body_bytes: size(origins, "server.max_body_bytes")?,
        header_timeout: seconds(origins, "server.header_timeout_sec")?,
        keep_alive: seconds(origins, "server.keep_alive_sec")?,
        max_connections: size(origins, "server.max_connections")?,
        max_connections_per_address: size(origins, "server.max_connections_per_address")?,
        trusted_addresses: addresses(origins, "server.trusted_addresses")?,
        min_body_rate: size(origins, "server.min_body_rate")?,
        drain: seconds(origins, "server.drain_sec")?,
        data_dir: optional_path(origins, "server.data_dir")?
            .ok_or_else(|| disagreement("server.data_dir"))?,
    })
}

fn chat(origins: &Origins, model: &str) -> Result<ChatSettings, Problem> {
    let named = list(origins, "chat.allowed_models")?;
    let others = named.into_iter().filter(|name| name != model);
    Ok(ChatSettings {
        stream_enabled: switch(origins, "chat.stream_enabled")?,
        timeout: seconds(origins, "chat.timeout_sec")?,
        max_input_chars: size(origins, "chat.max_input_chars")?,
        max_context_chars: size(origins, "chat.max_context_chars")?,
        max_output_chars: size(origins, "chat.max_output_chars")?,
        max_skill_calls: u32::try_from(count(origins, "chat.max_skill_calls")?)
            .map_err(|_| disagreement("chat.max_skill_calls"))?,
        allowed_models: std::iter::once(model.to_owned()).chain(others).collect(),
    })
}

fn codex(origins: &Origins) -> Result<CodexSettings, Problem> {
    Ok(CodexSettings {
        bin: optional_path(origins, "codex.bin")?,
        driver: driver(origins, "codex.driver")?,
        chat_arguments: argument_templates(origins, "codex.chat_args")?,
        version_strict: switch(origins, "codex.version_strict")?,
        kill_grace: seconds(origins, "codex.kill_grace_sec")?,
        state_dir: optional_path(origins, "codex.state_dir")?,
        pool: PoolSettings {
            max_processes: size(origins, "codex.pool.max_processes")?,
            turns_per_process: size(origins, "codex.pool.turns_per_process")?,
            max_turns: count(origins, "codex.pool.max_turns")?,
            max_age: seconds(origins, "codex.pool.max_age_sec")?,
            max_rss_bytes: count(origins, "codex.pool.max_rss_mb")? * BYTES_PER_MEBIBYTE,
        },
        sandbox: sandbox(origins)?,
    })
}

fn sandbox(origins: &Origins) -> Result<SandboxSection, Problem> {
    let mebibytes = |path| Ok(count(origins, path)? * BYTES_PER_MEBIBYTE);
    let read_paths = list(origins, "codex.sandbox.read_paths")?;
    Ok(SandboxSection {
        mode: sandbox_mode(origins, "codex.sandbox.mode")?,
        bubblewrap: optional_path(origins, "codex.sandbox.bubblewrap")?,
        read_paths: read_paths.into_iter().map(PathBuf::from).collect(),
        scratch_bytes: mebibytes("codex.sandbox.scratch_mb")?,
        memory_bytes: mebibytes("codex.sandbox.memory_mb")?,
        address_space_bytes: optional_count(origins, "codex.sandbox.address_space_mb")?
            .map(|mebibytes| mebibytes * BYTES_PER_MEBIBYTE),
        processes: count(origins, "codex.sandbox.processes")?,
        open_files: count(origins, "codex.sandbox.open_files")?,
        file_size_bytes: mebibytes("codex.sandbox.file_size_mb")?,
        cpu_sec: count(origins, "codex.sandbox.cpu_sec")?,
    })
}

fn skills(origins: &Origins) -> Result<SkillSettings, Problem> {
    let paths = list(origins, "skills.workspaces")?;
    let tests = list(origins, "skills.workspace_tests")?;
    let read_paths = list(origins, "skills.read_paths")?;
    Ok(SkillSettings {
        dir: optional_path(origins, "skills.dir")?.ok_or_else(|| disagreement("skills.dir"))?,
        workspaces: workspace::join(&paths, &tests)
            .ok_or_else(|| disagreement("skills.workspaces"))?,
        read_paths: read_paths.into_iter().map(PathBuf::from).collect(),
        search_drops_hidden: switch(origins, "skills.search_drops_hidden")?,
    })
}

fn provider(origins: &Origins) -> Result<ProviderSettings, Problem> {
    let path = "provider.kind";
    match text(origins, path)?.as_str() {
        "openai" => Ok(ProviderSettings::OpenAi(OpenAiSettings {
            api_key: secret(origins, "provider.openai.api_key")?,
            model: text(origins, "provider.openai.model")?,
            base_url: text(origins, "provider.openai.base_url")?,
            connection: connection(origins)?,
        })),
        "azure" => Ok(ProviderSettings::Azure(AzureSettings {
            api_key: secret(origins, "provider.azure.api_key")?,
            endpoint: text(origins, "provider.azure.endpoint")?,
            deployment: text(origins, "provider.azure.deployment")?,
            api_version: text(origins, "provider.azure.api_version")?,
            connection: connection(origins)?,
        })),
        "demo" => Ok(ProviderSettings::Demo),
        _ => Err(disagreement(path)),
    }
}

fn connection(origins: &Origins) -> Result<ConnectionSettings, Problem> {
    Ok(ConnectionSettings {
        ca_file: optional_path(origins, "provider.ca_file")?,
        idle_timeout: seconds(origins, "provider.idle_sec")?,
        retries: u32::try_from(count(origins, "provider.retries")?)
            .map_err(|_| disagreement("provider.retries"))?,
    })
}

fn driver(origins: &Origins, path: &str) -> Result<DriverChoice, Problem> {
    match text(origins, path)?.as_str() {
        "auto" => Ok(DriverChoice::Auto),
        "app-server" => Ok(DriverChoice::AppServer),
        "exec" => Ok(DriverChoice::Exec),
        "contract" => Ok(DriverChoice::Contract),
        _ => Err(disagreement(path)),
    }
}

fn sandbox_mode(origins: &Origins, path: &str) -> Result<SandboxMode, Problem> {
    match text(origins, path)?.as_str() {
        "required" => Ok(SandboxMode::Required),
        "auto" => Ok(SandboxMode::Auto),
        "off" => Ok(SandboxMode::Off),
        _ => Err(disagreement(path)),
    }
}

fn log_format(origins: &Origins, path: &str) -> Result<LogFormat, Problem> {
    match text(origins, path)?.as_str() {
        "json" => Ok(LogFormat::Json),
        "text" => Ok(LogFormat::Text),
        _ => Err(disagreement(path)),
    }
}

fn switch(origins: &Origins, path: &str) -> Result<bool, Problem> {
    match origins.value(path) {
        Some(Value::Switch(on)) => Ok(*on),
        _ => Err(disagreement(path)),
    }
}

fn count(origins: &Origins, path: &str) -> Result<u64, Problem> {
    match origins.value(path) {
        Some(Value::Count(count)) => Ok(*count),
        _ => Err(disagreement(path)),
    }
}

fn optional_count(origins: &Origins, path: &str) -> Result<Option<u64>, Problem> {
    match origins.value(path) {
        Some(Value::Count(count)) => Ok(Some(*count)),
        Some(Value::Unset) => Ok(None),
        _ => Err(disagreement(path)),
    }
}

fn size(origins: &Origins, path: &str) -> Result<usize, Problem> {
    usize::try_from(count(origins, path)?).map_err(|_| disagreement(path))
}

fn seconds(origins: &Origins, path: &str) -> Result<Duration, Problem> {
    count(origins, path).map(Duration::from_secs)
}

fn text(origins: &Origins, path: &str) -> Result<String, Problem> {
    match origins.value(path) {
        Some(Value::Text(text)) => Ok(text.clone()),
        _ => Err(disagreement(path)),
    }
}

fn address(origins: &Origins, path: &str) -> Result<SocketAddr, Problem> {
    match origins.value(path) {
        Some(Value::Address(address)) => Ok(*address),
        _ => Err(disagreement(path)),
    }
}

fn addresses(origins: &Origins, path: &str) -> Result<Vec<IpAddr>, Problem> {
    let list = list(origins, path)?;
    let parsed = list.iter().map(|text| text.parse());
    parsed
        .collect::<Result<_, _>>()
        .map_err(|_| disagreement(path))
}

fn list(origins: &Origins, path: &str) -> Result<Vec<String>, Problem> {
    match origins.value(path) {
        Some(Value::List(items)) => Ok(items.clone()),
        _ => Err(disagreement(path)),
    }
}

fn argument_templates(origins: &Origins, path: &str) -> Result<Vec<ArgumentTemplate>, Problem> {
    let templates = list(origins, path)?;
    let parsed = templates.iter().map(|text| ArgumentTemplate::parse(text));
    parsed
        .collect::<Result<_, _>>()
        .map_err(|_| disagreement(path))
}

fn secret(origins: &Origins, path: &str) -> Result<SecretString, Problem> {
    match origins.value(path) {
        Some(Value::Secret(secret)) => Ok(secret.clone()),
        _ => Err(disagreement(path)),
    }
}

fn optional_path(origins: &Origins, path: &str) -> Result<Option<PathBuf>, Problem> {
    match origins.value(path) {
        Some(Value::Path(path)) => Ok(Some(path.clone())),
        Some(Value::Unset) => Ok(None),
        _ => Err(disagreement(path)),
    }
}

fn redactor(origins: &Origins, path: &str) -> Result<Redactor, Problem> {
    match origins.value(path) {
        Some(Value::Rules { redactor, .. }) => Ok(redactor.clone()),
        Some(Value::Unset) => Ok(Redactor::with_default_rules()),
        _ => Err(disagreement(path)),
    }
}

/// The table and this file do not agree about a setting. The tests resolve every setting, so no
/// release should ever say this; it is a refusal to start rather than a panic.
fn disagreement(path: &str) -> Problem {
    let detail = "its kind and its use disagree: this is a bug in Portcullis, please report it";
    Problem::of(path, Origin::NotSet, detail)
}
