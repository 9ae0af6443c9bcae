//! The only place of Portcullis that starts a process.
//!
//! A caller says what to run ([`CommandSpec`]), within which limits ([`Limits`]) and until when
//! ([`Deadline`]); it gets a [`Child`] whose output comes in bounded lines and which cannot outlive its
//! [`ChildHandle`]. Never through a shell, never with an inherited environment. This crate knows
//! neither HTTP nor Codex.

mod deadline;
mod lines;
mod spawn;
mod spec;
mod supervise;

pub use deadline::Deadline;
pub use lines::{Line, Lines};
pub use spawn::{Child, ChildStdin, SpawnError, spawn};
pub use spec::{CommandSpec, Limits, Stdin};
pub use supervise::{ChildHandle, Exit};
