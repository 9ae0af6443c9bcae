use std::{
    env, fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;
use tokio::{
    runtime::{Builder, Runtime},
    signal::unix::{SignalKind, signal},
};

const PINNED_VERSION: &str = "0.169.0";

/// How the process misbehaves as a whole; the keys are explained in `main.rs`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a key of the file, and any of them may stand with any other"
)]
pub(crate) struct Startup {
    version: Option<String>,
    pub(crate) commands: Vec<String>,
    pub(crate) chat_options: Vec<String>,
    pub(crate) record: Option<PathBuf>,
    pub(crate) exit_at_start: Option<u8>,
    slow_start_ms: u64,
    pub(crate) hang_in_initialize: bool,
    pub(crate) refuse_tools: bool,
    pub(crate) refuse_thread_start: u64,
    refuse_thread_start_while: Option<PathBuf>,
    pub(crate) crash_after_turns: Option<u64>,
    pub(crate) ignore_signals: bool,
    pub(crate) leave_grandchild: bool,
    pub(crate) lines: Vec<String>,
}

impl Default for Startup {
    fn default() -> Self {
        let words = |words: &[&str]| words.iter().copied().map(String::from).collect();
        Self {
            version: None,
            commands: words(&["exec", "app-server"]),
            chat_options: words(&["--stream", "--json"]),
            record: None,
            exit_at_start: None,
            slow_start_ms: 0,
            hang_in_initialize: false,
            refuse_tools: false,
            refuse_thread_start: 0,
            refuse_thread_start_while: None,
            crash_after_turns: None,
            ignore_signals: false,
            leave_grandchild: false,
            lines: Vec::new(),
        }
    }
}

impl Startup {
    pub(crate) fn beside_program() -> Result<Self, String> {
        let program = program();
        let Some(directory) = program.parent() else {
            return Ok(Self::default());
        };
        Self::read(&directory.join("fake-codex.toml"))
    }

    fn read(path: &Path) -> Result<Self, String> {
        if !path.exists() {
            return Ok(Self::default());
        }
        let text =
            fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
    }

    pub(crate) fn version(&self) -> String {
        variable("FAKE_CODEX_VERSION")
            .or_else(|| self.version.clone())
            .unwrap_or_else(|| PINNED_VERSION.to_owned())
    }

    pub(crate) fn refuses_threads_now(&self) -> bool {
        self.refuse_thread_start_while
            .as_ref()
            .is_some_and(|path| path.exists())
    }

    pub(crate) fn slow_start(&self) -> Duration {
        Duration::from_millis(self.slow_start_ms)
    }

    /// With the signals ignored, if so wanted: tokio's handlers replace the default action for good.
    pub(crate) fn runtime(&self) -> io::Result<Runtime> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        if self.ignore_signals {
            let _entered = runtime.enter();
            drop(signal(SignalKind::interrupt())?);
            drop(signal(SignalKind::terminate())?);
        }
        Ok(runtime)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this program stands in for one that is set up by its environment"
)]
pub(crate) fn variable(name: &str) -> Option<String> {
    env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

/// `argv[0]` as it was given: a link's own directory, not its target's.
pub(crate) fn program() -> PathBuf {
    env::args_os().next().map(PathBuf::from).unwrap_or_default()
}
