//! Who wins, and what the winning values become.

use std::time::Duration;

use broker::ProviderSettings;
use redact::Redactor;

use super::*;
use codex_client::DriverChoice;

use crate::config::{AuthenticationMode, LogFormat, Origin};

#[test]
fn a_key_alone_is_enough_and_the_rest_has_the_defaults_of_the_design() {
    let Settings {
        server,
        limits,
        chat,
        codex,
        skills,
        provider,
        redactor,
        log,
        tls,
        jwt,
        access,
        database,
        shared_limits,
    } = good(&[]);
    assert_eq!(access.auth, AuthenticationMode::Auto);
    assert_eq!(access.key_cache, Duration::from_secs(30));
    assert!(database.describe().ends_with("data/portcullis.db"));
    assert!(shared_limits.tenants.is_empty() && shared_limits.teams.is_empty());
    assert_eq!(server.bind.to_string(), "127.0.0.1:8000");
    assert_eq!(server.max_body_bytes, 4_194_304);
    assert_eq!(server.header_timeout, Duration::from_secs(10));
    assert_eq!(server.drain, Duration::from_secs(30));
    assert_eq!(server.data_dir, std::path::absolute("data").unwrap());
    assert!(server.allowed_hosts.is_empty() && server.allowed_origins.is_empty());
    assert_eq!((limits.max_concurrent_turns, limits.queue_depth), (16, 64));
    assert_eq!(limits.queue_wait, Duration::from_secs(10));
    assert!(chat.stream_enabled);
    assert_eq!(chat.timeout, Duration::from_mins(2));
    let caps = (
        chat.max_input_chars,
        chat.max_context_chars,
        chat.max_output_chars,
    );
    assert_eq!(caps, (8_000, 200_000, 400_000));
    assert_eq!(chat.allowed_models, ["gpt-4o-mini"]);
    assert_eq!((codex.bin, codex.state_dir), (None, None));
    assert_eq!(codex.driver, DriverChoice::Auto);
    assert!(!codex.version_strict);
    assert_eq!(codex.kill_grace, Duration::from_secs(2));
    let pool = codex.pool;
    assert_eq!(
        (pool.max_processes, pool.turns_per_process, pool.max_turns),
        (4, 4, 200)
    );
    assert_eq!(pool.max_age, Duration::from_mins(30));
    assert_eq!(pool.max_rss_bytes, 512 * 1024 * 1024);
    assert_eq!(skills.dir, std::path::absolute("skills").unwrap());
    assert!(skills.workspaces.is_empty() && skills.read_paths.is_empty());
    let ProviderSettings::OpenAi(openai) = provider else {
        panic!("openai is the default");
    };
    assert_eq!(openai.base_url, "https://api.openai.com/v1");
    assert_eq!(redactor.rules(), Redactor::with_default_rules().rules());
    assert_eq!((log.filter.as_str(), log.format), ("info", LogFormat::Json));
    assert!(tls.is_none() && jwt.is_none());
}

#[test]
fn the_defaults_contradict_nothing() {
    assert_eq!(warnings(&[]), Vec::<String>::new());
}

#[test]
fn the_file_beats_the_defaults_and_the_environment_beats_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("portcullis.toml");
    std::fs::write(&path, "[limits]\nqueue_depth = 7\nqueue_wait_sec = 8\n").unwrap();
    let path = path.to_str().unwrap();
    let loaded = keyed(&[("PORTCULLIS_CONFIG", path), ("PORTCULLIS_QUEUE_DEPTH", "9")]).unwrap();
    assert_eq!(loaded.settings.limits.queue_depth, 9);
    assert_eq!(loaded.settings.limits.queue_wait, Duration::from_secs(8));
    assert_eq!(loaded.settings.limits.max_concurrent_turns, 16);
    let origin = |path| loaded.origins.origin(path).unwrap().to_string();
    assert_eq!(origin("limits.queue_depth"), "PORTCULLIS_QUEUE_DEPTH");
    assert_eq!(origin("limits.queue_wait_sec"), format!("{path}:3"));
    assert_eq!(origin("limits.max_concurrent_turns"), "default");
}

#[test]
fn the_demo_flag_beats_the_environment() {
    let environment = environment(&[("LLM_PROVIDER", "azure")]);
    let loaded = load(&environment, &Overrides { demo: true }).unwrap();
    assert!(matches!(loaded.settings.provider, ProviderSettings::Demo));
    assert_eq!(loaded.settings.chat.allowed_models, ["demo"]);
    let origin = loaded.origins.origin("provider.kind").unwrap();
    assert_eq!(*origin, Origin::CommandLine("--demo"));
}

#[test]
fn an_empty_variable_is_not_set() {
    let settings = good(&[
        ("PORTCULLIS_BIND", ""),
        ("OPENAI_API_KEY_FILE", ""),
        ("PORTCULLIS_CONFIG", ""),
        ("PORTCULLIS_AUTH", ""),
    ]);
    assert_eq!(settings.server.bind.port(), 8000);
}

