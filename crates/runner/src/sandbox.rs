//! The sandbox of a child, and its settings.

mod arguments;
pub(crate) mod control_group;
mod error;
mod handshake;
mod inside;
mod launch;
mod launcher;
mod overlay;
mod startup;
mod system_paths;
mod tools;
mod user;
mod user_namespace;

use std::{io, path::PathBuf};

use control_group::{ControlGroup, GroupLimits};

pub use control_group::{ControlGroups, NoControlGroups};
pub use error::SandboxError;
pub use launch::{LAUNCH_ARGUMENT, launch};
pub use launcher::{Launcher, LauncherError};
pub use overlay::can_overlay;
pub use startup::Bridge;
pub use system_paths::{SYSTEM_PROGRAM_DIRECTORIES, read_paths, search_path};
pub use tools::{SandboxTools, find_bubblewrap};
pub use user::ProgramUser;
pub use user_namespace::{NAMESPACE_ARGUMENT, hold_user_namespace};

pub(crate) use arguments::command_line;
pub(crate) use handshake::LaunchHandshake;
pub(crate) use inside::Inside;
pub(crate) use launch::PROGRAM_VARIABLE;
pub(crate) use startup::Startup;

/// How much memory one file in memory counts: one page. An empty one takes about half a page in the kernel.
pub(crate) const BYTES_PER_INODE: u64 = 4096;

/// Directories in which everybody may write.
const SHARED_SCRATCH: [&str; 2] = ["/tmp", "/dev/shm"];

/// The host name inside.
const HOST_NAME: &str = "sandbox";

/// How a child is separated from the rest of the machine.
#[derive(Clone, Default)]
pub enum Sandbox {
    /// Only a process group and an environment of its own. The child sees and reaches what this user does. At
    /// its end, only those descendants are killed that can be found (see `docs/sandbox.md`).
    #[default]
    Off,
    Bubblewrap(Box<BubblewrapSpec>),
}

impl Sandbox {
    /// The directories inside whose content is in memory: the private one, the shared ones, and overlays.
    /// Each is a file system of its own.
    pub fn scratch_paths(&self) -> Vec<PathBuf> {
        let Self::Bubblewrap(sandbox) = self else {
            return Vec::new();
        };
        let shared = SHARED_SCRATCH.iter().map(PathBuf::from);
        let overlays = sandbox.overlays().map(|bind| bind.target.clone());
        let private = sandbox.private.path.clone();
        shared.chain(overlays).chain([private]).collect()
    }
}

/// A sandbox of namespaces that bubblewrap makes. The child has no network except its own loopback, sees only
/// its own processes, and only the files that are named here. The sandbox ends with the child.
///
/// A child whose sandbox is not complete is never run.
#[derive(Clone)]
pub struct BubblewrapSpec {
    pub tools: SandboxTools,
    /// Visible inside under the same paths, read-only. So is the program itself.
    pub read_paths: Vec<PathBuf>,
    /// Directories that look empty inside, even if they are below a read path.
    pub hidden_paths: Vec<PathBuf>,
    pub private: PrivateDirectory,
    /// Directories of the host that are visible under other paths. Hidden paths below them look empty there
    /// too.
    pub binds: Vec<Bind>,
    /// The directory of the socket on which the launcher reports. No other user may enter it.
    pub handshake_dir: PathBuf,
    /// A port on the sandbox's own 127.0.0.1. The launcher listens there before the program runs, and the
    /// caller gets the listener from the [`Bridge`]. With `None` nothing listens inside.
    pub bridge_port: Option<u16>,
    pub limits: ResourceLimits,
}

impl BubblewrapSpec {
    /// Makes an empty control group. `None` if there are no control groups.
    pub(crate) fn control_group(&self) -> io::Result<Option<ControlGroup>> {
        let Some(groups) = &self.tools.control_groups else {
            return Ok(None);
        };
        let group = groups.make()?;
        group.limit(self.group_limits())?;
        Ok(Some(group))
    }

    fn overlays(&self) -> impl Iterator<Item = &Bind> {
        let binds = self.binds.iter();
        binds.filter(|bind| bind.mode == BindMode::Overlay)
    }

    /// All processes together may use as much as one process and all files in memory.
    fn group_limits(&self) -> GroupLimits {
        let targets = 1 + SHARED_SCRATCH.len() + self.overlays().count();
        let targets = u64::try_from(targets).unwrap_or(u64::MAX);
        let scratch = self.private.size_bytes.saturating_mul(targets);
        GroupLimits {
            memory_bytes: self.limits.memory_bytes.saturating_add(scratch),
            processes: self.limits.processes,
        }
    }
}

/// A directory in memory for the child's files. It disappears with the sandbox. Beside it, only `/tmp` and
/// `/dev/shm` are writable.
#[derive(Clone)]
pub struct PrivateDirectory {
    /// Its path inside.
    pub path: PathBuf,
    /// Directories that are made in it.
    pub directories: Vec<PathBuf>,
    /// Files of the host that are visible in it, read-only: the source, and the target inside.
    pub files: Vec<(PathBuf, PathBuf)>,
    /// The size of each of the three. Empty files count too.
    pub size_bytes: u64,
}

/// A directory of the host, and its path inside.
#[derive(Clone, Debug)]
pub struct Bind {
    /// Must have no symbolic links, so that it can be compared with the hidden paths.
    pub source: PathBuf,
    pub target: PathBuf,
    pub mode: BindMode,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BindMode {
    ReadOnly,
    /// The child writes to the host's directory.
    Writable,
    /// What the child writes is kept in memory, is visible to nobody else, and disappears with the sandbox.
    /// Needs bubblewrap 0.11 and Linux 5.11. Its size has no limit of its own: see
    /// [`ChildHandle::written_bytes`].
    ///
    /// [`ChildHandle::written_bytes`]: crate::ChildHandle::written_bytes
    Overlay,
}

/// What each process inside may use, enforced by the kernel. `processes` is different: it is the number of all
/// processes and threads of the sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResourceLimits {
    /// Private writable memory, resident or not.
    pub memory_bytes: u64,
    /// All mapped or reserved memory, also shared memory. Some programs need much more than `memory_bytes`: a
    /// JavaScript engine reserves 10 GB for each WebAssembly memory.
    pub address_space_bytes: u64,
    pub processes: u64,
    pub open_files: u64,
    /// The largest file that a process may write.
    pub file_size_bytes: u64,
    /// Processor time in seconds.
    pub cpu_sec: u64,
}
