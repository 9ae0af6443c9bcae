//! The only place of Portcullis that starts a process.
//!
//! A caller says what to run ([`CommandSpec`]), within which limits ([`Limits`]) and until when
//! ([`Deadline`]); it gets a [`Child`] whose output comes in bounded lines and which cannot outlive its
//! [`ChildHandle`]. Never through a shell, never with an inherited environment. This crate knows
//! neither HTTP nor Codex, and logs no byte that a child wrote.
//!
//! What it reaches of a child in a [`Sandbox`] is everything that the child has started. Without one,
//! it is the process group and what can be found in `/proc`.
//!
//! Linux 5.4 or later, for process descriptors (`pidfd_open` and waiting on them).

mod deadline;
mod process;
mod reap;
mod sandbox;

pub use deadline::Deadline;
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
    descendants::{adopt_orphans, end_left_behind},
    exit::{Exit, Signal},
};
pub use sandbox::{
    Bind, BindMode, Bridge, BubblewrapSpec, ControlGroups, LAUNCH_ARGUMENT, Launcher,
    LauncherError, NAMESPACE_ARGUMENT, NoControlGroups, PrivateDirectory, ProgramUser,
    ResourceLimits, SYSTEM_PROGRAM_DIRECTORIES, Sandbox, SandboxError, SandboxTools, can_overlay,
    find_bubblewrap, hold_user_namespace, launch, read_paths, search_path,
};
