//! The sandbox that a child may be started in, and everything of it that can be set.

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

/// What a file in memory counts: a page, or if it is empty, about half of one of the kernel's memory.
pub(crate) const BYTES_PER_INODE: u64 = 4096;

/// Where everybody may write on any system.
const SHARED_SCRATCH: [&str; 2] = ["/tmp", "/dev/shm"];

/// What the sandbox calls itself.
const HOST_NAME: &str = "sandbox";

/// What stands between a child and the rest of the machine.
#[derive(Clone, Default)]
pub enum Sandbox {
    /// Nothing but its own process group and environment: the child sees and reaches what this user
    /// does, and only as much of it can be ended as can be found (see `docs/sandbox.md`).
    #[default]
    Off,
    Bubblewrap(Box<BubblewrapSpec>),
}

/// A world of namespaces that bubblewrap makes: no network but its own loopback, no process but its
/// own, no file but those named here. It ends with the child, and the child with it.
///
/// Never weaker than it says: a child whose sandbox is not complete is never run.
#[derive(Clone)]
pub struct BubblewrapSpec {
    pub tools: SandboxTools,
    /// Seen inside under the same path, read-only, beside the program itself.
    pub read_paths: Vec<PathBuf>,
    /// Directories that look empty inside, although a read path may lead to them.
    pub hidden_paths: Vec<PathBuf>,
    pub private: PrivateDirectory,
    /// Directories of the host that are seen under other names. What of the hidden paths lies in one
    /// looks empty there too.
    pub binds: Vec<Bind>,
    /// A directory of the host that no other user can enter, where the launcher reports to the runner.
    pub handshake_dir: PathBuf,
    /// The port on the sandbox's own 127.0.0.1 that is listened on before the program runs; whoever
    /// holds the [`Bridge`] accepts there. Without one, nothing answers inside.
    pub bridge_port: Option<u16>,
    pub limits: ResourceLimits,
}

impl BubblewrapSpec {
    /// One with nobody in it yet; `None` where there are none.
    pub(crate) fn control_group(&self) -> io::Result<Option<ControlGroup>> {
        let Some(groups) = &self.tools.control_groups else {
            return Ok(None);
        };
        let group = groups.make()?;
        group.limit(self.group_limits())?;
        Ok(Some(group))
    }

    /// As much as one process may use with all that it may write in memory: for all of them together.
    fn group_limits(&self) -> GroupLimits {
        let is_overlay = |bind: &&Bind| bind.mode == BindMode::Overlay;
        let overlays = self.binds.iter().filter(is_overlay).count();
        let targets = 1 + SHARED_SCRATCH.len() + overlays;
        let targets = u64::try_from(targets).unwrap_or(u64::MAX);
        let scratch = self.private.size_bytes.saturating_mul(targets);
        GroupLimits {
            memory_bytes: self.limits.memory_bytes.saturating_add(scratch),
            processes: self.limits.processes,
        }
    }
}

/// The one place where the child can keep files, beside `/tmp` and `/dev/shm`: in memory, and gone with the sandbox.
#[derive(Clone)]
pub struct PrivateDirectory {
    /// Where it is seen inside.
    pub path: PathBuf,
    /// Made in it.
    pub directories: Vec<PathBuf>,
    /// Files of the host that stand in it, read-only: the source, and the target inside.
    pub files: Vec<(PathBuf, PathBuf)>,
    /// Of it, of `/tmp`, and of `/dev/shm`. Files count, even empty ones.
    pub size_bytes: u64,
}

/// A directory of the host, and where it is seen inside.
#[derive(Clone, Debug)]
pub struct Bind {
    /// Without symbolic links, so that it can be compared with the hidden paths.
    pub source: PathBuf,
    pub target: PathBuf,
    pub mode: BindMode,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BindMode {
    ReadOnly,
    /// What the child writes is written to the host.
    Writable,
    /// The child writes as it likes; what it writes lies in memory, is seen by nobody else and is gone
    /// with the sandbox. Needs bubblewrap 0.11 and a kernel that lets a user namespace mount an overlay
    /// (5.11). Its size has no limit of its own: see [`ChildHandle::written_bytes`].
    ///
    /// [`ChildHandle::written_bytes`]: crate::ChildHandle::written_bytes
    Overlay,
}

/// What each process inside may use. The kernel holds them; who goes over one fails or dies of it.
///
/// Per process, but for `processes`, which counts all of the sandbox, threads included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResourceLimits {
    /// Private memory that can be written to, whether or not it is resident.
    pub memory_bytes: u64,
    /// Everything that is mapped or reserved, so much more than `memory_bytes` for some: a JavaScript
    /// engine reserves 10 GB for each WebAssembly memory. It bounds what is shared, too.
    pub address_space_bytes: u64,
    pub processes: u64,
    pub open_files: u64,
    /// The largest file that can be written.
    pub file_size_bytes: u64,
    /// Processor time.
    pub cpu_sec: u64,
}
