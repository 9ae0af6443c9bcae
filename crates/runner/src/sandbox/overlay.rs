use std::{collections::BTreeMap, path::Path, time::Duration};

use tokio_util::task::TaskTracker;

use super::{
    Bind, BindMode, BubblewrapSpec, PrivateDirectory, ResourceLimits, Sandbox,
    system_paths::read_paths, tools::SandboxTools,
};
use crate::{
    deadline::Deadline,
    process::{
        spawn::spawn,
        spec::{CommandSpec, Limits, OutputLimit, Stdin},
    },
};

/// A program that has not ended within this time does not run in an overlay.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

const MEGABYTE: u64 = 1024 * 1024;

/// Whether bubblewrap and the kernel can mount an overlay ([`BindMode::Overlay`]): runs `program` with
/// `--version` in a sandbox that has one. No other user may enter `handshake_dir`.
pub async fn can_overlay(
    tools: &SandboxTools,
    program: &Path,
    handshake_dir: &Path,
    tracker: &TaskTracker,
) -> bool {
    let spec = CommandSpec {
        program: program.to_owned(),
        args: vec!["--version".into()],
        env: BTreeMap::from([("HOME".into(), "/probe-home".into())]),
        current_dir: "/overlay".into(),
        stdin: Stdin::Null,
        sandbox: Sandbox::Bubblewrap(Box::new(overlay_sandbox(tools, program, handshake_dir))),
    };
    let limits = Limits {
        max_line_bytes: 4096,
        kill_grace: Duration::from_secs(1),
        output: OutputLimit {
            bytes: MEGABYTE,
            lines: 10_000,
        },
    };
    let deadline = Deadline::after(PROBE_TIMEOUT);
    let Ok(mut child) = spawn(spec, limits, Some(deadline), tracker) else {
        return false;
    };
    if let Some(bridge) = child.bridge.take()
        && let Err(error) = bridge.open().await
    {
        tracing::debug!(%error, "no overlay");
        return false;
    }
    child.handle.exited().await.is_success()
}

fn overlay_sandbox(tools: &SandboxTools, program: &Path, handshake_dir: &Path) -> BubblewrapSpec {
    BubblewrapSpec {
        tools: SandboxTools {
            control_groups: None,
            ..tools.clone()
        },
        read_paths: read_paths(program),
        hidden_paths: Vec::new(),
        private: PrivateDirectory {
            path: "/probe-home".into(),
            directories: Vec::new(),
            files: Vec::new(),
            size_bytes: MEGABYTE,
        },
        binds: vec![Bind {
            source: handshake_dir.to_owned(),
            target: "/overlay".into(),
            mode: BindMode::Overlay,
        }],
        handshake_dir: handshake_dir.to_owned(),
        bridge_port: None,
        limits: ResourceLimits {
            memory_bytes: 1024 * MEGABYTE,
            address_space_bytes: 4096 * MEGABYTE,
            processes: 64,
            open_files: 64,
            file_size_bytes: MEGABYTE,
            cpu_sec: 10,
        },
    }
}
