use std::{fs, path::Path, sync::Arc};

use tokio::sync::watch;

use crate::{
    process::{output_meter::OutputMeter, stderr::StderrRecord},
    reap::{
        exit::{Exit, Signal},
        group::Group,
        process_table,
    },
    sandbox::BYTES_PER_INODE,
};

/// Controls one child. Clones control the same child. When the last one is dropped, the child's process group
/// is killed.
#[derive(Clone)]
pub struct ChildHandle {
    shared: Arc<Shared>,
}

/// How a child is asked to end before it is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupt {
    /// `SIGINT` to the whole group, or to the program in a sandbox.
    Signal,
    /// No signal, but the grace: the caller has asked in its own way, such as by closing standard input.
    AlreadyAsked,
    /// No signal and no grace: it is killed at once.
    None,
}

/// How far the end has been requested. The supervisor follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Running,
    Ending,
    Killing,
}

struct Shared {
    group: Arc<Group>,
    phase: watch::Sender<Phase>,
    exit: watch::Receiver<Option<Exit>>,
    stderr: Arc<StderrRecord>,
    meter: Arc<OutputMeter>,
}

impl ChildHandle {
    pub(crate) fn new(
        group: Arc<Group>,
        phase: watch::Sender<Phase>,
        exit: watch::Receiver<Option<Exit>>,
        stderr: Arc<StderrRecord>,
        meter: Arc<OutputMeter>,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                group,
                phase,
                exit,
                stderr,
                meter,
            }),
        }
    }

    /// The process id of the program, as this process sees it. In a sandbox, that of bubblewrap until the
    /// program has started.
    pub fn pid(&self) -> u32 {
        let group = &self.shared.group;
        let program = group.inside().map(|inside| inside.program_pid());
        let pid = program.unwrap_or(group.leader());
        pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// The resident memory of the child without its descendants. `None` if it has ended.
    pub fn rss_bytes(&self) -> Option<u64> {
        let statm = self.shared.group.while_held(|pid| {
            fs::read_to_string(format!("/proc/{}/statm", pid.as_raw_nonzero())).ok()
        })?;
        let pages: u64 = statm.split_ascii_whitespace().nth(1)?.parse().ok()?;
        (pages > 0).then(|| pages * rustix::param::page_size() as u64)
    }

    /// The size of the files in the file system at `path` of the child: for an overlay, what the child has
    /// written. Each file counts one page more than its bytes, for the kernel's memory. `None` if the child
    /// has ended.
    pub fn written_bytes(&self, path: &Path) -> Option<u64> {
        let inner = path.strip_prefix("/").ok()?;
        self.shared.group.while_held(|pid| {
            let root = format!("/proc/{}/root", pid.as_raw_nonzero());
            let found = rustix::fs::statvfs(Path::new(&root).join(inner)).ok()?;
            let used = found.f_blocks.saturating_sub(found.f_bfree);
            let files = found.f_files.saturating_sub(found.f_ffree);
            let bytes = used.saturating_mul(found.f_frsize);
            Some(bytes.saturating_add(files.saturating_mul(BYTES_PER_INODE)))
        })
    }

    /// The largest shared resident memory of a process in the child's sandbox, files in memory included. No
    /// limit of a process covers it. 0 without a sandbox.
    pub fn shared_bytes(&self) -> u64 {
        let Some(inside) = self.shared.group.inside() else {
            return 0;
        };
        let processes = process_table::descendants_of(inside.init_pid());
        let shared = processes
            .into_iter()
            .filter_map(process_table::shared_bytes);
        shared.max().unwrap_or_default()
    }

    /// Whether a process that the program has started still runs. Without a sandbox, only the program's own
    /// children are seen. False if the kernel does not tell.
    pub fn has_descendants(&self) -> bool {
        let group = &self.shared.group;
        let Some(program) = group.while_held(Some) else {
            return false;
        };
        let mut orphans = group
            .inside()
            .map(|inside| process_table::children_of(inside.init_pid()))
            .unwrap_or_default()
            .into_iter()
            .filter(|pid| *pid != program.as_raw_nonzero().get());
        orphans.next().is_some() || !process_table::children_of(program).is_empty()
    }

    /// Waits until the child and its group have ended. Any number of callers may wait. The future does not
    /// keep the child alive.
    pub fn exited(&self) -> impl Future<Output = Exit> + Send + use<> {
        let mut exit = self.shared.exit.clone();
        async move {
            // An error means that the runtime was shut down, and the supervisor has killed the group.
            match exit.wait_for(Option::is_some).await {
                Ok(exit) => exit.clone().unwrap_or_default(),
                Err(_) => Exit::default(),
            }
        }
    }

    /// Starts to count the output from zero again. For a process with several pieces of work, where the limit
    /// is for each.
    pub fn reset_output(&self) {
        self.shared.meter.reset();
    }

    /// How the child has ended. `None` if it runs.
    pub fn exit(&self) -> Option<Exit> {
        self.shared.exit.borrow().clone()
    }

    /// Sends `SIGINT` to the group, or to the program in a sandbox. Starts no grace.
    pub fn interrupt(&self) {
        self.shared.group.signal(Signal::Interrupt);
    }

    /// Ends the child: first as `first` says, then the grace, then `SIGKILL` to the group. Returns when no
    /// process of it is left, which takes at most the grace and about a second. Dropping the future does not
    /// stop this, and another call can only make it faster.
    pub async fn shutdown(&self, first: Interrupt) -> Exit {
        let phase = match first {
            Interrupt::Signal => {
                self.interrupt();
                Phase::Ending
            }
            Interrupt::AlreadyAsked => Phase::Ending,
            Interrupt::None => Phase::Killing,
        };
        self.shared.phase.send_if_modified(|current| {
            let advances = *current < phase;
            *current = phase.max(*current);
            advances
        });
        self.exited().await
    }

    /// The last 4 KiB of the child's standard error: untrusted and not redacted, so never for a log.
    pub fn stderr_tail(&self) -> Vec<u8> {
        self.shared.stderr.tail()
    }
}

impl Drop for Shared {
    /// Kills here, not in the supervisor, so that it works even if the runtime is busy or ending. The
    /// supervisor notices the death and does the rest.
    fn drop(&mut self) {
        if self.exit.borrow().is_none() {
            self.group.signal(Signal::Kill);
        }
    }
}
