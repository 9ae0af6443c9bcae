//! Control groups (version 2): limits on all processes of a sandbox together.

use std::{
    fmt::Display,
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use rustix::process::{Pid, getpid};

/// The names of all sandboxes' groups begin with this, so that the next start recognises those left behind.
const PREFIX: &str = "sandbox-";

/// The group of this process. A group whose children have limits may contain no processes itself.
const OWN: &str = "gateway";

const CONTROLLERS: [&str; 2] = ["memory", "pids"];

/// A control group that has been delegated to this process, such as with systemd's `Delegate=yes`. Sandboxes
/// get groups below it.
#[derive(Clone, Debug)]
pub struct ControlGroups {
    directory: Arc<PathBuf>,
}

/// Why there are no control groups.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoControlGroups(String);

/// Limits on the processes of a group together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GroupLimits {
    /// Private and shared memory, files in memory, and the kernel's memory for them.
    pub(crate) memory_bytes: u64,
    pub(crate) processes: u64,
}

impl ControlGroups {
    /// Takes over the group of this process, and moves the process to a group below it. Only once a process.
    pub fn divide() -> Result<Self, NoControlGroups> {
        let own = own_directory()?;
        let available = read(&own.join("cgroup.controllers"))?;
        let is_missing =
            |controller: &&str| !available.split_whitespace().any(|one| one == *controller);
        if let Some(missing) = CONTROLLERS.into_iter().find(is_missing) {
            return Err(NoControlGroups(format!(
                "{} has no controller \"{missing}\"",
                own.display()
            )));
        }
        let groups = Self {
            directory: Arc::new(own),
        };
        groups.remove_left_behind();
        groups.move_down()?;
        Ok(groups)
    }

    fn move_down(&self) -> Result<(), NoControlGroups> {
        let part = self.directory.join(OWN);
        let pid = getpid().as_raw_nonzero();
        make(&part).map_err(|error| because("cannot be divided", &self.directory, &error))?;
        let moved = write(&part.join("cgroup.procs"), pid);
        moved.map_err(|error| because("cannot be left", &self.directory, &error))?;
        let wanted = CONTROLLERS
            .map(|controller| format!("+{controller}"))
            .join(" ");
        write(&self.directory.join("cgroup.subtree_control"), wanted).map_err(|error| {
            let _ = write(&self.directory.join("cgroup.procs"), pid);
            let _ = fs::remove_dir(&part);
            because("is not this process's alone", &self.directory, &error)
        })
    }

    /// Groups with processes belong to another running gateway. They cannot be removed.
    fn remove_left_behind(&self) {
        let entries = fs::read_dir(&*self.directory)
            .into_iter()
            .flatten()
            .flatten();
        let names =
            |name: &std::ffi::OsStr| name.to_str().is_some_and(|name| name.starts_with(PREFIX));
        for entry in entries.filter(|entry| names(&entry.file_name())) {
            let _ = fs::remove_dir(entry.path());
        }
    }

    /// Makes an empty group.
    pub(crate) fn make(&self) -> io::Result<ControlGroup> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{}-{count}", std::process::id());
        let path = self.directory.join(name);
        fs::create_dir(&path)?;
        Ok(ControlGroup { path })
    }
}

/// The group of one sandbox. Dropping it kills its processes and removes it.
pub(crate) struct ControlGroup {
    path: PathBuf,
}

impl ControlGroup {
    pub(crate) fn limit(&self, limits: GroupLimits) -> io::Result<()> {
        write(&self.path.join("memory.max"), limits.memory_bytes)?;
        write(&self.path.join("pids.max"), limits.processes)?;
        // Out of memory, all processes are killed: a test runner without its workers would hang.
        write(&self.path.join("memory.oom.group"), 1)?;
        match write(&self.path.join("memory.swap.max"), 0) {
            // The kernel has no swap.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            outcome => outcome,
        }
    }

    /// Adds the process. What it starts later belongs to the group too.
    pub(crate) fn add(&self, process: Pid) -> io::Result<()> {
        write(&self.path.join("cgroup.procs"), process.as_raw_nonzero())
    }
}

