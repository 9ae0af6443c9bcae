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

/// The hold on one child; clones share it. The child's process group is killed when the last one is
/// dropped, so nothing that was started outlives the wish for it.
#[derive(Clone)]
pub struct ChildHandle {
    shared: Arc<Shared>,
}

/// How a child is asked to end, before it is made to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupt {
    /// `SIGINT` to the whole group; in a sandbox to the program.
    Signal,
    /// Nothing is sent: the caller has asked already, by protocol or by closing the standard input, and
    /// the child gets the grace to comply.
    AlreadyAsked,
    /// Not at all: it is killed without grace.
    None,
}

/// How far the wish for the end has gone; the supervisor follows it.
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

    /// The process that runs the program, as seen from here; in a sandbox, bubblewrap until the program
    /// has begun.
    pub fn pid(&self) -> u32 {
        let group = &self.shared.group;
        let program = group.inside().map(|inside| inside.program_pid());
        let pid = program.unwrap_or(group.leader());
        pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// The resident memory of the child itself, its descendants not included; `None` once it has ended.
    pub fn rss_bytes(&self) -> Option<u64> {
        let statm = self.shared.group.while_held(|pid| {
            fs::read_to_string(format!("/proc/{}/statm", pid.as_raw_nonzero())).ok()
        })?;
        let pages: u64 = statm.split_ascii_whitespace().nth(1)?.parse().ok()?;
        (pages > 0).then(|| pages * rustix::param::page_size() as u64)
    }

    /// What lies in the file system at `path`, as the child sees it: for an overlay, what the child has
    /// written. Each file counts a page beside its bytes, as it costs the kernel memory. `None` once it
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

    /// The most memory that one of the processes in the child's sandbox maps together with others and that
    /// is resident, files in memory included: no limit of a process holds it. 0 without a sandbox.
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

    /// Whether the program has started another process that still runs: as its own child, or in a
    /// sandbox also as one that has lost its parent. False where the kernel does not tell.
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

    /// Waits until the child has ended and its group is verified to be dead. Any number may wait, at any
    /// time, and be dropped. The future does not hold the child alive.
    pub fn exited(&self) -> impl Future<Output = Exit> + Send + use<> {
        let mut exit = self.shared.exit.clone();
        async move {
            // An error means that the runtime was shut down around the supervisor, which killed the group.
            match exit.wait_for(Option::is_some).await {
                Ok(exit) => exit.clone().unwrap_or_default(),
                Err(_) => Exit::default(),
            }
        }
    }

    /// Counts what it writes from the start again: for a process that does one piece of work after another,
    /// and may write as much for each.
    pub fn reset_output(&self) {
        self.shared.meter.reset();
    }

    /// How it ended, if it has.
    pub fn exit(&self) -> Option<Exit> {
        self.shared.exit.borrow().clone()
    }

    /// `SIGINT` to the group, in a sandbox to the program, and nothing more: no grace begins.
    pub fn interrupt(&self) {
        self.shared.group.signal(Signal::Interrupt);
    }

    /// Ends the child: `first`, then the grace, then `SIGKILL` to the group, then verification that
    /// nothing of it is left. Takes at most the grace and about a second. Dropping the future does not
    /// stop it; calling it again can only hasten it.
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

    /// The last 4 KiB of the child's standard error: raw, untrusted, not redacted. For `doctor`, never
    /// for a log.
    pub fn stderr_tail(&self) -> Vec<u8> {
        self.shared.stderr.tail()
    }
}

impl Drop for Shared {
    /// Here, not in the supervisor, so that it holds even when the runtime is busy or ending. The
    /// supervisor sees the death and does the rest.
    fn drop(&mut self) {
        if self.exit.borrow().is_none() {
            self.group.signal(Signal::Kill);
        }
    }
}
