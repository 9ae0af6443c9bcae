//! Portcullis: the guarded gate in front of the Codex CLI.
//!
//! The straight line of a call: [`http`] → [`chat`] → [`guard`], [`broker`] → [`config`], [`error`].
//! ARCHITECTURE.md walks through one.

pub mod app;
pub mod broker;
pub mod call;
pub mod chat;
pub mod cli;
pub mod config;
pub mod descriptors;
pub mod doctor;
pub mod error;
pub mod guard;
pub mod health;
pub mod http;
mod logging;
pub mod prompt;
pub mod run;
pub mod sandbox;
pub mod skills;
pub mod turns;
