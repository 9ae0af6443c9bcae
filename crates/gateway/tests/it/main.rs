//! The gateway as its callers and its operator meet it: real sockets, real processes, the real Codex
//! CLI; the fake one only for what the real one does not do on command.

#[cfg(test)]
mod access;
#[cfg(test)]
mod drivers;
#[cfg(test)]
mod http;
#[cfg(test)]
mod pool;
#[cfg(test)]
mod program;
#[cfg(test)]
mod provider;
#[cfg(test)]
mod sandbox;
#[cfg(test)]
mod skills;
#[cfg(test)]
mod support;
