//! Speaks Codex: one [`Turn`] in, one stream of [`TurnEvent`] out.
//!
//! [`CodexClient`] keeps warm `codex app-server` processes with threads prepared ahead. A caller
//! leases a thread, makes its credential valid at the broker, and starts the turn:
//!
//! ```text
//! lease(tenant) → ThreadLease { credential } → start_turn(Turn) → TurnStream → TurnEvent…
//! ```
//!
//! Dropping a [`TurnStream`] interrupts its turn; what does not obey is killed. This crate knows
//! neither HTTP, authentication nor redaction: what a model says leaves it sealed as
//! [`redact::Untrusted`].
//!
//! The drivers `exec` and `contract` will stand beside [`worker`] when they exist.

mod confinement;
mod event_queue;
mod home;
mod install;
mod pool;
mod profile;
mod protocol;
mod runtime;
mod server_request;
mod turn;
mod worker;

pub use confinement::{BrokerBridge, Confinement, SandboxSettings};
pub use install::{InstallError, Installation, PINNED_VERSION, locate, locate_bubblewrap};
pub use pool::{ClientSettings, CodexClient, LeaseError, PoolLimits, PoolStatus, ThreadLease};
pub use runtime::read_paths;
pub use turn::{
    CodexErrorClass, ItemKind, ItemStatus, Turn, TurnEnd, TurnEvent, TurnFailure, TurnStream,
};
