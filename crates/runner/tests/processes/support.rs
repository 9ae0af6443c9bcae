use std::{collections::BTreeMap, fs, path::PathBuf, time::Duration};

use runner::{Child, CommandSpec, Exit, Limits, Line, Lines, OutputLimit, Sandbox, Stdin};
use tokio::time;
use tokio_util::task::TaskTracker;

/// Far more than any test needs: it bounds a hang, it measures nothing.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const LIMITS: Limits = Limits {
    max_line_bytes: 1 << 20,
    kill_grace: Duration::from_secs(10),
    output: OutputLimit {
        bytes: 1 << 30,
        lines: 1 << 30,
    },
};

/// A shell with a script: only in tests, which need children that misbehave.
pub(crate) fn shell(script: &str) -> CommandSpec {
    CommandSpec {
        program: PathBuf::from("/bin/sh"),
        args: vec!["-c".into(), script.into()],
        env: BTreeMap::from([("PATH".into(), "/usr/bin:/bin".into())]),
        current_dir: PathBuf::from("/"),
        stdin: Stdin::Null,
        sandbox: Sandbox::Off,
    }
}

pub(crate) fn start(spec: CommandSpec) -> Child {
    start_within(spec, LIMITS)
}

pub(crate) fn start_within(spec: CommandSpec, limits: Limits) -> Child {
    runner::spawn(spec, limits, None, &TaskTracker::new()).unwrap()
}

pub(crate) async fn next_text(lines: &mut Lines) -> Option<String> {
    match time::timeout(PATIENCE, lines.next()).await.unwrap()? {
        Line::Text(text) => Some(String::from_utf8(text).unwrap()),
        Line::TooLong { bytes } => panic!("a line of {bytes} bytes"),
    }
}

pub(crate) async fn next_pid(lines: &mut Lines) -> u32 {
    next_text(lines).await.unwrap().parse().unwrap()
}

pub(crate) async fn rest_of(mut lines: Lines) -> Vec<String> {
    let mut rest = Vec::new();
    while let Some(text) = next_text(&mut lines).await {
        rest.push(text);
    }
    rest
}

pub(crate) async fn exit_of(child: &Child) -> Exit {
    time::timeout(PATIENCE, child.handle.exited())
        .await
        .unwrap()
}

/// A zombie that nobody has waited for counts as dead.
pub(crate) fn is_alive(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .ok()
        .and_then(|stat| {
            stat.rsplit_once(')')
                .map(|(_, fields)| !fields.starts_with(" Z"))
        })
        .unwrap_or(false)
}
