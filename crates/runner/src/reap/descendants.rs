use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, PidfdFlags, Signal, getpid, pidfd_open, pidfd_send_signal};

use crate::reap::child_registry;

/// The variable that every child has, with a value of its own that cannot be guessed.
pub(crate) const TAG_VARIABLE: &str = "PORTCULLIS_RUN";

/// How long what an earlier run has left gets to die of `SIGKILL`.
const LEFT_BEHIND_LIMIT: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(5);

/// Finds what a child has started, wherever it went: by group and session, by the child's tag in the
/// environment, by its parent, and what has come to this process as an orphan.
///
/// Weaker than a process namespace: a descendant that has left the group, cleared its environment and
/// lost its parent is found only where orphans come to this process ([`adopt_orphans`]), and one that
/// starts new processes all the time may be one ahead.
pub(crate) struct Descendants {
    leader: Pid,
    tag: String,
}

/// One process; the time of its start tells it from a later one with the same number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Process {
    pid: i32,
    start_ticks: u64,
}

/// What `/proc/PID/stat` says.
struct ProcessStat {
    process: Process,
    parent: i32,
    group: i32,
    session: i32,
    is_alive: bool,
}

impl Descendants {
    /// `tag` is the value of [`TAG_VARIABLE`] in the environment of the child, the process `leader`.
    pub(crate) fn of(leader: Pid, tag: String) -> Self {
        Self { leader, tag }
    }

    /// Kills every one that is found, the child itself included if it lives, and gives their number.
    ///
    /// Reads all of `/proc`, so it blocks for some milliseconds on a busy machine.
    pub(crate) fn kill(&self) -> u32 {
        let leader = self.leader.as_raw_nonzero().get();
        let tagged = format!("{TAG_VARIABLE}={}", self.tag);
        let table = read_table();
        let roots = table.values().filter(|entry| {
            let pid = entry.process.pid;
            pid == leader
                || entry.group == leader
                || entry.session == leader
                || has_variable(pid, &tagged)
        });
        let mut found: BTreeSet<i32> = roots.map(|entry| entry.process.pid).collect();
        add_children(&table, &mut found);
        let killed = kill_all(&table, &found);
        killed + child_registry::kill_orphans_if_alone(leader)
    }
}

/// Kills what runs for the directory `home` of a run of this program that has ended: what has
/// `variable=home` in its environment, or stands in `home`, and their descendants. Gives how many are
/// still alive when their time is over.
///
/// Blocks; for the start of a program.
pub fn end_left_behind(variable: &str, home: &Path) -> io::Result<u32> {
    let named = format!("{variable}={}", home.display());
    let give_up_at = Instant::now() + LEFT_BEHIND_LIMIT;
    loop {
        let table = read_table();
        let stands_in = |pid: i32| {
            let directory = fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
            directory.starts_with(home)
        };
        let pids = table.keys().copied();
        let own = getpid().as_raw_nonzero().get();
        let mut found: BTreeSet<i32> = pids
            .filter(|pid| *pid != own && (has_variable(*pid, &named) || stands_in(*pid)))
            .collect();
        add_children(&table, &mut found);
        let alive = kill_all(&table, &found);
        if alive == 0 || Instant::now() >= give_up_at {
            return Ok(alive);
        }
        thread::park_timeout(PAUSE);
    }
}

/// Kills the children of this process that are in none of `known`, and reaps the dead ones.
pub(crate) fn kill_children_but(known: &BTreeSet<i32>) -> u32 {
    let own = getpid().as_raw_nonzero().get();
    let table = read_table();
    let orphans = table
        .values()
        .filter(|entry| entry.parent == own && !known.contains(&entry.process.pid));
    let mut found: BTreeSet<i32> = orphans.map(|entry| entry.process.pid).collect();
    for pid in found.iter().copied().filter_map(Pid::from_raw) {
        // Only a dead one is there to be waited for.
        let _ = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::NOHANG);
    }
    add_children(&table, &mut found);
    kill_all(&table, &found)
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

