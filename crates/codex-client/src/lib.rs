//! Speaks Codex: one [`Turn`] in, one stream of [`TurnEvent`] out.
//!
//! [`CodexClient`] keeps warm `codex app-server` processes with threads prepared ahead, or starts
//! a process for each turn, as its [`Driver`] says. A caller leases a place for a turn, makes its credential valid at the broker, and starts the turn:
//!
//! ```text
//! lease(tenant) → TurnLease { credential } → start_turn(Turn) → TurnStream → TurnEvent…
//! ```
//!
//! Dropping a [`TurnStream`] interrupts its turn; what does not obey is killed. This crate knows
//! neither HTTP, authentication nor redaction: what a model says leaves it sealed as
//! [`redact::Untrusted`].
//!
//! The pool of [`worker`]s is the driver `app-server`; `exec` and `contract` run a
//! [`turn_process`] for each turn.

mod client;
mod confinement;
mod contract;
mod credential;
mod driver;
mod event_queue;
mod exec;
mod home;
mod install;
mod pool;
mod probe;
mod profile;
mod protocol;
mod runtime;
mod server_request;
mod tool_call;
mod turn;
mod turn_process;
mod turn_stream;
mod worker;

pub use client::{ClientSettings, ClientStatus, CodexClient, LeaseError, TurnLease};
pub use confinement::{BrokerBridge, Confinement, SandboxSettings};
pub use contract::{ArgumentTemplate, ContractOptions, ContractSettings};
pub use driver::{Driver, DriverChoice};
pub use install::{NotFound, PINNED_VERSION, locate, locate_bubblewrap};
pub use pool::{PoolLimits, PoolStatus};
pub use probe::{Installation, Probe, ProbeError};
pub use runtime::{read_paths, search_path};
pub use tool_call::{ThreadProfile, ToolCall, ToolDefinition};
pub use turn::{
    CodexErrorClass, ItemKind, ItemStatus, ReportedUsage, Turn, TurnEnd, TurnEvent, TurnFailure,
};
pub use turn_stream::TurnStream;
