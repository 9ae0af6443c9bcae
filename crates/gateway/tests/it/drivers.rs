//! The drivers with a process for each turn.

mod contract;
mod exec;
mod turn_processes;
