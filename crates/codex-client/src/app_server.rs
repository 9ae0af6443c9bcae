//! The driver `app-server`: a pool of warm `codex app-server` processes, many turns on each.

pub(crate) mod event_queue;
pub(crate) mod pool;
pub(crate) mod protocol;
pub(crate) mod server_request;
pub(crate) mod worker;
