//! The only place of Portcullis that starts a process.
//!
//! A caller says what to run ([`CommandSpec`]), within which limits ([`Limits`]) and until when
//! ([`Deadline`]); it gets a [`Child`] whose output comes in bounded lines and which cannot outlive its
//! [`ChildHandle`]. Never through a shell, never with an inherited environment. This crate knows
//! neither HTTP nor Codex, and logs no byte that a child wrote.
//!
//! What it reaches is the child's process group; a descendant that leaves the group (`setsid`) is out
//! of reach until the sandbox stands here, as an enum `Sandbox` in [`CommandSpec`].
//!
//! Linux 5.4 or later, for process descriptors (`pidfd_open` and waiting on them).

mod deadline;
mod descriptors;
mod error;
mod exit;
mod group;
mod handle;
mod lines;
mod pipe;
mod spawn;
mod spec;
mod stderr;
mod stdin;
mod supervise;

pub use deadline::Deadline;
pub use descriptors::inheritable_descriptors;
pub use error::SpawnError;
pub use exit::{Exit, Signal};
pub use handle::{ChildHandle, Interrupt};
pub use lines::{Line, Lines};
pub use spawn::{Child, spawn};
pub use spec::{CommandSpec, Limits, Stdin};
pub use stdin::ChildStdin;