impl Drop for ControlGroup {
    fn drop(&mut self) {
        // The processes should have ended with their namespace. This kills them if not (Linux 5.14).
        let _ = write(&self.path.join("cgroup.kill"), 1);
        if let Err(error) = fs::remove_dir(&self.path) {
            tracing::warn!(%error, "a control group could not be removed; the next start will try again");
        }
    }
}

/// The directory of the group that this process is in.
fn own_directory() -> Result<PathBuf, NoControlGroups> {
    let none = || NoControlGroups("there are no control groups of version 2".to_owned());
    let mounts = read(Path::new("/proc/self/mountinfo"))?;
    let (root, mounted) = mounts.lines().find_map(mount_of).ok_or_else(none)?;
    let groups = read(Path::new("/proc/self/cgroup"))?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::"));
    let inner = Path::new(own.ok_or_else(none)?).strip_prefix(root);
    Ok(Path::new(mounted).join(inner.map_err(|_| none())?))
}

/// The group and its mount point, if this line of `mountinfo` is about version 2 (proc(5)).
fn mount_of(line: &str) -> Option<(&str, &str)> {
    let (mount, kind) = line.split_once(" - ")?;
    let mut fields = mount.split(' ').skip(3);
    let mounted = (fields.next()?, fields.next()?);
    kind.starts_with("cgroup2 ").then_some(mounted)
}

fn make(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        outcome => outcome,
    }
}

/// Never creates the file: only the kernel's files have an effect.
fn write(path: &Path, value: impl Display) -> io::Result<()> {
    let mut file = fs::File::options().write(true).open(path)?;
    io::Write::write_all(&mut file, value.to_string().as_bytes())
}

fn read(path: &Path) -> Result<String, NoControlGroups> {
    fs::read_to_string(path).map_err(|error| because("cannot be read", path, &error))
}

fn because(what: &str, path: &Path, error: &io::Error) -> NoControlGroups {
    NoControlGroups(format!("{} {what}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn the_place_of_version_2_is_found_among_the_mounts() {
        let line = "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw";
        assert_eq!(mount_of(line), Some(("/", "/sys/fs/cgroup/unified")));
        let inside =
            "41 31 0:38 /machine/a /sys/fs/cgroup rw shared:1 - cgroup2 cgroup rw,nsdelegate";
        assert_eq!(mount_of(inside), Some(("/machine/a", "/sys/fs/cgroup")));
        let version_1 = "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory";
        assert_eq!(mount_of(version_1), None);
    }

    /// As far as it goes without controllers, which not every machine has.
    #[test]
    fn a_process_is_put_into_a_group_and_ended_with_it() {
        let Ok(own) = own_directory() else {
            eprintln!("skipped: there are no control groups of version 2");
            return;
        };
        let directory = own.join(format!("portcullis-test-{}", std::process::id()));
        if fs::create_dir(&directory).is_err() || !own.join("cgroup.procs").exists() {
            eprintln!("skipped: no control group can be made here");
            return;
        }
        let groups = ControlGroups {
            directory: Arc::new(directory.clone()),
        };
        let group = groups.make().unwrap();
        #[expect(
            clippy::disallowed_methods,
            reason = "a process to be put into the group"
        )]
        let mut child = Command::new("/bin/sleep")
            .arg("1000")
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let added = group.add(Pid::from_child(&child));
        let members = fs::read_to_string(group.path.join("cgroup.procs")).unwrap();
        if added.is_ok() {
            assert_eq!(members.trim(), child.id().to_string());
            write(&group.path.join("cgroup.kill"), 1).unwrap();
        } else {
            child.kill().unwrap();
        }
        child.wait().unwrap();
        drop(group);
        groups.remove_left_behind();
        fs::remove_dir(directory).unwrap();
    }

    #[test]
    fn a_limit_that_the_kernel_does_not_hold_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let groups = ControlGroups {
            directory: Arc::new(directory.path().to_owned()),
        };
        let group = groups.make().unwrap();
        let limits = GroupLimits {
            memory_bytes: 1,
            processes: 1,
        };
        assert_eq!(
            group.limit(limits).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }
}
