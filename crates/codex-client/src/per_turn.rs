//! The drivers `exec` and `contract`: a process for each turn.

pub(crate) mod command;
pub(crate) mod contract;
pub(crate) mod exec;
pub(crate) mod process;
pub(crate) mod processes;
pub(crate) mod step;
