use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Child, ExitCode, Stdio},
    thread,
    time::Duration,
};

use serde::Deserialize;
use tokio::{
    runtime::{Builder, Runtime},
    signal::unix::{SignalKind, signal},
};

use crate::command_line::GRANDCHILD;

const PINNED_VERSION: &str = "0.169.0";

/// How the process misbehaves as a whole; the keys are explained in `main.rs`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Startup {
    version: Option<String>,
    pub(crate) record: Option<PathBuf>,
    pub(crate) exit_at_start: Option<u8>,
    slow_start_ms: u64,
    pub(crate) hang_in_initialize: bool,
    pub(crate) refuse_thread_start: u64,
    pub(crate) crash_after_turns: Option<u64>,
    pub(crate) ignore_signals: bool,
    leave_grandchild: bool,
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
        env::var_os("FAKE_CODEX_VERSION")
            .map(|version| version.to_string_lossy().into_owned())
            .or_else(|| self.version.clone())
            .unwrap_or_else(|| PINNED_VERSION.to_owned())
    }

    pub(crate) fn slow_start(&self) -> Duration {
        Duration::from_millis(self.slow_start_ms)
    }

    /// In this process's own group, with its pipes: who waits for their end waits for both. Nobody
    /// waits for it here, as for a real orphan.
    pub(crate) fn leave_grandchild(&self) -> Option<Child> {
        if !self.leave_grandchild {
            return None;
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "a process that the runner does not know is the point"
        )]
        let mut command = std::process::Command::new(program());
        command.arg(GRANDCHILD).stdin(Stdio::null()).spawn().ok()
    }

    /// The whole life of the grandchild.
    pub(crate) fn linger(&self) -> ExitCode {
        let Ok(runtime) = self.runtime() else {
            return ExitCode::FAILURE;
        };
        let _runtime = runtime.enter();
        loop {
            thread::park();
        }
    }

    /// With the signals ignored, if so wanted: tokio's handlers replace the default action for good.
    pub(crate) fn runtime(&self) -> std::io::Result<Runtime> {
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

/// `argv[0]` as it was given: a link's own directory, not its target's.
fn program() -> PathBuf {
    env::args_os().next().map(PathBuf::from).unwrap_or_default()
}
