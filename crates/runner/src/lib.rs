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

mod child_registry;
mod control_group;
mod deadline;
mod descendants;
mod descriptors;
mod error;
mod exit;
mod group;
mod handle;
mod lines;
mod output_meter;
mod pipe;
mod sandbox;
mod spawn;
mod spawner;
mod spec;
mod stderr;
mod stdin;
mod supervise;

pub use control_group::{ControlGroups, NoControlGroups};
pub use deadline::Deadline;
pub use descendants::{adopt_orphans, end_left_behind};
pub use descriptors::{close_inherited_descriptors, inheritable_descriptors};
pub use error::SpawnError;
pub use exit::{Exit, Signal};
pub use handle::{ChildHandle, Interrupt};
pub use lines::{Block, Line, Lines};
pub use sandbox::{
    Bind, BindMode, Bridge, BubblewrapSpec, LAUNCH_ARGUMENT, Launcher, LauncherError,
    NAMESPACE_ARGUMENT, PrivateDirectory, ProgramUser, ResourceLimits, Sandbox, SandboxError,
    hold_user_namespace, launch,
};
pub use spawn::{Child, spawn, spawn_joined};
pub use spec::{CommandSpec, Limits, OutputLimit, Stdin};
pub use stdin::ChildStdin;
