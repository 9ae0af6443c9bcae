//! Portcullis: a self-hosted gateway for the OpenAI Codex CLI.
//!
//! The straight line of a call: [`http`] → [`calls`] → [`admission`], [`broker`] → [`config`], [`error`].
//! ARCHITECTURE.md walks through one.

pub mod access;
pub mod admission;
pub mod app;
mod bounded_file;
pub mod calls;
pub mod cli;
pub mod client_address;
pub mod config;
pub mod descriptors;
pub mod doctor;
pub mod error;
pub mod health;
pub mod http;
mod logging;
pub mod sandbox;
pub mod tls;
