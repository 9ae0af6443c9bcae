use std::{
    fs, io,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, getpid};

use crate::reap::{
    child_registry,
    process_table::{ProcessTable, has_variable},
};

/// Every child has this variable in its environment, with a value of its own that cannot be guessed.
pub(crate) const TAG_VARIABLE: &str = "PORTCULLIS_RUN";

/// How long the processes of an earlier run get to die of `SIGKILL`.
const LEFT_BEHIND_LIMIT: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(5);

/// Finds the processes that a child has started: by group and session, by the child's tag in their
/// environment, by their parents, and orphans that have been reparented to this process.
///
/// This is weaker than a process namespace. A descendant that has left the group, cleared its environment
/// and lost its parent is found only where orphans are reparented to this process ([`adopt_orphans`]). One
/// that starts new processes all the time may be one process ahead.
pub(crate) struct Descendants {
    leader: Pid,
    tag: String,
}

impl Descendants {
    /// `leader` is the child. `tag` is the value of [`TAG_VARIABLE`] in its environment.
    pub(crate) fn of(leader: Pid, tag: String) -> Self {
        Self { leader, tag }
    }

    /// Kills all descendants that are found, and the child itself. Returns how many were alive.
    ///
    /// Reads all of `/proc`, so it blocks for some milliseconds on a busy machine.
    pub(crate) fn kill(&self) -> u32 {
        let leader = self.leader.as_raw_nonzero().get();
        let tagged = format!("{TAG_VARIABLE}={}", self.tag);
        let table = ProcessTable::read();
        let roots = table.processes().filter(|process| {
            process.pid == leader
                || process.group == leader
                || process.session == leader
                || has_variable(process.pid, &tagged)
        });
        table.kill_trees(roots.map(|process| process.pid))
            + child_registry::kill_orphans_if_alone(leader)
    }
}

/// Kills what an earlier run of this program has left running for the directory `home`: processes that
/// have `variable=home` in their environment or `home` as their working directory, and their descendants.
/// Returns how many are still alive after two seconds.
///
/// Blocks: for the start of a program.
pub(crate) fn end_left_behind(variable: &str, home: &Path) -> io::Result<u32> {
    let named = format!("{variable}={}", home.display());
    let own = getpid().as_raw_nonzero().get();
    let works_in_home = |pid: i32| {
        let directory = fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
        directory.starts_with(home)
    };
    let give_up_at = Instant::now() + LEFT_BEHIND_LIMIT;
    loop {
        let table = ProcessTable::read();
        let pids = table.processes().map(|process| process.pid);
        let roots =
            pids.filter(|pid| *pid != own && (has_variable(*pid, &named) || works_in_home(*pid)));
        let alive = table.kill_trees(roots);
        if alive == 0 || Instant::now() >= give_up_at {
            return Ok(alive);
        }
        thread::park_timeout(PAUSE);
    }
}

/// Makes this process the parent of all orphans among its descendants (`PR_SET_CHILD_SUBREAPER`). They are
/// killed when no child lives any more that may have started them.
///
/// Only for a program that starts all its processes through this crate: any other child would be taken
/// for an orphan.
pub fn adopt_orphans() -> io::Result<()> {
    rustix::process::set_child_subreaper(Some(getpid()))?;
    child_registry::expect_orphans();
    Ok(())
}

/// 128 random bits in hexadecimal.
pub(crate) fn new_tag() -> io::Result<String> {
    let random = || getrandom::u64().map_err(io::Error::other);
    Ok(format!("{:016x}{:016x}", random()?, random()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_tag_is_like_another() {
        assert_ne!(new_tag().unwrap(), new_tag().unwrap());
        assert_eq!(new_tag().unwrap().len(), 32);
    }
}
