use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::reap::descendants;

/// The children that this process has started and not yet reaped, so that none is ever taken for an
/// orphan that has come to it.
static REGISTRY: Mutex<ChildRegistry> = Mutex::new(ChildRegistry {
    alive: BTreeSet::new(),
    expects_orphans: false,
});

pub(crate) struct ChildRegistry {
    alive: BTreeSet<i32>,
    expects_orphans: bool,
}

/// Held while a child is started: it must not be seen before it is known.
pub(crate) fn lock() -> MutexGuard<'static, ChildRegistry> {
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ChildRegistry {
    pub(crate) fn add(&mut self, pid: u32) {
        self.alive.extend(i32::try_from(pid));
    }
}

pub(crate) fn remove(pid: i32) {
    lock().alive.remove(&pid);
}

pub(crate) fn expect_orphans() {
    lock().expects_orphans = true;
}

/// Kills what has come to this process, unless a child other than `leader` lives that may have started
/// it: then it waits for that one's end. Blocks starts for the time that it takes to read `/proc`.
pub(crate) fn kill_orphans_if_alone(leader: i32) -> u32 {
    let registry = lock();
    let is_alone = registry.alive.iter().all(|pid| *pid == leader);
    if registry.expects_orphans && is_alone {
        descendants::kill_children_but(&registry.alive)
    } else {
        0
    }
}
