//! What the tests share: callers, gateways, providers and programs, and what is asked of the system.

pub(crate) mod authority;
pub(crate) mod caller;
pub(crate) mod captured_log;
pub(crate) mod codex;
pub(crate) mod provider;
pub(crate) mod running;
pub(crate) mod skilled;
pub(crate) mod test_app;
pub(crate) mod toolchains;
pub(crate) mod world;
