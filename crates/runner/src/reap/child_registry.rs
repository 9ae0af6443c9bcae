//! The children that this process has started and not yet reaped. No child in it is taken for an orphan.

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use rustix::process::{Pid, WaitOptions, getpid, waitpid};

use crate::reap::process_table::ProcessTable;

static REGISTRY: Mutex<ChildRegistry> = Mutex::new(ChildRegistry {
    children: BTreeSet::new(),
    expects_orphans: false,
});

pub(crate) struct ChildRegistry {
    children: BTreeSet<i32>,
    expects_orphans: bool,
}

/// Held while a child is started, so that nobody sees a child that is not yet registered.
pub(crate) fn lock() -> MutexGuard<'static, ChildRegistry> {
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ChildRegistry {
    pub(crate) fn add(&mut self, pid: u32) {
        self.children.extend(i32::try_from(pid));
    }
}

pub(crate) fn remove(pid: i32) {
    lock().children.remove(&pid);
}

pub(crate) fn expect_orphans() {
    lock().expects_orphans = true;
}

/// Kills the orphans of this process and their descendants, and returns how many were alive. Does nothing
/// while a child other than `leader` is registered: the orphans may be its descendants, and are killed at
/// its end. No child can be started while this reads `/proc`.
pub(crate) fn kill_orphans_if_alone(leader: i32) -> u32 {
    let registry = lock();
    let is_alone = registry.children.iter().all(|pid| *pid == leader);
    if !registry.expects_orphans || !is_alone {
        return 0;
    }
    let own = getpid().as_raw_nonzero().get();
    let table = ProcessTable::read();
    let children = table.processes().filter(|process| process.parent == own);
    let children = children.map(|process| process.pid);
    let orphans: Vec<_> = children
        .filter(|pid| !registry.children.contains(pid))
        .collect();
    for pid in orphans.iter().copied().filter_map(Pid::from_raw) {
        // Reaps it if it is a zombie.
        let _ = waitpid(Some(pid), WaitOptions::NOHANG);
    }
    table.kill_trees(orphans)
}