#[test]
fn the_configured_model_is_always_allowed_and_comes_first() {
    let settings = good(&[
        ("OPENAI_MODEL", "gpt-5"),
        ("CHAT_ALLOWED_MODELS", " o4-mini , gpt-5,, o4-mini"),
    ]);
    assert_eq!(settings.chat.allowed_models, ["gpt-5", "o4-mini"]);
}

#[test]
fn every_variable_reaches_its_field() {
    let loaded = with(&[
        ("PORTCULLIS_BIND", "[::1]:1"),
        ("PORTCULLIS_ALLOWED_HOSTS", "Chat.Example,[2001:db8::1]"),
        ("PORTCULLIS_ALLOWED_ORIGINS", "https://chat.example/"),
        ("PORTCULLIS_MAX_BODY_BYTES", "1000002"),
        ("PORTCULLIS_HEADER_TIMEOUT_SEC", "3"),
        ("PORTCULLIS_KEEP_ALIVE_SEC", "22"),
        ("PORTCULLIS_MAX_CONNECTIONS", "23"),
        ("PORTCULLIS_MAX_CONNECTIONS_PER_ADDRESS", "24"),
        ("PORTCULLIS_TRUSTED_ADDRESSES", "10.0.0.7, ::ffff:10.0.0.8"),
        ("PORTCULLIS_MIN_BODY_RATE", "25"),
        ("PORTCULLIS_DRAIN_SEC", "4"),
        ("PORTCULLIS_DATA_DIR", "/nowhere/data"),
        ("PORTCULLIS_MAX_CONCURRENT_TURNS", "5"),
        ("PORTCULLIS_QUEUE_DEPTH", "6"),
        ("PORTCULLIS_QUEUE_WAIT_SEC", "7"),
        ("STREAM_ENABLED", "False"),
        ("CODEX_TIMEOUT_SEC", "90"),
        ("CHAT_MAX_INPUT_CHARS", "11"),
        ("CHAT_MAX_CTX_CHARS", "12"),
        ("CHAT_MAX_OUTPUT_CHARS", "13"),
        ("CHAT_ALLOWED_MODELS", "other"),
        ("CODEX_BIN", "/bin/sh"),
        ("CODEX_DRIVER", "App-Server"),
        ("CODEX_CHAT_ARGS", "ask, --model={model}"),
        ("CODEX_VERSION_STRICT", "1"),
        ("CODEX_KILL_GRACE_SEC", "14"),
        ("CODEX_STATE_DIR", "/nowhere/state"),
        ("CODEX_POOL_MAX_PROCESSES", "15"),
        ("CODEX_POOL_TURNS_PER_PROCESS", "16"),
        ("CODEX_POOL_MAX_TURNS", "17"),
        ("CODEX_POOL_MAX_AGE_SEC", "18"),
        ("CODEX_POOL_MAX_RSS_MB", "100"),
        ("PORTCULLIS_SANDBOX", "Required"),
        ("CODEX_SANDBOX_BWRAP", "/bin/sh"),
        ("CODEX_SANDBOX_READ_PATHS", "/usr, /bin"),
        ("CODEX_LIMIT_SCRATCH_MB", "19"),
        ("CODEX_LIMIT_MEMORY_MB", "1000"),
        ("CODEX_LIMIT_ADDRESS_SPACE_MB", "2000"),
        ("CODEX_LIMIT_PROCESSES", "33"),
        ("CODEX_LIMIT_OPEN_FILES", "65"),
        ("CODEX_LIMIT_FILE_SIZE_MB", "20"),
        ("CODEX_LIMIT_CPU_SEC", "21"),
        ("PORTCULLIS_SKILLS_DIR", "/usr"),
        ("PORTCULLIS_WORKSPACES", "app=/usr, lib=/bin"),
        ("PORTCULLIS_WORKSPACE_TESTS", "lib=cargo"),
        ("PORTCULLIS_SKILL_READ_PATHS", "/bin"),
        ("PORTCULLIS_SEARCH_DROPS_HIDDEN", "true"),
        ("LLM_PROVIDER", "azure"),
        ("AZURE_OPENAI_API_KEY", KEY),
        ("AZURE_OPENAI_ENDPOINT", "https://name.openai.azure.com/"),
        ("AZURE_OPENAI_DEPLOYMENT", "our-mini"),
        ("AZURE_OPENAI_API_VERSION", "2025-04-01-preview"),
        ("PORTCULLIS_LOG", "gateway=debug,info"),
        ("PORTCULLIS_LOG_FORMAT", "text"),
    ]);
    let loaded = loaded.unwrap();
    assert_eq!(loaded.warnings, []);
    insta::assert_debug_snapshot!(loaded.settings);
}

#[test]
fn the_environment_of_the_process_can_be_read() {
    let environment = Environment::from_process();
    assert!(environment.get("PATH").is_some());
    assert!(environment.get("").is_none());
}
