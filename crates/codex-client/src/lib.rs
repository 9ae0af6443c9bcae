//! Speaks Codex: one [`Turn`] in, one stream of [`TurnEvent`] out.
//!
//! The [`Driver`] of a [`CodexClient`] decides how: warm `codex app-server` processes with threads that are
//! prepared ahead, or a process for each turn. A caller leases a turn, makes the lease's credential valid at
//! the broker, and starts the turn:
//!
//! ```text
//! lease(tenant) → TurnLease { credential } → start_turn(Turn) → TurnStream → TurnEvent…
//! ```
//!
//! Dropping a [`TurnStream`] interrupts its turn. A process that does not obey is killed. This crate knows
//! nothing of HTTP, authentication or redaction. The model's text leaves it sealed, as
//! [`redact::Untrusted`].
//!
//! [`app_server`] has the pool of warm processes, [`per_turn`] the drivers that start a process for each
//! turn, and [`install`] finds the CLI and asks it what it is.

mod app_server;
mod client;
mod confinement;
mod credential;
mod driver;
mod home;
mod install;
mod per_turn;
mod profile;
mod settings;
mod thread_profile;
mod tool_call;
mod turn;
mod turn_stream;

pub use app_server::pool::PoolStatus;
pub use client::{ClientStatus, CodexClient, TurnLease};
pub use confinement::{BrokerBridge, Confinement, SandboxSettings};
pub use driver::{Driver, DriverChoice};
pub use install::{
    locate::{NotFound, PINNED_VERSION, locate, packaged_bubblewrap},
    probe::{Installation, Probe, ProbeError},
};
pub use per_turn::contract::{ArgumentTemplate, ContractOptions, ContractSettings};
pub use settings::{ClientSettings, PoolLimits};
pub use thread_profile::{ThreadProfile, ToolDefinition};
pub use tool_call::ToolCall;
pub use turn::{
    CodexErrorClass, ItemKind, ItemStatus, LeaseError, ReportedUsage, Turn, TurnEnd, TurnEvent,
    TurnFailure,
};
pub use turn_stream::TurnStream;
