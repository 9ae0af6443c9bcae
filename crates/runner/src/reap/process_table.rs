//! The processes of this machine, as `/proc` lists them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// All processes at one moment, by their numbers.
pub(crate) struct ProcessTable(BTreeMap<i32, ProcessStat>);

/// What `/proc/PID/stat` says of one process.
pub(crate) struct ProcessStat {
    pub(crate) pid: i32,
    pub(crate) parent: i32,
    pub(crate) group: i32,
    pub(crate) session: i32,
    /// Tells this process from a later one with the same number.
    start_ticks: u64,
    is_alive: bool,
}

impl ProcessTable {
    /// Reads all of `/proc`. Blocks for some milliseconds on a busy machine.
    pub(crate) fn read() -> Self {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        Self(
            pids.filter_map(|pid| Some((pid, ProcessStat::read(pid)?)))
                .collect(),
        )
    }

    pub(crate) fn processes(&self) -> impl Iterator<Item = &ProcessStat> {
        self.0.values()
    }

    /// Kills the `roots` and all their descendants. Returns how many of them were alive.
    pub(crate) fn kill_trees(&self, roots: impl IntoIterator<Item = i32>) -> u32 {
        let mut found: BTreeSet<i32> = roots.into_iter().collect();
        self.add_descendants(&mut found);
        let processes = found.iter().filter_map(|pid| self.0.get(pid));
        let killed = processes.filter(|process| process.is_alive && process.kill());
        u32::try_from(killed.count()).unwrap_or(u32::MAX)
    }

    fn add_descendants(&self, found: &mut BTreeSet<i32>) {
        loop {
            let before = found.len();
            let children = self.processes().filter(|one| found.contains(&one.parent));
            let children: Vec<_> = children.map(|child| child.pid).collect();
            found.extend(children);
            if found.len() == before {
                return;
            }
        }
    }
}

impl ProcessStat {
    pub(crate) fn read(pid: i32) -> Option<Self> {
        Self::parse(pid, &fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// The second field is the process's name in parentheses, and may hold any character. Behind it stand
    /// state, parent, group, session, … and as the twentieth the time of the start (proc(5)).
    fn parse(pid: i32, stat: &str) -> Option<Self> {
        let (_, fields) = stat.rsplit_once(')')?;
        let mut fields = fields.split_ascii_whitespace();
        let is_alive = !matches!(fields.next()?, "Z" | "X" | "x");
        let mut number = || fields.next()?.parse().ok();
        let (parent, group, session) = (number()?, number()?, number()?);
        Some(Self {
            pid,
            parent,
            group,
            session,
            start_ticks: fields.nth(15)?.parse().ok()?,
            is_alive,
        })
    }

    /// Returns false if the process was gone, or its number belongs to another one by now.
    fn kill(&self) -> bool {
        let Some(pid) = Pid::from_raw(self.pid) else {
            return false;
        };
        let Ok(descriptor) = pidfd_open(pid, PidfdFlags::empty()) else {
            return false;
        };
        let is_same = Self::read(self.pid).is_some_and(|now| now.start_ticks == self.start_ticks);
        is_same && pidfd_send_signal(&descriptor, Signal::KILL).is_ok()
    }
}

/// Whether the process has `variable`, as `NAME=value`, in its environment.
pub(crate) fn has_variable(pid: i32, variable: &str) -> bool {
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let mut variables = environment.split(|byte| *byte == 0);
    variables.any(|one| one == variable.as_bytes())
}

/// The children of all threads of a process.
pub(crate) fn children_of(pid: Pid) -> Vec<i32> {
    let tasks = fs::read_dir(format!("/proc/{}/task", pid.as_raw_nonzero()));
    let tasks = tasks.into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let mut children = Vec::new();
    for list in lists {
        children.extend(
            list.split_ascii_whitespace()
                .filter_map(|pid| pid.parse::<i32>().ok()),
        );
    }
    children
}

/// All descendants of a process that can be reached through their parents.
pub(crate) fn descendants_of(pid: Pid) -> Vec<i32> {
    let mut found = children_of(pid);
    let mut looked_at = 0;
    while let Some(next) = found.get(looked_at).copied() {
        looked_at += 1;
        if let Some(next) = Pid::from_raw(next) {
            found.extend(children_of(next));
        }
    }
    found
}

/// The resident memory that a process shares or could share: anonymous shared memory, System V's, and
/// files in memory.
pub(crate) fn shared_bytes(pid: i32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let mut lines = status.lines();
    let line = lines.find_map(|line| line.strip_prefix("RssShmem:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kibibytes << 10)
}

#[cfg(test)]
mod tests {
    use rustix::process::getpid;

    use super::*;

    #[test]
    fn the_stat_line_is_read_behind_the_last_parenthesis() {
        let line = "80 (a) Z 1 2 (x)) S 1 77 78 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 4242 1 1";
        let process = ProcessStat::parse(80, line).unwrap();
        assert!(process.is_alive);
        assert_eq!(
            (process.parent, process.group, process.session),
            (1, 77, 78)
        );
        assert_eq!(process.start_ticks, 4242);
        assert!(ProcessStat::parse(80, "").is_none());
    }

    #[test]
    fn this_process_is_in_the_table_with_its_parent() {
        let own = getpid().as_raw_nonzero().get();
        let table = ProcessTable::read();
        let mut found = BTreeSet::from([table.0[&own].parent]);
        table.add_descendants(&mut found);
        assert!(found.contains(&own));
        assert!(has_variable(own, "") || !fs::read("/proc/self/environ").unwrap().is_empty());
    }
}
