//! Portcullis: the guarded gate in front of the Codex CLI.

pub mod config;
