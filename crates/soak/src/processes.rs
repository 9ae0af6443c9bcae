//! What the gateway has started, by `/proc`, and the crash of one of it. Nothing but descendants of that
//! one gateway is ever looked at for a victim.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// A process as the kernel names it: its number alone is given to others later.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    started: u64,
    pub(crate) name: String,
    parent: u32,
}

/// How the program of the Codex CLI is called by the kernel.
const CODEX: &str = "codex";

/// Everything that lives and has `ancestor` among its ancestors.
pub(crate) fn descendants(ancestor: u32) -> io::Result<Vec<Process>> {
    let mut by_parent: BTreeMap<u32, Vec<Process>> = BTreeMap::new();
    for entry in fs::read_dir("/proc")? {
        let pid = entry?.file_name().to_str().and_then(|it| it.parse().ok());
        if let Some(process) = pid.and_then(look_at) {
            by_parent.entry(process.parent).or_default().push(process);
        }
    }
    let mut found = Vec::new();
    let mut next = vec![ancestor];
    while let Some(parent) = next.pop() {
        let children = by_parent.remove(&parent).unwrap_or_default();
        next.extend(children.iter().map(|child| child.pid));
        found.extend(children);
    }
    Ok(found)
}

/// The Codex processes among them.
pub(crate) fn codex_processes(gateway: u32) -> io::Result<Vec<Process>> {
    let mut found = descendants(gateway)?;
    found.retain(|process| process.name == CODEX);
    found.sort_unstable();
    Ok(found)
}

/// `None` if it is gone, or only waits to be buried.
fn look_at(pid: u32) -> Option<Process> {
    // proc_pid_stat(5): "pid (comm) state ppid …", the start time is the 22nd.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (head, fields) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
    if matches!(fields.first(), Some(&("Z" | "X")) | None) {
        return None;
    }
    Some(Process {
        pid,
        started: fields.get(19)?.parse().ok()?,
        name: head.split_once('(')?.1.to_owned(),
        parent: fields.get(1)?.parse().ok()?,
    })
}

impl Process {
    pub(crate) fn is_alive(&self) -> bool {
        look_at(self.pid).is_some_and(|found| found.started == self.started)
    }

    /// Ends it without warning; false if it had gone already.
    pub(crate) fn kill(&self) -> bool {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else {
            return false;
        };
        let Ok(descriptor) = pidfd_open(pid, PidfdFlags::empty()) else {
            return false;
        };
        // From here on the number is held: if it is still the same process, it stays the same.
        if !self.is_alive() {
            return false;
        }
        pidfd_send_signal(descriptor, Signal::KILL).is_ok()
    }
}

/// Living processes whose environment or command line names `path`, whoever their parent is.
pub(crate) fn naming(path: &Path) -> io::Result<Vec<Process>> {
    let wanted = path.as_os_str().as_encoded_bytes();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let pid = entry.file_name().to_str().and_then(|it| it.parse().ok());
        let Some(process) = pid.and_then(look_at) else {
            continue;
        };
        let names_it = |file: &str| {
            let text = fs::read(entry.path().join(file)).unwrap_or_default();
            text.windows(wanted.len()).any(|window| window == wanted)
        };
        // This program names it too: it made it.
        if process.pid != std::process::id() && (names_it("environ") || names_it("cmdline")) {
            found.push(process);
        }
    }
    Ok(found)
}
