//! The only place of Portcullis that starts a process.
//!
//! The caller gives a [`CommandSpec`], [`Limits`] and a [`Deadline`]. It gets a [`Child`], whose output comes
//! in lines of limited length, and which is killed when its last [`ChildHandle`] is dropped. No child is
//! started through a shell or inherits an environment. This crate knows nothing of HTTP or Codex, and logs
//! no byte that a child has written.
//!
//! At the end of a child in a [`Sandbox`], everything that it has started is killed. Without a sandbox, its
//! process group is killed, and its descendants as far as they can be found in `/proc`.
//!
//! Needs Linux 5.4 or later, for process descriptors (`pidfd_open` and waiting on them).

mod deadline;
mod owned_directory;
mod process;
mod reap;
mod sandbox;

pub use deadline::Deadline;
pub use owned_directory::{DirectoryKind, OwnedDirectory};
pub use process::{
    descriptors::{close_inherited_descriptors, inheritable_descriptors},
    error::SpawnError,
    handle::{ChildHandle, Interrupt},
    lines::{Block, Line, Lines},
    spawn::{Child, spawn, spawn_joined},
    spec::{CommandSpec, Limits, OutputLimit, Stdin},
    stdin::ChildStdin,
};
pub use reap::{
    descendants::adopt_orphans,
    exit::{Exit, Signal},
};
pub use sandbox::{
    Bind, BindMode, Bridge, BubblewrapSpec, ControlGroups, LAUNCH_ARGUMENT, Launcher,
    LauncherError, NAMESPACE_ARGUMENT, NoControlGroups, PrivateDirectory, ProgramUser,
    ResourceLimits, SYSTEM_PROGRAM_DIRECTORIES, Sandbox, SandboxError, SandboxTools, can_overlay,
    find_bubblewrap, hold_user_namespace, launch, read_paths, search_path,
};