/// Its children, theirs, and so on.
pub(crate) fn all_below(pid: Pid) -> Vec<i32> {
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

/// What of its resident memory a process shares, or could: anonymous memory, System V's, and that of
/// files in memory.
pub(crate) fn shared_bytes(pid: i32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let mut lines = status.lines();
    let line = lines.find_map(|line| line.strip_prefix("RssShmem:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kibibytes << 10)
}

fn add_children(table: &BTreeMap<i32, ProcessStat>, found: &mut BTreeSet<i32>) {
    loop {
        let before = found.len();
        let children = table
            .values()
            .filter(|entry| found.contains(&entry.parent))
            .map(|entry| entry.process.pid);
        let children: Vec<_> = children.collect();
        found.extend(children);
        if found.len() == before {
            return;
        }
    }
}

/// How many of them were alive.
fn kill_all(table: &BTreeMap<i32, ProcessStat>, found: &BTreeSet<i32>) -> u32 {
    let entries = found.iter().filter_map(|pid| table.get(pid));
    let killed = entries.filter(|entry| entry.is_alive && entry.process.kill());
    u32::try_from(killed.count()).unwrap_or(u32::MAX)
}

impl Process {
    /// Whether it was there to be killed, and not another one with its number.
    fn kill(self) -> bool {
        let Some(pid) = Pid::from_raw(self.pid) else {
            return false;
        };
        let Ok(descriptor) = pidfd_open(pid, PidfdFlags::empty()) else {
            return false;
        };
        let is_same = read_stat(self.pid).is_some_and(|entry| entry.process == self);
        is_same && pidfd_send_signal(&descriptor, Signal::KILL).is_ok()
    }
}

fn read_table() -> BTreeMap<i32, ProcessStat> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, read_stat(pid)?)))
        .collect()
}

fn read_stat(pid: i32) -> Option<ProcessStat> {
    parse_stat(pid, &fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The fields behind the name, which stands in parentheses and may hold any character: state, parent,
/// group, session, … and as the twentieth the time of the start (proc(5)).
fn parse_stat(pid: i32, stat: &str) -> Option<ProcessStat> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace();
    let is_alive = !matches!(fields.next()?, "Z" | "X" | "x");
    let mut number = || fields.next()?.parse().ok();
    let (parent, group, session) = (number()?, number()?, number()?);
    let start_ticks = fields.nth(15)?.parse().ok()?;
    Some(ProcessStat {
        process: Process { pid, start_ticks },
        parent,
        group,
        session,
        is_alive,
    })
}

fn has_variable(pid: i32, variable: &str) -> bool {
    let environment = fs::read(PathBuf::from(format!("/proc/{pid}/environ")));
    let environment = environment.unwrap_or_default();
    let mut variables = environment.split(|byte| *byte == 0);
    variables.any(|one| one == variable.as_bytes())
}

/// From here on, what has lost its parent among the descendants of this process comes to it, and is
/// ended when no child is left that may have started it.
///
/// For a program that starts processes through this crate alone: any other child of it would be taken
/// for such an orphan.
pub fn adopt_orphans() -> io::Result<()> {
    rustix::process::set_child_subreaper(Some(getpid()))?;
    child_registry::expect_orphans();
    Ok(())
}

/// 128 bits from the system, in hexadecimal.
pub(crate) fn new_tag() -> io::Result<String> {
    let random = || getrandom::u64().map_err(io::Error::other);
    Ok(format!("{:016x}{:016x}", random()?, random()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stat_line_is_read_behind_the_last_parenthesis() {
        let line = "80 (a) Z 1 2 (x)) S 1 77 78 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 4242 1 1";
        let entry = parse_stat(80, line).unwrap();
        assert!(entry.is_alive);
        assert_eq!((entry.parent, entry.group, entry.session), (1, 77, 78));
        assert_eq!(entry.process.start_ticks, 4242);
        assert!(parse_stat(80, "").is_none());
    }

    #[test]
    fn this_process_is_in_the_table_with_its_parent() {
        let own = getpid().as_raw_nonzero().get();
        let table = read_table();
        let mut found = BTreeSet::from([table[&own].parent]);
        add_children(&table, &mut found);
        assert!(found.contains(&own));
        assert!(has_variable(own, "") || !fs::read("/proc/self/environ").unwrap().is_empty());
    }

    #[test]
    fn no_mark_is_like_another() {
        assert_ne!(new_tag().unwrap(), new_tag().unwrap());
        assert_eq!(new_tag().unwrap().len(), 32);
    }
}
